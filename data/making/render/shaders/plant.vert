// Trees, shrubs, hedges, grass: one model, many instances.
in vec3 in_position;
in vec3 in_normal;
in vec2 in_uv;
in vec3 in_colour;
in float in_layer;
in float in_occlusion;
in float in_leaf;
in vec3 at;
in float turn;
in float size;
in float tone;
uniform mat4 sun_matrix;
uniform bool in_shadow_map;
out vec3 position;
out vec3 normal;
out vec2 uv;
out vec3 colour;
flat out float sheet;
out float occlusion;
flat out float leaf;

vec3 around(vec3 v) { return vec3(cos(turn) * v.x - sin(turn) * v.y, sin(turn) * v.x + cos(turn) * v.y, v.z); }

void main() {
    position = around(in_position) * size + at;
    normal = around(in_normal);
    uv = in_uv;
    colour = in_colour * (in_leaf > 0.5 ? tone * vec3(1.0 + 0.35 * (tone - 1.0), 1.0, 1.0 - 0.3 * (tone - 1.0)) : vec3(1.0));
    sheet = in_layer;
    occlusion = in_occlusion;
    leaf = in_leaf;
    gl_Position = in_shadow_map ? sun_matrix * vec4(position, 1.0) : project(position);
}
