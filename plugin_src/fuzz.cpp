// Feeds random input to the plugin and to the kernels' launcher, on the CPU, under the address and undefined-behaviour
// sanitizers: serialized state, shapes, arguments, and with TensorRT's headers fields and calls of the plugin classes.
//
//   fuzz COUNT SEED      COUNT inputs of each kind; exit status 1, with the first that is treated wrongly
//
// fuzz.py compiles and runs it. Without -DFUZZ_PLUGIN it needs no TensorRT; with it, it is linked with l2_normalize_plugin.cpp.
#include "plugin_state.h"

#if defined(FUZZ_PLUGIN)
#define L2_ON_CPU
#include "l2_normalize_plugin_test.cpp"  // for its registry, log and calls; main is left out
#endif

#include <cstdio>
#include <cstdlib>
#include <limits>
#include <string>
#include <vector>

namespace {

uint64_t random_state;

uint64_t random_bits() {  // xorshift64*, the same everywhere
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return random_state * 2685821657736338717ull;
}

int below(int limit) { return static_cast<int>((random_bits() >> 33) % static_cast<uint64_t>(limit)); }

// A number from a list of awkward ones, or any.
int64_t any_integer() {
    static const int64_t awkward[] = {0, 0, 1, 1, -1, 2, 3, 6, 7, 8, 9, -2, -8, -9, 127, 128, 255, 256, 65535, 65536, 65537,
                                      INT32_MAX, INT32_MIN, int64_t(INT32_MAX) + 1, 4294967295, 4294967296, int64_t(1) << 40,
                                      int64_t(1) << 60, (int64_t(1) << 60) + 1, INT64_MAX, INT64_MIN};
    const int count = int(sizeof awkward / sizeof *awkward);
    const int which = below(count + 6);
    if (which < count) return awkward[which];
    return static_cast<int64_t>(random_bits()) >> below(64);
}

float any_float() {
    static const float awkward[] = {0.0f, -0.0f, 1e-12f, 1.0f, -1.0f, 1e-45f, 3e38f, -3e38f};
    if (below(2)) return awkward[below(8)];
    const uint32_t bits = static_cast<uint32_t>(random_bits());
    float value;
    std::memcpy(&value, &bits, 4);
    return value;
}

[[noreturn]] void wrong(const char* what, long long number) {
    std::printf("wrong: %s, input %lld\n", what, number);
    std::exit(1);
}

void require(bool condition, const char* what, long long number) {
    if (!condition) wrong(what, number);
}

using Wide = __int128;

// Whether the product of three sizes that are not negative, an empty one counted as 1, is at most `most`.
bool fits(int64_t outer, int64_t length, int64_t inner, int64_t most) {
    const Wide columns = Wide(outer ? outer : 1) * (inner ? inner : 1);
    return columns <= most && columns * (length ? length : 1) <= most;
}

bool is_sound(const PluginState& state) {
    return state.outer >= 0 && state.inner >= 0 && state.length >= 0 && state.length <= kL2MaxLength &&
           fits(state.outer, state.length, state.inner, kMaxSample) && state.axis >= -8 && state.axis <= 8 && state.eps >= 0 && !std::isinf(state.eps) && state.explicit_batch <= 1 &&
           state.type <= 1;
}

// Bytes of a state: made of awkward numbers, with a right checksum or not, changed, cut or lengthened.
std::vector<uint8_t> any_state() {
    PluginState state;
    state.explicit_batch = static_cast<uint8_t>(below(8) ? below(2) : below(256));
    state.type = static_cast<uint8_t>(below(8) ? below(2) : below(256));
    state.axis = static_cast<int32_t>(below(2) ? below(17) - 8 : any_integer());
    state.eps = below(2) ? 1e-12f : any_float();
    state.outer = below(2) ? below(100) : any_integer();
    state.inner = below(2) ? below(100) : any_integer();
    state.length = static_cast<int32_t>(below(2) ? below(100) : any_integer());
    std::vector<uint8_t> bytes(kPluginStateSize);
    write_plugin_state(state, bytes.data());
    for (int changes = below(4) ? 0 : below(5); changes > 0; --changes) bytes[below(36)] = static_cast<uint8_t>(random_bits());
    if (below(2)) {  // whoever changes a plan can compute a checksum
        const uint32_t checksum = plugin_state_checksum(bytes.data(), 32);
        std::memcpy(&bytes[32], &checksum, 4);
    }
    if (below(8) == 0) bytes.resize(static_cast<size_t>(below(80)));
    return bytes;
}

int states(long long count) {
    int taken = 0;
    for (long long i = 0; i < count; ++i) {
        const std::vector<uint8_t> bytes = any_state();
        PluginState state;
        if (read_plugin_state(bytes.data(), bytes.size(), &state)) continue;
        ++taken;
        require(is_sound(state), "a state that no creator makes was read", i);
        std::vector<uint8_t> again(kPluginStateSize);
        write_plugin_state(state, again.data());
        again[3] = bytes[3];  // not used; the checksum counts it
        require(std::memcmp(again.data(), bytes.data(), 32) == 0, "a state that was read is written otherwise", i);
    }
    return taken;
}

int shapes(long long count) {
    int taken = 0;
    for (long long i = 0; i < count; ++i) {
        int64_t sizes[8];
        const int rank = below(9);
        for (int64_t& size : sizes) size = below(2) ? below(70) : any_integer();
        const bool explicit_batch = below(2);
        const int axis = below(17) - 8;
        int dimension = -1;
        if (find_axis(axis, sizes, rank, explicit_batch, &dimension)) continue;
        require(dimension >= 0 && dimension < rank, "an axis outside of the shape", i);
        PluginState state;
        if (split_shape(sizes, rank, dimension, &state)) continue;
        ++taken;
        Wide outer = 1, inner = 1;
        for (int d = 0; d < rank; ++d) (d < dimension ? outer : d > dimension ? inner : outer) *= d == dimension ? 1 : sizes[d];
        require(state.outer == outer && state.inner == inner && state.length == sizes[dimension], "a shape was split wrongly", i);
        require(is_sound(state), "a shape was taken that no state can hold", i);
    }
    return taken;
}

int arguments(long long count) {
    static uint8_t memory[2][64 << 10];
    int taken = 0;
    for (long long i = 0; i < count; ++i) {
        const int64_t outer = below(3) ? below(40) : any_integer(), inner = below(3) ? 1 + below(4) : any_integer();
        const int32_t length = static_cast<int32_t>(below(3) ? 1 + below(40) : any_integer());
        const int32_t type = below(6) ? below(2) : static_cast<int32_t>(any_integer());
        const float eps = below(3) ? 1e-12f : any_float();
        uint8_t* const x = below(9) ? memory[0] + below(8) * 2 : nullptr;
        uint8_t* const y = below(9) ? memory[1] + below(8) * 2 : nullptr;
        const bool in_range = outer >= 0 && inner >= 0 && length >= 1 && length <= kL2MaxLength && (type == 0 || type == 1) &&
                              eps >= 0 && !std::isinf(eps);
        const bool empty = in_range && (outer == 0 || inner == 0);
        const uintptr_t element = type == 0 ? 4 : 2;
        const bool usable = x && y && (reinterpret_cast<uintptr_t>(x) | reinterpret_cast<uintptr_t>(y)) % element == 0;
        const bool possible = in_range && !empty && usable && fits(outer, length, inner, kL2MaxElements);
        if (possible && !fits(outer, length, inner, 12 << 10)) continue;  // right, but larger than the memory
        const bool right = empty || possible;
        const int error = l2_normalize(x, y, outer, length, inner, eps, type, nullptr);
        require(error == (right ? 0 : 1), "arguments were judged wrongly", i);
        taken += right;
    }
    return taken;
}

#if defined(FUZZ_PLUGIN)
// ---- The plugin classes -------------------------------------------------------------------------

int any_int() { return static_cast<int>(any_integer()); }

// Fields as a parser or a damaged plan might give them: unknown types, lengths and names, null in every place.
struct AnyFields {
    alignas(8) unsigned char memory[128];
    std::vector<PluginField> fields;
    PluginFieldCollection collection;

