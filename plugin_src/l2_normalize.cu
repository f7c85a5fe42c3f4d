// L2-normalise rows: y[r][i] = x[r][i] / sqrt(max(sum_j x[r][j]^2, eps)), FP32 or FP16.
//
//   nvcc -O3 -arch=native -DL2_MAIN -o l2_normalize l2_normalize.cu && ./l2_normalize
//       checks the kernels against the CPU version, then times them against a copy
//   g++ -O2 -std=c++14 -DL2_MAIN -x c++ -o l2_normalize l2_normalize.cu && ./l2_normalize
//       no GPU, no CUDA: checks the CPU version, made of the same arithmetic, against float64
//
// The work is nothing but memory traffic: two operations per element read. So the one thing that
// counts is to read each row once, in wide loads, many of them in flight, and to write it once.
// One thread, one warp or one block holds a row in registers between its two uses, as its length asks:
//   normalize_packed_rows   rows so short that one thread takes several
//   normalize_by_group      1 to 32 threads a row
//   normalize_by_block      a block a row; what its registers cannot hold is read twice
#include "l2_normalize.h"

// ---- The CPU version --------------------------------------------------------------------------

// Halves, and halves of halves: the tree in which the threads of the GPU add, for the same reason.
template <typename T>
static float row_sum_of_squares(const T* x, int32_t length) {
    if (length == 1) return sum_of_squares<1>(x);
    if (length == 8) return sum_of_squares<8>(x);
    const int32_t half = length > 16 ? length / 16 * 8 : length / 2;
    return row_sum_of_squares(x, half) + row_sum_of_squares(x + half, length - half);
}

template <typename T>
static void normalize_on_cpu(const T* x, T* y, int64_t rows, int32_t length, float eps) {
    for (int64_t row = 0; row < rows; ++row, x += length, y += length) {
        const float scale = inverse_norm(row_sum_of_squares(x, length), eps);
        for (int32_t i = 0; i < length; ++i) store(&y[i], to_float(x[i]) * scale);
    }
}

static bool arguments_are_valid(const void* x, const void* y, int64_t rows, int32_t length, float eps,
                                int32_t type) {
    if (type != kL2Float && type != kL2Half) return false;
    if (rows < 0 || length < 1 || length > kL2MaxLength) return false;
    if (!(eps >= 0.0f) || std::isinf(eps)) return false;  // a NaN fails the comparison
    const uintptr_t element = type == kL2Float ? sizeof(float) : sizeof(Half);
    const uintptr_t addresses = reinterpret_cast<uintptr_t>(x) | reinterpret_cast<uintptr_t>(y);
    return rows == 0 || (x && y && addresses % element == 0);
}

extern "C" int l2_normalize_cpu(const void* x, void* y, int64_t rows, int32_t length, float eps,
                                int32_t type) {
    if (!arguments_are_valid(x, y, rows, length, eps, type)) return 1;
    if (type == kL2Float) {
        normalize_on_cpu(static_cast<const float*>(x), static_cast<float*>(y), rows, length, eps);
    } else {
        normalize_on_cpu(static_cast<const Half*>(x), static_cast<Half*>(y), rows, length, eps);
    }
    return 0;
}

// ---- The kernels ------------------------------------------------------------------------------
#if defined(__CUDACC__)

constexpr int kThreads = 128;
constexpr int kPacksInFlight = 4;  // 16-byte loads that each thread has under way before it uses one

// V elements that travel in one load or store when they are up to 16 bytes (V is a power of two then),
// and in as few as possible when they are more.
template <typename T, int V>
struct alignas(sizeof(T) * V < 16 ? sizeof(T) * V : 16) Pack {
    T element[V];
};

template <typename T, int V>
__device__ Pack<T, V> scaled(const Pack<T, V>& pack, float scale) {
    Pack<T, V> result;
#pragma unroll
    for (int i = 0; i < V; ++i) store(&result.element[i], to_float(pack.element[i]) * scale);
    return result;
}

