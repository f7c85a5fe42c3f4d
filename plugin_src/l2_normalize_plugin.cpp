// L2Norm_TRT for TensorRT 5.0 to 11.
//
// TensorRT changed its plugin interface four times. The kernels do not depend on it, so each class below is one interface
// around the same PluginState:
//   5.0            IPluginV2             implicit batch (UFF)
//   5.1 to 9       IPluginV2Ext          implicit batch (UFF)
//   6 to 9         IPluginV2DynamicExt   explicit batch (ONNX), for nodes with explicit_batch = 1
//   10 and 11      IPluginV3             always explicit batch
//
// Fields of L2Norm_TRT v1: axis (int, default -1), eps (float, default 1e-12) and explicit_batch (int, default 0, read by
// TensorRT 6 to 9 only: a creator cannot see what kind of network asks).
//
// What the plugin cannot do it refuses when it is created or when it is asked for the shape of its output, with one line in
// TensorRT's log. Later calls repeat the refusal without repeating the line.
#include "plugin_state.h"
#include "tensorrt_headers.h"

#include <string>

using namespace nvinfer1;

namespace {

// ---- What all the interfaces share --------------------------------------------------------------

const char* const kName = "L2Norm_TRT";
const char* const kVersion = "1";

#if L2_TENSORRT >= 600
constexpr auto kLinear = TensorFormat::kLINEAR;
#else
constexpr auto kLinear = PluginFormat::kNCHW;  // its name in TensorRT 5
#endif
#if L2_TENSORRT >= 800
using Outputs = void* const*;
#else
using Outputs = void**;
#endif

#if L2_TENSORRT >= 806
ILoggerFinder* logger_finder = nullptr;
#endif

// An error line in TensorRT's log, or on stderr when nobody has given TensorRT a logger yet.
void report(const Refusal& refusal) {
    const std::string text = std::string(kName) + ": " + refusal.text;
#if L2_TENSORRT >= 806
    ILogger* logger = logger_finder ? logger_finder->findLogger() : nullptr;
#else
    ILogger* logger = getLogger();
#endif
    if (logger) {
        logger->log(ILogger::Severity::kERROR, text.c_str());
    } else {
        std::fprintf(stderr, "%s\n", text.c_str());
    }
}

bool supports(DataType type) { return type == DataType::kFLOAT || type == DataType::kHALF; }

int32_t type_of(DataType type) { return type == DataType::kHALF ? kL2Half : kL2Float; }

// The sizes of Dims or DimsExprs as numbers, -1 where a size is not known yet. Of a rank that TensorRT does not have, none.
struct Sizes {
    int64_t d[Dims::MAX_DIMS];
    int rank;

