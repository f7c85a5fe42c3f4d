// What a plugin remembers between its calls, how it reads the axis, and the bytes in which a plan keeps all that.
// Nothing here needs TensorRT or CUDA, so that it is tested on any machine.
#pragma once

#include "l2_normalize.h"

#include <cfloat>
#include <cstdarg>
#include <cstdio>

// Of one sample, so that its product with a batch, an int, is no overflow.
constexpr int64_t kMaxSample = 4294967295;

struct PluginState {
    uint8_t explicit_batch = 0;  // shapes include the batch, as in every ONNX network
    uint8_t type = kL2Float;     // an L2Type
    int32_t axis = -1;           // as TensorFlow counts it, with the batch
    float eps = 1e-12f;
    // The input of one sample as (outer, length, inner), the axis in the middle; known in implicit batch mode only, and
    // there once the plugin is configured. Until then length is 0.
    int64_t outer = 0;
    int64_t inner = 0;
    int32_t length = 0;
};

// A sentence that tells why something is refused; empty when it is not.
struct Refusal {
    char text[320] = "";
    explicit operator bool() const { return text[0] != 0; }
};

#if defined(__GNUC__)
__attribute__((format(printf, 1, 2)))
#endif
inline Refusal refusal(const char* format, ...) {
    Refusal result;
    va_list arguments;
    va_start(arguments, format);
    std::vsnprintf(result.text, sizeof result.text, format, arguments);
    va_end(arguments);
    return result;
}

// "[6, 2, 1]"
struct ShapeText {
    char text[200] = "[";
    ShapeText(const int64_t* sizes, int rank) {
        int used = 1;
        for (int i = 0; i < rank && used < 170; ++i) {
            used += std::snprintf(text + used, sizeof text - used, "%s%lld", i ? ", " : "", static_cast<long long>(sizes[i]));
        }
        std::snprintf(text + used, sizeof text - used, "]");
    }
};

// Finds the dimension of a shape that `axis` names.
//
// With explicit batch the shape is TensorFlow's and the axis its index, or counted from the end when it is negative.
//
// With implicit batch the shape lacks the batch, which the axis counts, so that axis 2 is dimension 1. And UffParser appends
// ones until a shape has three dimensions: TensorFlow's [N, 6, 2] arrives as [6, 2, 1]. A last one may as well be
// TensorFlow's own. Axis -1 is taken for the last dimension in front of such ones, since normalizing along an axis of
// size 1 leaves nothing but signs; axis -2 and below could mean two different dimensions there, and is refused.
inline Refusal find_axis(int axis, const int64_t* sizes, int rank, bool explicit_batch, int* dimension) {
    const bool may_be_appended = !explicit_batch && rank == 3 && sizes[2] == 1;
    if (may_be_appended && axis < -1) {
        return refusal("axis %d is ambiguous for an input of shape %s, whose last dimension UffParser may have appended; "
                       "count the axis from the front, batch included (1 to 3)", axis, ShapeText(sizes, rank).text);
    }
    int index = axis < 0 ? rank + axis : explicit_batch ? axis : axis - 1;
    while (may_be_appended && axis == -1 && index > 0 && sizes[index] == 1) --index;
    if (index == -1 && !explicit_batch) {
        return refusal("axis %d is the batch, which cannot be normalized along when it is implicit", axis);
    }
    if (index < 0 || index >= rank) {
        return refusal("axis %d is out of range for an input of shape %s%s", axis, ShapeText(sizes, rank).text,
                       explicit_batch ? "" : ", which does not show the batch that the axis counts");
    }
    *dimension = index;
    return Refusal();
}

// Is `rank` a number of dimensions that TensorRT has? Outside of that range the sizes are not to be read.
inline Refusal check_rank(int rank, int most) {
    return rank >= 0 && rank <= most ? Refusal() : refusal("the input has %d dimensions; 0 to %d are possible", rank, most);
}

inline Refusal check_length(const int64_t* sizes, int rank, int dimension) {
    if (sizes[dimension] >= 1 && sizes[dimension] <= kL2MaxLength) return Refusal();
    return refusal("the axis is dimension %d of an input of shape %s; its length must be 1 to %d", dimension,
                   ShapeText(sizes, rank).text, int(kL2MaxLength));
}

