// From a .uff or .onnx to a plan, in C++: the second step of the article, for what old Python APIs lack (DLA on
// TensorRT 5) and for boards without Python.
//
//   build_engine --uff|--onnx FILE --output PLAN [--fp16] [--int8 CACHE] [--dla CORE] [--plugin LIB]
//
// One text for TensorRT 5 to 11. What differs between the versions stands in the functions under "The versions"; main
// reads like the article: builder, network, parser, config, plan.
//   --int8 CACHE   the ranges that an earlier calibration wrote (helpers.engine.calibrator, trtexec); - for a model
//                  that has QuantizeLinear nodes.
//   --uff-input NAME,H,W,C and --uff-output NAME   for another network than the workbook's; may be repeated.
// Exit status: 0, 1 when TensorRT refuses, 2 for a wrong command line.

// Each version gets the names that it has, the ones that it is about to drop among them.
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
#include <NvInfer.h>
#include <NvOnnxParser.h>
#if NV_TENSORRT_MAJOR < 9
#include <NvUffParser.h>
#endif
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cctype>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace {

struct Options {
    std::string uff, onnx, output, int8;
    std::vector<std::string> plugins, uffOutputs;
    std::vector<std::pair<std::string, std::vector<int>>> uffInputs;
    bool fp16 = false;
    int dla = -1, batch = 1;
};

struct Logger : nvinfer1::ILogger {
    void log(Severity severity, const char* message) noexcept override {
        if (severity <= Severity::kWARNING) std::cerr << "TensorRT: " << message << "\n";
    }
};

// Not a folder, and not a pipe, on which a parser would wait for ever.
void requireFile(const std::string& path) {
    struct stat found;
    if (stat(path.c_str(), &found) != 0) throw std::runtime_error("cannot read " + path);
    if (!S_ISREG(found.st_mode)) throw std::runtime_error(path + " is not a file");
    if (found.st_size == 0) throw std::runtime_error(path + " is empty");
}

// --- The versions --------------------------------------------------------------------------------------------------

#if NV_TENSORRT_MAJOR >= 8
struct Destroy {
    template <class T>
    void operator()(T* object) const { delete object; }
};
#else
struct Destroy {  // before 8.0 the destructors are protected
    template <class T>
    void operator()(T* object) const { if (object) object->destroy(); }
};
#endif

template <class T>
using Own = std::unique_ptr<T, Destroy>;

template <class T>
Own<T> own(T* object, const char* what) {
    if (!object) throw std::runtime_error(std::string("TensorRT made no ") + what);
    return Own<T>(object);
}

Own<nvinfer1::INetworkDefinition> makeNetwork(nvinfer1::IBuilder& builder, bool implicitBatch) {
    (void)implicitBatch;
#if NV_TENSORRT_MAJOR < 6
    return own(builder.createNetwork(), "network");  // there is no other
#elif NV_TENSORRT_MAJOR < 10
    auto explicitBatch = 1U << static_cast<unsigned>(nvinfer1::NetworkDefinitionCreationFlag::kEXPLICIT_BATCH);
    return own(builder.createNetworkV2(implicitBatch ? 0U : explicitBatch), "network");
#else
    return own(builder.createNetworkV2(0U), "network");  // always explicit; from 11 on strongly typed, too
#endif
}

#if NV_TENSORRT_MAJOR < 11
// At most 80 characters of a line of a file that may hold anything.
std::string printable(const std::string& line) {
    std::string found = line.substr(0, 80);
    for (char& c : found) c = std::isprint(static_cast<unsigned char>(c)) ? c : '?';
    return found;
}

// The text of a calibration cache: a first line that begins with TRT-, then "tensor: hexadecimal digits". TensorRT takes a
// cache that it cannot read for none, and would calibrate with the images that there are not.
std::vector<char> readCache(const std::string& path) {
    std::ifstream stream(path, std::ios::binary);
    std::string text, line;
    while (std::getline(stream, line) && text.size() < (std::size_t(64) << 20)) {
        const std::size_t colon = line.rfind(": ");
        const bool entry = colon != std::string::npos && colon > 0 && colon + 2 < line.size() &&
                           line.find_first_not_of("0123456789abcdefABCDEF\r", colon + 2) == std::string::npos;
        if (text.empty() ? line.compare(0, 4, "TRT-") != 0 : !entry && !line.empty()) {
            throw std::runtime_error(path + " is not a calibration cache, or damaged: \"" + printable(line) + "\"");
        }
        text += line + "\n";
    }
    if (text.empty() || !stream.eof()) throw std::runtime_error(path + " is empty, or no calibration cache");
    return std::vector<char>(text.begin(), text.end());
}

// Hands out the ranges of an earlier calibration and has no images for a new one.
struct CachedRanges : nvinfer1::IInt8EntropyCalibrator2 {
    std::vector<char> cache_;
    explicit CachedRanges(std::vector<char> cache) : cache_(std::move(cache)) {}
    int getBatchSize() const noexcept override { return 1; }
    bool getBatch(void**, const char**, int) noexcept override { return false; }
    const void* readCalibrationCache(std::size_t& length) noexcept override {
        length = cache_.size();
        return cache_.data();
    }
    void writeCalibrationCache(const void*, std::size_t) noexcept override {}
};
#else
struct CachedRanges {};
#endif

#if NV_TENSORRT_MAJOR < 6
// TensorRT 5 has no config: the builder takes the wishes.
Own<nvinfer1::IHostMemory> buildPlan(nvinfer1::IBuilder& builder, nvinfer1::INetworkDefinition& network,
                                     const Options& options, CachedRanges* calibrator) {
    builder.setMaxBatchSize(options.batch);
    builder.setMaxWorkspaceSize(1U << 30);
    builder.setFp16Mode(options.fp16);
    builder.setInt8Mode(!options.int8.empty());
    if (calibrator) builder.setInt8Calibrator(calibrator);
    if (options.dla >= 0) {
        builder.setDefaultDeviceType(nvinfer1::DeviceType::kDLA);
        builder.setDLACore(options.dla);
        builder.allowGPUFallback(true);
    }
    auto engine = own(builder.buildCudaEngine(network), "engine");
    return own(engine->serialize(), "plan");
}
#else
Own<nvinfer1::IHostMemory> buildPlan(nvinfer1::IBuilder& builder, nvinfer1::INetworkDefinition& network,
                                     const Options& options, CachedRanges* calibrator) {
    auto config = own(builder.createBuilderConfig(), "builder config");
#if NV_TENSORRT_MAJOR > 8 || (NV_TENSORRT_MAJOR == 8 && NV_TENSORRT_MINOR >= 4)
    config->setMemoryPoolLimit(nvinfer1::MemoryPoolType::kWORKSPACE, 1U << 30);
#else
    config->setMaxWorkspaceSize(1U << 30);
#endif
#if NV_TENSORRT_MAJOR < 11
    if (options.fp16) config->setFlag(nvinfer1::BuilderFlag::kFP16);
    if (!options.int8.empty()) config->setFlag(nvinfer1::BuilderFlag::kINT8);
    if (calibrator) config->setInt8Calibrator(calibrator);
#else
    (void)calibrator;
#endif
#if NV_TENSORRT_MAJOR > 8 || (NV_TENSORRT_MAJOR == 8 && NV_TENSORRT_MINOR >= 2)
    config->setProfilingVerbosity(nvinfer1::ProfilingVerbosity::kDETAILED);  // for EngineInspector
#endif
    if (options.dla >= 0) {
        config->setDefaultDeviceType(nvinfer1::DeviceType::kDLA);
        config->setDLACore(options.dla);
        config->setFlag(nvinfer1::BuilderFlag::kGPU_FALLBACK);
    }
#if NV_TENSORRT_MAJOR < 10
    if (network.hasImplicitBatchDimension()) builder.setMaxBatchSize(options.batch);
#endif
    nvinfer1::IOptimizationProfile* profile = nullptr;
    for (int i = 0; i < network.getNbInputs(); ++i) {
        nvinfer1::ITensor* input = network.getInput(i);
        nvinfer1::Dims dims = input->getDimensions();
        if (dims.nbDims == 0 || dims.d[0] != -1) continue;
        if (!profile) profile = builder.createOptimizationProfile();
        for (auto which : {nvinfer1::OptProfileSelector::kMIN, nvinfer1::OptProfileSelector::kOPT,
                           nvinfer1::OptProfileSelector::kMAX}) {
            dims.d[0] = which == nvinfer1::OptProfileSelector::kMIN ? 1 : options.batch;
            profile->setDimensions(input->getName(), which, dims);
        }
    }
    if (profile) config->addOptimizationProfile(profile);
#if NV_TENSORRT_MAJOR >= 8
    return own(builder.buildSerializedNetwork(network, *config), "plan");
#else
    auto engine = own(builder.buildEngineWithConfig(network, *config), "engine");
    return own(engine->serialize(), "plan");
#endif
}
#endif

#if NV_TENSORRT_MAJOR < 9
// The parser must outlive the build: the weights live in it.
std::shared_ptr<void> parseUff(nvinfer1::INetworkDefinition& network, const Options& options) {
    std::shared_ptr<nvuffparser::IUffParser> parser(own(nvuffparser::createUffParser(), "UffParser"));
    for (const auto& input : options.uffInputs) {
        const auto& shape = input.second;
#if NV_TENSORRT_MAJOR < 6
        nvinfer1::DimsCHW dims(shape[0], shape[1], shape[2]);  // the type's name; the numbers are H, W, C
#else
        nvinfer1::Dims3 dims(shape[0], shape[1], shape[2]);
#endif
        parser->registerInput(input.first.c_str(), dims, nvuffparser::UffInputOrder::kNHWC);
    }
    for (const auto& name : options.uffOutputs) parser->registerOutput(name.c_str());
    if (!parser->parse(options.uff.c_str(), network)) throw std::runtime_error("UffParser refuses " + options.uff);
    return parser;
}
#else
std::shared_ptr<void> parseUff(nvinfer1::INetworkDefinition&, const Options&) {
    throw std::runtime_error("TensorRT from 9 on has no UffParser; convert with python -m uffsurgeon.to_onnx");
}
#endif

// TensorRT's own plugins, LReLU_TRT of the workbook's .uff among them, are known only after this call. Their library may be
// absent (TensorRT for RTX has none): a model without such a node does not need it.
void registerOwnPlugins(Logger& logger) {
    const std::string library = "libnvinfer_plugin.so." + std::to_string(NV_TENSORRT_MAJOR);
    void* handle = dlopen(library.c_str(), RTLD_NOW | RTLD_GLOBAL);
    void* symbol = handle ? dlsym(handle, "initLibNvInferPlugins") : nullptr;
    if (symbol) reinterpret_cast<bool (*)(void*, const char*)>(symbol)(static_cast<nvinfer1::ILogger*>(&logger), "");
}

// Into the registry of the process: UffParser does not ask the builder's own (seen on 8.6.1).
void loadPlugin(const std::string& library) {
#if NV_TENSORRT_MAJOR > 8 || (NV_TENSORRT_MAJOR == 8 && NV_TENSORRT_MINOR >= 6)
    if (!getPluginRegistry()->loadLibrary(library.c_str())) throw std::runtime_error("cannot load " + library);
#else
    // The library registers its creators itself while it is loaded.
    if (!dlopen(library.c_str(), RTLD_NOW | RTLD_GLOBAL)) throw std::runtime_error(dlerror());
#endif
}

// --- One way for all -------------------------------------------------------------------------------------------------

std::shared_ptr<void> parseOnnx(nvinfer1::INetworkDefinition& network, const Options& options, Logger& logger) {
    std::shared_ptr<nvonnxparser::IParser> parser(own(nvonnxparser::createParser(network, logger), "OnnxParser"));
    bool done = parser->parseFromFile(options.onnx.c_str(), static_cast<int>(nvinfer1::ILogger::Severity::kWARNING));
    for (int i = 0; i < parser->getNbErrors(); ++i)
        std::cerr << "node " << parser->getError(i)->node() << ": " << parser->getError(i)->desc() << "\n";
    if (!done || network.getNbOutputs() == 0) throw std::runtime_error("OnnxParser refuses " + options.onnx);
    return parser;
}

// Under another name first, so that an interrupted build or a full disk leaves no half plan behind. The name is this process's,
// and nothing that is there is written to, link or file.
void writeFile(const std::string& path, const void* data, std::size_t size) {
    const std::string partial = path + ".partial." + std::to_string(getpid());
    const int file = open(partial.c_str(), O_WRONLY | O_CREAT | O_EXCL, 0666);
    const char* rest = static_cast<const char*>(data);
    ssize_t written = file < 0 ? -1 : 0;
    for (; size > 0 && written >= 0; rest += written, size -= static_cast<std::size_t>(written)) written = write(file, rest, size);
    const bool closed = file >= 0 && close(file) == 0;
    if (written < 0 || !closed || std::rename(partial.c_str(), path.c_str()) != 0) {
        if (file >= 0) std::remove(partial.c_str());
        throw std::runtime_error("cannot write " + path + ": is the disk full, or its folder not there?");
    }
}

[[noreturn]] void usage(const std::string& problem) {
    std::cerr << problem << "\nusage: build_engine --uff|--onnx FILE --output PLAN [--fp16] [--int8 CACHE|-] [--dla CORE] "
                 "[--batch N] [--plugin LIB]... [--uff-input NAME,H,W,C]... [--uff-output NAME]...\n";
    std::exit(2);
}

int number(const std::string& text, int least) {
    char* end = nullptr;
    long value = std::strtol(text.c_str(), &end, 10);
    if (text.empty() || *end || value < least || value > 65536) usage("not a number that fits: " + text);
    return static_cast<int>(value);
}

// Whether two paths lead to one file that is there.
bool isSameFile(const std::string& one, const std::string& other) {
    struct stat first, second;
    return stat(one.c_str(), &first) == 0 && stat(other.c_str(), &second) == 0 && first.st_dev == second.st_dev &&
           first.st_ino == second.st_ino;
}

Options parseArguments(int argc, char** argv) {
    Options options;
    for (int i = 1; i < argc; ++i) {
        const std::string name = argv[i];
        if (name == "--fp16") { options.fp16 = true; continue; }
        if (i + 1 == argc) usage("unknown option, or one without its value: " + name);
        const std::string value = argv[++i];
        if (name == "--uff") options.uff = value;
        else if (name == "--onnx") options.onnx = value;
        else if (name == "--output") options.output = value;
        else if (name == "--int8") options.int8 = value;
        else if (name == "--dla") options.dla = number(value, 0);
        else if (name == "--batch") options.batch = number(value, 1);
        else if (name == "--plugin") options.plugins.push_back(value);
        else if (name == "--uff-output") options.uffOutputs.push_back(value);
        else if (name == "--uff-input") {
            std::vector<std::string> parts(1);
            for (char c : value) { if (c == ',') parts.emplace_back(); else parts.back() += c; }
            if (parts.size() != 4 || parts[0].empty()) usage("--uff-input takes NAME,H,W,C, not " + value);
            options.uffInputs.push_back({parts[0], {number(parts[1], 1), number(parts[2], 1), number(parts[3], 1)}});
        } else usage("unknown option " + name);
    }
    if (options.uff.empty() == options.onnx.empty()) usage("give either --uff or --onnx");
    if (options.output.empty()) usage("give --output");
    if (isSameFile(options.output, options.uff + options.onnx)) usage("--output is the model itself: " + options.output);
    if (options.dla >= 0 && !options.fp16 && options.int8.empty()) usage("a DLA computes in FP16 or INT8 only");
    if (NV_TENSORRT_MAJOR >= 11 && (options.fp16 || !options.int8.empty()))
        usage("TensorRT from 11 on has no --fp16 and no --int8: the precision is in the graph (uffsurgeon.to_onnx "
              "--precision fp16, helpers.engine.quantize)");
    if (options.uffInputs.empty()) options.uffInputs.push_back({"input_1", {224, 224, 3}});
    if (options.uffOutputs.empty())
        options.uffOutputs = {"dimension/LeakyRelu", "orientation/l2_normalize", "confidence/Softmax"};
    return options;
}

}  // namespace

