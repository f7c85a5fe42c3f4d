// Ground, houses, street furniture: one triangle soup per scene.
in vec3 in_position;
in vec3 in_normal;
in vec2 in_uv;
in vec3 in_colour;
in float in_layer;
in float in_occlusion;
in float in_emission;
uniform mat4 sun_matrix;
uniform bool in_shadow_map;
out vec3 position;
out vec3 normal;
out vec2 uv;
out vec3 colour;
flat out float layer;
out float occlusion;
out float emission;

void main() {
    position = in_position;
    normal = in_normal;
    uv = in_uv;
    colour = in_colour;
    layer = in_layer;
    occlusion = in_occlusion;
    emission = in_emission;
    gl_Position = in_shadow_map ? sun_matrix * vec4(in_position, 1.0) : project(in_position);
}
