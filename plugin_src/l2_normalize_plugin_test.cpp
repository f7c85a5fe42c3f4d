// Drives the plugin as TensorRT does (register, create, ask for shapes and formats, configure, clone, initialize, enqueue,
// serialize, deserialize), with TensorRT's headers but without its library, and compares the results with float64. Shapes,
// fields and the order of the calls are those that TensorRT 5.1.5, 6.0.1, 8.2.3, 8.6.1 and 10.6 were seen to make.
//
//   On a GPU:    compile this file, l2_normalize_plugin.cpp and l2_normalize.cu, link with cudart
//   Without one: the same with g++ (-x c++ for the .cu file) and -DL2_ON_CPU
// compile_matrix.py does the second for every set of headers that it is given.
#include "plugin_state.h"
#include "tensorrt_headers.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <string>
#include <vector>

using namespace nvinfer1;

// ---- Memory: the GPU's or the CPU's -------------------------------------------------------------

#if defined(L2_ON_CPU)
static void* to_device(const void* data, size_t size) { return std::memcpy(std::malloc(size), data, size); }
static void from_device(void* data, void* device, size_t size) {
    std::memcpy(data, device, size);
    std::free(device);
}
static const char* const kWhere = "the CPU";
static bool has_device() { return true; }
#else
#include <cuda_runtime_api.h>

static bool has_device() {
    int count = 0;
    const cudaError_t error = cudaGetDeviceCount(&count);
    if (error != cudaSuccess) std::printf("no GPU: %s\n", cudaGetErrorString(error));
    return error == cudaSuccess && count > 0;
}
static void require(cudaError_t error) {
    if (error == cudaSuccess) return;
    std::printf("CUDA: %s\n", cudaGetErrorString(error));
    std::exit(2);
}
static void* to_device(const void* data, size_t size) {
    void* device;
    require(cudaMalloc(&device, size));
    require(cudaMemcpy(device, data, size, cudaMemcpyHostToDevice));
    return device;
}
static void from_device(void* data, void* device, size_t size) {
    require(cudaMemcpy(data, device, size, cudaMemcpyDeviceToHost));
    require(cudaFree(device));
}
static const char* const kWhere = "the GPU";
#endif

// ---- Checks -------------------------------------------------------------------------------------

static int checks = 0, failures = 0;

static void check(bool condition, const char* what, int line) {
    ++checks;
    if (condition) return;
    ++failures;
    std::printf("line %d: %s\n", line, what);
}
#define CHECK(condition) check((condition), #condition, __LINE__)

class Log : public ILogger {
public:
    void log(Severity severity, const char* message) noexcept override {
        if (severity == Severity::kERROR) errors.push_back(message);
    }
    // Whether the last error has these words; it is the only one since the log was asked last.
    bool said(const char* words) {
        const bool found = errors.size() == 1 && errors[0].find(words) != std::string::npos;
        if (!found) std::printf("%d errors, the last '%s', not '%s'\n", int(errors.size()), text().c_str(), words);
        errors.clear();
        return found;
    }
    void forget() { errors.clear(); }
    bool silent() {
        const std::string last = text();
        if (!errors.empty()) std::printf("an error: '%s'\n", last.c_str());
        errors.clear();
        return last.empty();
    }

private:
    std::string text() const { return errors.empty() ? std::string() : errors.back(); }
    std::vector<std::string> errors;
};
static Log the_log;

// ---- TensorRT's side: who asks for the creators -------------------------------------------------

#if L2_TENSORRT >= 1000
using Creator = IPluginCreatorV3One;
extern "C" IPluginCreatorInterface* const* getCreators(int32_t& count);
#else
using Creator = IPluginCreator;
#endif

#if L2_TENSORRT >= 806
extern "C" void setLoggerFinder(ILoggerFinder* finder);
class Finder : public ILoggerFinder {
public:
    ILogger* findLogger() override { return &the_log; }
};
#if L2_TENSORRT < 1000
extern "C" IPluginCreator* const* getPluginCreators(int32_t& count);
#endif
static std::vector<Creator*> registered_creators() {
    static Finder finder;
    setLoggerFinder(&finder);
    int32_t count = 0;
#if L2_TENSORRT >= 1000
    IPluginCreatorInterface* const* creators = getCreators(count);
    for (int i = 0; i < count; ++i) CHECK(creators[i]->getInterfaceInfo().kind == std::string("PLUGIN CREATOR_V3ONE"));
#else
    IPluginCreator* const* creators = getPluginCreators(count);
#endif
    std::vector<Creator*> result;
    for (int i = 0; i < count; ++i) result.push_back(static_cast<Creator*>(creators[i]));
    return result;
}
#else
// A registry in place of libnvinfer's, to which the library registers itself when it is loaded.
class Registry : public IPluginRegistry {
public:
    bool registerCreator(IPluginCreator& creator, const char*) noexcept override {
        creators.push_back(&creator);
        return true;
    }
    IPluginCreator* const* getPluginCreatorList(int* count) const noexcept override {
        *count = int(creators.size());
        return creators.data();
    }
    IPluginCreator* getPluginCreator(const char*, const char*, const char*) noexcept override { return nullptr; }
#if NV_TENSORRT_MAJOR >= 6
    void setErrorRecorder(IErrorRecorder*) noexcept override {}
    IErrorRecorder* getErrorRecorder() const noexcept override { return nullptr; }
#endif
#if NV_TENSORRT_MAJOR >= 8
    bool deregisterCreator(const IPluginCreator&) noexcept override { return false; }
#if NV_TENSORRT_MINOR >= 6
#error "from 8.6 on the library is asked for its creators"
#endif
#endif
    std::vector<IPluginCreator*> creators;
};
static Registry& registry() {
    static Registry the_registry;
    return the_registry;
}
extern "C" IPluginRegistry* getPluginRegistry()
#if NV_TENSORRT_MAJOR >= 8
    noexcept
