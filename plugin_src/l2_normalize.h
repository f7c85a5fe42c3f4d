// L2 normalization along one axis: y = x / sqrt(max(sum of x * x along the axis, eps)), as tf.nn.l2_normalize computes it.
//
// This header declares the C function and holds the arithmetic of one row; l2_normalize.cu has the kernels. nvcc compiles
// both for the GPU; g++ compiles the same text for the CPU (cuda_on_cpu.h), where a test without a GPU compares it with
// float64.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#if defined(__CUDACC__)
#include <cuda_fp16.h>
#define L2_HOST_DEVICE __host__ __device__
#else
#define L2_HOST_DEVICE
#endif

enum L2Type : int32_t { kL2Float = 0, kL2Half = 1 };

constexpr int32_t kL2MaxLength = 65536;
constexpr int64_t kL2MaxElements = int64_t(1) << 60;  // of an array: below it, no index and no size in bytes overflows

// Normalizes a contiguous array of the shape (outer, length, inner) along its middle axis, on `stream` (a cudaStream_t;
// null is the default stream), and returns without waiting for the GPU. A matrix whose rows are normalized has inner = 1.
//   x, y    device memory, aligned to their elements; y may be x itself, any other overlap is not allowed. Addresses that
//           are multiples of 16 are the fast ones, and every CUDA allocation is.
//   outer, inner   0 and up, 64 bits; length: 1 to kL2MaxLength; of all three the product: at most kL2MaxElements
//   eps     finite, 0 or larger; compared with the sum of squares, as tf.nn.l2_normalize does
//   type    kL2Float or kL2Half, of x and of y; sums are FP32 in both
// Returns a cudaError_t as int: 0 when it was launched, 1 (cudaErrorInvalidValue) when an argument is out of range, else
// what the launch returned. Compiled by g++ it works on host memory and returns when the work is done.
extern "C" int l2_normalize(const void* x, void* y, int64_t outer, int32_t length, int64_t inner, float eps, int32_t type,
                            void* stream);

// Half precision as its 16 bits, so that a machine without CUDA has the type too.
struct Half {
    uint16_t bits;
};

L2_HOST_DEVICE inline float to_float(float value) { return value; }

L2_HOST_DEVICE inline float to_float(Half value) {
#if defined(__CUDA_ARCH__)
    return __half2float(__ushort_as_half(value.bits));
#else
    const uint32_t sign = (value.bits & 0x8000u) << 16;
    const uint32_t magnitude = value.bits & 0x7fffu;
    if (magnitude < 0x0400u) {  // zero and denormals: a multiple of 2^-24, exact in FP32
        const float small = std::ldexp(static_cast<float>(magnitude), -24);
        return sign ? -small : small;
    }
    // Both formats end at an all-ones exponent: 31 in half, 255 in float.
    const uint32_t rebias = (magnitude >= 0x7c00u ? 255u - 31u : 127u - 15u) << 23;
    const uint32_t bits = sign | ((magnitude << 13) + rebias);
    float result;
    std::memcpy(&result, &bits, sizeof result);
    return result;
#endif
}

// Rounds to the nearest half, ties to even, as the GPU does.
L2_HOST_DEVICE inline Half to_half(float value) {
#if defined(__CUDA_ARCH__)
    return Half{__half_as_ushort(__float2half_rn(value))};
#else
    uint32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    const uint16_t sign = static_cast<uint16_t>((bits >> 16) & 0x8000u);
    const uint32_t magnitude = bits & 0x7fffffffu;
    if (magnitude > 0x7f800000u) return Half{static_cast<uint16_t>(sign | 0x7fffu)};   // NaN
    if (magnitude >= 0x477ff000u) return Half{static_cast<uint16_t>(sign | 0x7c00u)};  // >= 65520
    if (magnitude < 0x38800000u) {  // below 2^-14: counts in units of 2^-24
        const float units = std::ldexp(std::fabs(value), 24);
        return Half{static_cast<uint16_t>(sign | static_cast<uint16_t>(std::nearbyint(units)))};
    }
    const uint32_t odd = (magnitude >> 13) & 1u;
    const uint32_t rounded = magnitude + 0x0fffu + odd - ((127u - 15u) << 23);
    return Half{static_cast<uint16_t>(sign | (rounded >> 13))};
#endif
}

L2_HOST_DEVICE inline void store(float* place, float value) { *place = value; }
L2_HOST_DEVICE inline void store(Half* place, float value) { *place = to_half(value); }

L2_HOST_DEVICE inline void store_pair(float* place, float first, float second) {
    place[0] = first;
    place[1] = second;
}

L2_HOST_DEVICE inline void store_pair(Half* place, float first, float second) {
#if defined(__CUDA_ARCH__)
    const __half2 pair = __floats2half2_rn(first, second);  // one instruction
    std::memcpy(place, &pair, sizeof pair);
#else
    store(place, first);
    store(place + 1, second);
#endif
}

// The sum of N squares in FP32. In FP16 it would be out of range as soon as one element passes 255 (256^2 = 65536); in
// FP32 even 65,536 * 65504^2 = 2.8e14 is far from the end. N is small, and such sums are added in a tree: a single
// running sum over 65,536 elements would be wrong in the sixth digit.
template <int N, typename T>
L2_HOST_DEVICE inline float sum_of_squares(const T* x) {
    float sum = 0.0f;
    for (int i = 0; i < N; ++i) {
        const float value = to_float(x[i]);
        sum += value * value;
    }
    return sum;
}

// The factor of a row. `sum <= eps ? eps : sum` instead of fmaxf, because fmaxf drops a NaN and tf.maximum keeps it. A sum
// above FP32's range is infinite and the row becomes zero, and with eps = 0 a row of zeros becomes NaN, both as in
// TensorFlow.
L2_HOST_DEVICE inline float inverse_norm(float sum, float eps) {
    const float clamped = sum <= eps ? eps : sum;
#if defined(__CUDA_ARCH__)
    return rsqrtf(clamped);  // one instruction and a scaling step, at most 2 units in the last place off
#else
    return 1.0f / std::sqrt(clamped);
#endif
}
