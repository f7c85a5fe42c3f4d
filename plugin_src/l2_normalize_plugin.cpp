// L2Norm_TRT (and the 2019 article's L2Norm_Helper_TRT) for TensorRT 5.0 to 11.
//
// TensorRT changed its plugin interface four times. The kernel does not care, so each class below is
// only the paperwork of one interface around the same PluginState:
//   5.0            IPluginV2             implicit batch (UFF)
//   5.1 to 9       IPluginV2Ext          implicit batch (UFF)
//   6 to 9         IPluginV2DynamicExt   explicit batch (ONNX), for nodes with explicit_batch = 1
//   10 and 11      IPluginV3             always explicit batch
//
// Fields of L2Norm_TRT v1: axis (int, default -1), eps (float, default 1e-12) and explicit_batch
// (int, default 0, looked at by TensorRT 6 to 9 only: a creator cannot see what kind of network asks).
// Fields of L2Norm_Helper_TRT v1: op_type (int: 0 max, 1 rsqrt, 2 sqrt), eps and explicit_batch.
#include "plugin_state.h"
#include "tensorrt_headers.h"

#include <cstdarg>
#include <cstdio>
#include <string>

using namespace nvinfer1;

namespace {

// ---- What all the interfaces share --------------------------------------------------------------

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

const char* name_of(const PluginState& state) {
    return state.operation == Operation::kNormalize ? "L2Norm_TRT" : "L2Norm_Helper_TRT";
}

// An error line in TensorRT's log, or on stderr when nobody has given TensorRT a logger yet.
#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
void report(const char* plugin, const char* format, ...) {
    char text[512];
    int used = std::snprintf(text, sizeof text, "%s: ", plugin);
    va_list arguments;
    va_start(arguments, format);
    std::vsnprintf(text + used, sizeof text - used, format, arguments);
    va_end(arguments);
#if L2_TENSORRT >= 806
    ILogger* logger = logger_finder ? logger_finder->findLogger() : nullptr;
#else
    ILogger* logger = getLogger();
#endif
    if (logger) {
        logger->log(ILogger::Severity::kERROR, text);
    } else {
        std::fprintf(stderr, "%s\n", text);
    }
}

// The helper is FP32 only: see l2_helper.h.
bool supports(const PluginState& state, DataType type) {
    return type == DataType::kFLOAT || (type == DataType::kHALF && state.operation == Operation::kNormalize);
}

bool is_last_axis(const PluginState& state, int rank_with_batch) {
    if (state.operation != Operation::kNormalize || state.axis == -1) return true;
    if (state.axis == rank_with_batch - 1) return true;
    report(name_of(state),
           "axis is %d, but only the last axis of the input can be normalized, here %d (batch counted) or "
           "-1; transpose before and after%s",
           state.axis, rank_with_batch - 1,
           state.explicit_batch || L2_TENSORRT < 600 || L2_TENSORRT >= 1000
               ? ""
               : ", or in an ONNX network set explicit_batch to 1");
    return false;
}

bool has_one_input(const PluginState& state, int inputs) {
    if (inputs == 1) return true;
    report(name_of(state),
           "takes 1 input and got %d; when the graph's axis constant is still connected to the node, remove it "
           "there",
           inputs);
    return false;
}

// Rows and row length of a shape whose first dimensions may include the batch. For the helper every
// element is a row of its own. False, with a report, where the shape is not one we can take.
bool rows_of(const PluginState& state, const Dims& dims, int64_t* rows, int64_t* length) {
    const bool helper = state.operation != Operation::kNormalize;
    int64_t volume = 1;
    bool known = helper || dims.nbDims > 0;
    for (int i = 0; i < dims.nbDims; ++i) {
        volume *= dims.d[i];
        known = known && dims.d[i] >= 0;
    }
    *length = helper || dims.nbDims < 1 ? 1 : dims.d[dims.nbDims - 1];
    if (!known) {
        report(name_of(state), "the input has %d dimensions of unknown or no size", int(dims.nbDims));
        return false;
    }
    if (*length > kL2MaxLength) {
        report(name_of(state), "the last axis has %lld elements; at most %d are supported",
               static_cast<long long>(*length), int(kL2MaxLength));
        return false;
    }
    *rows = volume == 0 ? 0 : volume / *length;
    return true;
}

// Puts the kernel on the stream. Returns 0, or 1 as TensorRT wants it, with a report.
int run(const PluginState& state, int32_t type, const void* x, void* y, int64_t rows, int64_t length,
        cudaStream_t stream) {
    if (rows == 0) return 0;
    int error;
    if (state.operation == Operation::kNormalize) {
        error = l2_normalize(x, y, rows, int32_t(length), state.eps, type, stream);
    } else {
        error = l2_helper(x, y, rows * length, int32_t(state.operation) - 1, state.eps, stream);
    }
    if (error == 0) return 0;
    report(name_of(state), "the kernel was not launched, CUDA error %d (%lld rows of %lld elements)", error,
           static_cast<long long>(rows), static_cast<long long>(length));
    return 1;
}

int32_t type_of(DataType type) { return type == DataType::kHALF ? kL2Half : kL2Float; }

// The parsers disagree about the type of a number; all of them give scalars.
bool read_number(const PluginField& field, double* value) {
    if (!field.data || field.length > 1) return false;
    switch (field.type) {
        case PluginFieldType::kFLOAT32: *value = *static_cast<const float*>(field.data); return true;
        case PluginFieldType::kFLOAT64: *value = *static_cast<const double*>(field.data); return true;
        case PluginFieldType::kINT8: *value = *static_cast<const int8_t*>(field.data); return true;
        case PluginFieldType::kINT16: *value = *static_cast<const int16_t*>(field.data); return true;
        case PluginFieldType::kINT32: *value = *static_cast<const int32_t*>(field.data); return true;
#if L2_TENSORRT >= 1000
        case PluginFieldType::kINT64: *value = double(*static_cast<const int64_t*>(field.data)); return true;
#endif
        default: return false;
    }
}

bool is_integer(double value) { return value == std::floor(value) && std::fabs(value) < 1e9; }

// Reads the fields that a parser, a network author or a plan gives. Unknown fields are left alone,
// as every plugin does: a UFF node carries more than was asked for.
bool read_fields(const PluginFieldCollection* collection, bool helper, PluginState* state) {
    const char* const plugin = helper ? "L2Norm_Helper_TRT" : "L2Norm_TRT";
    bool has_op_type = false;
    for (int i = 0; collection && i < collection->nbFields; ++i) {
        const PluginField& field = collection->fields[i];
        const std::string name = field.name ? field.name : "";
        const bool wanted = name == "eps" || name == "explicit_batch" || name == "version" ||
                            name == (helper ? "op_type" : "axis");
        if (!wanted) continue;
        double value;
        if (!read_number(field, &value)) {
            report(plugin, "field %s must be one number", name.c_str());
            return false;
        }
        if (name != "eps" && !is_integer(value)) {
            report(plugin, "field %s must be an integer, not %g", name.c_str(), value);
            return false;
        }
        if (name == "eps") state->eps = static_cast<float>(value);
        if (name == "axis") state->axis = static_cast<int32_t>(value);
        if (name == "explicit_batch") state->explicit_batch = value != 0;
        if (name == "op_type" && (value < 0 || value > 2)) value = 3;  // no operation
        if (name == "op_type") state->operation = static_cast<Operation>(1 + int(value));
        if (name == "op_type") has_op_type = true;
        if (name == "version" && value != kPluginStateVersion) {
            report(plugin, "the plan was made by version %g of this plugin; build it again", value);
            return false;
        }
    }
    if (helper && !has_op_type) {
        report(plugin, "field op_type is missing: 0 is max, 1 rsqrt, 2 sqrt");
        return false;
    }
    if (const char* error = plugin_state_error(*state)) {
        report(plugin, "%s", error);
        return false;
    }
    return true;
}

#if L2_TENSORRT < 1000
// ---- TensorRT 5 to 9: what IPluginV2 and its descendants have in common -------------------------

template <class Interface>
class PluginV2Common : public Interface {
public:
    explicit PluginV2Common(const PluginState& state) : state_(state) {}