#endif
{
    return &registry();
}
extern "C" ILogger* getLogger()
#if NV_TENSORRT_MAJOR >= 8
    noexcept
#endif
{
    return &the_log;
}
static std::vector<Creator*> registered_creators() { return registry().creators; }
#endif

static Creator* creator_of(const char* name) {
    for (Creator* creator : registered_creators()) {
        if (creator->getPluginName() == std::string(name)) return creator;
    }
    std::printf("no creator of %s\n", name);
    std::exit(1);
}

// ---- Fields, tensors, the reference -------------------------------------------------------------

// A field collection that owns its numbers.
class Fields {
public:
    Fields& add(const char* name, int32_t value) {
        integers_.push_back(value);
        return add(name, &integers_.back(), PluginFieldType::kINT32);
    }
    Fields& add(const char* name, float value) {
        floats_.push_back(value);
        return add(name, &floats_.back(), PluginFieldType::kFLOAT32);
    }
    Fields& add(const char* name, const void* data, PluginFieldType type, int length = 1) {
        fields_.push_back(PluginField(name, data, type, length));
        return *this;
    }
    PluginFieldCollection* get() {
        collection_.nbFields = int(fields_.size());
        collection_.fields = fields_.data();
        return &collection_;
    }

private:
    // Room for all, because fields point into them.
    struct Reserved : std::vector<int32_t> {
        Reserved() { reserve(8); }
    } integers_;
    struct ReservedFloats : std::vector<float> {
        ReservedFloats() { reserve(8); }
    } floats_;
    std::vector<PluginField> fields_;
    PluginFieldCollection collection_;
};

static Dims make_dims(std::vector<int> sizes) {
    Dims dims = Dims();
    dims.nbDims = int(sizes.size());
    for (size_t i = 0; i < sizes.size(); ++i) dims.d[i] = sizes[i];
    return dims;
}

struct Layout {
    int outer, length, inner;
};

#if L2_TENSORRT >= 600
// batch x 6 x 2 along an axis, counted as TensorFlow counts it.
static Layout layout_of(int axis, int batch) {
    const Layout layouts[] = {{1, batch, 12}, {batch, 6, 2}, {batch * 6, 2, 1}};
    return layouts[(axis + 3) % 3];
}
#endif

// Runs `enqueue(x, y)` on an array of the shape (outer, length, inner) and tells whether y is right: within 1e-6 of float64,
// and in FP16 one rounding more.
template <typename Enqueue>
static bool computes(Enqueue enqueue, DataType type, Layout layout, double eps) {
    const int inner = layout.inner, row = layout.length * inner, outer = layout.outer, count = outer * row;
    std::vector<float> x(count), y(count);
    for (int i = 0; i < count; ++i) x[i] = 0.01f * ((i * 37) % 101 + 1) * (i % 3 == 0 ? -1 : 1);
    std::fill(x.begin(), x.begin() + row, 0.0f);                                // FP16 arithmetic turns this into NaN
    if (outer > 1) std::fill(x.begin() + row, x.begin() + 2 * row, 60000.0f);  // and this into 0
    std::vector<Half> half(count);
    for (int i = 0; i < count; ++i) half[i] = to_half(x[i]);
    const bool is_half = type == DataType::kHALF;
    if (is_half) std::transform(half.begin(), half.end(), x.begin(), [](Half h) { return to_float(h); });

    const size_t size = count * (is_half ? sizeof(Half) : sizeof(float));
    void* in = to_device(is_half ? static_cast<void*>(half.data()) : x.data(), size);
    void* out = to_device(std::vector<unsigned char>(size, 0xff).data(), size);
    const void* inputs[] = {in};
    void* outputs[] = {out};
    const bool launched = enqueue(inputs, outputs) == 0;
    from_device(is_half ? static_cast<void*>(half.data()) : y.data(), out, size);
    from_device(std::vector<unsigned char>(size).data(), in, size);
    if (is_half) std::transform(half.begin(), half.end(), y.begin(), [](Half h) { return to_float(h); });
    if (!launched) return false;

    for (int column = 0; column < outer * inner; ++column) {
        const int start = column / inner * row + column % inner;
        double sum = 0;
        for (int i = start; i < start + row; i += inner) sum += double(x[i]) * x[i];
        for (int i = start; i < start + row; i += inner) {
            const double right = x[i] / std::sqrt(std::max(sum, eps));
            const double tolerance = 1e-6 * std::fabs(right) + (is_half ? std::fabs(right) / 2048 + 3e-8 : 0);
            if (!(std::fabs(y[i] - right) <= tolerance)) {
                std::printf("element %d is %g, not %g\n", i, y[i], right);
                return false;
            }
        }
    }
    return true;
}

