// Parses a .uff with NVIDIA's UffParser and writes down the network that the parser made. Nothing is built or run.
//
//     harness FILE FOLDER [--plugins] [--library PATH]... [--input NAME ORDER SIZE...]... [--output NAME]...
//     harness                          (prints the version of libnvinfer: 5105 for 5.1.5)
//
// FOLDER/network gets one JSON object a line, as soon as it is known, since a parser may abort the process. FOLDER/weights gets the
// weights, one after the other; a line refers to them as [first byte, count, type]. uffparser/parsing.py reads both.
#include "NvInfer.h"
#include "NvInferPlugin.h"
#include "NvUffParser.h"

#include <dlfcn.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <set>
#include <string>
#include <vector>

using namespace nvinfer1;
using std::string;

namespace {

FILE* lines;
FILE* blobs;
long long written = 0;

const char* const kTypes[] = {"float32", "float16", "int8", "int32", "bool"};
const char* const kSeverities[] = {"INTERNAL_ERROR", "ERROR", "WARNING"};
// The names of LayerType of TensorRT 5 and 6, without the k.
const char* const kLayers[] = {"CONVOLUTION", "FULLY_CONNECTED", "ACTIVATION", "POOLING", "LRN", "SCALE", "SOFTMAX",
                               "DECONVOLUTION", "CONCATENATION", "ELEMENTWISE", "PLUGIN", "RNN", "UNARY", "PADDING", "SHUFFLE",
                               "REDUCE", "TOPK", "GATHER", "MATRIX_MULTIPLY", "RAGGED_SOFTMAX", "CONSTANT", "RNN_V2",
                               "IDENTITY", "PLUGIN_V2", "SLICE", "SHAPE", "PARAMETRIC_RELU", "RESIZE"};

template <size_t N>
string name_of(const char* const (&names)[N], int number) {
    return number >= 0 && number < int(N) ? names[number] : std::to_string(number);
}

string quoted(const string& text) {
    string result = "\"";
    for (unsigned char c : text) {
        if (c == '"' || c == '\\') {
            result += '\\';
            result += char(c);
        } else if (c < 0x20) {
            char escape[8];
            std::snprintf(escape, sizeof escape, "\\u%04x", c);
            result += escape;
        } else {
            result += char(c);
        }
    }
    return result + "\"";
}

string text_of(int value) { return std::to_string(value); }

string text_of(float value) {
    char text[32];
    std::snprintf(text, sizeof text, "%.9g", value);
    return std::strpbrk(text, "n") ? quoted(text) : text;  // inf and nan are not JSON
}

string list_of(const int* values, int count) {
    string result = "[";
    for (int i = 0; i < count; ++i) result += (i ? ", " : "") + std::to_string(values[i]);
    return result + "]";
}

string text_of(const Dims& dims) { return dims.nbDims < 0 ? "null" : list_of(dims.d, dims.nbDims); }

string text_of(const DimsHW& dims) { return list_of(dims.d, 2); }

void write_line(const string& line) {
    std::fflush(blobs);
    std::fprintf(lines, "{%s}\n", line.c_str());
    std::fflush(lines);
}

struct Log : ILogger {
    void log(Severity severity, const char* text) noexcept override {
        if (int(severity) <= 2)
            write_line("\"log\": " + quoted(text) + ", \"severity\": " + quoted(name_of(kSeverities, int(severity))));
    }
} logger;

// A name for each tensor. The parser names most of them after the node of the file, and nothing keeps it from using a name twice.
string tensor_name(ITensor* tensor) {
    static std::map<ITensor*, string> names;
    static std::set<string> used;
    string& name = names[tensor];
    if (name.empty()) {
        const string given = tensor->getName()[0] ? tensor->getName() : "tensor";
        name = given;
        for (int i = 2; !used.insert(name).second; ++i) name = given + "#" + std::to_string(i);
    }
    return name;
}

string tensor(ITensor* tensor) {
    return "{\"name\": " + quoted(tensor_name(tensor)) + ", \"shape\": " + text_of(tensor->getDimensions()) +
           ", \"dtype\": " + quoted(name_of(kTypes, int(tensor->getType()))) + "}";
}

// The settings of a layer and its weights, as the inside of two JSON objects.
struct Description {
    string settings, weights;

