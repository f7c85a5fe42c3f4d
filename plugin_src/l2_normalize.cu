// L2 normalization along one axis, FP32 or FP16: the kernels and their launch; l2_normalize.h has the arithmetic.
//
// The work is memory traffic: two operations for each element read. What counts is to read every element once, in
// aligned 16-byte loads of which many are in flight, and to write it once. Rows whose length is no multiple of 16 bytes
// start in the middle of such a load, a "pack". So who holds a row between its two uses depends on its length:
//   normalize_in_thread   rows of 1 to 7 elements: a thread takes several whole ones
//   normalize_in_tile     up to 512: a block takes as many rows as make whole packs; a pack may belong to two rows
//   normalize_row         longer ones: a warp or a block takes one, its ends element by element, the rest in packs
//   normalize_columns     an axis with other axes behind it: a block takes 32 columns
// Addresses that are no multiples of 16 make a pack one element: right, and slower.
#include "l2_normalize.h"

#include "cuda_on_cpu.h"

constexpr int kThreads = 128;
constexpr int kPacksInFlight = 4;  // loads that each thread has under way before it uses the first
constexpr int kTilePacks = kThreads * kPacksInFlight;
constexpr int kTileLength = 512;  // the longest row of which a tile holds as many as make whole packs, at most 8

template <typename T, int V>
struct alignas(sizeof(T) * V) Pack {
    T element[V];
};

// Loads K packs, `threads` apart, of `count` elements. Zeros stand for what lies behind the end. Each pack has its own branch
// for the incomplete one: a register array that is indexed by a variable would lie in memory.
template <int V, int K, typename T>
__device__ inline void load_packs(Pack<T, V> (&held)[K], const T* x, int count, int threads) {
#pragma unroll
    for (int k = 0; k < K; ++k) {
        const int i = k * threads + threadIdx.x;
        held[k] = Pack<T, V>();
        if ((i + 1) * V <= count) {
            held[k] = reinterpret_cast<const Pack<T, V>*>(x)[i];
        } else if (i * V < count) {
#pragma unroll
            for (int j = 0; j < V; ++j) {
                if (i * V + j < count) held[k].element[j] = x[i * V + j];
            }
        }
    }
}

template <int V, int K, typename T>
__device__ inline void store_packs(const Pack<T, V> (&held)[K], T* y, int count, int threads) {
#pragma unroll
    for (int k = 0; k < K; ++k) {
        const int i = k * threads + threadIdx.x;
        if ((i + 1) * V <= count) {
            reinterpret_cast<Pack<T, V>*>(y)[i] = held[k];
        } else if (i * V < count) {
#pragma unroll
            for (int j = 0; j < V; ++j) {
                if (i * V + j < count) y[i * V + j] = held[k].element[j];
            }
        }
    }
}

// Multiplies the first `end` elements of a pack with one factor and the others with another.
template <typename T, int V>
__device__ inline void scale_pack(Pack<T, V>& pack, int end, float scale, float other) {
#pragma unroll
    for (int j = 0; j + 1 < V; j += 2) {
        store_pair(&pack.element[j], to_float(pack.element[j]) * (j < end ? scale : other),
                   to_float(pack.element[j + 1]) * (j + 1 < end ? scale : other));
    }
    if (V == 1) store(&pack.element[0], to_float(pack.element[0]) * scale);
}

template <typename T, int V>
__device__ inline void scale_pack(Pack<T, V>& pack, float scale) {
    scale_pack(pack, V, scale, scale);
}

// The sum over `group` neighbouring threads (a power of two up to 32), in each of them.
__device__ inline float group_sum(float value, int group) {
    for (int distance = group / 2; distance > 0; distance /= 2) value += __shfl_xor_sync(0xffffffffu, value, distance);
    return value;
}

// ---- Rows of 1 to 7 elements --------------------------------------------------------------------