#if L2_TENSORRT < 1000
// ---- TensorRT 5 to 9 ----------------------------------------------------------------------------

using Plugin = IPluginV2;

static Plugin* make(Creator* creator, Fields fields) { return creator->createPlugin("layer", fields.get()); }

static std::vector<char> serialized(const Plugin* plugin) {
    // One byte more than is asked for, to see whether the plugin keeps to its size.
    std::vector<char> bytes(plugin->getSerializationSize() + 1, 0x5a);
    plugin->serialize(bytes.data());
    CHECK(bytes.back() == 0x5a);
    bytes.pop_back();
    return bytes;
}

static void damaged_bytes_are_refused(Creator* creator, const std::vector<char>& good) {
    CHECK(!creator->deserializePlugin("layer", nullptr, 0));
    CHECK(the_log.said("no serialized data"));
    for (size_t size = 0; size < good.size(); ++size) {
        CHECK(!creator->deserializePlugin("layer", good.data(), size));
        CHECK(the_log.said(size ? "cut short" : "no serialized data"));
    }
    std::vector<char> longer = good;
    longer.push_back(0);
    CHECK(!creator->deserializePlugin("layer", longer.data(), longer.size()));
    CHECK(the_log.said("36 bytes"));
    for (size_t i = 0; i < good.size(); ++i) {
        for (int bit = 0; bit < 8; ++bit) {
            std::vector<char> bad = good;
            bad[i] = static_cast<char>(bad[i] ^ (1 << bit));
            CHECK(!creator->deserializePlugin("layer", bad.data(), bad.size()));
            CHECK(the_log.said(i == 0 ? "another version" : "damaged"));
        }
    }
}

static void configure(Plugin* plugin, std::vector<Dims> inputs, DataType type, int max_batch) {
    const int count = int(inputs.size());
#if L2_TENSORRT >= 501
    const std::vector<DataType> types(count, type);
    const bool broadcast[2] = {false, false};
    IPluginV2Ext* ext = static_cast<IPluginV2Ext*>(plugin);
    CHECK(ext->getOutputDataType(0, types.data(), count) == type);
    CHECK(!ext->canBroadcastInputAcrossBatch(0));
    CHECK(!ext->isOutputBroadcastAcrossBatch(0, broadcast, count));
    ext->configurePlugin(inputs.data(), count, inputs.data(), 1, types.data(), &type, broadcast, broadcast,
                         PluginFormat(0), max_batch);
#else
    plugin->configureWithFormat(inputs.data(), count, inputs.data(), 1, type, PluginFormat(0), max_batch);
#endif
}

static bool supports(const Plugin* plugin, DataType type, int format) {
    return plugin->supportsFormat(type, PluginFormat(format));
}

static int enqueue(Plugin* plugin, int batch, const void** inputs, void** outputs) {
    return plugin->enqueue(batch, inputs, outputs, nullptr, nullptr);
}

// A shape as a parser gives it, the axis as a graph has it, and what they mean.
struct ImplicitCase {
    std::vector<int> shape;
    int axis;
    Layout sample;
};
static const ImplicitCase implicit_cases[] = {
    {{6, 2, 1}, 2, {6, 2, 1}},        // TensorFlow's [N, 6, 2] from UffParser
    {{6, 2, 1}, -1, {6, 2, 1}},       // the same
    {{6, 2, 1}, 1, {1, 6, 2}},        // [N, 6, 2] or [N, 6, 2, 1]: the axis in front
    {{6, 2, 1}, 3, {12, 1, 1}},       // [N, 6, 2, 1]: its last axis
    {{512, 1, 1}, 1, {1, 512, 1}},    // a dense layer's [N, 512] from UffParser
    {{512, 1, 1}, -1, {1, 512, 1}},   // the same
    {{6, 2}, 2, {6, 2, 1}},           // [N, 6, 2] from another source
    {{6, 2}, -1, {6, 2, 1}},
    {{6, 2}, -2, {1, 6, 2}},
    {{7, 2, 3}, -2, {7, 2, 3}},       // no ones at the end: nothing is ambiguous
    {{7, 2, 3}, -1, {14, 3, 1}},
    {{32, 32, 3}, 3, {1024, 3, 1}},   // an image in NHWC
    {{4, 16, 16}, 1, {1, 4, 256}},    // the channels of a feature map, which UffParser puts first
    {{2, 3, 4, 1}, -1, {24, 1, 1}},   // four dimensions: UffParser has appended nothing
    {{2, 3, 4, 1}, -2, {6, 4, 1}},
};