// The sum over `group` neighbouring threads (a power of two up to 32), in each of them.
__device__ inline float group_sum(float value, int group) {
    for (int distance = group / 2; distance > 0; distance /= 2) {
        value += __shfl_xor_sync(0xffffffffu, value, distance);
    }
    return value;
}

// The fewest elements that are both whole 16-byte loads and whole rows of L: 8 FP16 numbers for L = 2,
// 24 of them for L = 3.
template <typename T>
constexpr int packed_elements(int L, int loads = 1) {
    return loads * 16 / int(sizeof(T)) % L == 0 ? loads * 16 / int(sizeof(T)) : packed_elements<T>(L, loads + 1);
}

// Rows of L elements, V / L of them in each pack: no thread needs another.
template <typename T, int V, int L>
__global__ void __launch_bounds__(kThreads)
    normalize_packed_rows(const T* x, T* y, int64_t rows, float eps) {
    constexpr int kPacks = (kPacksInFlight * 16 + sizeof(Pack<T, V>) - 1) / sizeof(Pack<T, V>);
    const int64_t packs = rows / (V / L);
    const Pack<T, V>* in = reinterpret_cast<const Pack<T, V>*>(x);
    Pack<T, V>* out = reinterpret_cast<Pack<T, V>*>(y);
    const int64_t first = int64_t(blockIdx.x) * (kThreads * kPacks) + threadIdx.x;

    Pack<T, V> held[kPacks];
#pragma unroll
    for (int k = 0; k < kPacks; ++k) {
        const int64_t i = first + k * kThreads;
        if (i < packs) held[k] = in[i];
    }
#pragma unroll
    for (int k = 0; k < kPacks; ++k) {
        const int64_t i = first + k * kThreads;
        if (i >= packs) continue;
#pragma unroll
        for (int row = 0; row < V; row += L) {
            const float scale = inverse_norm(sum_of_squares<L>(&held[k].element[row]), eps);
#pragma unroll
            for (int j = row; j < row + L; ++j) {
                store(&held[k].element[j], to_float(held[k].element[j]) * scale);
            }
        }
        out[i] = held[k];
    }
    // The rows after the last whole pack, fewer than V / L.
    if (first == 0) {
        for (int64_t row = packs * (V / L); row < rows; ++row) {
            const float scale = inverse_norm(sum_of_squares<L>(&x[row * L]), eps);
            for (int j = 0; j < L; ++j) store(&y[row * L + j], to_float(x[row * L + j]) * scale);
        }
    }
}

// `group` threads hold a row of `packs` packs, K packs each. Short rows leave K small, and then a
// thread works on several rows at once, to have as many loads in flight as with long ones.
template <typename T, int V, int K>
__global__ void __launch_bounds__(kThreads)
    normalize_by_group(const T* x, T* y, int64_t rows, int packs, int group, float eps) {
    constexpr int kRows = K < kPacksInFlight ? kPacksInFlight / K : 1;
    const Pack<T, V>* in = reinterpret_cast<const Pack<T, V>*>(x);
    Pack<T, V>* out = reinterpret_cast<Pack<T, V>*>(y);
    const int groups = kThreads / group;
    const int lane = threadIdx.x % group;
    const int64_t first = int64_t(blockIdx.x) * (groups * kRows) + threadIdx.x / group;

    Pack<T, V> held[kRows][K];
#pragma unroll
    for (int r = 0; r < kRows; ++r) {
        const int64_t row = first + r * groups;
#pragma unroll
        for (int k = 0; k < K; ++k) {
            const int column = k * group + lane;
            if (row < rows && column < packs) held[r][k] = in[row * packs + column];
        }
    }
#pragma unroll
    for (int r = 0; r < kRows; ++r) {
        const int64_t row = first + r * groups;
        float sum = 0.0f;
#pragma unroll
        for (int k = 0; k < K; ++k) {
            const int column = k * group + lane;
            if (row < rows && column < packs) sum += sum_of_squares<V>(held[r][k].element);
        }
        const float scale = inverse_norm(group_sum(sum, group), eps);
#pragma unroll
        for (int k = 0; k < K; ++k) {
            const int column = k * group + lane;
            if (row < rows && column < packs) out[row * packs + column] = scaled(held[r][k], scale);
        }
    }
}