// A thread takes K packs, which are whole rows. It loads them kThreads packs apart, so that neighbours load what is side by
// side. Where a row spans packs, the block then exchanges them through shared memory, so that each thread has K successive
// ones, and exchanges them back before it stores. K is odd there, and the 16-byte accesses meet no bank conflict.
template <typename T, int L, int K>
__global__ void __launch_bounds__(kThreads) normalize_in_thread(const T* x, T* y, int64_t rows, float eps) {
    constexpr int V = 16 / sizeof(T);
    constexpr int kBlock = kThreads * K * V;  // elements
    constexpr bool kExchange = V % L != 0;
    __shared__ Pack<T, V> exchange[kExchange ? kThreads * K : 1];
    const int64_t first = int64_t(blockIdx.x) * kBlock;
    const int64_t left = rows * L - first;
    const int count = left < kBlock ? int(left) : kBlock;
    const int me = threadIdx.x;

    Pack<T, V> held[K];
    load_packs(held, x + first, count, kThreads);
    if (kExchange) {
#pragma unroll
        for (int k = 0; k < K; ++k) exchange[k * kThreads + me] = held[k];
        __syncthreads();
#pragma unroll
        for (int k = 0; k < K; ++k) held[k] = exchange[me * K + k];
    }
#pragma unroll
    for (int start = 0; start < K * V; start += L) {
        float sum = 0.0f;
#pragma unroll
        for (int i = start; i < start + L; ++i) {
            const float value = to_float(held[i / V].element[i % V]);
            sum += value * value;
        }
        const float scale = inverse_norm(sum, eps);
#pragma unroll
        for (int i = start; i < start + L; ++i) {
            store(&held[i / V].element[i % V], to_float(held[i / V].element[i % V]) * scale);
        }
    }
    if (kExchange) {
#pragma unroll
        for (int k = 0; k < K; ++k) exchange[me * K + k] = held[k];
        __syncthreads();
#pragma unroll
        for (int k = 0; k < K; ++k) held[k] = exchange[k * kThreads + me];
    }
    store_packs(held, y + first, count, kThreads);
}

// ---- Rows of up to kTileLength elements ---------------------------------------------------------

// A block takes a tile: `tile_rows` rows that are whole packs together. A row is at least as long as a pack, so that a pack
// belongs to one row, or to two when the length is no multiple of V (kSplit). Its thread sums up the two parts; the threads
// of a row's group add the parts of a row; and the pack's thread, which still has it, multiplies each part with the factor
// of its row. `reciprocal` is 2^31 / length, rounded up: i / length == i * reciprocal >> 31 for the small i of a tile.
template <typename T, int V, bool kSplit>
__global__ void __launch_bounds__(kThreads)
    normalize_in_tile(const T* x, T* y, int64_t rows, int length, int tile_rows, int group, uint32_t reciprocal, float eps) {
    __shared__ float before[kTilePacks], after[kTilePacks];  // a pack's two parts
    __shared__ float factor[kTilePacks + 1];                 // of each row
    const int64_t first_row = int64_t(blockIdx.x) * tile_rows;
    const int here = rows - first_row < tile_rows ? int(rows - first_row) : tile_rows;
    const int count = here * length, threads = blockDim.x, me = threadIdx.x, warp_start = me / 32 * 32;
    x += first_row * length;
    y += first_row * length;

    Pack<T, V> held[kPacksInFlight];
    load_packs(held, x, count, threads);
#pragma unroll
    for (int k = 0; k < kPacksInFlight; ++k) {
        if ((k * threads + warp_start) * V >= count) break;  // nothing is left for this warp
        const int pack = k * threads + me;
        if (kSplit) {
            const int row = int(uint64_t(uint32_t(pack * V)) * reciprocal >> 31), end = (row + 1) * length - pack * V;
            float sum = 0.0f, rest = 0.0f;
#pragma unroll
            for (int j = 0; j < V; ++j) {
                const float value = to_float(held[k].element[j]);
                if (j < end) sum += value * value;
                if (j >= end) rest += value * value;
            }
            before[pack] = sum;
            after[pack] = rest;
        } else {
            before[pack] = sum_of_squares<V>(held[k].element);
        }
    }
    __syncthreads();

    const int groups = threads / group, lane = me % group;
    for (int base = 0; base < here; base += groups) {
        const int row = base + me / group, first = row * length, last_pack = (first + length - 1) / V;
        float sum = 0.0f;
        if (row < here) {
            for (int pack = first / V + lane; pack <= last_pack; pack += group) {
                sum += kSplit && pack * V < first ? after[pack] : before[pack];
            }
        }
        sum = group_sum(sum, group);
        if (lane == 0 && row < here) factor[row] = inverse_norm(sum, eps);
    }
    __syncthreads();

#pragma unroll
    for (int k = 0; k < kPacksInFlight; ++k) {
        if ((k * threads + warp_start) * V >= count) break;
        const int pack = k * threads + me, row = int(uint64_t(uint32_t(pack * V)) * reciprocal >> 31);
        if (row >= here) continue;
        if (kSplit) {
            scale_pack(held[k], (row + 1) * length - pack * V, factor[row], factor[row + 1]);
        } else {
            scale_pack(held[k], factor[row]);
        }
    }
    store_packs(held, y, count, threads);
}