// The life of a layer in a UFF network.
static void implicit_batch(const ImplicitCase& given, DataType type) {
    Creator* creator = creator_of("L2Norm_TRT");
    const float eps = 1e-6f;
    const Dims dims = make_dims(given.shape);

    Plugin* original = make(creator, Fields().add("axis", given.axis).add("eps", eps));
    CHECK(original->getPluginType() == std::string("L2Norm_TRT"));
    CHECK(original->getPluginVersion() == std::string("1"));
    CHECK(original->getNbOutputs() == 1);
    CHECK(original->getWorkspaceSize(32) == 0);
    for (int times = 0; times < 2; ++times) {
        const Dims out = original->getOutputDimensions(0, &dims, 1);
        CHECK(out.nbDims == dims.nbDims && std::equal(out.d, out.d + out.nbDims, dims.d));
    }
    for (DataType other : {DataType::kFLOAT, DataType::kHALF, DataType::kINT8, DataType::kINT32}) {
        for (int format = 0; format < 3; ++format) {
            const bool wanted = format == 0 && (other == DataType::kFLOAT || other == DataType::kHALF);
            CHECK(supports(original, other, format) == wanted);
        }
    }
    original->setPluginNamespace("somewhere");
    configure(original, {dims}, type, 32);
    Plugin* clone = original->clone();
    const std::vector<char> bytes = serialized(original);
    CHECK(serialized(clone) == bytes);
    CHECK(clone->getPluginNamespace() == std::string("somewhere"));
    original->terminate();
    original->destroy();

    const auto works = [&](Plugin* plugin) {
        CHECK(plugin->initialize() == 0);
        for (int batch : {1, 32}) {
            const auto run = [&](const void** x, void** y) { return enqueue(plugin, batch, x, y); };
            const Layout all = {batch * given.sample.outer, given.sample.length, given.sample.inner};
            CHECK(computes(run, type, all, eps));
        }
        plugin->terminate();
    };
    works(clone);
    clone->destroy();

    Plugin* loaded = creator->deserializePlugin("layer", bytes.data(), bytes.size());
    CHECK(loaded && serialized(loaded) == bytes);
    works(loaded);
    loaded->destroy();
    damaged_bytes_are_refused(creator, bytes);
    CHECK(the_log.silent());
}

// Refused when the shape of the output is asked for, in one line; then initialize fails without another.
static void implicit_batch_refusals() {
    Creator* creator = creator_of("L2Norm_TRT");
    const auto refuses = [&](int axis, std::vector<Dims> inputs, const char* words) {
        Plugin* plugin = make(creator, Fields().add("axis", axis));
        plugin->getOutputDimensions(0, inputs.data(), int(inputs.size()));
        CHECK(the_log.said(words));
        plugin->getOutputDimensions(0, inputs.data(), int(inputs.size()));
        configure(plugin, inputs, DataType::kFLOAT, 1);
        Plugin* clone = plugin->clone();
        CHECK(plugin->initialize() != 0 && clone->initialize() != 0);
        float unused[64] = {};
        const void* x[] = {unused};
        void* y[] = {unused};
        CHECK(enqueue(plugin, 1, x, y) != 0);
        CHECK(the_log.silent());
        plugin->destroy();
        clone->destroy();
    };
    refuses(0, {make_dims({6, 2, 1})}, "axis 0 is the batch");
    refuses(-3, {make_dims({6, 2})}, "axis -3 is the batch");
    refuses(-2, {make_dims({6, 2, 1})}, "axis -2 is ambiguous for an input of shape [6, 2, 1]");
    refuses(-4, {make_dims({6, 2, 1})}, "count the axis from the front, batch included (1 to 3)");
    refuses(4, {make_dims({6, 2, 1})}, "axis 4 is out of range for an input of shape [6, 2, 1]");
    refuses(-4, {make_dims({6, 2})}, "out of range");
    refuses(2, {make_dims({6, 2, 1}), make_dims({1})}, "takes 1 input and got 2");
    refuses(-1, {make_dims({2, 65537})}, "shape [2, 65537]; its length must be 1 to 65536");
    for (int rank : {-1, Dims::MAX_DIMS + 1, INT32_MAX, INT32_MIN}) {
        Dims wrong = make_dims({6, 2});
        wrong.nbDims = rank;
        refuses(-1, {wrong}, "dimensions; 0 to 8 are possible");
    }

    Plugin* plugin = make(creator, Fields());
    CHECK(plugin->initialize() != 0);
    CHECK(the_log.said("never configured"));
    plugin->destroy();
    plugin = make(creator, Fields());
    const Dims dims = make_dims({6, 2});
    configure(plugin, {dims}, DataType::kFLOAT, 1);
    CHECK(plugin->initialize() == 0);
    const void* nothing_in[] = {nullptr};
    void* nothing_out[] = {nullptr};
    CHECK(enqueue(plugin, 1, nothing_in, nothing_out) != 0);
    CHECK(the_log.said("not launched, CUDA error 1"));
    plugin->destroy();
}