// The threads of a block hold K packs each of one row and read the rest, if any, a second time.
template <typename T, int V, int K>
__global__ void __launch_bounds__(1024) normalize_by_block(const T* x, T* y, int packs, float eps) {
    const Pack<T, V>* in = reinterpret_cast<const Pack<T, V>*>(x) + int64_t(blockIdx.x) * packs;
    Pack<T, V>* out = reinterpret_cast<Pack<T, V>*>(y) + int64_t(blockIdx.x) * packs;
    const int threads = blockDim.x;

    Pack<T, V> held[K];
#pragma unroll
    for (int k = 0; k < K; ++k) {
        const int i = k * threads + threadIdx.x;
        if (i < packs) held[k] = in[i];
    }
    float sum = 0.0f;
#pragma unroll
    for (int k = 0; k < K; ++k) {
        if (k * threads + threadIdx.x < packs) sum += sum_of_squares<V>(held[k].element);
    }
    for (int i = K * threads + threadIdx.x; i < packs; i += threads) {
        const Pack<T, V> pack = in[i];
        sum += sum_of_squares<V>(pack.element);
    }

    __shared__ float of_warp[32];
    const int lane = threadIdx.x % 32;
    sum = group_sum(sum, 32);
    if (lane == 0) of_warp[threadIdx.x / 32] = sum;
    __syncthreads();
    sum = group_sum(lane < threads / 32 ? of_warp[lane] : 0.0f, 32);
    const float scale = inverse_norm(sum, eps);

#pragma unroll
    for (int k = 0; k < K; ++k) {
        const int i = k * threads + threadIdx.x;
        if (i < packs) out[i] = scaled(held[k], scale);
    }
    for (int i = K * threads + threadIdx.x; i < packs; i += threads) out[i] = scaled(in[i], scale);
}

// ---- Which kernel, how many threads -----------------------------------------------------------

// A grid has at most 2^31 - 1 blocks. The smallest work of a block is 257 elements, so that only
// more than 1 TB of data would ask for more.
static bool grid_for(int64_t work, int64_t per_block, unsigned* blocks) {
    const int64_t wanted = work / per_block + (work % per_block != 0);
    *blocks = static_cast<unsigned>(wanted);
    return wanted <= INT32_MAX;
}

template <typename T, int L>
static int launch_packed_rows(const T* x, T* y, int64_t rows, float eps, cudaStream_t stream) {
    constexpr int V = packed_elements<T>(L);
    constexpr int kPacks = (kPacksInFlight * 16 + sizeof(Pack<T, V>) - 1) / sizeof(Pack<T, V>);
    unsigned blocks;
    if (!grid_for(rows, kThreads * kPacks * (V / L), &blocks)) return cudaErrorInvalidValue;
    normalize_packed_rows<T, V, L><<<blocks, kThreads, 0, stream>>>(x, y, rows, eps);
    return cudaGetLastError();
}

template <typename T, int V, int K>
static int launch_by_group(const T* x, T* y, int64_t rows, int packs, float eps, cudaStream_t stream) {
    int group = 1;
    while (group < packs && group < 32) group *= 2;
    const int rows_at_once = K < kPacksInFlight ? kPacksInFlight / K : 1;
    unsigned blocks;
    if (!grid_for(rows, kThreads / group * rows_at_once, &blocks)) return cudaErrorInvalidValue;
    normalize_by_group<T, V, K><<<blocks, kThreads, 0, stream>>>(x, y, rows, packs, group, eps);
    return cudaGetLastError();
}

template <typename T, int V>
static int launch_with_packs_of(const T* x, T* y, int64_t rows, int32_t length, float eps,
                                cudaStream_t stream) {
    const int packs = length / V;
    if (packs <= 32) return launch_by_group<T, V, 1>(x, y, rows, packs, eps, stream);
    if (packs <= 64) return launch_by_group<T, V, 2>(x, y, rows, packs, eps, stream);
    if (packs <= 128) return launch_by_group<T, V, 4>(x, y, rows, packs, eps, stream);
    if (packs <= 256) return launch_by_group<T, V, 8>(x, y, rows, packs, eps, stream);
    constexpr int K = 8;
    int threads = 64;
    while (threads < 1024 && threads * K < packs) threads += 32;
    unsigned blocks;
    if (!grid_for(rows, 1, &blocks)) return cudaErrorInvalidValue;
    normalize_by_block<T, V, K><<<blocks, threads, 0, stream>>>(x, y, packs, eps);
    return cudaGetLastError();
}

