// A pixel of 16 bits in and out, four samples whatever the picture has, premultiplied in between. Whoever imports this
// binds a texture as `source`, two texels a pixel, and a buffer as `dest`.

#import bytes

fn read_premultiplied(row: u32, pixel: u32) -> vec4<f32> {
    let low = unpack2x16unorm(textureLoad(source, vec2<u32>(2u * pixel, row), 0).x);
    let high = unpack2x16unorm(textureLoad(source, vec2<u32>(2u * pixel + 1u, row), 0).x);
    return vec4<f32>(low * high.y, high.x * high.y, high.y);
}

fn write_straight(index: u32, samples: vec4<f32>) {
    var straight = vec3<f32>(0.0);
    if (samples.w > 0.0) {
        straight = saturate(samples.xyz / samples.w);
    }
    dest[2u * index] = pack_halves(straight.xy);
    dest[2u * index + 1u] = pack_halves(vec2<f32>(straight.z, saturate(samples.w)));
}
