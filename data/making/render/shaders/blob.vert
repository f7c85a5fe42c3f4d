// The soft contact shadow under a vehicle, which keeps light from the ground.
in vec2 in_corner;
in vec3 at;
in float turn;
in vec3 size;
out vec2 inside;
flat out vec2 half_size;

void main() {
    half_size = size.xy * 0.5;
    inside = in_corner * (half_size + 0.75);
    vec2 ground = vec2(cos(turn) * inside.x - sin(turn) * inside.y, sin(turn) * inside.x + cos(turn) * inside.y) + at.xy;
    gl_Position = project(vec3(ground, at.z + 0.012));
}