    const char* getPluginType() const noexcept override { return name_of(state_); }
    const char* getPluginVersion() const noexcept override { return kVersion; }
    void setPluginNamespace(const char* name) noexcept override { namespace_ = name ? name : ""; }
    const char* getPluginNamespace() const noexcept override { return namespace_.c_str(); }
    int getNbOutputs() const noexcept override { return 1; }
    size_t getSerializationSize() const noexcept override { return kPluginStateSize; }
    void serialize(void* buffer) const noexcept override { write_plugin_state(state_, buffer); }
    void terminate() noexcept override {}
    void destroy() noexcept override { delete this; }

    // The first place where refusing a configuration can be told to TensorRT: configuring returns void.
    int initialize() noexcept override {
        if (!refused_) return 0;
        report(name_of(state_), "not initialized: its configuration was refused, see the lines above");
        return 1;
    }

protected:
    // A clone is whatever its original was: fields, configuration, namespace.
    PluginV2Common(const PluginV2Common&) = default;

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
        return count > 0 ? inputs[0] : Dims();
    }
    bool supportsFormat(DataType type, PluginFormat format) const noexcept override {
        return format == kLinear && supports(state_, type);
    }
    size_t getWorkspaceSize(int) const noexcept override { return 0; }

#if L2_TENSORRT >= 501
    DataType getOutputDataType(int, const DataType* inputs, int) const noexcept override { return inputs[0]; }
    bool isOutputBroadcastAcrossBatch(int, const bool*, int) const noexcept override { return false; }
    bool canBroadcastInputAcrossBatch(int) const noexcept override { return false; }
    void configurePlugin(const Dims* inputs, int count, const Dims*, int, const DataType* types, const DataType*,
                         const bool*, const bool*, PluginFormat, int) noexcept override {
        configure(inputs, count, types[0]);
    }
#else
    void configureWithFormat(const Dims* inputs, int count, const Dims*, int, DataType type, PluginFormat,
                             int) noexcept override {
        configure(inputs, count, type);
    }
#endif