    template <class T>
    Description& set(const char* name, const T& value) {
        return put(&settings, name, text_of(value));
    }
    Description& flag(const char* name, bool value) { return put(&settings, name, value ? "true" : "false"); }
    Description& list(const char* name, const int* values, int count) { return put(&settings, name, list_of(values, count)); }
    Description& text(const char* name, const string& value) { return put(&settings, name, quoted(value)); }
    Description& keep(const char* name, Weights values) {
        const int size = values.type == DataType::kHALF ? 2 : values.type == DataType::kINT8 ? 1 : 4;
        if (!values.values) values.count = 0;
        std::fwrite(values.values, size, size_t(values.count), blobs);
        put(&weights, name, "[" + std::to_string(written) + ", " + std::to_string(static_cast<long long>(values.count)) + ", " +
                                quoted(name_of(kTypes, int(values.type))) + "]");
        written += values.count * size;
        return *this;
    }

private:
    Description& put(string* where, const char* name, const string& value) {
        *where += (where->empty() ? "" : ", ") + quoted(name) + ": " + value;
        return *this;
    }
};

template <class Layer>
void describe_window(const Layer& layer, Description* result) {
    result->set("stride", layer.getStride()).set("padding", layer.getPadding());
    result->set("pre_padding", layer.getPrePadding()).set("post_padding", layer.getPostPadding());
    result->set("padding_mode", int(layer.getPaddingMode()));
}

template <class Layer>
void describe_convolution(const Layer& layer, Description* result) {
    result->set("kernel_size", layer.getKernelSize()).set("maps", layer.getNbOutputMaps()).set("groups", layer.getNbGroups());
    describe_window(layer, result);
    result->keep("kernel", layer.getKernelWeights()).keep("bias", layer.getBiasWeights());
}

// What a plugin would write into a plan: of these two we know that they can before they are configured, and what it means.
void describe_plugin(IPluginV2& plugin, Description* result) {
    const string type = plugin.getPluginType();
    result->text("plugin", type).text("version", plugin.getPluginVersion());
    if (type != "LReLU_TRT" && type != "L2Norm_TRT") return;
    std::vector<unsigned char> data(plugin.getSerializationSize());
    plugin.serialize(data.data());
    string hex;
    for (unsigned char byte : data) {
        hex += "0123456789abcdef"[byte >> 4];
        hex += "0123456789abcdef"[byte & 15];
    }
    result->text("data", hex);
}

Description describe(ILayer* layer) {
    Description result;
    switch (layer->getType()) {
        case LayerType::kCONVOLUTION: {
            auto& it = *static_cast<IConvolutionLayer*>(layer);
            describe_convolution(it, &result);
            result.set("dilation", it.getDilation());
            break;
        }
        case LayerType::kDECONVOLUTION: describe_convolution(*static_cast<IDeconvolutionLayer*>(layer), &result); break;
        case LayerType::kFULLY_CONNECTED: {
            auto& it = *static_cast<IFullyConnectedLayer*>(layer);
            result.set("outputs", it.getNbOutputChannels());
            result.keep("kernel", it.getKernelWeights()).keep("bias", it.getBiasWeights());
            break;
        }
        case LayerType::kACTIVATION: {
            auto& it = *static_cast<IActivationLayer*>(layer);
            result.set("function", int(it.getActivationType())).set("alpha", it.getAlpha()).set("beta", it.getBeta());
            break;
        }
        case LayerType::kPOOLING: {
            auto& it = *static_cast<IPoolingLayer*>(layer);
            result.set("function", int(it.getPoolingType())).set("window", it.getWindowSize());
            describe_window(it, &result);
            result.flag("excludes_padding", it.getAverageCountExcludesPadding());
            break;
        }
        case LayerType::kLRN: {
            auto& it = *static_cast<ILRNLayer*>(layer);
            result.set("window", it.getWindowSize());
            result.set("alpha", it.getAlpha()).set("beta", it.getBeta()).set("k", it.getK());
            break;
        }
        case LayerType::kSCALE: {
            auto& it = *static_cast<IScaleLayer*>(layer);
            result.set("mode", int(it.getMode()));
            result.keep("shift", it.getShift()).keep("scale", it.getScale()).keep("power", it.getPower());
            break;
        }
        case LayerType::kSOFTMAX: result.set("axes", int(static_cast<ISoftMaxLayer*>(layer)->getAxes())); break;
        case LayerType::kCONCATENATION: result.set("axis", static_cast<IConcatenationLayer*>(layer)->getAxis()); break;
        case LayerType::kELEMENTWISE: result.set("function", int(static_cast<IElementWiseLayer*>(layer)->getOperation())); break;
        case LayerType::kUNARY: result.set("function", int(static_cast<IUnaryLayer*>(layer)->getOperation())); break;
        case LayerType::kGATHER: result.set("axis", static_cast<IGatherLayer*>(layer)->getGatherAxis()); break;
        case LayerType::kPADDING: {
            auto& it = *static_cast<IPaddingLayer*>(layer);
            result.set("pre_padding", it.getPrePadding()).set("post_padding", it.getPostPadding());
            break;
        }
        case LayerType::kSHUFFLE: {
            auto& it = *static_cast<IShuffleLayer*>(layer);
            const int rank = layer->getInput(0)->getDimensions().nbDims;
            const Dims shape = it.getReshapeDimensions();
            result.list("first_transpose", it.getFirstTranspose().order, rank).set("reshape", shape);
            result.list("second_transpose", it.getSecondTranspose().order, layer->getOutput(0)->getDimensions().nbDims);
            break;
        }
        case LayerType::kREDUCE: {
            auto& it = *static_cast<IReduceLayer*>(layer);
            result.set("function", int(it.getOperation())).set("axes", int(it.getReduceAxes()));
            result.flag("keep_dimensions", it.getKeepDimensions());
            break;
        }
        case LayerType::kTOPK: {
            auto& it = *static_cast<ITopKLayer*>(layer);
            result.set("function", int(it.getOperation())).set("k", it.getK()).set("axes", int(it.getReduceAxes()));
            break;
        }
        case LayerType::kSLICE: {
            auto& it = *static_cast<ISliceLayer*>(layer);
            result.set("start", it.getStart()).set("size", it.getSize()).set("stride", it.getStride());
            break;
        }
        case LayerType::kMATRIX_MULTIPLY: {
            auto& it = *static_cast<IMatrixMultiplyLayer*>(layer);
            const int operations[] = {int(it.getOperation(0)), int(it.getOperation(1))};
            result.list("operations", operations, 2);
            break;
        }
        case LayerType::kCONSTANT: {
            auto& it = *static_cast<IConstantLayer*>(layer);
            result.set("shape", it.getDimensions()).keep("values", it.getWeights());
            break;
        }
        case LayerType::kPLUGIN_V2: describe_plugin(static_cast<IPluginV2Layer*>(layer)->getPlugin(), &result); break;
        default: break;  // a layer without settings, or one that no UffParser makes
    }
    return result;
}

// The parser makes a constant layer of every Const, also of those that it has used as weights or shapes: nobody reads these.
bool is_unread(ILayer* layer, const std::set<ITensor*>& read) {
    return layer->getType() == LayerType::kCONSTANT && !read.count(layer->getOutput(0)) &&
           !layer->getOutput(0)->isNetworkOutput();
}

void write_layer(ILayer* layer) {
    const Description described = describe(layer);
    string inputs, outputs;
    for (int i = 0; i < layer->getNbInputs(); ++i) {
        if (layer->getInput(i)) inputs += (i ? ", " : "") + quoted(tensor_name(layer->getInput(i)));
    }
    for (int i = 0; i < layer->getNbOutputs(); ++i) outputs += (i ? ", " : "") + tensor(layer->getOutput(i));
    write_line("\"layer\": " + quoted(layer->getName()) + ", \"type\": " + quoted(name_of(kLayers, int(layer->getType()))) +
               ", \"inputs\": [" + inputs + "], \"outputs\": [" + outputs + "], \"settings\": {" + described.settings +
               "}, \"weights\": {" + described.weights + "}");
}

int fail(const string& why) {
    std::fprintf(stderr, "%s\n", why.c_str());
    return 2;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc == 1) return std::printf("%d\n", getInferLibVersion()) < 0;
    if (argc < 3) return fail("usage: harness FILE FOLDER [options]; alone it prints the version of the library");
    lines = std::fopen((string(argv[2]) + "/network").c_str(), "wb");
    blobs = std::fopen((string(argv[2]) + "/weights").c_str(), "wb");
    if (!lines || !blobs) return fail("cannot write into " + string(argv[2]));
    IBuilder* builder = createInferBuilder(logger);
    if (!builder) return fail("TensorRT made no builder");
#if NV_TENSORRT_MAJOR >= 6
    INetworkDefinition* network = builder->createNetworkV2(0U);
#else
    INetworkDefinition* network = builder->createNetwork();
#endif
    nvuffparser::IUffParser* parser = nvuffparser::createUffParser();
    for (int i = 3; i < argc; ++i) {
        const string option = argv[i];
        if (option == "--plugins") {
            initLibNvInferPlugins(&logger, "");
        } else if (option == "--library" && i + 1 < argc) {
            if (!dlopen(argv[++i], RTLD_NOW | RTLD_GLOBAL)) return fail(dlerror());
        } else if (option == "--output" && i + 1 < argc) {
            parser->registerOutput(argv[++i]);
        } else if (option == "--input" && i + 2 < argc) {
            const char* name = argv[++i];
            const string order = argv[++i];
            Dims dims = Dims();
            while (i + 1 < argc && argv[i + 1][0] != '-' && dims.nbDims < Dims::MAX_DIMS)
                dims.d[dims.nbDims++] = std::atoi(argv[++i]);
            parser->registerInput(name, dims, order == "NHWC" ? nvuffparser::UffInputOrder::kNHWC
                                              : order == "NC" ? nvuffparser::UffInputOrder::kNC
                                                              : nvuffparser::UffInputOrder::kNCHW);
        } else {
            return fail("unknown option " + option);
        }
    }
    const bool ok = parser->parse(argv[1], *network, DataType::kFLOAT);
    write_line(string("\"ok\": ") + (ok ? "true" : "false"));
    for (int i = 0; i < network->getNbInputs(); ++i) write_line("\"input\": " + tensor(network->getInput(i)));
    std::set<ITensor*> read;
    for (int i = 0; i < network->getNbLayers(); ++i) {
        for (int k = 0; k < network->getLayer(i)->getNbInputs(); ++k) read.insert(network->getLayer(i)->getInput(k));
    }
    for (int i = 0; i < network->getNbLayers(); ++i) {
        if (!is_unread(network->getLayer(i), read)) write_layer(network->getLayer(i));
    }
    for (int i = 0; i < network->getNbOutputs(); ++i) write_line("\"output\": " + tensor(network->getOutput(i)));
    write_line("\"end\": true");
    std::fclose(blobs);
    std::_Exit(0);  // the destructors of libraries that found no GPU are not worth a crash
}
