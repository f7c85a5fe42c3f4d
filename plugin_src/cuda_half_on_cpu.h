// CUDA's half precision, for nvcc and for g++: a kernel written with the names of cuda_fp16.h compiles with both.
//
// nvcc takes cuda_fp16.h itself. For g++ this header has its types, conversions and operators, as far as a first kernel
// needs them. As on a GPU, an operator between two halves rounds its result to half, and one between a half and a float is
// ambiguous, which is an error.
#pragma once

#include "cuda_on_cpu.h"
#include "l2_normalize.h"

#if defined(__CUDACC__)
#include <cuda_fp16.h>
#else

#include <math.h>

struct half {
    uint16_t bits;

    half() = default;
    half(float value) : bits(to_half(value).bits) {}
    half(double value) : half(static_cast<float>(value)) {}
    half(int value) : half(static_cast<float>(value)) {}
    operator float() const { return to_float(Half{bits}); }
};
struct alignas(4) half2 {
    half x, y;
};
struct alignas(8) float2 {
    float x, y;
};
using __half = half;
using __half2 = half2;

static inline float __half2float(half value) { return float(value); }
static inline half __float2half(float value) { return half(value); }
static inline half __float2half_rn(float value) { return half(value); }
static inline half operator-(half a) { return half(-float(a)); }
static inline half operator+(half a, half b) { return half(float(a) + float(b)); }
static inline half operator-(half a, half b) { return half(float(a) - float(b)); }
static inline half operator*(half a, half b) { return half(float(a) * float(b)); }
static inline half operator/(half a, half b) { return half(float(a) / float(b)); }
static inline half& operator+=(half& a, half b) { return a = a + b; }
static inline half& operator-=(half& a, half b) { return a = a - b; }
static inline half& operator*=(half& a, half b) { return a = a * b; }
static inline half& operator/=(half& a, half b) { return a = a / b; }
static inline bool operator==(half a, half b) { return float(a) == float(b); }
static inline bool operator!=(half a, half b) { return float(a) != float(b); }
static inline bool operator<(half a, half b) { return float(a) < float(b); }
static inline bool operator>(half a, half b) { return float(a) > float(b); }
static inline bool operator<=(half a, half b) { return float(a) <= float(b); }
static inline bool operator>=(half a, half b) { return float(a) >= float(b); }
static inline half __hadd(half a, half b) { return a + b; }
static inline half __hsub(half a, half b) { return a - b; }
static inline half __hmul(half a, half b) { return a * b; }
static inline half __hdiv(half a, half b) { return a / b; }
static inline half __hmax(half a, half b) { return a > b ? a : b; }
static inline half hsqrt(half a) { return half(sqrtf(float(a))); }
static inline half hrsqrt(half a) { return half(1.0f / sqrtf(float(a))); }

static inline float2 make_float2(float x, float y) { return float2{x, y}; }
static inline half2 __halves2half2(half x, half y) { return half2{x, y}; }
static inline half2 __floats2half2_rn(float x, float y) { return half2{half(x), half(y)}; }
static inline half2 __float22half2_rn(float2 value) { return half2{half(value.x), half(value.y)}; }
static inline float2 __half22float2(half2 value) { return float2{float(value.x), float(value.y)}; }
static inline float __low2float(half2 value) { return float(value.x); }
static inline float __high2float(half2 value) { return float(value.y); }

static inline float rsqrtf(float value) { return 1.0f / sqrtf(value); }
static inline float rhypotf(float a, float b) { return 1.0f / hypotf(a, b); }
static inline float __fdividef(float a, float b) { return a / b; }
static inline float __fsqrt_rn(float value) { return sqrtf(value); }
static inline float __frsqrt_rn(float value) { return 1.0f / sqrtf(value); }
template <typename A, typename B>
static inline auto max(A a, B b) -> decltype(a + b) { return a > b ? a : b; }
template <typename A, typename B>
static inline auto min(A a, B b) -> decltype(a + b) { return a < b ? a : b; }
template <typename T>
static inline T __ldg(const T* place) { return *place; }
#endif