    int initialize() noexcept override {
        if (state_.length > 0 || refused_) return PluginV2Common::initialize();
        report(name_of(state_), "not initialized: it was never configured with a shape");
        return 1;
    }

    int enqueue(int batch, const void* const* inputs, Outputs outputs, void*, cudaStream_t stream) noexcept override {
        if (state_.length < 1) return 1;
        return run(state_, state_.type, inputs[0], outputs[0], batch * state_.rows, state_.length, stream);
    }

private:
    void configure(const Dims* inputs, int count, DataType type) {
        int64_t rows = 0, length = 0;
        refused_ = !has_one_input(state_, count) || !is_last_axis(state_, inputs[0].nbDims + 1) ||
                   !rows_of(state_, inputs[0], &rows, &length);
        state_.rows = refused_ ? 0 : rows;
        state_.length = refused_ ? 0 : int32_t(length);
        state_.type = static_cast<uint8_t>(type_of(type));
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
        return count > 0 ? inputs[0] : DimsExprs();
    }
    bool supportsFormatCombination(int position, const PluginTensorDesc* tensors, int inputs,
                                   int outputs) noexcept override {
        if (inputs != 1 || outputs != 1) return false;
        const PluginTensorDesc& tensor = tensors[position];
        return tensor.format == kLinear && supports(state_, tensor.type) && tensor.type == tensors[0].type;
    }
    void configurePlugin(const DynamicPluginTensorDesc* inputs, int count, const DynamicPluginTensorDesc*,
                         int) noexcept override {
        int64_t rows, length;
        refused_ = !has_one_input(state_, count) || !is_last_axis(state_, inputs[0].desc.dims.nbDims) ||
                   !rows_of(state_, inputs[0].max, &rows, &length);
    }
    size_t getWorkspaceSize(const PluginTensorDesc*, int, const PluginTensorDesc*, int) const noexcept override {
        return 0;
    }

    int enqueue(const PluginTensorDesc* in, const PluginTensorDesc*, const void* const* inputs,
                void* const* outputs, void*, cudaStream_t stream) noexcept override {
        int64_t rows, length;
        if (!rows_of(state_, in[0].dims, &rows, &length)) return 1;
        return run(state_, type_of(in[0].type), inputs[0], outputs[0], rows, length, stream);
    }
};
#endif

// ---- TensorRT 5 to 9: creators ------------------------------------------------------------------

IPluginV2* make_plugin(const PluginState& state) {
#if L2_TENSORRT >= 600
    if (state.explicit_batch) return new L2DynamicPlugin(state);
#endif
    return new L2Plugin(state);
}

class CreatorV2 : public IPluginCreator {
public:
    explicit CreatorV2(bool helper) : helper_(helper) {
        fields_[0] = PluginField(helper ? "op_type" : "axis", nullptr, PluginFieldType::kINT32, 1);
        fields_[1] = PluginField("eps", nullptr, PluginFieldType::kFLOAT32, 1);
        fields_[2] = PluginField("explicit_batch", nullptr, PluginFieldType::kINT32, 1);
        collection_.nbFields = 3;
        collection_.fields = fields_;
    }

