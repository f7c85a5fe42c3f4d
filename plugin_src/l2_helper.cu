// The elementwise half-plugin of the 2019 article; l2_helper.h says what it computes and why it is
// FP32 only. Compiled by nvcc into the plugin, and by `g++ -x c++` for tests without a GPU.
#include "l2_helper.h"

#include "l2_normalize.h"

L2_HOST_DEVICE static inline float helper(float x, int32_t operation, float eps) {
    if (operation == kL2HelperMax) return x <= eps ? eps : x;  // keeps a NaN, as tf.maximum does
    return operation == kL2HelperRsqrt ? 1.0f / sqrtf(x) : sqrtf(x);
}

static bool arguments_are_valid(const void* x, const void* y, int64_t count, int32_t operation) {
    return count >= 0 && operation >= kL2HelperMax && operation <= kL2HelperSqrt &&
           (count == 0 || (x && y));
}

extern "C" int l2_helper_cpu(const void* x, void* y, int64_t count, int32_t operation, float eps) {
    if (!arguments_are_valid(x, y, count, operation)) return 1;
    const float* in = static_cast<const float*>(x);
    float* out = static_cast<float*>(y);
    for (int64_t i = 0; i < count; ++i) out[i] = helper(in[i], operation, eps);
    return 0;
}

#if defined(__CUDACC__)
__global__ void apply_helper(const float* x, float* y, int64_t count, int32_t operation, float eps) {
    const int64_t step = int64_t(gridDim.x) * blockDim.x;
    for (int64_t i = int64_t(blockIdx.x) * blockDim.x + threadIdx.x; i < count; i += step) {
        y[i] = helper(x[i], operation, eps);
    }
}

extern "C" int l2_helper(const void* x, void* y, int64_t count, int32_t operation, float eps,
                         void* stream) {
    if (!arguments_are_valid(x, y, count, operation)) return cudaErrorInvalidValue;
    if (count == 0) return cudaSuccess;
    const int64_t blocks = (count + 255) / 256;
    apply_helper<<<static_cast<unsigned>(blocks < 65535 ? blocks : 65535), 256, 0,
                   static_cast<cudaStream_t>(stream)>>>(static_cast<const float*>(x),
                                                        static_cast<float*>(y), count, operation, eps);
    return cudaGetLastError();
}
#endif