// ---- Longer rows --------------------------------------------------------------------------------

// A team of threads, a warp or the whole block, takes a row: one by one the elements before the first whole pack and behind
// the last, and the packs between them in registers, K a thread. What the registers of a block cannot hold (kShared) is read
// first; `kept` packs of it wait in shared memory, and any that are left are read a second time.
template <typename T, int V, int K, bool kByBlock, bool kShared>
__global__ void __launch_bounds__(!kByBlock ? kThreads : kShared ? 1024 : 512)
    normalize_row(const T* x, T* y, int64_t rows, int length, int kept, float eps) {
    const int team = kByBlock ? blockDim.x : 32, lane = threadIdx.x % team, in_registers = K * team;
    const int64_t row = kByBlock ? blockIdx.x : int64_t(blockIdx.x) * (kThreads / 32) + threadIdx.x / 32;
    if (row >= rows) return;  // a whole warp, and the warps of such a block meet at no barrier
    x += row * length;
    y += row * length;
    const int to_pack = int(V - row * length % V) % V;
    const int head = to_pack < length ? to_pack : length, packs = (length - head) / V, tail = length - head - packs * V;
    const Pack<T, V>* const in = reinterpret_cast<const Pack<T, V>*>(x + head);
    Pack<T, V>* const out = reinterpret_cast<Pack<T, V>*>(y + head);
    Pack<T, V>* const shared = static_cast<Pack<T, V>*>(dynamic_shared());

    Pack<T, V> held[K];
    float sum = 0.0f;
    for (int start = in_registers; kShared && start < packs; start += in_registers) {
#pragma unroll
        for (int k = 0; k < K; ++k) {
            const int i = start + k * team + lane;
            if (i < packs) held[k] = in[i];
        }
#pragma unroll
        for (int k = 0; k < K; ++k) {
            const int i = start + k * team + lane;
            if (i < packs) sum += sum_of_squares<V>(held[k].element);
            if (i < packs && i - in_registers < kept) shared[i - in_registers] = held[k];
        }
    }
#pragma unroll
    for (int k = 0; k < K; ++k) {
        const int i = k * team + lane;
        if (i < packs) held[k] = in[i];
    }
    T first = T(), last = T();
    if (lane < head) first = x[lane];
    if (lane < tail) last = x[length - tail + lane];
    sum += sum_of_squares<1>(&first) + sum_of_squares<1>(&last);
#pragma unroll
    for (int k = 0; k < K; ++k) {
        if (k * team + lane < packs) sum += sum_of_squares<V>(held[k].element);
    }

    sum = group_sum(sum, 32);
    if (kByBlock) {
        __shared__ float of_warp[32];
        if (lane % 32 == 0) of_warp[lane / 32] = sum;
        __syncthreads();
        sum = group_sum(lane % 32 < team / 32 ? of_warp[lane % 32] : 0.0f, 32);
    }
    const float scale = inverse_norm(sum, eps);

    if (lane < head) store(&y[lane], to_float(first) * scale);
    if (lane < tail) store(&y[length - tail + lane], to_float(last) * scale);
#pragma unroll
    for (int k = 0; k < K; ++k) {
        const int i = k * team + lane;
        scale_pack(held[k], scale);
        if (i < packs) out[i] = held[k];
    }
    for (int i = in_registers + lane; kShared && i < packs; i += team) {
        Pack<T, V> pack = i - in_registers < kept ? shared[i - in_registers] : in[i];
        scale_pack(pack, scale);
        out[i] = pack;
    }
}

// ---- An axis with other axes behind it ----------------------------------------------------------