    const char* getPluginName() const noexcept override { return helper_ ? "L2Norm_Helper_TRT" : "L2Norm_TRT"; }
    const char* getPluginVersion() const noexcept override { return kVersion; }
    const PluginFieldCollection* getFieldNames() noexcept override { return &collection_; }
    void setPluginNamespace(const char* name) noexcept override { namespace_ = name ? name : ""; }
    const char* getPluginNamespace() const noexcept override { return namespace_.c_str(); }

    IPluginV2* createPlugin(const char*, const PluginFieldCollection* fields) noexcept override {
        PluginState state;
        if (!read_fields(fields, helper_, &state)) return nullptr;
        return named(make_plugin(state));
    }

    IPluginV2* deserializePlugin(const char*, const void* data, size_t size) noexcept override {
        PluginState state;
        const char* error = read_plugin_state(data, size, &state);
        if (!error && (state.operation != Operation::kNormalize) != helper_) error = "these bytes are another plugin's";
        if (!error) return named(make_plugin(state));
        report(getPluginName(), "%s", error);
        return nullptr;
    }

private:
    IPluginV2* named(IPluginV2* plugin) const {
        plugin->setPluginNamespace(namespace_.c_str());
        return plugin;
    }

    bool helper_;
    std::string namespace_;
    PluginField fields_[3];
    PluginFieldCollection collection_;
};

using CreatorInterface = IPluginCreator;
using CreatorBase = CreatorV2;

#else
// ---- TensorRT 10 and 11 -------------------------------------------------------------------------

class L2PluginV3 : public IPluginV3, public IPluginV3OneCore, public IPluginV3OneBuild, public IPluginV3OneRuntime {
public:
    explicit L2PluginV3(const PluginState& state) : state_(state) {}

    IPluginCapability* getCapabilityInterface(PluginCapabilityType type) noexcept override {
        switch (type) {
            case PluginCapabilityType::kCORE: return static_cast<IPluginV3OneCore*>(this);
            case PluginCapabilityType::kBUILD: return static_cast<IPluginV3OneBuild*>(this);
            case PluginCapabilityType::kRUNTIME: return static_cast<IPluginV3OneRuntime*>(this);
        }
        return nullptr;
    }
    L2PluginV3* clone() noexcept override { return new L2PluginV3(state_); }

    // Core
    const char* getPluginName() const noexcept override { return name_of(state_); }
    const char* getPluginVersion() const noexcept override { return kVersion; }
    const char* getPluginNamespace() const noexcept override { return ""; }

    // Build
    int32_t getNbOutputs() const noexcept override { return 1; }
    int32_t getOutputDataTypes(DataType* outputs, int32_t, const DataType* inputs, int32_t) const noexcept override {
        outputs[0] = inputs[0];
        return 0;
    }
    int32_t getOutputShapes(const DimsExprs* inputs, int32_t count, const DimsExprs*, int32_t, DimsExprs* outputs,
                            int32_t, IExprBuilder&) noexcept override {
        if (!has_one_input(state_, count) || !is_last_axis(state_, inputs[0].nbDims)) return -1;
        outputs[0] = inputs[0];
        return 0;
    }
    bool supportsFormatCombination(int32_t position, const DynamicPluginTensorDesc* tensors, int32_t inputs,
                                   int32_t outputs) noexcept override {
        if (inputs != 1 || outputs != 1) return false;
        const PluginTensorDesc& tensor = tensors[position].desc;
        return tensor.format == kLinear && supports(state_, tensor.type) && tensor.type == tensors[0].desc.type;
    }
    int32_t configurePlugin(const DynamicPluginTensorDesc* inputs, int32_t count, const DynamicPluginTensorDesc*,
                            int32_t) noexcept override {
        if (!has_one_input(state_, count) || !is_last_axis(state_, inputs[0].desc.dims.nbDims)) return -1;
        int64_t rows, length;
        return rows_of(state_, inputs[0].max, &rows, &length) ? 0 : -1;
    }
    size_t getWorkspaceSize(const DynamicPluginTensorDesc*, int32_t, const DynamicPluginTensorDesc*,
                            int32_t) const noexcept override {
        return 0;
    }

    // Runtime
    int32_t onShapeChange(const PluginTensorDesc* inputs, int32_t count, const PluginTensorDesc*,
                          int32_t) noexcept override {
        int64_t rows, length;
        return has_one_input(state_, count) && rows_of(state_, inputs[0].dims, &rows, &length) ? 0 : -1;
    }
    int32_t enqueue(const PluginTensorDesc* in, const PluginTensorDesc*, const void* const* inputs,
                    void* const* outputs, void*, cudaStream_t stream) noexcept override {
        int64_t rows, length;
        if (!rows_of(state_, in[0].dims, &rows, &length)) return 1;
        return run(state_, type_of(in[0].type), inputs[0], outputs[0], rows, length, stream);
    }
    L2PluginV3* attachToContext(IPluginResourceContext*) noexcept override { return clone(); }