    AnyFields() {
        static const char* const names[] = {"axis", "eps", "explicit_batch", "version", "axis", "eps", "version", "dtype", "",
                                            "axis\n%s%n", nullptr};
        static const int lengths[] = {1, 1, 1, 1, 0, 2, -1, INT32_MIN, INT32_MAX};
        for (unsigned char& byte : memory) byte = static_cast<unsigned char>(random_bits());
        for (int count = below(6); count > 0; --count) {
            unsigned char* const data = memory + below(below(2) ? 15 : 120) * (below(2) ? 8 : 1) % 120;
            const int integer = below(2) ? below(19) - 9 : any_int();
            const float number = any_float();
            const int kind = below(4);
            if (kind == 0) std::memcpy(data, &integer, 4);
            if (kind == 1) std::memcpy(data, &number, 4);
            if (kind == 2) *data = kPluginStateVersion;
            const int type = below(3) ? below(4) : below(20) - 4;
            fields.push_back(PluginField(names[below(11)], below(9) ? data : nullptr, PluginFieldType(type), lengths[below(9)]));
        }
        collection.nbFields = below(12) ? int(fields.size()) : -below(3);
        collection.fields = fields.data();
        if (below(9) == 0) {
            collection.fields = nullptr;
            collection.nbFields = below(2) ? below(5) : any_int();
        }
    }
};

Dims any_dims() {
    Dims dims = Dims();
    dims.nbDims = below(6) ? below(5) : any_int();
    for (auto& size : dims.d) size = static_cast<std::remove_reference<decltype(size)>::type>(below(3) ? below(70) : any_integer());
    return dims;
}

#if L2_TENSORRT >= 600
DimsExprs any_expressions() {
    DimsExprs dims = DimsExprs();
    dims.nbDims = below(6) ? below(5) : any_int();
    return dims;
}

DynamicPluginTensorDesc any_tensor() {
    DynamicPluginTensorDesc tensor = DynamicPluginTensorDesc();
    tensor.desc.type = DataType(below(3) ? below(2) : below(20) - 4);
    tensor.desc.format = TensorFormat(below(3) ? 0 : below(20) - 4);
    tensor.desc.dims = any_dims();
    tensor.min = tensor.max = tensor.desc.dims;
    if (below(2)) tensor.max = any_dims();
    return tensor;
}
#endif

const void* const no_inputs[] = {nullptr};
void* no_outputs[] = {nullptr};

#if L2_TENSORRT < 1000
PluginState state_of(const Plugin* plugin, long long number) {
    std::vector<char> bytes(plugin->getSerializationSize());
    plugin->serialize(bytes.data());
    PluginState state;
    require(!read_plugin_state(bytes.data(), bytes.size(), &state), "a plugin wrote a state that it does not read", number);
    return state;
}

// All calls on a plugin, in TensorRT's order, with anything for arguments. There is no memory to compute on.
void call_all(Plugin* plugin, long long number) {
    const Dims dims[] = {any_dims(), any_dims()};
    const int count = below(4) ? 1 : below(3);
    const DataType type = DataType(below(3) ? below(2) : below(20) - 4);
#if L2_TENSORRT >= 600
    if (state_of(plugin, number).explicit_batch) {
        IPluginV2DynamicExt* dynamic = static_cast<IPluginV2DynamicExt*>(plugin);
        Expressions expressions;
        const DimsExprs shapes[] = {any_expressions(), any_expressions()};
        dynamic->getOutputDimensions(0, shapes, count, expressions);
        const DynamicPluginTensorDesc in[] = {any_tensor(), any_tensor()};
        const PluginTensorDesc pair[] = {in[0].desc, in[1].desc};
        dynamic->supportsFormatCombination(below(5) - 1, pair, count, below(3));
        dynamic->configurePlugin(in, count, in, 1);
        const bool ready = dynamic->initialize() == 0;
        require(!ready || count == 1, "an explicit plugin is ready with another number of inputs", number);
        dynamic->enqueue(pair, pair, no_inputs, no_outputs, nullptr, nullptr);
        return;
    }
#endif
    plugin->getOutputDimensions(0, dims, count);
    plugin->supportsFormat(type, PluginFormat(below(20) - 4));
#if L2_TENSORRT >= 501
    const bool broadcast[2] = {false, false};
    const DataType types[] = {type, type};
    static_cast<IPluginV2Ext*>(plugin)->configurePlugin(dims, count, dims, 1, types, types, broadcast, broadcast, PluginFormat(0),
                                                        any_int());
#else
    plugin->configureWithFormat(dims, count, dims, 1, type, PluginFormat(0), any_int());
#endif
    const PluginState after = state_of(plugin, number);
    if (plugin->initialize() == 0) require(is_sound(after) && after.length > 0, "a plugin is ready in a wrong state", number);
    plugin->enqueue(any_int(), no_inputs, no_outputs, nullptr, nullptr);
}

Plugin* any_plugin(Creator* creator, AnyFields* given) { return creator->createPlugin("layer", &given->collection); }

int deserialized(Creator* creator, long long count) {
    int taken = 0;
    for (long long i = 0; i < count; ++i) {
        const std::vector<uint8_t> bytes = any_state();
        Plugin* plugin = creator->deserializePlugin("layer", bytes.data(), bytes.size());
        the_log.forget();
        if (!plugin) continue;
        ++taken;
        plugin->initialize();
        if (!state_of(plugin, i).explicit_batch) plugin->enqueue(any_int(), no_inputs, no_outputs, nullptr, nullptr);
        call_all(plugin, i);
        plugin->destroy();
    }
    return taken;
}
#else
void call_all(Plugin* plugin, long long number) {
    const int count = below(4) ? 1 : below(3);
    const DynamicPluginTensorDesc in[] = {any_tensor(), any_tensor(), any_tensor()};
    const DimsExprs shapes[] = {any_expressions(), any_expressions()};
    DimsExprs out = DimsExprs();
    Expressions expressions;
    IPluginV3OneBuild* build = build_of(plugin);
    DataType type;
    build->getOutputDataTypes(&type, 1, &in[0].desc.type, count);
    build->getOutputShapes(shapes, count, nullptr, 0, &out, 1, expressions);
    build->supportsFormatCombination(below(5) - 1, in, count, below(3));
    const bool configured = build->configurePlugin(in, count, in, 1) == 0;
    require(!configured || count == 1, "a plugin is configured with another number of inputs", number);
    IPluginV3OneRuntime* runtime = runtime_of(plugin);
    runtime->onShapeChange(&in[1].desc, count, &in[1].desc, 1);
    runtime->enqueue(&in[1].desc, &in[1].desc, no_inputs, no_outputs, nullptr, nullptr);
    const PluginFieldCollection* kept = runtime->getFieldsToSerialize();
    require(kept->nbFields == 3 && kept->fields, "a plugin keeps other than its three fields", number);
}

Plugin* any_plugin(Creator* creator, AnyFields* given) {
    return creator->createPlugin("layer", &given->collection, below(2) ? TensorRTPhase::kBUILD : TensorRTPhase::kRUNTIME);
}
#endif

int plugins(Creator* creator, long long count) {
    int taken = 0;
    for (long long i = 0; i < count; ++i) {
        AnyFields given;
        Plugin* plugin = any_plugin(creator, &given);
        if (plugin) {
            ++taken;
            call_all(plugin, i);
            release(plugin);
        }
        the_log.forget();
    }
    return taken;
}
#endif

}  // namespace

int main(int argc, char** argv) {
    if (argc != 3) return 2;
    const long long count = std::atoll(argv[1]);
    random_state = std::strtoull(argv[2], nullptr, 10) * 2 + 1;
#if defined(FUZZ_PLUGIN)
    Creator* const creator = creator_of("L2Norm_TRT");
    std::printf("%lld field collections, %d taken\n", count, plugins(creator, count));
#if L2_TENSORRT < 1000
    std::printf("%lld plans, %d taken\n", count, deserialized(creator, count));
#endif
#else
    std::printf("%lld serialized states, %d taken\n", count, states(count));
    std::printf("%lld shapes, %d taken\n", count, shapes(count));
    std::printf("%lld arguments, %d taken\n", count / 10, arguments(count / 10));
#endif
    return 0;
}
