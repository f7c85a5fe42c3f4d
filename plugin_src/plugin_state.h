// What a plugin remembers between its calls, and the bytes in which a plan file keeps it.
// Nothing here needs TensorRT or CUDA, so that the reading of damaged bytes is tested anywhere.
#pragma once

#include "l2_helper.h"
#include "l2_normalize.h"

// kNormalize is L2Norm_TRT; the others are L2Norm_Helper_TRT, 1 + its op_type.
enum class Operation : uint8_t { kNormalize = 0, kHelperMax = 1, kHelperRsqrt = 2, kHelperSqrt = 3 };

struct PluginState {
    Operation operation = Operation::kNormalize;
    uint8_t explicit_batch = 0;  // shapes include the batch, as in every ONNX network
    uint8_t type = kL2Float;     // an L2Type
    int32_t axis = -1;           // counted as TensorFlow counts it, with the batch; -1 is the last one
    float eps = 1e-12f;
    int64_t rows = 0;    // of one sample, in implicit batch mode
    int32_t length = 0;  // of a row, in implicit batch mode; 0 until the plugin is configured
};

constexpr uint8_t kPluginStateVersion = 1;
constexpr size_t kPluginStateSize = 28;

// FNV-1a: one changed byte always changes it, which range checks alone would not notice in eps.
inline uint32_t plugin_state_checksum(const uint8_t* bytes, size_t size) {
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < size; ++i) hash = (hash ^ bytes[i]) * 16777619u;
    return hash;
}

// Byte order is the machine's: a plan does not travel between machines either.
inline void write_plugin_state(const PluginState& state, void* buffer) {
    uint8_t* bytes = static_cast<uint8_t*>(buffer);
    bytes[0] = kPluginStateVersion;
    bytes[1] = static_cast<uint8_t>(state.operation);
    bytes[2] = state.explicit_batch;
    bytes[3] = state.type;
    std::memcpy(bytes + 4, &state.axis, 4);
    std::memcpy(bytes + 8, &state.eps, 4);
    std::memcpy(bytes + 12, &state.rows, 8);
    std::memcpy(bytes + 20, &state.length, 4);
    const uint32_t checksum = plugin_state_checksum(bytes, 24);
    std::memcpy(bytes + 24, &checksum, 4);
}

// Says what is wrong with a state that no creator of this library would make, or nothing (null).
inline const char* plugin_state_error(const PluginState& state) {
    if (state.operation > Operation::kHelperSqrt) return "unknown op_type: 0 is max, 1 rsqrt, 2 sqrt";
    if (!(state.eps >= 0.0f) || std::isinf(state.eps)) return "eps must be finite and not negative";
    if (state.axis < -1 || state.axis > 8) return "axis must be the last one, or -1";
    if (state.explicit_batch > 1) return "explicit_batch must be 0 or 1";
    if (state.type != kL2Float && state.type != kL2Half) return "unknown data type";
    if (state.rows < 0) return "negative number of rows";
    if (state.length < 0 || state.length > kL2MaxLength) return "row length outside 1 to 65536";
    return nullptr;
}

// Fills `state` from what write_plugin_state wrote. Returns null, or a sentence that says why not;
// then `state` is as it was.
inline const char* read_plugin_state(const void* buffer, size_t size, PluginState* state) {
    const uint8_t* bytes = static_cast<const uint8_t*>(buffer);
    if (!bytes || size < 1) return "no serialized data";
    if (bytes[0] != kPluginStateVersion) {
        return "serialized by another version of this plugin (its first byte is not 1); build the plan again";
    }
    if (size != kPluginStateSize) return "serialized data is not 28 bytes long; the plan is cut short or damaged";
    uint32_t checksum;
    std::memcpy(&checksum, bytes + 24, 4);
    if (checksum != plugin_state_checksum(bytes, 24)) return "serialized data is damaged (its checksum differs)";
    PluginState read;
    read.operation = static_cast<Operation>(bytes[1]);
    read.explicit_batch = bytes[2];
    read.type = bytes[3];
    std::memcpy(&read.axis, bytes + 4, 4);
    std::memcpy(&read.eps, bytes + 8, 4);
    std::memcpy(&read.rows, bytes + 12, 8);
    std::memcpy(&read.length, bytes + 20, 4);
    if (const char* error = plugin_state_error(read)) return error;
    *state = read;
    return nullptr;
}
