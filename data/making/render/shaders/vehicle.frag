in vec3 position;
in vec3 normal;
in vec3 body;
in vec2 uv;
flat in float layer;
flat in vec3 coat;
flat in vec4 look;
uniform sampler2DArray canvas_colour;    // square root of colour, cover
uniform sampler2DArray canvas_material;  // paint, glass, chrome, lamp
uniform sampler2D noises;
uniform bool in_shadow_map;
layout(location = 0) out vec4 out_albedo;
layout(location = 1) out vec4 out_normal;
layout(location = 2) out vec4 out_material;

void main() {
    vec4 texel = texture(canvas_colour, vec3(uv, layer));
    if (texel.a < 0.5) discard;
    if (in_shadow_map) return;
    vec4 material = texture(canvas_material, vec3(uv, layer));
    vec3 n = normalize(normal);
    vec3 albedo = texel.rgb * texel.rgb + material.r * coat;
    float low = smoothstep(0.75, 0.15, body.z) * (0.5 + texture(noises, body.xz * 0.7 + body.yy * 0.4).r);
    albedo = mix(albedo, vec3(0.13, 0.12, 0.105), look.y * 0.55 * low * (1.0 - material.g));
    // Panels are never perfectly flat: reflections waver a little.
    n = normalize(n + (texture(noises, body.xz * 0.23 + body.y * 0.31).rgb - 0.5) * 0.012);
    float rubber = 1.0 - max(max(material.r, material.g), material.b);
    float family = 2.0, roughness = 0.08, f0 = 0.045 + 0.03 * look.x * material.r;
    if (material.g > 0.5) { family = 3.0; f0 = 0.055; roughness = 0.03; }
    f0 = mix(f0, 0.62, material.b);
    if (rubber > 0.6) { family = 0.0; roughness = 0.6; f0 = 0.035; }
    roughness = mix(roughness, 0.5, look.y * 0.6 * low);
    bool red = texel.r > 2.0 * texel.g;
    float glow = material.a * look.z * (red ? 2.2 : 9.0);
    float sill = mix(0.55, 1.0, smoothstep(0.1, 0.7, body.z));
    out_albedo = vec4(sqrt(clamp(albedo, 0.0, 1.0)), mix(sill, 1.0, smoothstep(0.0, 0.5, n.z)));
    out_normal = vec4(n, roughness);
    out_material = vec4(f0, glow, family + 0.4 * look.x * material.r * float(family == 2.0), look.w);
}
