// Shared by all passes over the finished geometry: a pixel's position, the sky and street around it.
uniform vec4 intrinsics;
uniform float eye;
uniform vec2 image;       // width and height in pixels
uniform sampler2D noises;
uniform vec3 sun_direction;
uniform vec3 sun;
uniform vec3 zenith;
uniform vec3 horizon;
uniform float cloud;
uniform vec2 cloud_shift;
uniform vec3 ambient_up;
uniform vec3 ambient_down;

vec3 ray(vec2 uv) {
    vec2 pixel = uv * image - 0.5;
    vec2 slope = (pixel - intrinsics.zw) / intrinsics.xy;
    return vec3(slope.x, 1.0, -slope.y);  // one metre forward
}

float distance_of(float depth) {
    const float near = 0.4, far = 500.0;
    return 2.0 * far * near / (far + near - (2.0 * depth - 1.0) * (far - near));
}

vec3 world_at(vec2 uv, float depth) { return vec3(0.0, 0.0, eye) + ray(uv) * distance_of(depth); }

vec3 sky(vec3 d, bool sharp) {
    float up = max(d.z, 0.0);
    vec3 colour = mix(horizon, zenith, 1.0 - pow(1.0 - up, 3.5));
    float toward = max(dot(d, sun_direction), 0.0);
    colour += sun * (0.05 * pow(toward, 8.0) + 0.12 * pow(toward, 90.0));
    vec2 plane = d.xy / (up + 0.12) * 0.10 + cloud_shift;
    float n = 0.55 * texture(noises, plane).g + 0.27 * texture(noises, plane * 2.3 + 0.3).g;
    if (sharp) n += 0.13 * texture(noises, plane * 5.1).r + 0.05 * texture(noises, plane * 13.0).b;
    else n += 0.09;
    float cover = smoothstep(0.72 - 0.47 * cloud, 0.86 - 0.28 * cloud, n + 0.12 * cloud);
    vec3 lit = 0.16 * sun + mix(horizon, zenith, 0.3) * 1.05;
    vec3 mass = lit * mix(1.05, 0.62, smoothstep(0.35, 0.85, n) * (0.4 + 0.6 * cloud));
    return mix(colour, mass, cover * smoothstep(0.0, 0.08, up + 0.02));
}

// The surroundings in a reflection: sky, a dark ragged band of houses and trees, the street.
vec3 surroundings(vec3 d, float roughness) {
    float around = atan(d.x, d.y) * 0.159155, coarse = 1.0 + 6.0 * sqrt(roughness);
    float ragged = textureLod(noises, vec2(around, 0.37), coarse).r * textureLod(noises, vec2(around * 3.0, 0.71), coarse).r;
    float skyline = 0.07 + 0.60 * ragged;
    vec3 band = (ambient_up * 0.55 + sun * 0.10) * mix(vec3(0.16, 0.18, 0.11), vec3(0.34, 0.31, 0.27), textureLod(noises, vec2(around * 2.0, d.z * 0.6), coarse).g);
    vec3 street = (sun * max(sun_direction.z, 0.0) * 0.75 + ambient_up) * vec3(0.115, 0.113, 0.110);
    float soft = 0.015 + roughness * 0.35;
    vec3 colour = mix(band, sky(normalize(vec3(d.xy, max(d.z, 0.02))), false), smoothstep(skyline - soft, skyline + soft, d.z));
    return mix(street, colour, smoothstep(-0.04 - soft, 0.01 + soft, d.z));
}