    // What the plan keeps; the creator gets the same fields back in the runtime phase.
    const PluginFieldCollection* getFieldsToSerialize() noexcept override {
        const bool helper = state_.operation != Operation::kNormalize;
        number_ = helper ? int32_t(state_.operation) - 1 : state_.axis;
        fields_[0] = PluginField("version", &version_, PluginFieldType::kINT8, 1);
        fields_[1] = PluginField(helper ? "op_type" : "axis", &number_, PluginFieldType::kINT32, 1);
        fields_[2] = PluginField("eps", &state_.eps, PluginFieldType::kFLOAT32, 1);
        collection_.nbFields = 3;
        collection_.fields = fields_;
        return &collection_;
    }

private:
    PluginState state_;
    int8_t version_ = kPluginStateVersion;
    int32_t number_ = 0;
    PluginField fields_[3];
    PluginFieldCollection collection_;
};

class CreatorV3 : public IPluginCreatorV3One {
public:
    explicit CreatorV3(bool helper) : helper_(helper) {
        fields_[0] = PluginField(helper ? "op_type" : "axis", nullptr, PluginFieldType::kINT32, 1);
        fields_[1] = PluginField("eps", nullptr, PluginFieldType::kFLOAT32, 1);
        collection_.nbFields = 2;
        collection_.fields = fields_;
    }

    const char* getPluginName() const noexcept override { return helper_ ? "L2Norm_Helper_TRT" : "L2Norm_TRT"; }
    const char* getPluginVersion() const noexcept override { return kVersion; }
    const char* getPluginNamespace() const noexcept override { return ""; }
    const PluginFieldCollection* getFieldNames() noexcept override { return &collection_; }

    IPluginV3* createPlugin(const char*, const PluginFieldCollection* fields, TensorRTPhase phase) noexcept override {
        PluginState state;
        if (phase == TensorRTPhase::kRUNTIME && !is_complete(fields)) return nullptr;
        return read_fields(fields, helper_, &state) ? new L2PluginV3(state) : nullptr;
    }

private:
    // A network author may leave a field out; a plan that does is damaged.
    bool is_complete(const PluginFieldCollection* fields) const {
        int found = 0;
        for (int i = 0; fields && i < fields->nbFields; ++i) {
            const std::string name = fields->fields[i].name ? fields->fields[i].name : "";
            found += name == "version" || name == "eps" || name == (helper_ ? "op_type" : "axis");
        }
        if (found == 3) return true;
        report(getPluginName(), "the plan holds %d of the plugin's 3 fields; build it again", found);
        return false;
    }

    bool helper_;
    PluginField fields_[2];
    PluginFieldCollection collection_;
};

using CreatorInterface = IPluginCreatorInterface;
using CreatorBase = CreatorV3;
#endif

// ---- Registration -------------------------------------------------------------------------------

class L2NormCreator : public CreatorBase {
public:
    L2NormCreator() : CreatorBase(false) {}
};

class L2NormHelperCreator : public CreatorBase {
public:
    L2NormHelperCreator() : CreatorBase(true) {}
};

#if L2_TENSORRT < 806
// Happens when the library is loaded; it needs getPluginRegistry() of libnvinfer at that moment.
REGISTER_TENSORRT_PLUGIN(L2NormCreator);
REGISTER_TENSORRT_PLUGIN(L2NormHelperCreator);
#endif

}  // namespace

// From 8.6 on the registry loads the library itself (IPluginRegistry::loadLibrary) and asks it. It
// refuses a library whose plugins are there already, so that nothing is registered on loading.
#if L2_TENSORRT >= 806
extern "C" __attribute__((visibility("default"))) void setLoggerFinder(ILoggerFinder* finder) {
    logger_finder = finder;
}

#if L2_TENSORRT >= 1000
extern "C" __attribute__((visibility("default"))) IPluginCreatorInterface* const* getCreators(int32_t& count) {
#else
extern "C" __attribute__((visibility("default"))) IPluginCreator* const* getPluginCreators(int32_t& count) {
#endif
    static L2NormCreator normalize;
    static L2NormHelperCreator helper;
    static CreatorInterface* const creators[] = {&normalize, &helper};
    count = 2;
    return creators;
}
#endif
