// The kernel to read first: one thread for each row of two numbers. The plugin uses those of l2_normalize.cu; this one is
// checked and timed beside them.
#include "l2_normalize.h"

#include "cuda_on_cpu.h"

template <typename T>
__global__ void normalize_pairs(const T* x, T* y, int64_t rows, float eps) {
    const int64_t row = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;  // which row is mine?
    if (row >= rows) return;                                             // the last block has threads to spare
    const float a = to_float(x[2 * row]), b = to_float(x[2 * row + 1]);
    const float scale = inverse_norm(a * a + b * b, eps);                // 1 / sqrt(max(sum, eps)), in 32 bits
    store(&y[2 * row], a * scale);
    store(&y[2 * row + 1], b * scale);
}

constexpr int kThreadsInBlock = 128;

template <typename T>
static int launch_pairs(const void* x, void* y, int64_t rows, float eps, void* stream) {
    const int64_t blocks = (rows + kThreadsInBlock - 1) / kThreadsInBlock;
    return start(normalize_pairs<T>, blocks, kThreadsInBlock, 0, stream, static_cast<const T*>(x), static_cast<T*>(y), rows,
                 eps);
}

// `l2_normalize` of l2_normalize.h for rows of two numbers; other lengths are arguments out of range.
extern "C" int l2_normalize_simple(const void* x, void* y, int64_t outer, int32_t length, int64_t inner, float eps,
                                   int32_t type, void* stream) {
    if ((type != kL2Float && type != kL2Half) || length != 2 || inner != 1) return cudaErrorInvalidValue;
    if (outer < 0 || outer > int64_t(1) << 37 || !(eps >= 0.0f)) return cudaErrorInvalidValue;
    if (outer == 0) return cudaSuccess;  // a grid of 0 blocks is an error
    return type == kL2Float ? launch_pairs<float>(x, y, outer, eps, stream) : launch_pairs<Half>(x, y, outer, eps, stream);
}
