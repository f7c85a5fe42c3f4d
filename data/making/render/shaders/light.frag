// Lighting of everything that was drawn, by the material's family: 0 dull, 1 leaf, 2 car paint (its fraction: metallic
// flakes), 3 glass, 4 dry ground, 5 wet ground.
in vec2 place;
uniform sampler2D albedo_map;
uniform sampler2D normal_map;
uniform sampler2D material_map;
uniform sampler2D depth_map;
uniform sampler2D open_map;
uniform sampler2D blob_map;
uniform sampler2DShadow near_shadow;
uniform sampler2DShadow far_shadow;
uniform mat4 near_matrix;
uniform mat4 far_matrix;
uniform float softness;   // radius of the penumbra, metres
uniform float haze;
uniform float gain;       // of the sky, which cameras overexpose
layout(location = 0) out vec4 out_colour;
layout(location = 1) out float out_id;

float lit(vec3 p, vec3 n) {
    bool close = p.y < 26.0 && abs(p.x) < 15.0;
    float texel = close ? 0.022 : 0.075;
    p += n * texel * 2.2;
    vec4 at = close ? near_matrix * vec4(p, 1.0) : far_matrix * vec4(p, 1.0);
    vec3 uv = at.xyz * 0.5 + 0.5;
    if (any(lessThan(uv, vec3(0.0))) || any(greaterThan(uv, vec3(1.0)))) return 1.0;
    uv.z -= close ? 0.0004 : 0.0009;
    float turn = fract(52.9829189 * fract(dot(gl_FragCoord.xy, vec2(0.06711056, 0.00583715)))) * 6.2831853;
    float radius = max(softness, texel * 1.2) / (texel * 2048.0);
    float sum = 0.0;
    for (int i = 0; i < 8; ++i) {
        float r = sqrt((float(i) + 0.5) / 8.0) * radius, a = turn + float(i) * 2.3999632;
        vec3 tap = vec3(uv.xy + r * vec2(cos(a), sin(a)), uv.z);
        sum += close ? texture(near_shadow, tap) : texture(far_shadow, tap);
    }
    return sum / 8.0;
}

// Screen-space reflections on a wet road: cars and houses, roughly lit.
vec3 mirrored(vec3 p, vec3 d, vec3 else_seen) {
    d.xy += (texture(noises, p.xy * 1.7).rg - 0.5) * 0.05;
    float reach = 0.15;
    for (int i = 0; i < 26; ++i) {
        reach *= 1.24;
        vec3 q = p + d * reach;
        if (q.y < 0.6) return else_seen;
        vec2 uv = (intrinsics.xy * vec2(q.x, eye - q.z) / q.y + intrinsics.zw + 0.5) / image;
        if (any(lessThan(uv, vec2(0.0))) || any(greaterThan(uv, vec2(1.0)))) return else_seen;
        float gap = q.y - distance_of(textureLod(depth_map, uv, 0.0).r);
        if (gap > 0.0 && gap < 0.4 + reach * 0.35) {
            vec3 tint = textureLod(albedo_map, uv, 0.0).rgb, n = textureLod(normal_map, uv, 0.0).xyz;
            vec3 received = sun * max(dot(n, sun_direction), 0.0) * 0.7 + mix(ambient_down, ambient_up, 0.5 + 0.5 * n.z) * 0.8;
            vec4 material = textureLod(material_map, uv, 0.0);
            vec3 hit = tint * tint * (received + material.g) + (material.b >= 2.0 && material.b < 4.0 ? 0.12 * ambient_up : vec3(0.0));
            return mix(else_seen, hit, 0.9 * smoothstep(1.0, 0.6, float(i) / 26.0));
        }
    }
    return else_seen;
}