#if L2_TENSORRT >= 600
class Expressions : public IExprBuilder {
public:
#if NV_TENSORRT_MAJOR < 8
    const IDimensionExpr* constant(int) override { return nullptr; }
    const IDimensionExpr* operation(DimensionOperation, const IDimensionExpr&, const IDimensionExpr&) override {
        return nullptr;
    }
#endif
};

static DynamicPluginTensorDesc tensor(DataType type, std::vector<int> sizes, int max_batch, int format = 0) {
    DynamicPluginTensorDesc result = DynamicPluginTensorDesc();
    result.desc.type = type;
    result.desc.format = TensorFormat(format);
    result.desc.dims = make_dims(sizes);
    result.min = result.max = result.desc.dims;
    result.max.d[0] = max_batch;
    return result;
}

// The life of a layer in an ONNX network with a dynamic batch: N x 6 x 2.
static void explicit_batch(int axis, DataType type) {
    Creator* creator = creator_of("L2Norm_TRT");
    Plugin* made = make(creator, Fields().add("axis", axis).add("eps", 1e-6f).add("explicit_batch", 1));
    IPluginV2DynamicExt* original = static_cast<IPluginV2DynamicExt*>(made);
    Expressions expressions;
    DimsExprs shape = DimsExprs();
    shape.nbDims = 3;
    CHECK(original->getOutputDimensions(0, &shape, 1, expressions).nbDims == 3);
    CHECK(static_cast<IPluginV2Ext*>(original)->getOutputDataType(0, &type, 1) == type);
    for (DataType other : {DataType::kFLOAT, DataType::kHALF, DataType::kINT32, DataType::kINT8}) {
        for (int format = 0; format < 3; ++format) {
            const PluginTensorDesc pair[] = {tensor(type, {2, 6, 2}, 2).desc, tensor(other, {2, 6, 2}, 2, format).desc};
            CHECK(original->supportsFormatCombination(0, pair, 1, 1));
            CHECK(original->supportsFormatCombination(1, pair, 1, 1) == (format == 0 && other == type));
        }
    }
    const DynamicPluginTensorDesc in = tensor(type, {-1, 6, 2}, 32);
    original->configurePlugin(&in, 1, &in, 1);
    CHECK(original->getWorkspaceSize(&in.desc, 1, &in.desc, 1) == 0);
    IPluginV2DynamicExt* clone = original->clone();
    const std::vector<char> bytes = serialized(original);
    CHECK(serialized(clone) == bytes);
    original->destroy();

    const auto works = [&](IPluginV2DynamicExt* plugin) {
        CHECK(plugin->initialize() == 0);
        for (int batch : {1, 5, 32}) {
            const PluginTensorDesc desc = tensor(type, {batch, 6, 2}, batch).desc;
            const auto run = [&](const void** x, void** y) { return plugin->enqueue(&desc, &desc, x, y, nullptr, nullptr); };
            CHECK(computes(run, type, layout_of(axis, batch), 1e-6));
        }
        if (axis % 3) {
            const PluginTensorDesc empty = tensor(type, {0, 6, 2}, 0).desc;
            const void* nothing_in[] = {nullptr};
            void* nothing_out[] = {nullptr};
            CHECK(plugin->enqueue(&empty, &empty, nothing_in, nothing_out, nullptr, nullptr) == 0);
        }
        plugin->destroy();
    };
    works(clone);
    works(static_cast<IPluginV2DynamicExt*>(creator->deserializePlugin("layer", bytes.data(), bytes.size())));
    damaged_bytes_are_refused(creator, bytes);
    CHECK(the_log.silent());
}