// `parts` warps of a block take 32 neighbouring columns and share their elements. A thread keeps its first kKept elements
// and reads the others, if any, twice; it may add thousands of those squares, so it adds with Kahan's compensation.
constexpr int kKept = 8;

template <typename T>
__global__ void __launch_bounds__(1024)
    normalize_columns(const T* x, T* y, int64_t columns, int length, int64_t inner, int parts, float eps) {
    __shared__ float of_warp[1024];
    const int warp = threadIdx.x / 32, part = warp % parts, lane = threadIdx.x % 32;
    const int64_t column = (int64_t(blockIdx.x) * (blockDim.x / 32 / parts) + warp / parts) * 32 + lane;
    const int64_t start = column / inner * inner * length + column % inner;
    const int end = column < columns ? length : 0;

    T held[kKept];
#pragma unroll
    for (int k = 0; k < kKept; ++k) {
        const int i = k * parts + part;
        held[k] = i < end ? x[start + i * inner] : T();
    }
    float sum = sum_of_squares<kKept>(held), lost = 0.0f;
    for (int i = kKept * parts + part; i < end; i += parts) {
        const float term = sum_of_squares<1>(&x[start + i * inner]) - lost, larger = sum + term;
        lost = std::isfinite(larger) ? larger - sum - term : 0.0f;
        sum = larger;
    }
    of_warp[threadIdx.x] = sum;
    __syncthreads();
    sum = 0.0f;
    for (int other = 0; other < parts; ++other) sum += of_warp[(warp / parts * parts + other) * 32 + lane];
    const float scale = inverse_norm(sum, eps);
#pragma unroll
    for (int k = 0; k < kKept; ++k) {
        const int i = k * parts + part;
        if (i < end) store(&y[start + i * inner], to_float(held[k]) * scale);
    }
    for (int i = kKept * parts + part; i < end; i += parts) {
        store(&y[start + i * inner], to_float(x[start + i * inner]) * scale);
    }
}

// ---- Which kernel, how many threads -------------------------------------------------------------

static int64_t divided_up(int64_t work, int64_t by) { return work / by + (work % by != 0); }

// The fewest packs of V elements that are whole rows of L: 1 for L = 2, 3 packs (8 rows) for L = 3 in FP16.
static constexpr int packs_of_whole_rows(int V, int L, int packs = 1) {
    return packs * V % L == 0 ? packs : packs_of_whole_rows(V, L, packs + 1);
}

template <typename T, int L>
static int launch_in_thread(const T* x, T* y, int64_t rows, float eps, void* stream) {
    constexpr int V = 16 / sizeof(T), kPacks = packs_of_whole_rows(V, L), K = kPacks == 1 ? kPacksInFlight : kPacks;
    return start(normalize_in_thread<T, L, K>, divided_up(rows * L, kThreads * K * V), kThreads, 0, stream, x, y, rows, eps);
}

template <typename T, int V>
static int launch_in_tile(const T* x, T* y, int64_t rows, int length, float eps, void* stream) {
    int step = V;  // of so many rows the elements are whole packs
    while (step > 1 && step / 2 * length % V == 0) step /= 2;
    const int tile_rows = kTilePacks * V / length / step * step;
    const int threads = int(divided_up(divided_up(tile_rows * length, V), kPacksInFlight * 32)) * 32;
    int group = 1;
    while (group < 32 && group * 2 * tile_rows <= threads) group *= 2;
    const auto kernel = length % V ? normalize_in_tile<T, V, true> : normalize_in_tile<T, V, false>;
    return start(kernel, divided_up(rows, tile_rows), threads, 0, stream, x, y, rows, length, tile_rows, group,
                 (uint32_t(1) << 31) / length + 1, eps);
}

template <typename T, int V, int K>
static int launch_by_warp(const T* x, T* y, int64_t rows, int length, float eps, void* stream) {
    return start(normalize_row<T, V, K, false, false>, divided_up(rows, kThreads / 32), kThreads, 0, stream, x, y, rows,
                 length, 0, eps);
}

