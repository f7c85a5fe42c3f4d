// World (X right, Y forward, Z up) to clip space, image row 0 at clip y = -1, so that an image read back need not be flipped.
uniform vec4 intrinsics;  // fx, fy, cx, cy in pixels; pixel centres lie at whole numbers
uniform vec4 window;      // left, top, width, height of the part of the image that is drawn, pixels
uniform float eye;        // height of the camera, metres

vec4 project(vec3 world) {
    vec3 camera = vec3(world.x, eye - world.z, world.y);
    vec2 pixel = intrinsics.xy * camera.xy + (intrinsics.zw + 0.5 - window.xy) * camera.z;
    vec2 ndc = 2.0 * pixel / window.zw - camera.z;
    const float near = 0.4, far = 500.0;
    float depth = ((far + near) * camera.z - 2.0 * far * near) / (far - near);
    return vec4(ndc, depth, camera.z);
}
