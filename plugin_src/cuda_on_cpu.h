// What the kernels need of CUDA's runtime, for nvcc and for g++.
//
// nvcc compiles the kernels for the GPU. g++ compiles the same text, and `start` runs it block by block: the threads of
// a block are coroutines that take turns at each __syncthreads and __shfl_xor_sync. So a machine without a GPU checks
// indices, alignment, shared memory and barriers of the very kernels that a GPU runs; only rsqrtf and races between
// blocks are left to the GPU. A block whose threads do not all reach the same barriers ends the process.
#pragma once

#include <cstddef>
#include <cstdint>

#if defined(__CUDACC__)

// Dynamic shared memory of the block, aligned to 16 bytes.
__device__ inline void* dynamic_shared() {
    extern __shared__ uint4 dynamic_shared_memory[];
    return dynamic_shared_memory;
}

// Lets `kernel` have up to `wanted` bytes of dynamic shared memory, and returns how many it may have. More than 48 KiB has
// to be asked for, and how much there is depends on the GPU: 64 KiB and less before Volta, 227 KiB on Hopper.
template <typename Kernel>
int allow_dynamic_shared(Kernel kernel, int wanted) {
    int device = 0, limit = 0;
    cudaFuncAttributes attributes;
    if (wanted <= 0 || cudaGetDevice(&device) || cudaFuncGetAttributes(&attributes, kernel) ||
        cudaDeviceGetAttribute(&limit, cudaDevAttrMaxSharedMemoryPerBlockOptin, device)) {
        return 0;
    }
    const int available = limit - static_cast<int>(attributes.sharedSizeBytes);
    const int granted = (wanted < available ? wanted : available) / 16 * 16;
    return cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, granted) ? 0 : granted;
}

// Starts `kernel` and returns without waiting for it. Returns a cudaError_t as int.
template <typename... Parameters, typename... Arguments>
int start(void (*kernel)(Parameters...), int64_t blocks, int threads, int shared_bytes, void* stream,
          Arguments... arguments) {
    if (blocks > INT32_MAX) return cudaErrorInvalidValue;
    kernel<<<static_cast<unsigned>(blocks), threads, shared_bytes, static_cast<cudaStream_t>(stream)>>>(arguments...);
    return cudaGetLastError();
}

#else

#include <ucontext.h>

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <vector>

#define __global__
#define __device__
#define __shared__ static
#define __launch_bounds__(...)

enum { cudaSuccess = 0, cudaErrorInvalidValue = 1 };

struct CpuIndex {
    unsigned x;
};
static CpuIndex blockIdx, blockDim, gridDim, threadIdx;

enum class CpuStop { kBarrier, kShuffle, kEnd };
struct CpuThread {
    ucontext_t context;
    CpuStop at;
    float exchanged[2];  // what the last two shuffles were given: a third one overwrites what all have read
    int shuffles;
};
static CpuThread cpu_threads[1024];
static ucontext_t cpu_scheduler;
static std::function<void()> cpu_kernel;

static inline void cpu_run_thread() {
    cpu_kernel();
    cpu_threads[threadIdx.x].at = CpuStop::kEnd;
}

static inline void cpu_wait(CpuStop at) {
    CpuThread& thread = cpu_threads[threadIdx.x];
    thread.at = at;
    swapcontext(&thread.context, &cpu_scheduler);
}

static inline void __syncthreads() { cpu_wait(CpuStop::kBarrier); }

static inline float __shfl_xor_sync(unsigned, float value, int distance) {
    const unsigned me = threadIdx.x;
    const int place = cpu_threads[me].shuffles++ % 2;
    cpu_threads[me].exchanged[place] = value;
    cpu_wait(CpuStop::kShuffle);
    return cpu_threads[me ^ distance].exchanged[place];
}

static inline void cpu_run_block() {
    constexpr size_t kStack = 64 << 10;
    static std::vector<char> stacks(kStack * 1024);
    const unsigned threads = blockDim.x;
    for (unsigned t = 0; t < threads; ++t) {
        CpuThread& thread = cpu_threads[t];
        getcontext(&thread.context);
        thread.context.uc_stack.ss_sp = &stacks[kStack * t];
        thread.context.uc_stack.ss_size = kStack;
        thread.context.uc_link = &cpu_scheduler;
        thread.at = CpuStop::kShuffle;
        thread.shuffles = 0;
        makecontext(&thread.context, cpu_run_thread, 0);
    }
    for (unsigned ended = 0; ended < threads;) {
        unsigned at_barrier = 0, at_shuffle = 0;
        for (unsigned t = 0; t < threads; ++t) {
            if (cpu_threads[t].at == CpuStop::kEnd) continue;
            threadIdx.x = t;
            swapcontext(&cpu_scheduler, &cpu_threads[t].context);
            at_barrier += cpu_threads[t].at == CpuStop::kBarrier;
            at_shuffle += cpu_threads[t].at == CpuStop::kShuffle;
            ended += cpu_threads[t].at == CpuStop::kEnd;
        }
        if (at_barrier == 0 || at_barrier == threads) continue;
        std::fprintf(stderr, "%u of a block's %u threads wait at a barrier, %u at a shuffle, %u have ended\n", at_barrier,
                     threads, at_shuffle, ended);
        std::abort();
    }
}

constexpr int kCpuSharedBytes = 227 << 10;
alignas(16) static unsigned char cpu_dynamic_shared[kCpuSharedBytes];
static int cpu_shared_limit = kCpuSharedBytes;  // a test lowers it, to play a smaller GPU

static inline void* dynamic_shared() { return cpu_dynamic_shared; }

template <typename Kernel>
int allow_dynamic_shared(Kernel, int wanted) {
    return wanted < cpu_shared_limit ? wanted : cpu_shared_limit;
}

template <typename... Parameters, typename... Arguments>
int start(void (*kernel)(Parameters...), int64_t blocks, int threads, int, void*, Arguments... arguments) {
    if (blocks > INT32_MAX) return cudaErrorInvalidValue;
    cpu_kernel = [=] { kernel(arguments...); };
    blockDim.x = static_cast<unsigned>(threads);
    gridDim.x = static_cast<unsigned>(blocks);
    for (blockIdx.x = 0; blockIdx.x < blocks; ++blockIdx.x) cpu_run_block();
    return cudaSuccess;
}
#endif
