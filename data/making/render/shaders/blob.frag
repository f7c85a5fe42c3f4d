in vec2 inside;
flat in vec2 half_size;
out vec4 shade;

void main() {
    vec2 q = abs(inside) - half_size + 0.35;
    float outside = length(max(q, 0.0)) + min(max(q.x, q.y), 0.0) - 0.35;
    float open = smoothstep(-0.55, 0.75, outside);
    shade = vec4(mix(0.10, 1.0, open));
}