template <typename T>
static int launch(const T* x, T* y, int64_t rows, int32_t length, float eps, cudaStream_t s) {
    constexpr int kWidest = 16 / sizeof(T);
    const uintptr_t addresses = reinterpret_cast<uintptr_t>(x) | reinterpret_cast<uintptr_t>(y);
    if (addresses % 16 == 0) {
        switch (length) {
            case 1: return launch_packed_rows<T, 1>(x, y, rows, eps, s);
            case 2: return launch_packed_rows<T, 2>(x, y, rows, eps, s);
            case 3: return launch_packed_rows<T, 3>(x, y, rows, eps, s);
            case 4: return launch_packed_rows<T, 4>(x, y, rows, eps, s);
            case 5: return launch_packed_rows<T, 5>(x, y, rows, eps, s);
            case 6: return launch_packed_rows<T, 6>(x, y, rows, eps, s);
            case 7: return launch_packed_rows<T, 7>(x, y, rows, eps, s);
        }
    }
    // The widest load that divides a row and suits both addresses.
    if (length % kWidest == 0 && addresses % 16 == 0) {
        return launch_with_packs_of<T, kWidest>(x, y, rows, length, eps, s);
    }
    if (length % (kWidest / 2) == 0 && addresses % 8 == 0) {
        return launch_with_packs_of<T, kWidest / 2>(x, y, rows, length, eps, s);
    }
    if (sizeof(T) == 2 && length % 2 == 0 && addresses % 4 == 0) {
        return launch_with_packs_of<T, 2>(x, y, rows, length, eps, s);
    }
    return launch_with_packs_of<T, 1>(x, y, rows, length, eps, s);
}

extern "C" int l2_normalize(const void* x, void* y, int64_t rows, int32_t length, float eps,
                            int32_t type, void* stream) {
    if (!arguments_are_valid(x, y, rows, length, eps, type)) return cudaErrorInvalidValue;
    if (rows == 0) return cudaSuccess;  // a grid of 0 blocks is an error
    const cudaStream_t s = static_cast<cudaStream_t>(stream);
    if (type == kL2Float) {
        return launch(static_cast<const float*>(x), static_cast<float*>(y), rows, length, eps, s);
    }
    return launch(static_cast<const Half*>(x), static_cast<Half*>(y), rows, length, eps, s);
}
#endif

// ---- Check and time ---------------------------------------------------------------------------
#if defined(L2_MAIN)
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <vector>

static Half rounded(float value, Half) { return to_half(value); }
static float rounded(float value, float) { return value; }
static const char* name_of(float) { return "FP32"; }
static const char* name_of(Half) { return "FP16"; }
static int32_t type_of(float) { return kL2Float; }
static int32_t type_of(Half) { return kL2Half; }

// How far y may be from the float64 result r: 1e-6 of it, and in FP16 one rounding more, half of
// a unit in the last place.
static double tolerance(double r, float) { return 1e-6 * std::fabs(r); }
static double tolerance(double r, Half) {
    const int exponent = std::max(r == 0 ? -14 : std::ilogb(r), -14);
    return 1e-6 * std::fabs(r) + std::ldexp(0.5, exponent - 10);
}

// Rows with magnitudes from `smallest` to `largest`, and among them rows of zeros and of one value.
template <typename T>
static std::vector<T> make_rows(int64_t rows, int32_t length, double smallest, double largest) {
    std::mt19937 random(static_cast<unsigned>(rows * 65537 + length));
    std::uniform_real_distribution<double> uniform(-1.0, 1.0);
    std::vector<T> x(rows * length);
    for (int64_t row = 0; row < rows; ++row) {
        const double magnitude = smallest * std::pow(largest / smallest, 0.5 * uniform(random) + 0.5);
        for (int32_t i = 0; i < length; ++i) {
            const double value = row % 7 == 2 ? 0.0 : row % 7 == 4 ? 1.0 : uniform(random);
            x[row * length + i] = rounded(static_cast<float>(magnitude * value), T());
        }
    }
    return x;
}

