// What benchmark.py measures, as C functions for ctypes: the kernels, the simple one beside them, the two copies that they
// are compared with, and one launch for each node of tf.nn.l2_normalize. nvcc only.
#include "l2_normalize.cu"
#include "l2_simple.cu"

#include <chrono>

// ---- The yardstick: a copy with the kernel's own access pattern ----------------------------------

__global__ void __launch_bounds__(kThreads) copy_packs(const uint4* x, uint4* y, int64_t packs) {
    const int64_t first = int64_t(blockIdx.x) * (kThreads * kPacksInFlight) + threadIdx.x;
    uint4 held[kPacksInFlight];
#pragma unroll
    for (int k = 0; k < kPacksInFlight; ++k) {
        if (first + k * kThreads < packs) held[k] = x[first + k * kThreads];
    }
#pragma unroll
    for (int k = 0; k < kPacksInFlight; ++k) {
        if (first + k * kThreads < packs) y[first + k * kThreads] = held[k];
    }
}

// ---- One kernel for each node of tf.nn.l2_normalize, FP32 ----------------------------------------
// In the 2019 article Square, Sum and Mul were TensorRT's own layers, Maximum and Rsqrt nodes of a plugin. TensorRT may have
// fused some of its three; this is the plain reading of the graph.

__global__ void square_each(const float* x, float* y, int64_t count) {
    const int64_t i = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
    if (i < count) y[i] = x[i] * x[i];
}

__global__ void sum_rows(const float* x, float* sums, int64_t rows, int32_t length) {
    const int64_t row = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
    if (row >= rows) return;
    float sum = 0.0f;
    for (int32_t i = 0; i < length; ++i) sum += x[row * length + i];
    sums[row] = sum;
}

__global__ void clamp_each(float* x, int64_t count, float eps) {
    const int64_t i = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
    if (i < count) x[i] = fmaxf(x[i], eps);
}

__global__ void rsqrt_each(const float* x, float* y, int64_t count) {
    const int64_t i = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
    if (i < count) y[i] = rsqrtf(x[i]);
}

__global__ void multiply_rows(const float* x, const float* factors, float* y, int64_t rows, int32_t length) {
    const int64_t i = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
    if (i < rows * length) y[i] = x[i] * factors[i / length];
}

static unsigned blocks_for(int64_t count) { return static_cast<unsigned>((count + 255) / 256); }

// `scratch` has room for rows * (length + 2) floats.
static int five_launches(const float* x, float* y, int64_t rows, int32_t length, float eps, float* scratch,
                         cudaStream_t s) {
    float *sums = scratch, *factors = scratch + rows, *squares = scratch + 2 * rows;
    square_each<<<blocks_for(rows * length), 256, 0, s>>>(x, squares, rows * length);
    sum_rows<<<blocks_for(rows), 256, 0, s>>>(squares, sums, rows, length);
    clamp_each<<<blocks_for(rows), 256, 0, s>>>(sums, rows, eps);
    rsqrt_each<<<blocks_for(rows), 256, 0, s>>>(sums, factors, rows);
    multiply_rows<<<blocks_for(rows * length), 256, 0, s>>>(x, factors, y, rows, length);
    return cudaGetLastError();
}

// ---- For Python ------------------------------------------------------------------------------------

enum Work : int32_t { kMemcpy = 0, kCopyKernel = 1, kNormalize = 2, kFiveLaunches = 3, kSimple = 4 };

struct Job {
    int32_t work, type, length;
    int64_t outer, inner;
    void *x, *y, *scratch;
};

static int run(const Job& job, cudaStream_t s) {
    const int64_t bytes = job.outer * job.length * job.inner * (job.type == kL2Float ? 4 : 2);
    switch (job.work) {
        case kMemcpy: return cudaMemcpyAsync(job.y, job.x, bytes, cudaMemcpyDeviceToDevice, s);
        case kCopyKernel: {
            const int64_t packs = bytes / 16, per_block = kThreads * kPacksInFlight;
            copy_packs<<<unsigned((packs + per_block - 1) / per_block), kThreads, 0, s>>>(
                static_cast<const uint4*>(job.x), static_cast<uint4*>(job.y), packs);
            return cudaGetLastError();
        }
        case kNormalize: return l2_normalize(job.x, job.y, job.outer, job.length, job.inner, 1e-12f, job.type, s);
        case kSimple: return l2_normalize_simple(job.x, job.y, job.outer, job.length, job.inner, 1e-12f, job.type, s);
        default:
            return five_launches(static_cast<const float*>(job.x), static_cast<float*>(job.y), job.outer,
                                 job.length, 1e-12f, static_cast<float*>(job.scratch), s);
    }
}

