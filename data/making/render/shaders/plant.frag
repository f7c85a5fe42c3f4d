in vec3 position;
in vec3 normal;
in vec2 uv;
in vec3 colour;
flat in float sheet;
in float occlusion;
flat in float leaf;
uniform sampler2DArray leaves;
uniform sampler2DArray surfaces;
uniform bool in_shadow_map;
layout(location = 0) out vec4 out_albedo;
layout(location = 1) out vec4 out_normal;
layout(location = 2) out vec4 out_material;

void main() {
    vec3 albedo = colour;
    if (leaf > 0.5) {
        vec4 texel = texture(leaves, vec3(uv, sheet));
        if (texel.a < 0.38) discard;
        albedo *= texel.rgb * texel.rgb * 1.9;
    } else {
        vec4 bark = texture(surfaces, vec3(uv, 9.0));
        albedo *= bark.rgb * bark.rgb * 1.6;
    }
    if (in_shadow_map) return;
    out_albedo = vec4(sqrt(clamp(albedo, 0.0, 1.0)), occlusion);
    out_normal = vec4(normalize(normal), 0.85);
    out_material = vec4(0.03, 0.0, leaf > 0.5 ? 1.0 : 0.0, 0.0);
}
