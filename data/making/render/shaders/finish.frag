// The camera: lens blur, exposure, film curve, grain; supersamples are averaged after the curve, so edges stay clean.
in vec2 place;
uniform sampler2D colour_map;
uniform float exposure;
uniform float blur;       // standard deviation, pixels
uniform float noise;
uniform float warmth;
uniform float seed;
uniform int supersample;
uniform vec2 image;
out vec4 out_colour;

vec3 film(vec3 x) {
    x = max(x, 0.0);
    return clamp(x * (2.51 * x + 0.03) / (x * (2.43 * x + 0.59) + 0.14), 0.0, 1.0);
}

float hash(vec3 p) {
    p = fract(p * 0.1031);
    p += dot(p, p.zyx + 31.32);
    return fract((p.x + p.y) * p.z);
}

void main() {
    ivec2 centre = ivec2(gl_FragCoord.xy) * supersample;
    ivec2 last = textureSize(colour_map, 0) - 1;
    vec3 sum = vec3(0.0);
    float weight = 0.0;
    int reach = supersample;
    float sigma = max(blur * float(supersample), 0.3);
    vec2 middle = (vec2(supersample) - 1.0) * 0.5;
    vec3 haze = textureLod(colour_map, place, 5.0).rgb;  // light scattered in the lens
    for (int y = -reach; y < supersample + reach; ++y)
        for (int x = -reach; x < supersample + reach; ++x) {
            vec2 off = vec2(x, y) - middle;
            float w = exp(-0.5 * dot(off, off) / (sigma * sigma));
            vec3 raw = texelFetch(colour_map, clamp(centre + ivec2(x, y), ivec2(0), last), 0).rgb;
            sum += w * film(mix(raw, haze, 0.03) * exposure * vec3(1.0 + warmth, 1.0, 1.0 - warmth));
            weight += w;
        }
    vec3 colour = pow(sum / weight, vec3(1.0 / 2.2));
    // The camera's own processing: some contrast, some colour.
    colour = mix(colour, colour * colour * (3.0 - 2.0 * colour), 0.30);
    colour = max(mix(vec3(dot(colour, vec3(0.30, 0.59, 0.11))), colour, 1.06), 0.0);
    vec2 corner = place - 0.5;
    colour *= 1.0 - 0.10 * dot(corner, corner);
    vec3 grain = vec3(hash(vec3(gl_FragCoord.xy, seed)), hash(vec3(gl_FragCoord.xy, seed + 17.0)), hash(vec3(gl_FragCoord.xy, seed + 31.0)));
    vec3 second = vec3(hash(vec3(gl_FragCoord.yx, seed + 57.0)), hash(vec3(gl_FragCoord.yx, seed + 71.0)), hash(vec3(gl_FragCoord.yx, seed + 93.0)));
    grain = mix(grain + second - 1.0, vec3(grain.x + second.x - 1.0), 0.6);
    out_colour = vec4(colour + grain * noise * 2.4, 1.0);
}