__device__ static uint32_t hashed(uint64_t i, uint32_t seed) {
    uint64_t h = (i + 0x9e3779b97f4a7c15ull * (seed + 1)) * 0xbf58476d1ce4e5b9ull;
    h = (h ^ (h >> 31)) * 0x94d049bb133111ebull;
    return static_cast<uint32_t>(h >> 32);
}

// Values of either sign between 2^-8 and 2^8, none of them special.
template <typename T>
__global__ void fill(T* x, int64_t count, uint32_t seed) {
    const int64_t step = int64_t(gridDim.x) * blockDim.x;
    for (int64_t i = int64_t(blockIdx.x) * blockDim.x + threadIdx.x; i < count; i += step) {
        const uint32_t h = hashed(i, seed);
        const float value = exp2f((h & 0xffff) / 4096.0f - 8.0f);
        store(&x[i], h & 0x10000 ? value : -value);
    }
}

#define TRY(call)                       \
    do {                                \
        const int error = int(call);    \
        if (error) return error;        \
    } while (0)

extern "C" {

int device_alloc(void** pointer, int64_t bytes) { return cudaMalloc(pointer, bytes); }
int device_free(void* pointer) { return cudaFree(pointer); }
int to_device(void* device, const void* host, int64_t bytes) {
    return cudaMemcpy(device, host, bytes, cudaMemcpyHostToDevice);
}
int from_device(void* host, const void* device, int64_t bytes) {
    return cudaMemcpy(host, device, bytes, cudaMemcpyDeviceToHost);
}
int device_set(void* device, int value, int64_t bytes) { return cudaMemset(device, value, bytes); }
int device_sync() { return cudaDeviceSynchronize(); }
const char* error_text(int error) { return cudaGetErrorString(static_cast<cudaError_t>(error)); }

int device_fill(void* x, int64_t count, int32_t type, int32_t seed) {
    if (type == kL2Float) fill<<<4096, 256>>>(static_cast<float*>(x), count, uint32_t(seed));
    if (type == kL2Half) fill<<<4096, 256>>>(static_cast<Half*>(x), count, uint32_t(seed));
    TRY(cudaGetLastError());
    return cudaDeviceSynchronize();
}

// The mean of `runs` runs between two events, in milliseconds.
int time_runs(const Job* job, int32_t runs, float* ms) {
    cudaEvent_t begin, end;
    TRY(cudaEventCreate(&begin));
    TRY(cudaEventCreate(&end));
    TRY(cudaEventRecord(begin));
    for (int32_t i = 0; i < runs; ++i) TRY(run(*job, nullptr));
    TRY(cudaEventRecord(end));
    TRY(cudaEventSynchronize(end));
    TRY(cudaEventElapsedTime(ms, begin, end));
    *ms /= runs;
    TRY(cudaEventDestroy(begin));
    return cudaEventDestroy(end);
}

// Microseconds of wall clock for one run, launched `runs` times from C++ with one wait at the end.
int time_launches(const Job* job, int32_t runs, double* microseconds) {
    TRY(run(*job, nullptr));
    TRY(cudaDeviceSynchronize());
    const auto begin = std::chrono::steady_clock::now();
    for (int32_t i = 0; i < runs; ++i) TRY(run(*job, nullptr));
    TRY(cudaDeviceSynchronize());
    const std::chrono::duration<double, std::micro> taken = std::chrono::steady_clock::now() - begin;
    *microseconds = taken.count() / runs;
    return 0;
}

// Microseconds of GPU time for one run, from a CUDA graph of `runs` of them: no launch cost of the CPU.
int time_graph(const Job* job, int32_t runs, double* microseconds) {
    cudaStream_t stream;
    cudaGraph_t graph;
    cudaGraphExec_t executable;
    cudaEvent_t begin, end;
    TRY(cudaStreamCreate(&stream));
    TRY(cudaEventCreate(&begin));
    TRY(cudaEventCreate(&end));
    TRY(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
    for (int32_t i = 0; i < runs; ++i) TRY(run(*job, stream));
    TRY(cudaStreamEndCapture(stream, &graph));
    TRY(cudaGraphInstantiateWithFlags(&executable, graph, 0));
    float best = INFINITY;
    for (int i = 0; i < 20; ++i) {
        float ms;
        TRY(cudaEventRecord(begin, stream));
        TRY(cudaGraphLaunch(executable, stream));
        TRY(cudaEventRecord(end, stream));
        TRY(cudaEventSynchronize(end));
        TRY(cudaEventElapsedTime(&ms, begin, end));
        best = ms < best ? ms : best;
    }
    *microseconds = best * 1e3 / runs;
    TRY(cudaGraphExecDestroy(executable));
    TRY(cudaGraphDestroy(graph));
    TRY(cudaEventDestroy(begin));
    TRY(cudaEventDestroy(end));
    return cudaStreamDestroy(stream);
}
}
