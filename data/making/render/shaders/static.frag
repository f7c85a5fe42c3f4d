in vec3 position;
in vec3 normal;
in vec2 uv;
in vec3 colour;
flat in float layer;
in float occlusion;
in float emission;
uniform sampler2DArray surfaces;
uniform sampler2D noises;
uniform float metres[16];
uniform float wet;
uniform float lamps;
uniform float lane;      // width of a lane: tyres darken its two tracks
layout(location = 0) out vec4 out_albedo;   // square root of albedo, ambient occlusion
layout(location = 1) out vec4 out_normal;   // normal, roughness
layout(location = 2) out vec4 out_material; // F0, emission, family, object id

void main() {
    int kind = int(layer + 0.5);
    vec4 texel = texture(surfaces, vec3(uv / metres[kind], layer));
    vec3 albedo = texel.rgb * texel.rgb * colour;
    vec3 n = normalize(normal);
    float roughness = 0.9, f0 = 0.03, glow = 0.0, family = 0.0;
    vec2 anchor = abs(n.z) > 0.7 ? position.xy : vec2(position.x + position.y, position.z);
    float broad = texture(noises, anchor * 0.021).r, middle = texture(noises, anchor * 0.13).r;
    albedo *= 0.72 + 0.35 * broad + 0.21 * middle;
    if (kind == 1) {  // asphalt: tyre tracks, oil between them, a long soft mottle along the street
        family = 4.0;
        float along = texture(noises, vec2(uv.x * 0.35, uv.y * 0.011)).r;
        float in_lane = fract(uv.x / lane + 0.5) - 0.5;
        float track = exp(-pow((abs(in_lane) * lane - 0.75) / 0.35, 2.0));
        albedo *= (0.86 + 0.28 * along) * (1.0 - 0.13 * track) * (1.0 - 0.16 * exp(-pow(in_lane * lane / 0.28, 2.0)) * middle);
        roughness = 0.75;
        f0 = 0.04;
    } else if (kind == 12) {  // road marking: worn through where the texture says so
        family = 4.0;
        if (texel.a * (0.55 + broad) < 0.42) discard;
        roughness = 0.6;
    } else if (kind == 2 || kind == 3 || kind == 13 || kind == 15) {
        family = n.z > 0.7 ? 4.0 : 0.0;
        albedo *= 0.85 + 0.3 * middle;
    } else if (kind == 4) {
        albedo *= 0.7 + 0.6 * texture(noises, position.xy * 0.31).b;
        albedo = mix(albedo, albedo * vec3(1.35, 1.1, 0.8), smoothstep(0.45, 0.7, broad));
    } else if (kind == 8) {  // window pane
        family = 3.0;
        f0 = 0.10;
        roughness = 0.04;
        glow = emission * lamps * 6.0;
        n = normalize(n + (texture(noises, anchor * 0.05).rgb - 0.5) * 0.03);
        if (glow > 0.0) albedo = mix(albedo, vec3(0.9, 0.62, 0.32) * texel.rgb, 0.7 * min(emission * 2.0, 1.0));
    } else if (kind == 7) {
        n = normalize(n + vec3(0.0, 0.0, 0.25 * (texel.r - 0.6)));
        roughness = 0.7;
    } else if (kind == 11) {
        f0 = 0.12;
        roughness = 0.4;
        glow = emission * (emission > 1.0 ? lamps : 0.15 + lamps * 4.0);
    } else if (kind == 0) {
        glow = emission * 0.7;
    }
    if (family == 4.0 && wet > 0.0) {
        float puddle = smoothstep(0.75, 0.35, broad + 0.3 * middle) * wet;
        albedo *= mix(1.0, 0.50, wet);
        roughness = mix(mix(roughness, 0.38, wet), 0.08, puddle);
        f0 = mix(f0, 0.05, wet);
        family = 5.0;
    }
    out_albedo = vec4(sqrt(clamp(albedo, 0.0, 1.0)), occlusion);
    out_normal = vec4(n, roughness);
    out_material = vec4(f0, glow, family, 0.0);
}
