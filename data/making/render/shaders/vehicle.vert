in vec3 in_position;
in vec3 in_normal;
in vec2 in_uv;
in float in_layer;
in vec3 at;
in float turn;
in vec3 size;
in float id;
in vec3 paint;
in float flake;
in float dirt;
in float lamp;
uniform mat4 sun_matrix;
uniform bool in_shadow_map;
out vec3 position;
out vec3 normal;
out vec3 body;
out vec2 uv;
flat out float layer;
flat out vec3 coat;
flat out vec4 look;  // flake, dirt, lamp, id

vec3 around(vec3 v) { return vec3(cos(turn) * v.x - sin(turn) * v.y, sin(turn) * v.x + cos(turn) * v.y, v.z); }

void main() {
    position = around(in_position * size) + at;
    normal = around(in_normal / size);
    body = in_position;
    uv = in_uv;
    layer = in_layer;
    coat = paint;
    look = vec4(flake, dirt, lamp, id);
    gl_Position = in_shadow_map ? sun_matrix * vec4(position, 1.0) : project(position);
}