template <typename T, int V>
static int launch_by_block(const T* x, T* y, int64_t rows, int length, float eps, void* stream) {
    const int packs = length / V;
    if (packs <= 512 * 8) {
        const int threads = packs <= 64 * 8 ? 64 : int(divided_up(packs, 32 * 8)) * 32;
        return start(normalize_row<T, V, 8, true, false>, rows, threads, 0, stream, x, y, rows, length, 0, eps);
    }
    // Two blocks of 512 threads share a multiprocessor, as long as its shared memory suffices.
    constexpr int K = 4, kPackBytes = int(sizeof(Pack<T, V>)), kHalfOfHopper = 113 << 10;
    const auto kernel = normalize_row<T, V, K, true, true>;
    const int threads = (packs - 512 * K) * kPackBytes <= kHalfOfHopper ? 512 : 1024;
    const int shared = allow_dynamic_shared(kernel, (packs - threads * K) * kPackBytes);
    return start(kernel, rows, threads, shared, stream, x, y, rows, length, shared / kPackBytes, eps);
}

template <typename T, int V>
static int launch_rows(const T* x, T* y, int64_t rows, int length, float eps, void* stream) {
    if (length <= kTileLength) return launch_in_tile<T, V>(x, y, rows, length, eps, stream);
    const int packs = length / V;
    if (packs <= 64) return launch_by_warp<T, V, 2>(x, y, rows, length, eps, stream);
    if (packs <= 128) return launch_by_warp<T, V, 4>(x, y, rows, length, eps, stream);
    if (packs <= 256) return launch_by_warp<T, V, 8>(x, y, rows, length, eps, stream);
    return launch_by_block<T, V>(x, y, rows, length, eps, stream);
}

template <typename T>
static int launch(const void* from, void* to, int64_t outer, int length, int64_t inner, float eps, void* stream) {
    const T* const x = static_cast<const T*>(from);
    T* const y = static_cast<T*>(to);
    if (inner != 1) {
        const int64_t columns = outer * inner;
        int parts = 1;
        while (parts < 32 && parts * kKept < length) parts *= 2;
        const int warps = parts < 8 ? 8 : parts;
        return start(normalize_columns<T>, divided_up(columns, warps / parts * 32), warps * 32, 0, stream, x, y, columns,
                     length, inner, parts, eps);
    }
    if ((reinterpret_cast<uintptr_t>(x) | reinterpret_cast<uintptr_t>(y)) % 16) {
        return launch_rows<T, 1>(x, y, outer, length, eps, stream);
    }
    switch (length) {
        case 1: return launch_in_thread<T, 1>(x, y, outer, eps, stream);
        case 2: return launch_in_thread<T, 2>(x, y, outer, eps, stream);
        case 3: return launch_in_thread<T, 3>(x, y, outer, eps, stream);
        case 4: return launch_in_thread<T, 4>(x, y, outer, eps, stream);
        case 5: return launch_in_thread<T, 5>(x, y, outer, eps, stream);
        case 6: return launch_in_thread<T, 6>(x, y, outer, eps, stream);
        case 7: return launch_in_thread<T, 7>(x, y, outer, eps, stream);
        default: return launch_rows<T, 16 / sizeof(T)>(x, y, outer, length, eps, stream);
    }
}

extern "C" int l2_normalize(const void* x, void* y, int64_t outer, int32_t length, int64_t inner, float eps, int32_t type,
                            void* stream) {
    if (type != kL2Float && type != kL2Half) return cudaErrorInvalidValue;
    if (outer < 0 || inner < 0 || length < 1 || length > kL2MaxLength) return cudaErrorInvalidValue;
    if (!(eps >= 0.0f) || std::isinf(eps)) return cudaErrorInvalidValue;  // a NaN fails the comparison
    if (outer == 0 || inner == 0) return cudaSuccess;                     // a grid of 0 blocks is an error
    if (outer > kL2MaxElements / length / inner) return cudaErrorInvalidValue;
    const uintptr_t element = type == kL2Float ? sizeof(float) : sizeof(Half);
    const uintptr_t addresses = reinterpret_cast<uintptr_t>(x) | reinterpret_cast<uintptr_t>(y);
    if (!x || !y || addresses % element) return cudaErrorInvalidValue;
    return type == kL2Float ? launch<float>(x, y, outer, length, inner, eps, stream)
                            : launch<Half>(x, y, outer, length, inner, eps, stream);
}