static void explicit_batch_refusals() {
    Creator* creator = creator_of("L2Norm_TRT");
    Expressions expressions;
    DimsExprs shapes[2] = {DimsExprs(), DimsExprs()};
    shapes[0].nbDims = 3;
    const auto refuses = [&](int axis, int inputs, const DynamicPluginTensorDesc& in, const char* words) {
        Plugin* made = make(creator, Fields().add("axis", axis).add("explicit_batch", 1));
        IPluginV2DynamicExt* plugin = static_cast<IPluginV2DynamicExt*>(made);
        const bool known_by_shape = inputs != 1 || axis < -3 || axis > 2;
        CHECK((plugin->getOutputDimensions(0, shapes, inputs, expressions).nbDims == -1) == known_by_shape);
        if (!known_by_shape) plugin->configurePlugin(&in, 1, &in, 1);
        CHECK(the_log.said(words));
        plugin->configurePlugin(&in, 1, &in, 1);
        CHECK(made->initialize() != 0);
        CHECK(the_log.silent());
        made->destroy();
    };
    const DynamicPluginTensorDesc in = tensor(DataType::kFLOAT, {-1, 6, 2}, 32);
    refuses(3, 1, in, "axis 3 is out of range");
    refuses(-4, 1, in, "axis -4 is out of range");
    refuses(2, 2, in, "takes 1 input and got 2");
    refuses(2, 1, tensor(DataType::kFLOAT, {-1, 6, 65537}, 32), "shape [32, 6, 65537]");
    refuses(2, 1, tensor(DataType::kFLOAT, {-1, -1, -1}, 32), "not known");
}
#endif

static void lives() {
    for (DataType type : {DataType::kFLOAT, DataType::kHALF}) {
        for (const ImplicitCase& given : implicit_cases) implicit_batch(given, type);
    }
    implicit_batch_refusals();
#if L2_TENSORRT >= 600
    for (DataType type : {DataType::kFLOAT, DataType::kHALF}) {
        for (int axis : {0, 1, 2, -1, -2, -3}) explicit_batch(axis, type);
    }
    explicit_batch_refusals();
#endif
}

static void release(Plugin* plugin) { plugin->destroy(); }

#else
// ---- TensorRT 10 and 11 -------------------------------------------------------------------------

using Plugin = IPluginV3;

static Plugin* make(Creator* creator, Fields fields) {
    return creator->createPlugin("layer", fields.get(), TensorRTPhase::kBUILD);
}

template <typename Capability>
static Capability* capability(Plugin* plugin, PluginCapabilityType type, const char* kind) {
    IPluginCapability* found = plugin->getCapabilityInterface(type);
    CHECK(found && found->getInterfaceInfo().kind == std::string(kind));
    return static_cast<Capability*>(found);
}
static IPluginV3OneBuild* build_of(Plugin* plugin) {
    return capability<IPluginV3OneBuild>(plugin, PluginCapabilityType::kBUILD, "PLUGIN_V3ONE_BUILD");
}
static IPluginV3OneRuntime* runtime_of(Plugin* plugin) {
    return capability<IPluginV3OneRuntime>(plugin, PluginCapabilityType::kRUNTIME, "PLUGIN_V3ONE_RUNTIME");
}

class Expressions : public IExprBuilder {};

static DynamicPluginTensorDesc tensor(DataType type, std::vector<int> sizes, int max_batch, int format = 0) {
    DynamicPluginTensorDesc result = DynamicPluginTensorDesc();
    result.desc.type = type;
    result.desc.format = TensorFormat(format);
    result.desc.dims = make_dims(sizes);
    result.min = result.max = result.opt = result.desc.dims;
    result.max.d[0] = max_batch;
    return result;
}