    Sizes(const Dims& dims) : rank(dims.nbDims) {
        for (int i = 0; !refused() && i < rank; ++i) d[i] = dims.d[i];
    }
#if L2_TENSORRT >= 600
    Sizes(const DimsExprs& dims) : rank(dims.nbDims) {
        for (int i = 0; !refused() && i < rank; ++i) {
            d[i] = dims.d[i] && dims.d[i]->isConstant() ? dims.d[i]->getConstantValue() : -1;
        }
    }
#endif
    Refusal refused() const { return check_rank(rank, Dims::MAX_DIMS); }
};

Refusal check_inputs(int inputs, const Sizes& sizes) {
    if (inputs == 1) return sizes.refused();
    return refusal("takes 1 input and got %d; when the graph's axis constant is still connected to the node, disconnect it",
                   inputs);
}

// Can the plugin take inputs of which one has these sizes? Where the sizes may be unknown, the length of the axis is checked
// only if it is known.
Refusal check_shape(const PluginState& state, int inputs, const Sizes& sizes) {
    if (Refusal refused = check_inputs(inputs, sizes)) return refused;
    int dimension = 0;
    if (Refusal refused = find_axis(state.axis, sizes.d, sizes.rank, state.explicit_batch, &dimension)) return refused;
    return sizes.d[dimension] == -1 ? Refusal() : check_length(sizes.d, sizes.rank, dimension);
}

// The state for an input whose sizes are all known.
Refusal configure(int inputs, const Sizes& sizes, PluginState* state) {
    if (Refusal refused = check_inputs(inputs, sizes)) return refused;
    int dimension = 0;
    if (Refusal refused = find_axis(state->axis, sizes.d, sizes.rank, state->explicit_batch, &dimension)) return refused;
    return split_shape(sizes.d, sizes.rank, dimension, state);
}

// Puts the kernel on the stream. Returns 0, or 1 with a report.
int run(const PluginState& state, const void* x, void* y, int64_t batch, cudaStream_t stream) {
    const int error = l2_normalize(x, y, batch * state.outer, state.length, state.inner, state.eps, state.type, stream);
    if (error == 0) return 0;
    report(refusal("the kernel was not launched, CUDA error %d (outer %lld, length %d, inner %lld)", error,
                   static_cast<long long>(batch * state.outer), int(state.length), static_cast<long long>(state.inner)));
    return 1;
}

#if L2_TENSORRT >= 600
// With explicit batch: the shape is known when enqueue is called, and the batch is part of it.
int run(const PluginState& plugin, const PluginTensorDesc& in, const void* x, void* y, cudaStream_t stream) {
    PluginState state = plugin;
    state.explicit_batch = 1;
    state.type = static_cast<uint8_t>(type_of(in.type));
    if (Refusal refused = configure(1, in.dims, &state)) {
        report(refused);
        return 1;
    }
    return run(state, x, y, 1, stream);
}
#endif

// A number at any address: a plan need not align its fields.
template <typename T>
bool read_as(const void* data, double* value) {
    T number;
    std::memcpy(&number, data, sizeof number);
    *value = static_cast<double>(number);
    return true;
}

// The parsers disagree about the type of a number; all of them give scalars.
bool read_number(const PluginField& field, double* value) {
    if (!field.data || field.length < 0 || field.length > 1) return false;
    switch (field.type) {
        case PluginFieldType::kFLOAT32: return read_as<float>(field.data, value);
        case PluginFieldType::kFLOAT64: return read_as<double>(field.data, value);
        case PluginFieldType::kINT8: return read_as<int8_t>(field.data, value);
        case PluginFieldType::kINT16: return read_as<int16_t>(field.data, value);
        case PluginFieldType::kINT32: return read_as<int32_t>(field.data, value);
#if L2_TENSORRT >= 1000
        case PluginFieldType::kINT64: return read_as<int64_t>(field.data, value);
#endif
        default: return false;
    }
}

bool is_integer(double value) { return value == std::floor(value) && std::fabs(value) < 1e9; }

Refusal check_collection(const PluginFieldCollection* collection) {
    if (!collection || collection->nbFields == 0 || (collection->nbFields > 0 && collection->fields)) return Refusal();
    return refusal("%d fields were announced and none given", collection->nbFields);
}

// Reads the fields that a parser, a network author or a plan gives. Unknown fields are ignored, as every plugin does: a UFF
// node carries more than the creator asks for.
Refusal read_fields(const PluginFieldCollection* collection, PluginState* state) {
    if (Refusal refused = check_collection(collection)) return refused;
    for (int i = 0; collection && i < collection->nbFields; ++i) {
        const PluginField& field = collection->fields[i];
        const std::string name = field.name ? field.name : "";
        if (name != "axis" && name != "eps" && name != "explicit_batch" && name != "version") continue;
        double value;
        if (!read_number(field, &value)) return refusal("field %s must be one number", name.c_str());
        if (name != "eps" && !is_integer(value)) return refusal("field %s must be an integer, not %g", name.c_str(), value);
        if (name == "eps") state->eps = std::fabs(value) <= FLT_MAX ? static_cast<float>(value) : INFINITY;
        if (name == "axis") state->axis = static_cast<int32_t>(value);
        if (name == "explicit_batch") state->explicit_batch = value != 0;
        if (name == "version" && value != kPluginStateVersion) {
            return refusal("the plan was made by version %g of this plugin; build it again", value);
        }
    }
    const char* error = plugin_state_error(*state);
    return error ? refusal("%s", error) : Refusal();
}

#if L2_TENSORRT < 1000
// ---- TensorRT 5 to 9: what IPluginV2 and its descendants have in common -------------------------

template <class Interface>
class PluginV2Common : public Interface {
public:
    explicit PluginV2Common(const PluginState& state) : state_(state) {}

    const char* getPluginType() const noexcept override { return kName; }
    const char* getPluginVersion() const noexcept override { return kVersion; }
    void setPluginNamespace(const char* name) noexcept override { namespace_ = name ? name : ""; }
    const char* getPluginNamespace() const noexcept override { return namespace_.c_str(); }
    int getNbOutputs() const noexcept override { return 1; }
    size_t getSerializationSize() const noexcept override { return kPluginStateSize; }
    void serialize(void* buffer) const noexcept override { write_plugin_state(state_, buffer); }
    int initialize() noexcept override { return refused_ ? 1 : 0; }  // configuring returns void
    void terminate() noexcept override {}
    void destroy() noexcept override { delete this; }

protected:
    // A clone is whatever its original was: fields, configuration, refusal, namespace.
    PluginV2Common(const PluginV2Common&) = default;