// The worst error of y as a share of what is tolerated; NaN counts as infinite.
template <typename T>
static double worst_error(const T* x, const T* y, int64_t rows, int32_t length, float eps) {
    double worst = 0;
    for (int64_t row = 0; row < rows; ++row, x += length, y += length) {
        double sum = 0;
        for (int32_t i = 0; i < length; ++i) sum += double(to_float(x[i])) * to_float(x[i]);
        const double scale = 1 / std::sqrt(std::max(sum, double(eps)));
        for (int32_t i = 0; i < length; ++i) {
            const double r = to_float(x[i]) * scale;
            const double error = std::fabs(to_float(y[i]) - r);
            if (!(error <= 1e30)) return INFINITY;
            if (error > 0) worst = std::max(worst, error / tolerance(r, T()));
        }
    }
    return worst;
}

#if defined(__CUDACC__)
static void require(int error, const char* what) {
    if (error == cudaSuccess) return;
    std::printf("%s: %s\n", what, cudaGetErrorString(static_cast<cudaError_t>(error)));
    std::exit(2);
}

// Runs on a copy of x that lies `shift` elements off a 16-byte boundary, with a guard on each side.
template <typename T>
static bool run(const std::vector<T>& x, std::vector<T>& y, int64_t rows, int32_t length, float eps,
                int shift, bool in_place) {
    const size_t bytes = x.size() * sizeof(T), guard = 256, offset = guard + shift * sizeof(T);
    std::vector<unsigned char> result(bytes + 2 * guard + 16);
    unsigned char *in, *out;
    require(cudaMalloc(&in, result.size()), "cudaMalloc");
    require(cudaMalloc(&out, result.size()), "cudaMalloc");
    unsigned char* target = in_place ? in : out;
    require(cudaMemset(in, 0xff, result.size()), "cudaMemset");
    require(cudaMemset(out, 0xff, result.size()), "cudaMemset");
    require(cudaMemcpy(in + offset, x.data(), bytes, cudaMemcpyHostToDevice), "copy in");
    require(l2_normalize(in + offset, target + offset, rows, length, eps, type_of(T()), nullptr),
            "l2_normalize");
    require(cudaMemcpy(result.data(), target, result.size(), cudaMemcpyDeviceToHost), "copy out");
    require(cudaFree(in), "cudaFree");
    require(cudaFree(out), "cudaFree");
    std::memcpy(y.data(), result.data() + offset, bytes);
    for (size_t i = 0; i < result.size(); ++i) {
        if ((i < offset || i >= offset + bytes) && result[i] != 0xff) return false;
    }
    return true;
}
#else
template <typename T>
static bool run(const std::vector<T>& x, std::vector<T>& y, int64_t rows, int32_t length, float eps,
                int, bool in_place) {
    if (in_place) y = x;
    const T* from = in_place ? y.data() : x.data();
    return l2_normalize_cpu(from, y.data(), rows, length, eps, type_of(T())) == 0;
}
#endif

