// The elementwise half-plugin of the 2019 article, for .uff files that were written with it:
// y = max(x, eps), 1 / sqrt(x) or sqrt(x). FP32 only: in FP16 eps = 1e-12 is zero, and the node
// between the two halves would carry 1 / sqrt(0) = infinity and then 0 * infinity = NaN.
#pragma once

#include <cstdint>

enum L2HelperOperation : int32_t { kL2HelperMax = 0, kL2HelperRsqrt = 1, kL2HelperSqrt = 2 };

extern "C" {

// `count` FP32 elements of device memory on `stream` (a cudaStream_t); y may be x itself.
// Returns a cudaError_t as int, as l2_normalize does.
int l2_helper(const void* x, void* y, int64_t count, int32_t operation, float eps, void* stream);

// The same on host memory. Returns 0, or 1 where an argument is out of range.
int l2_helper_cpu(const void* x, void* y, int64_t count, int32_t operation, float eps);
}