    // Whether something was refused. It is reported the first time.
    bool refuses(const Refusal& refused) {
        if (refused && !refused_) report(refused);
        refused_ = refused_ || refused;
        return bool(refused);
    }

    PluginState state_;
    std::string namespace_;
    bool refused_ = false;
};

// ---- TensorRT 5 to 9, implicit batch: shapes without the batch, which only enqueue knows --------

#if L2_TENSORRT >= 501
using ImplicitBatchInterface = IPluginV2Ext;
#else
using ImplicitBatchInterface = IPluginV2;
#endif

class L2Plugin : public PluginV2Common<ImplicitBatchInterface> {
public:
    using PluginV2Common::PluginV2Common;

    L2Plugin* clone() const noexcept override { return new L2Plugin(*this); }

    Dims getOutputDimensions(int, const Dims* inputs, int count) noexcept override {
        if (count < 1) return Dims();
        refuses(check_shape(state_, count, inputs[0]));
        return inputs[0];
    }
    bool supportsFormat(DataType type, PluginFormat format) const noexcept override {
        return format == kLinear && supports(type);
    }
    size_t getWorkspaceSize(int) const noexcept override { return 0; }

#if L2_TENSORRT >= 501
    DataType getOutputDataType(int, const DataType* inputs, int) const noexcept override { return inputs[0]; }
    bool isOutputBroadcastAcrossBatch(int, const bool*, int) const noexcept override { return false; }
    bool canBroadcastInputAcrossBatch(int) const noexcept override { return false; }
    void configurePlugin(const Dims* inputs, int count, const Dims*, int, const DataType* types, const DataType*,
                         const bool*, const bool*, PluginFormat, int) noexcept override {
        configure_for(inputs, count, count > 0 ? types[0] : DataType::kFLOAT);
    }
#else
    void configureWithFormat(const Dims* inputs, int count, const Dims*, int, DataType type, PluginFormat,
                             int) noexcept override {
        configure_for(inputs, count, type);
    }
#endif

    int initialize() noexcept override {
        if (state_.length < 1 && !refused_) refuses(refusal("not initialized: it was never configured with a shape"));
        return PluginV2Common::initialize();
    }

    int enqueue(int batch, const void* const* inputs, Outputs outputs, void*, cudaStream_t stream) noexcept override {
        if (state_.length < 1) return 1;
        return run(state_, inputs[0], outputs[0], batch, stream);
    }

private:
    void configure_for(const Dims* inputs, int count, DataType type) {
        state_.length = 0;
        state_.type = static_cast<uint8_t>(type_of(type));
        refuses(configure(count, count > 0 ? inputs[0] : Dims(), &state_));
    }
};

// ---- TensorRT 6 to 9, explicit batch: shapes with the batch, known when enqueue is called -------

#if L2_TENSORRT >= 600
class L2DynamicPlugin : public PluginV2Common<IPluginV2DynamicExt> {
public:
    using PluginV2Common::PluginV2Common;

    L2DynamicPlugin* clone() const noexcept override { return new L2DynamicPlugin(*this); }

    DataType getOutputDataType(int, const DataType* inputs, int) const noexcept override { return inputs[0]; }
    DimsExprs getOutputDimensions(int, const DimsExprs* inputs, int count, IExprBuilder&) noexcept override {
        if (count > 0 && !refuses(check_shape(state_, count, inputs[0]))) return inputs[0];
        DimsExprs invalid = DimsExprs();
        invalid.nbDims = -1;
        return invalid;
    }
    bool supportsFormatCombination(int position, const PluginTensorDesc* tensors, int inputs,
                                   int outputs) noexcept override {
        if (inputs != 1 || outputs != 1) return false;
        if (position < 0 || position > 1) return false;
        const PluginTensorDesc& tensor = tensors[position];
        return tensor.format == kLinear && supports(tensor.type) && tensor.type == tensors[0].type;
    }
    void configurePlugin(const DynamicPluginTensorDesc* inputs, int count, const DynamicPluginTensorDesc*,
                         int) noexcept override {
        PluginState largest = state_;
        refuses(configure(count, count > 0 ? inputs[0].max : Dims(), &largest));
    }
    size_t getWorkspaceSize(const PluginTensorDesc*, int, const PluginTensorDesc*, int) const noexcept override {
        return 0;
    }