template <typename T>
static bool check(double smallest, double largest) {
    static const int32_t lengths[] = {1,   2,   3,   4,   5,    6,    7,    8,    12,   16,    20,    24,   31,
                                      32,  33,  63,  64,  65,   96,   127,  128,  129,  255,   256,   257,  511,
                                      512, 513, 768, 1000, 1023, 1024, 1025, 1026, 2047, 2048, 2049, 4096, 8191,
                                      8192, 8200, 32767, 32768, 32772, 65535, 65536};
    const float eps = 1e-12f;
    double worst = 0;
    int cases = 0;
    for (int32_t length : lengths) {
        for (int64_t rows : {int64_t(1), int64_t(7), int64_t(40000 / length + 13)}) {
            for (int shift : {0, 1, 2, 4}) {
                const bool in_place = (shift + rows) % 2 != 0;
                const std::vector<T> x = make_rows<T>(rows, length, smallest, largest);
                std::vector<T> y(x.size());
                const bool clean = run(x, y, rows, length, eps, shift, in_place);
                const double error = worst_error(x.data(), y.data(), rows, length, eps);
                worst = std::max(worst, error);
                ++cases;
                if (clean && error <= 1) continue;
                std::printf("FAIL %s length %d rows %lld shift %d%s: error %.2f of the tolerance%s\n",
                            name_of(T()), length, static_cast<long long>(rows), shift,
                            in_place ? " in place" : "", error, clean ? "" : ", wrote out of bounds");
                return false;
            }
        }
    }
    std::printf("%s %8.1e to %7.1e: %d cases, worst error %.2f of the tolerance\n", name_of(T()),
                smallest, largest, cases, worst);
    return true;
}

#if defined(__CUDACC__)
template <typename Work>
static float median_ms(Work work) {
    cudaEvent_t begin, end;
    require(cudaEventCreate(&begin), "event");
    require(cudaEventCreate(&end), "event");
    std::vector<float> times(15);
    work();
    for (float& time : times) {
        require(cudaEventRecord(begin), "event");
        work();
        require(cudaEventRecord(end), "event");
        require(cudaEventSynchronize(end), "event");
        require(cudaEventElapsedTime(&time, begin, end), "event");
    }
    std::nth_element(times.begin(), times.begin() + 7, times.end());
    return times[7];
}

static void time_against_copy() {
    size_t bytes = size_t(1) << 30, free = 0, total = 0;
    require(cudaMemGetInfo(&free, &total), "memory");
    while (bytes * 2 > free / 2) bytes /= 2;
    char *x, *y;
    require(cudaMalloc(&x, bytes), "cudaMalloc");
    require(cudaMalloc(&y, bytes), "cudaMalloc");
    require(cudaMemset(x, 0x35, bytes), "cudaMemset");
    const double gb = 2e-9 * bytes;
    const auto copy = [&] { cudaMemcpyAsync(y, x, bytes, cudaMemcpyDeviceToDevice, cudaStream_t(0)); };
    const float copy_ms = median_ms(copy);
    std::printf("copy of %.2f GB             %8.3f ms  %7.1f GB/s\n", 1e-9 * bytes, copy_ms, gb / copy_ms * 1e3);
    for (int32_t type : {kL2Float, kL2Half}) {
        for (int32_t length : {2, 64, 1024}) {
            const int64_t rows = bytes / (type == kL2Float ? 4 : 2) / length;
            const auto normalize = [&] {
                require(l2_normalize(x, y, rows, length, 1e-12f, type, nullptr), "l2_normalize");
            };
            const float ms = median_ms(normalize);
            std::printf("%s, rows of %4d elements  %8.3f ms  %7.1f GB/s  %3.0f %% of the copy\n",
                        type == kL2Float ? "FP32" : "FP16", length, ms, gb / ms * 1e3, 100 * copy_ms / ms);
        }
    }
}
#endif

// With any argument a short check and no timing, as one wants under compute-sanitizer. Returns 0, 1 when
// a result is wrong, 2 when a CUDA call failed, 77 when there is no GPU.
int main(int argc, char**) {
#if defined(__CUDACC__)
    int gpus = 0;
    const cudaError_t found = cudaGetDeviceCount(&gpus);
    if (found != cudaSuccess) {
        std::printf("no GPU: %s\n", cudaGetErrorString(found));
        return 77;
    }
#endif
    const bool all = argc == 1;
    bool right = check<float>(1e-5, 1e5) && check<Half>(6e-8, 65504);
    if (all) right = right && check<float>(1e-30, 1e-5) && check<float>(1e5, 1e16);
    if (all) right = right && check<Half>(6e-8, 1e-4) && check<Half>(100, 65504);
#if defined(__CUDACC__)
    if (right && all) time_against_copy();
#endif
    std::puts(right ? "OK" : "WRONG");
    return right ? 0 : 1;
}
#endif
