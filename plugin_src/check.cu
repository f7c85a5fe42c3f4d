// Checks l2_normalize against float64, and on a GPU times it against a copy.
//
//   nvcc -O3 -std=c++14 -arch=native -o check check.cu && ./check
//   g++ -O2 -std=c++14 -x c++ -o check check.cu && ./check         the same kernels on the CPU, no timing
//
// With any argument the check is short and nothing is timed, as one wants under compute-sanitizer. Returns 0, 1 when a
// result is wrong, 2 when a CUDA call failed, 77 when there is no GPU.
#include "l2_normalize.cu"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <vector>

#if defined(__CUDACC__)
static void require(int error) {
    if (error == cudaSuccess) return;
    std::printf("CUDA: %s\n", cudaGetErrorString(static_cast<cudaError_t>(error)));
    std::exit(2);
}
static unsigned char* to_device(const std::vector<unsigned char>& bytes) {
    void* device;
    require(cudaMalloc(&device, bytes.size()));
    require(cudaMemcpy(device, bytes.data(), bytes.size(), cudaMemcpyHostToDevice));
    return static_cast<unsigned char*>(device);
}
static void from_device(std::vector<unsigned char>& bytes, void* device) {
    require(cudaMemcpy(bytes.data(), device, bytes.size(), cudaMemcpyDeviceToHost));
    require(cudaFree(device));
}
#else
static void require(int error) {
    if (error) std::exit(2);
}
static unsigned char* to_device(const std::vector<unsigned char>& bytes) {
    void* device = std::malloc(bytes.size());  // aligned to 16 bytes, as the GPU's memory is
    return static_cast<unsigned char*>(std::memcpy(device, bytes.data(), bytes.size()));
}
static void from_device(std::vector<unsigned char>& bytes, void* device) {
    std::memcpy(bytes.data(), device, bytes.size());
    std::free(device);
}
#endif

struct Shape {
    int64_t outer;
    int32_t length;
    int64_t inner;
};

static Half rounded(float value, Half) { return to_half(value); }
static float rounded(float value, float) { return value; }
static const char* name_of(float) { return "FP32"; }
static const char* name_of(Half) { return "FP16"; }
static int32_t type_of(float) { return kL2Float; }
static int32_t type_of(Half) { return kL2Half; }

// How far y may be from the float64 result: 1e-6 of it, and in FP16 one rounding more, half a unit in the last place.
static double tolerance(double right, float) { return 1e-6 * std::fabs(right); }
static double tolerance(double right, Half) {
    const int exponent = std::max(right == 0 ? -14 : std::ilogb(right), -14);
    return 1e-6 * std::fabs(right) + std::ldexp(0.5, exponent - 10);
}

// An array with magnitudes from `smallest` to `largest` along its first axis, and in it rows of zeros and of one value.
template <typename T>
static std::vector<T> make_array(const Shape& shape, double smallest, double largest) {
    std::mt19937 random(static_cast<unsigned>(shape.outer * 65537 + shape.length));
    std::uniform_real_distribution<double> uniform(-1.0, 1.0);
    std::vector<T> x;
    for (int64_t row = 0; row < shape.outer; ++row) {
        const double magnitude = smallest * std::pow(largest / smallest, 0.5 * uniform(random) + 0.5);
        for (int64_t i = 0; i < shape.length * shape.inner; ++i) {
            const double value = row % 7 == 2 ? 0.0 : row % 7 == 4 ? 1.0 : uniform(random);
            x.push_back(rounded(static_cast<float>(magnitude * value), T()));
        }
    }
    return x;
}

// The worst error of y as a share of what is tolerated; infinity where y is not finite.
template <typename T>
static double worst_error(const std::vector<T>& x, const std::vector<T>& y, const Shape& shape, float eps) {
    double worst = 0;
    for (int64_t column = 0; column < shape.outer * shape.inner; ++column) {
        const int64_t start = column / shape.inner * shape.inner * shape.length + column % shape.inner;
        const int64_t end = start + shape.length * shape.inner;
        double sum = 0;
        for (int64_t i = start; i < end; i += shape.inner) sum += double(to_float(x[i])) * to_float(x[i]);
        const double scale = 1 / std::sqrt(std::max(sum, double(eps)));
        for (int64_t i = start; i < end; i += shape.inner) {
            const double right = to_float(x[i]) * scale, error = std::fabs(to_float(y[i]) - right);
            if (!(error <= 1e30)) return INFINITY;
            if (error > 0) worst = std::max(worst, error / tolerance(right, T()));
        }
    }
    return worst;
}

// Normalizes x where it lies `shift` elements behind a 16-byte boundary. False when anything around it was written to.
template <typename T>
static bool run(const std::vector<T>& x, std::vector<T>& y, const Shape& shape, float eps, int shift, bool in_place) {
    const size_t bytes = x.size() * sizeof(T), offset = 256 + shift * sizeof(T);
    std::vector<unsigned char> before(bytes + 2 * offset, 0xff), after(before);
    std::memcpy(&before[offset], x.data(), bytes);
    unsigned char *in = to_device(before), *out = to_device(after), *target = in_place ? in : out;
    require(l2_normalize(in + offset, target + offset, shape.outer, shape.length, shape.inner, eps, type_of(T()), nullptr));
    from_device(in_place ? after : before, in);
    from_device(in_place ? before : after, out);
    std::memcpy(y.data(), &after[offset], bytes);
    for (size_t i = 0; i < after.size(); ++i) {
        if ((i < offset || i >= offset + bytes) && after[i] != 0xff) return false;
    }
    return true;
}