    int enqueue(const PluginTensorDesc* in, const PluginTensorDesc*, const void* const* inputs,
                void* const* outputs, void*, cudaStream_t stream) noexcept override {
        return run(state_, in[0], inputs[0], outputs[0], stream);
    }
};
#endif

// ---- TensorRT 5 to 9: the creator ---------------------------------------------------------------

IPluginV2* make_plugin(const PluginState& state) {
#if L2_TENSORRT >= 600
    if (state.explicit_batch) return new L2DynamicPlugin(state);
#endif
    return new L2Plugin(state);
}

class L2NormCreator : public IPluginCreator {
public:
    L2NormCreator() {
        fields_[0] = PluginField("axis", nullptr, PluginFieldType::kINT32, 1);
        fields_[1] = PluginField("eps", nullptr, PluginFieldType::kFLOAT32, 1);
        fields_[2] = PluginField("explicit_batch", nullptr, PluginFieldType::kINT32, 1);
        collection_.nbFields = 3;
        collection_.fields = fields_;
    }

    const char* getPluginName() const noexcept override { return kName; }
    const char* getPluginVersion() const noexcept override { return kVersion; }
    const PluginFieldCollection* getFieldNames() noexcept override { return &collection_; }
    void setPluginNamespace(const char* name) noexcept override { namespace_ = name ? name : ""; }
    const char* getPluginNamespace() const noexcept override { return namespace_.c_str(); }

    IPluginV2* createPlugin(const char*, const PluginFieldCollection* fields) noexcept override {
        PluginState state;
        const Refusal refused = read_fields(fields, &state);
        return made(refused, state);
    }

    IPluginV2* deserializePlugin(const char*, const void* data, size_t size) noexcept override {
        PluginState state;
        const char* error = read_plugin_state(data, size, &state);
        return made(error ? refusal("%s", error) : Refusal(), state);
    }

private:
    IPluginV2* made(const Refusal& refused, const PluginState& state) const {
        if (refused) {
            report(refused);
            return nullptr;
        }
        IPluginV2* plugin = make_plugin(state);
        plugin->setPluginNamespace(namespace_.c_str());
        return plugin;
    }

    std::string namespace_;
    PluginField fields_[3];
    PluginFieldCollection collection_;
};

using CreatorInterface = IPluginCreator;

#else
// ---- TensorRT 10 and 11 -------------------------------------------------------------------------

class L2PluginV3 : public IPluginV3, public IPluginV3OneCore, public IPluginV3OneBuild, public IPluginV3OneRuntime {
public:
    explicit L2PluginV3(const PluginState& state) : state_(state) { state_.explicit_batch = 1; }

    IPluginCapability* getCapabilityInterface(PluginCapabilityType type) noexcept override {
        switch (type) {
            case PluginCapabilityType::kCORE: return static_cast<IPluginV3OneCore*>(this);
            case PluginCapabilityType::kBUILD: return static_cast<IPluginV3OneBuild*>(this);
            case PluginCapabilityType::kRUNTIME: return static_cast<IPluginV3OneRuntime*>(this);
        }
        return nullptr;
    }
    L2PluginV3* clone() noexcept override { return new L2PluginV3(*this); }

    // Core
    const char* getPluginName() const noexcept override { return kName; }
    const char* getPluginVersion() const noexcept override { return kVersion; }
    const char* getPluginNamespace() const noexcept override { return ""; }

    // Build
    int32_t getNbOutputs() const noexcept override { return 1; }
    int32_t getOutputDataTypes(DataType* outputs, int32_t, const DataType* inputs, int32_t count) const noexcept override {
        if (count < 1) return -1;
        outputs[0] = inputs[0];
        return 0;
    }
    int32_t getOutputShapes(const DimsExprs* inputs, int32_t count, const DimsExprs*, int32_t, DimsExprs* outputs,
                            int32_t, IExprBuilder&) noexcept override {
        if (count < 1 || refuses(check_shape(state_, count, inputs[0]))) return -1;
        outputs[0] = inputs[0];
        return 0;
    }
    bool supportsFormatCombination(int32_t position, const DynamicPluginTensorDesc* tensors, int32_t inputs,
                                   int32_t outputs) noexcept override {
        if (inputs != 1 || outputs != 1) return false;
        if (position < 0 || position > 1) return false;
        const PluginTensorDesc& tensor = tensors[position].desc;
        return tensor.format == kLinear && supports(tensor.type) && tensor.type == tensors[0].desc.type;
    }
    int32_t configurePlugin(const DynamicPluginTensorDesc* inputs, int32_t count, const DynamicPluginTensorDesc*,
                            int32_t) noexcept override {
        PluginState largest = state_;
        return refuses(configure(count, count > 0 ? inputs[0].max : Dims(), &largest)) ? -1 : 0;
    }
    size_t getWorkspaceSize(const DynamicPluginTensorDesc*, int32_t, const DynamicPluginTensorDesc*,
                            int32_t) const noexcept override {
        return 0;
    }