// Splits a shape, all of whose sizes are known, at `dimension`.
inline Refusal split_shape(const int64_t* sizes, int rank, int dimension, PluginState* state) {
    int64_t outer = 1, inner = 1, elements = 1;  // an empty dimension counts as 1 in `elements`
    for (int i = 0; i < rank; ++i) {
        if (sizes[i] < 0) return refusal("the input has the shape %s, with a size that is not known", ShapeText(sizes, rank).text);
        if (sizes[i] > kMaxSample / elements) {
            return refusal("an input of shape %s has more than %lld elements", ShapeText(sizes, rank).text,
                           static_cast<long long>(kMaxSample));
        }
        if (sizes[i] > 0) elements *= sizes[i];
        if (i < dimension) outer *= sizes[i];
        if (i > dimension) inner *= sizes[i];
    }
    if (Refusal refused = check_length(sizes, rank, dimension)) return refused;
    state->outer = outer;
    state->inner = inner;
    state->length = static_cast<int32_t>(sizes[dimension]);
    return Refusal();
}

constexpr uint8_t kPluginStateVersion = 2;
constexpr size_t kPluginStateSize = 36;

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
    bytes[1] = state.explicit_batch;
    bytes[2] = state.type;
    bytes[3] = 0;
    std::memcpy(bytes + 4, &state.axis, 4);
    std::memcpy(bytes + 8, &state.eps, 4);
    std::memcpy(bytes + 12, &state.outer, 8);
    std::memcpy(bytes + 20, &state.inner, 8);
    std::memcpy(bytes + 28, &state.length, 4);
    const uint32_t checksum = plugin_state_checksum(bytes, 32);
    std::memcpy(bytes + 32, &checksum, 4);
}

// What is wrong with a state that no creator of this library would make, or null. TensorRT has at most 8 dimensions.
inline const char* plugin_state_error(const PluginState& state) {
    if (!(state.eps >= 0.0f) || std::isinf(state.eps)) return "eps must be finite and not negative";
    if (state.axis < -8 || state.axis > 8) return "axis must be between -8 and 8";
    if (state.explicit_batch > 1) return "explicit_batch must be 0 or 1";
    if (state.type != kL2Float && state.type != kL2Half) return "unknown data type";
    if (state.outer < 0 || state.inner < 0) return "negative size";
    if (state.length < 0 || state.length > kL2MaxLength) return "axis length outside 1 to 65536";
    const int64_t row = state.length > 1 ? state.length : 1, inner = state.inner > 1 ? state.inner : 1;
    if (state.outer > kMaxSample / row / inner || inner > kMaxSample / row) return "more elements than a tensor can have";
    return nullptr;
}

// Fills `state` from what write_plugin_state wrote. Returns null, or a sentence that tells why not; then `state` is
// unchanged.
inline const char* read_plugin_state(const void* buffer, size_t size, PluginState* state) {
    const uint8_t* bytes = static_cast<const uint8_t*>(buffer);
    if (!bytes || size < 1) return "no serialized data";
    if (bytes[0] != kPluginStateVersion) {
        return "serialized by another version of this plugin (its first byte is not 2); build the plan again";
    }
    if (size != kPluginStateSize) return "serialized data is not 36 bytes long; the plan is cut short or damaged";
    uint32_t checksum;
    std::memcpy(&checksum, bytes + 32, 4);
    if (checksum != plugin_state_checksum(bytes, 32)) return "serialized data is damaged (its checksum differs)";
    PluginState read;
    read.explicit_batch = bytes[1];
    read.type = bytes[2];
    std::memcpy(&read.axis, bytes + 4, 4);
    std::memcpy(&read.eps, bytes + 8, 4);
    std::memcpy(&read.outer, bytes + 12, 8);
    std::memcpy(&read.inner, bytes + 20, 8);
    std::memcpy(&read.length, bytes + 28, 4);
    if (const char* error = plugin_state_error(read)) return error;
    *state = read;
    return nullptr;
}