static void life(int axis, DataType type) {
    Creator* creator = creator_of("L2Norm_TRT");
    const float eps = 1e-6f;
    Plugin* original = make(creator, Fields().add("axis", axis).add("eps", eps));
    IPluginV3OneCore* core = capability<IPluginV3OneCore>(original, PluginCapabilityType::kCORE, "PLUGIN_V3ONE_CORE");
    CHECK(core->getPluginName() == std::string("L2Norm_TRT"));
    CHECK(core->getPluginVersion() == std::string("1"));
    CHECK(core->getPluginNamespace() == std::string(""));

    IPluginV3OneBuild* build = build_of(original);
    CHECK(build->getNbOutputs() == 1);
    DataType out_type = DataType::kINT32;
    CHECK(build->getOutputDataTypes(&out_type, 1, &type, 1) == 0 && out_type == type);
    Expressions expressions;
    DimsExprs shape = DimsExprs(), out_shape = DimsExprs();
    shape.nbDims = 3;
    CHECK(build->getOutputShapes(&shape, 1, nullptr, 0, &out_shape, 1, expressions) == 0 && out_shape.nbDims == 3);
    for (DataType other : {DataType::kFLOAT, DataType::kHALF, DataType::kINT32, DataType::kINT8, DataType::kBF16}) {
        for (int format = 0; format < 3; ++format) {
            const DynamicPluginTensorDesc pair[] = {tensor(other, {2, 6, 2}, 2, format), tensor(type, {2, 6, 2}, 2)};
            const bool wanted = format == 0 && (other == DataType::kFLOAT || other == DataType::kHALF);
            CHECK(build->supportsFormatCombination(0, pair, 1, 1) == wanted);
            CHECK(build->supportsFormatCombination(1, pair, 1, 1) == (other == type));
        }
    }
    const DynamicPluginTensorDesc in = tensor(type, {-1, 6, 2}, 32);
    CHECK(build->configurePlugin(&in, 1, &in, 1) == 0);
    CHECK(build->getWorkspaceSize(&in, 1, &in, 1) == 0);

    const auto works = [&](Plugin* plugin) {
        Plugin* attached = runtime_of(plugin)->attachToContext(nullptr);
        IPluginV3OneRuntime* runtime = runtime_of(attached);
        for (int batch : {1, 5, 32}) {
            const PluginTensorDesc desc = tensor(type, {batch, 6, 2}, batch).desc;
            CHECK(runtime->onShapeChange(&desc, 1, &desc, 1) == 0);
            const auto run = [&](const void** x, void** y) {
                return runtime->enqueue(&desc, &desc, x, y, nullptr, nullptr);
            };
            CHECK(computes(run, type, layout_of(axis, batch), eps));
        }
        const void* nothing_in[] = {nullptr};
        void* nothing_out[] = {nullptr};
        if (axis % 3) {
            const PluginTensorDesc empty = tensor(type, {0, 6, 2}, 0).desc;
            CHECK(runtime->enqueue(&empty, &empty, nothing_in, nothing_out, nullptr, nullptr) == 0);
        }
        const PluginTensorDesc desc = tensor(type, {1, 6, 2}, 1).desc;
        CHECK(the_log.silent());
        CHECK(runtime->enqueue(&desc, &desc, nothing_in, nothing_out, nullptr, nullptr) != 0);
        CHECK(the_log.said("not launched, CUDA error 1"));
        delete attached;
    };
    Plugin* clone = original->clone();
    // What a plan keeps: the plan copies the fields, the plugin is gone when they are read.
    std::vector<std::vector<char>> kept;
    const PluginFieldCollection* saved = runtime_of(original)->getFieldsToSerialize();
    Fields plan;
    kept.reserve(saved->nbFields);
    std::vector<std::string> names;
    for (int i = 0; i < saved->nbFields; ++i) names.push_back(saved->fields[i].name);
    for (int i = 0; i < saved->nbFields; ++i) {
        const PluginField& field = saved->fields[i];
        const size_t size = field.type == PluginFieldType::kINT8 ? 1 : 4;
        const char* data = static_cast<const char*>(field.data);
        kept.emplace_back(data, data + size);
        plan.add(names[i].c_str(), kept.back().data(), field.type, field.length);
    }
    delete original;
    works(clone);
    delete clone;

    Plugin* loaded = creator->createPlugin("layer", plan.get(), TensorRTPhase::kRUNTIME);
    CHECK(loaded);
    works(loaded);
    delete loaded;

    for (size_t without = 0; without < kept.size(); ++without) {
        Fields part;
        for (size_t i = 0; i < kept.size(); ++i) {
            const PluginField& field = plan.get()->fields[i];
            if (i != without) part.add(names[i].c_str(), field.data, field.type, field.length);
        }
        CHECK(!creator->createPlugin("layer", part.get(), TensorRTPhase::kRUNTIME));
        CHECK(the_log.said("2 of the plugin's 3 fields"));
    }
    kept[0][0] = 1;
    CHECK(names[0] == "version" && !creator->createPlugin("layer", plan.get(), TensorRTPhase::kRUNTIME));
    CHECK(the_log.said("build it again"));
}

static void refusals() {
    Creator* creator = creator_of("L2Norm_TRT");
    const DynamicPluginTensorDesc pair[] = {tensor(DataType::kFLOAT, {-1, 6, 2}, 32),
                                            tensor(DataType::kFLOAT, {-1, 6, 2}, 32)};
    Expressions expressions;
    DimsExprs shapes[2] = {DimsExprs(), DimsExprs()}, out = DimsExprs();
    shapes[0].nbDims = 3;
    for (int axis : {3, -4}) {
        Plugin* plugin = make(creator, Fields().add("axis", axis));
        CHECK(build_of(plugin)->getOutputShapes(shapes, 1, nullptr, 0, &out, 1, expressions) != 0);
        CHECK(the_log.said("out of range"));
        CHECK(build_of(plugin)->configurePlugin(pair, 1, pair, 1) != 0);
        CHECK(the_log.silent());
        delete plugin;
    }
    Plugin* plugin = make(creator, Fields());
    CHECK(build_of(plugin)->getOutputShapes(shapes, 2, nullptr, 0, &out, 1, expressions) != 0);
    CHECK(the_log.said("takes 1 input and got 2"));
    CHECK(!build_of(plugin)->supportsFormatCombination(0, pair, 2, 1));
    delete plugin;
    for (bool at_runtime : {false, true}) {
        plugin = make(creator, Fields());
        const DynamicPluginTensorDesc wide = tensor(DataType::kFLOAT, {1, 65537}, 1);
        if (at_runtime) CHECK(runtime_of(plugin)->onShapeChange(&wide.desc, 1, &wide.desc, 1) != 0);
        if (!at_runtime) CHECK(build_of(plugin)->configurePlugin(&wide, 1, &wide, 1) != 0);
        CHECK(the_log.said("shape [1, 65537]"));
        delete plugin;
    }
    plugin = make(creator, Fields());
    const DynamicPluginTensorDesc unknown = tensor(DataType::kFLOAT, {-1, -1}, -1);
    CHECK(build_of(plugin)->configurePlugin(&unknown, 1, &unknown, 1) != 0);
    CHECK(the_log.said("not known"));
    delete plugin;
}

