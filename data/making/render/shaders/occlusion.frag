// Ambient occlusion from the depth buffer, two radii: creases, and the space between objects.
in vec2 place;
uniform sampler2D depth_map;
uniform sampler2D normal_map;
out float open;

void main() {
    float depth = texelFetch(depth_map, ivec2(place * vec2(textureSize(depth_map, 0))), 0).r;
    open = 1.0;
    if (depth >= 1.0) return;
    vec3 centre = world_at(place, depth);
    vec3 n = normalize(texelFetch(normal_map, ivec2(place * vec2(textureSize(depth_map, 0))), 0).xyz);
    if (dot(n, centre - vec3(0, 0, eye)) > 0.0) n = -n;
    centre += n * (0.01 + 0.0015 * centre.y);
    ivec2 cell = ivec2(gl_FragCoord.xy) & 3;
    float turn = float((cell.x * 7 + cell.y * 5) & 15) / 16.0 * 6.2831853;
    float taken = 0.0, weight = 0.0;
    for (int i = 0; i < 12; ++i) {
        float t = (float(i) + 0.5) / 12.0;
        float radius = (i & 1) == 0 ? 0.35 : 1.6;
        float angle = turn + float(i) * 2.3999632;
        float height = 1.0 - t;
        vec3 d = vec3(cos(angle) * sqrt(1.0 - height * height), sin(angle) * sqrt(1.0 - height * height), height);
        vec3 side = normalize(abs(n.z) < 0.9 ? cross(n, vec3(0, 0, 1)) : cross(n, vec3(1, 0, 0)));
        vec3 probe = centre + (side * d.x + cross(n, side) * d.y + n * (d.z + 0.05)) * radius * (0.3 + 0.7 * fract(t * 5.37));
        if (probe.y < 0.5) continue;
        vec2 pixel = intrinsics.xy * vec2(probe.x, eye - probe.z) / probe.y + intrinsics.zw + 0.5;
        vec2 uv = pixel / image;
        if (uv.x < 0.0 || uv.y < 0.0 || uv.x > 1.0 || uv.y > 1.0) continue;
        float there = distance_of(textureLod(depth_map, uv, 0.0).r);
        float gap = probe.y - there;
        weight += 1.0;
        taken += gap > 0.01 ? smoothstep(radius * 2.5, radius * 0.8, gap) : 0.0;
    }
    open = 1.0 - 0.85 * taken / max(weight, 1.0);
}