template <typename T>
static bool check(double smallest, double largest, bool all) {
    std::vector<Shape> shapes;
    for (int32_t length : {1,   2,   3,    4,    5,    6,    7,    8,    9,    12,   15,   16,    20,    24,
                           31,  32,  33,   63,   64,   65,   96,   127,  128,  129,  255,  256,   257,   300,
                           341, 511, 512,  513,  768,  1000, 1023, 1024, 1025, 1026, 2047, 2048,  2049,  4095,
                           4096, 8191, 8193, 16385, 32767, 32768, 32769, 40001, 65535, 65536}) {
        for (int64_t outer : {int64_t(1), int64_t(7), int64_t(20000 / length + 13)}) {
            if (all || outer < 10 || length < 2000) shapes.push_back({outer, length, 1});
        }
    }
    for (Shape shape : {Shape{1, 2, 5}, Shape{3, 6, 2}, Shape{5, 100, 7}, Shape{2, 1000, 33}, Shape{3, 1, 4},
                        Shape{1, 65536, 3}, Shape{70, 3, 31}, Shape{1, 5, 1000}, Shape{4, 12, 64}}) {
        shapes.push_back(shape);
    }
    const float eps = 1e-12f;
    double worst = 0;
    int cases = 0;
    for (const Shape& shape : shapes) {
        const std::vector<T> x = make_array<T>(shape, smallest, largest);
        std::vector<T> y(x.size());
        for (int shift : {0, 1, 2, 4}) {
            if (shift > 1 && !all) continue;
            const bool in_place = (shift + shape.outer) % 2 != 0;
            const bool clean = run(x, y, shape, eps, shift, in_place);
            const double error = worst_error(x, y, shape, eps);
            worst = std::max(worst, error);
            ++cases;
            if (clean && error <= 1) continue;
            std::printf("FAIL %s (%lld, %d, %lld) shift %d%s: error %.2f of the tolerance%s\n", name_of(T()),
                        static_cast<long long>(shape.outer), shape.length, static_cast<long long>(shape.inner), shift,
                        in_place ? " in place" : "", error, clean ? "" : ", wrote out of bounds");
            return false;
        }
    }
    std::printf("%s %8.1e to %7.1e: %d cases, worst error %.2f of the tolerance\n", name_of(T()), smallest, largest, cases,
                worst);
    return true;
}

#if defined(__CUDACC__)
template <typename Work>
static float median_ms(Work work) {
    cudaEvent_t begin, end;
    require(cudaEventCreate(&begin));
    require(cudaEventCreate(&end));
    std::vector<float> times(15);
    work();
    for (float& time : times) {
        require(cudaEventRecord(begin));
        work();
        require(cudaEventRecord(end));
        require(cudaEventSynchronize(end));
        require(cudaEventElapsedTime(&time, begin, end));
    }
    std::nth_element(times.begin(), times.begin() + 7, times.end());
    return times[7];
}

static void time_against_copy() {
    size_t bytes = size_t(1) << 30, free = 0, total = 0;
    require(cudaMemGetInfo(&free, &total));
    while (bytes * 2 > free / 2) bytes /= 2;
    char *x, *y;
    require(cudaMalloc(&x, bytes));
    require(cudaMalloc(&y, bytes));
    require(cudaMemset(x, 0x35, bytes));
    const double gb = 2e-9 * bytes;
    const float copy_ms = median_ms([&] { cudaMemcpyAsync(y, x, bytes, cudaMemcpyDeviceToDevice, cudaStream_t(0)); });
    std::printf("copy of %.2f GB             %8.3f ms  %7.1f GB/s\n", 1e-9 * bytes, copy_ms, gb / copy_ms * 1e3);
    for (int32_t type : {kL2Float, kL2Half}) {
        for (int32_t length : {2, 31, 64, 1000, 1023}) {
            const int64_t rows = bytes / (type == kL2Float ? 4 : 2) / length;
            const float ms = median_ms([&] { require(l2_normalize(x, y, rows, length, 1, 1e-12f, type, nullptr)); });
            std::printf("%s, rows of %4d elements  %8.3f ms  %7.1f GB/s  %3.0f %% of the copy\n",
                        type == kL2Float ? "FP32" : "FP16", length, ms, gb / ms * 1e3, 100 * copy_ms / ms);
        }
    }
}
#endif

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
    bool right = check<float>(1e-5, 1e5, all) && check<Half>(6e-8, 65504, all);
    if (all) right = right && check<float>(1e-30, 1e-5, all) && check<float>(1e5, 1e16, all);
    if (all) right = right && check<Half>(6e-8, 1e-4, all) && check<Half>(100, 65504, all);
#if defined(__CUDACC__)
    if (right && all) time_against_copy();
#endif
    std::puts(right ? "OK" : "WRONG");
    return right ? 0 : 1;
}