void main() {
    ivec2 pixel = ivec2(gl_FragCoord.xy);
    float depth = texelFetch(depth_map, pixel, 0).r;
    vec3 view = normalize(ray(place));
    out_id = 0.0;
    if (depth >= 1.0) {
        vec3 colour = sky(view, true) * gain;
        out_colour = vec4(mix(colour, horizon * gain * 0.92, exp(-max(view.z, 0.0) * 22.0) * 0.6), 1.0);
        return;
    }
    vec4 surface = texelFetch(albedo_map, pixel, 0);
    vec4 facing = texelFetch(normal_map, pixel, 0);
    vec4 material = texelFetch(material_map, pixel, 0);
    out_id = material.a / 255.0;
    vec3 albedo = surface.rgb * surface.rgb;
    vec3 p = world_at(place, depth), n = normalize(facing.xyz);
    int family = int(material.b);
    float flake = fract(material.b) / 0.4, roughness = facing.w, f0 = material.r;
    if (dot(n, view) > 0.0 && family != 1) n = reflect(n, view);

    vec2 pixel_step = 1.0 / image;
    float open = 0.0;
    for (int i = 0; i < 4; ++i) open += texture(open_map, place + pixel_step * (vec2(i & 1, i >> 1) * 2.0 - 1.0)).r * 0.25;
    if (family == 1) open = mix(open, 1.0, 0.5);
    float ambient = surface.a * open;
    float pool = family >= 4 ? texture(blob_map, place).r : 1.0;
    ambient *= pool;

    float facing_sun = dot(n, sun_direction);
    float shadow = (facing_sun > 0.0 || family == 1) && sun.r > 0.0 ? lit(p, n) : 0.0;
    shadow *= mix(1.0, pool, 0.35);
    float diffuse = max(facing_sun, 0.0);
    if (family == 1) diffuse = 0.20 + 0.68 * clamp((facing_sun + 0.25) / 1.25, 0.0, 1.0);
    vec3 sky_light = mix(ambient_down, ambient_up, 0.5 + 0.5 * n.z);
    sky_light += horizon * 0.12 * (1.0 - abs(n.z));
    vec3 received = sun * diffuse * shadow * mix(1.0, surface.a, family == 1 ? 0.6 : 0.0) + sky_light * ambient;
    vec3 colour = albedo * received * (1.0 - (f0 > 0.3 ? f0 : 0.0));
    if (family == 3) colour = albedo * (sky_light * (0.35 + 0.65 * ambient) + 0.25 * sun * diffuse * shadow);
    if (family == 1) colour += albedo * vec3(1.0, 1.1, 0.35) * sun * shadow * 0.22 * pow(max(dot(view, sun_direction), 0.0), 3.0) * surface.a;

    vec3 half_way = normalize(sun_direction - view);
    float cos_view = clamp(dot(n, -view), 0.0, 1.0), cos_half = max(dot(n, half_way), 0.0);
    float fresnel = f0 + (max(1.0 - roughness, f0) - f0) * pow(1.0 - cos_view, 5.0);
    if (family == 2) {
        colour += albedo * flake * 0.9 * (sun * shadow * pow(cos_half, 24.0) * 1.6 + sky_light * ambient * 0.5 * pow(cos_view, 2.0));
    }
    if (family == 2 || family == 3 || family == 5 || f0 > 0.1) {
        vec3 d = reflect(view, n);
        float block = mix(1.0, ambient, family == 5 ? 0.85 : 0.55);
        if (family == 5) d.z = abs(d.z);
        vec3 seen = surroundings(d, roughness);
        if (family == 5) seen = mirrored(p, d, seen);
        colour = mix(colour, seen * block * (f0 > 0.3 ? mix(vec3(1.0), albedo * 1.7, 0.6) : vec3(1.0)), fresnel);
        float tight = mix(1400.0, 12.0, sqrt(roughness));
        colour += sun * shadow * fresnel * pow(cos_half, tight) * tight * 0.035;
    } else if (family >= 4 || family == 0) {
        colour += sun * shadow * fresnel * pow(cos_half, 20.0) * 0.5;
    }
    colour += albedo * material.g;

    float far = length(p - vec3(0, 0, eye));
    float veil = 1.0 - exp(-far * haze);
    vec3 air = mix(horizon, zenith, 0.2) * 0.8 + sun * 0.06 * pow(max(dot(view, sun_direction), 0.0), 6.0);
    out_colour = vec4(mix(colour, air * mix(1.0, gain, 0.5), veil), 1.0);
}