int main(int argc, char** argv) {
    const Options options = parseArguments(argc, argv);
    Logger logger;
    std::signal(SIGXFSZ, SIG_IGN);  // a limit on file sizes is an error like a full disk
    try {
        requireFile(options.uff + options.onnx);  // one of them is empty
        for (const auto& library : options.plugins) {
            if (library.find('/') != std::string::npos) requireFile(library);  // else the linker looks for it
        }
        std::unique_ptr<CachedRanges> calibrator;
#if NV_TENSORRT_MAJOR < 11
        if (!options.int8.empty() && options.int8 != "-") {
            requireFile(options.int8);
            calibrator.reset(new CachedRanges(readCache(options.int8)));
        }
#endif
        auto builder = own(nvinfer1::createInferBuilder(logger), "builder");
        registerOwnPlugins(logger);
        for (const auto& library : options.plugins) loadPlugin(library);
        auto network = makeNetwork(*builder, !options.uff.empty());
        auto parser = options.uff.empty() ? parseOnnx(*network, options, logger) : parseUff(*network, options);
        auto plan = buildPlan(*builder, *network, options, calibrator.get());
        writeFile(options.output, plan->data(), plan->size());
        std::cout << options.output << ": " << plan->size() << " bytes\n";
        return 0;
    } catch (const std::exception& error) {
        std::cerr << "build_engine: " << error.what() << "\n";
        return 1;
    }
}