    // Runtime
    int32_t onShapeChange(const PluginTensorDesc* inputs, int32_t count, const PluginTensorDesc*,
                          int32_t) noexcept override {
        PluginState now = state_;
        return refuses(configure(count, count > 0 ? inputs[0].dims : Dims(), &now)) ? -1 : 0;
    }
    int32_t enqueue(const PluginTensorDesc* in, const PluginTensorDesc*, const void* const* inputs,
                    void* const* outputs, void*, cudaStream_t stream) noexcept override {
        return run(state_, in[0], inputs[0], outputs[0], stream);
    }
    L2PluginV3* attachToContext(IPluginResourceContext*) noexcept override { return clone(); }

    // What the plan keeps; the creator gets the same fields back in the runtime phase.
    const PluginFieldCollection* getFieldsToSerialize() noexcept override {
        fields_[0] = PluginField("version", &version_, PluginFieldType::kINT8, 1);
        fields_[1] = PluginField("axis", &state_.axis, PluginFieldType::kINT32, 1);
        fields_[2] = PluginField("eps", &state_.eps, PluginFieldType::kFLOAT32, 1);
        collection_.nbFields = 3;
        collection_.fields = fields_;
        return &collection_;
    }

private:
    bool refuses(const Refusal& refused) {
        if (refused && !refused_) report(refused);
        refused_ = refused_ || refused;
        return bool(refused);
    }

    PluginState state_;
    bool refused_ = false;
    int8_t version_ = kPluginStateVersion;
    PluginField fields_[3];
    PluginFieldCollection collection_;
};

class L2NormCreator : public IPluginCreatorV3One {
public:
    L2NormCreator() {
        fields_[0] = PluginField("axis", nullptr, PluginFieldType::kINT32, 1);
        fields_[1] = PluginField("eps", nullptr, PluginFieldType::kFLOAT32, 1);
        collection_.nbFields = 2;
        collection_.fields = fields_;
    }

    const char* getPluginName() const noexcept override { return kName; }
    const char* getPluginVersion() const noexcept override { return kVersion; }
    const char* getPluginNamespace() const noexcept override { return ""; }
    const PluginFieldCollection* getFieldNames() noexcept override { return &collection_; }

    IPluginV3* createPlugin(const char*, const PluginFieldCollection* fields, TensorRTPhase phase) noexcept override {
        PluginState state;
        Refusal refused = phase == TensorRTPhase::kRUNTIME ? check_plan(fields) : Refusal();
        if (!refused) refused = read_fields(fields, &state);
        if (!refused) return new L2PluginV3(state);
        report(refused);
        return nullptr;
    }

private:
    // A network author may leave a field out; a plan that does is damaged.
    static Refusal check_plan(const PluginFieldCollection* fields) {
        if (Refusal refused = check_collection(fields)) return refused;
        int found = 0;
        for (const char* wanted : {"version", "eps", "axis"}) {
            for (int i = 0; fields && i < fields->nbFields; ++i) {
                const char* name = fields->fields[i].name;
                if (name && std::strcmp(name, wanted) == 0) {
                    ++found;
                    break;
                }
            }
        }
        return found == 3 ? Refusal()
                          : refusal("the plan holds %d of the plugin's 3 fields; build it again", found);
    }

    PluginField fields_[2];
    PluginFieldCollection collection_;
};

using CreatorInterface = IPluginCreatorInterface;
#endif

// ---- Registration -------------------------------------------------------------------------------

#if L2_TENSORRT < 806
// Happens when the library is loaded; it needs getPluginRegistry() of libnvinfer at that moment.
REGISTER_TENSORRT_PLUGIN(L2NormCreator);
#endif

}  // namespace

// From 8.6 on the registry loads the library itself (IPluginRegistry::loadLibrary) and asks for its creators. It refuses a
// library whose plugins are registered already, so this one registers nothing on loading.
#if L2_TENSORRT >= 806
extern "C" __attribute__((visibility("default"))) void setLoggerFinder(ILoggerFinder* finder) {
    logger_finder = finder;
}

#if L2_TENSORRT >= 1000
extern "C" __attribute__((visibility("default"))) IPluginCreatorInterface* const* getCreators(int32_t& count) {
#else
extern "C" __attribute__((visibility("default"))) IPluginCreator* const* getPluginCreators(int32_t& count) {
#endif
    static L2NormCreator creator;
    static CreatorInterface* const creators[] = {&creator};
    count = 1;
    return creators;
}
#endif