static void lives() {
    for (DataType type : {DataType::kFLOAT, DataType::kHALF}) {
        for (int axis : {0, 1, 2, -1, -2, -3}) life(axis, type);
    }
    refusals();
}

static void release(Plugin* plugin) { delete plugin; }
#endif

// ---- What is the same for all -------------------------------------------------------------------

static void fields_are_read_or_refused() {
    Creator* creator = creator_of("L2Norm_TRT");
    const float nan = std::numeric_limits<float>::quiet_NaN(), infinity = std::numeric_limits<float>::infinity();
    const auto refuses = [&](Fields fields, const char* word) {
        CHECK(!make(creator, fields));
        CHECK(the_log.said(word));
        CHECK(the_log.silent());
    };
    for (float eps : {nan, infinity, -1.0f}) refuses(Fields().add("eps", eps), "eps");
    for (int axis : {-9, 9}) refuses(Fields().add("axis", axis), "axis must be between -8 and 8");
    refuses(Fields().add("axis", 1.5f), "integer");
    refuses(Fields().add("axis", nan), "integer");
    refuses(Fields().add("axis", nullptr, PluginFieldType::kINT32), "one number");
    const int axes[] = {1, 2};
    refuses(Fields().add("axis", axes, PluginFieldType::kINT32, 2), "one number");
    refuses(Fields().add("eps", axes, PluginFieldType::kUNKNOWN), "one number");
    refuses(Fields().add("axis", axes, PluginFieldType::kINT32, -1), "one number");
    refuses(Fields().add("axis", axes, PluginFieldType(-7)), "one number");
    const double huge = 1e300;
    refuses(Fields().add("eps", &huge, PluginFieldType::kFLOAT64), "eps must be finite");
    for (int announced : {1, 3, INT32_MAX, -1, INT32_MIN}) {
        PluginFieldCollection nothing = PluginFieldCollection();
        nothing.nbFields = announced;
        CHECK(!creator->createPlugin("layer", &nothing
#if L2_TENSORRT >= 1000
                                     , TensorRTPhase::kBUILD
#endif
                                     ));
        CHECK(the_log.said("fields were announced and none given"));
    }
    alignas(8) unsigned char crooked[16] = {};
    std::memcpy(crooked + 1, axes, 4);
    Plugin* unnamed = make(creator, Fields()
                                        .add(nullptr, axes, PluginFieldType::kINT32)
                                        .add("axis", crooked + 1, PluginFieldType::kINT32));
    CHECK(unnamed && the_log.silent());
    release(unnamed);

    const double wide = 1e-6;
    const int8_t narrow = 2;
    Plugin* plugin = make(creator, Fields()
                                       .add("eps", &wide, PluginFieldType::kFLOAT64)
                                       .add("axis", &narrow, PluginFieldType::kINT8, 0)
                                       .add("dtype", nullptr, PluginFieldType::kUNKNOWN));
    CHECK(plugin);
    release(plugin);
    plugin = creator->createPlugin("layer", nullptr
#if L2_TENSORRT >= 1000
                                   , TensorRTPhase::kBUILD
#endif
    );
    CHECK(plugin);
    release(plugin);
}

#if !defined(FUZZ_PLUGIN)
// Returns 0, 1 when a check failed, 77 when there is no GPU to run on.
int main() {
    if (!has_device()) return 77;
    const std::vector<Creator*> creators = registered_creators();
    CHECK(creators.size() == 1);
    for (Creator* creator : creators) {
        CHECK(creator->getPluginVersion() == std::string("1"));
        std::string fields;
        for (int i = 0; i < creator->getFieldNames()->nbFields; ++i) {
            fields += std::string(" ") + creator->getFieldNames()->fields[i].name;
        }
        std::printf("%s v%s:%s\n", creator->getPluginName(), creator->getPluginVersion(), fields.c_str());
    }
    fields_are_read_or_refused();
    lives();
    std::printf("TensorRT %d.%d, on %s: %d checks, %d failed\n", L2_TENSORRT / 100, L2_TENSORRT % 100, kWhere, checks,
                failures);
    return failures ? 1 : 0;
}
#endif
