// The kernel to read first: one thread for each row of two numbers. It is checked and timed beside the one that the
// plugin uses, which is in l2_normalize.cu.
#include "l2_normalize.h"

#if !defined(__CUDACC__)  // g++ compiles the same text as an ordinary function, which is called once for each thread
#define __global__
struct Place {
    unsigned x;
};
static thread_local Place blockIdx, blockDim, threadIdx;
#endif

template <typename T>
__global__ void normalize_pairs(const T* x, T* y, int64_t rows, float eps) {
    const int64_t row = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;  // which row is mine?
    if (row >= rows) return;                                             // the last block has threads to spare
    const float a = to_float(x[2 * row]), b = to_float(x[2 * row + 1]);
    const float scale = inverse_norm(a * a + b * b, eps);                // 1 / sqrt(max(sum, eps)), in 32 bits
    store(&y[2 * row], a * scale);
    store(&y[2 * row + 1], b * scale);
}

constexpr unsigned kThreadsInBlock = 128;

#if defined(__CUDACC__)
template <typename T>
static int start(const void* x, void* y, int64_t rows, float eps, cudaStream_t stream) {
    const unsigned blocks = static_cast<unsigned>((rows + kThreadsInBlock - 1) / kThreadsInBlock);
    normalize_pairs<<<blocks, kThreadsInBlock, 0, stream>>>(static_cast<const T*>(x), static_cast<T*>(y), rows, eps);
    return cudaGetLastError();
}
#else
template <typename T>
static int start(const void* x, void* y, int64_t rows, float eps) {
    const unsigned blocks = static_cast<unsigned>((rows + kThreadsInBlock - 1) / kThreadsInBlock);
    blockDim.x = kThreadsInBlock;
    for (blockIdx.x = 0; blockIdx.x < blocks; ++blockIdx.x) {
        for (threadIdx.x = 0; threadIdx.x < kThreadsInBlock; ++threadIdx.x) {
            normalize_pairs(static_cast<const T*>(x), static_cast<T*>(y), rows, eps);
        }
    }
    return 0;
}
#endif

static bool is_simple(int64_t rows, int32_t length, float eps, int32_t type) {
    return (type == kL2Float || type == kL2Half) && length == 2 && rows >= 0 && rows <= int64_t(1) << 37 && eps >= 0.0f;
}

// `l2_normalize` and `l2_normalize_cpu` of l2_normalize.h with the kernel above, for rows of two numbers: another length is
// an argument out of range.
#if defined(__CUDACC__)
extern "C" int l2_normalize_simple(const void* x, void* y, int64_t rows, int32_t length, float eps, int32_t type,
                                   void* stream) {
    if (!is_simple(rows, length, eps, type)) return cudaErrorInvalidValue;
    if (rows == 0) return cudaSuccess;  // a grid of 0 blocks is an error
    const cudaStream_t s = static_cast<cudaStream_t>(stream);
    return type == kL2Float ? start<float>(x, y, rows, eps, s) : start<Half>(x, y, rows, eps, s);
}
#else
extern "C" int l2_normalize_simple_cpu(const void* x, void* y, int64_t rows, int32_t length, float eps, int32_t type) {
    if (!is_simple(rows, length, eps, type)) return 1;
    return type == kL2Float ? start<float>(x, y, rows, eps) : start<Half>(x, y, rows, eps);
}
#endif
