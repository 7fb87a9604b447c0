// Four filtered samples as the words of the result: rows of packed 8-bit sRGB samples, each row padded to whole words,
// or where DEEP of 16 bits. Whoever imports this binds a buffer as `dest`, and has the overrides CHANNELS, DEEP and
// LIGHT. Four samples are one word, or where DEEP a pixel, whatever the channels: only alpha needs to know where a
// pixel begins.

#import bytes
#import color

fn encode(filtered: vec4<f32>) -> vec4<f32> {
    if (CHANNELS != 4u) {
        return vec4<f32>(from_light(filtered.xyz, LIGHT), from_light(filtered.www, LIGHT).x);
    }
    if (filtered.w <= 0.0) {
        return vec4<f32>(0.0);
    }
    // divided by alpha as filtered: bounded to 1 first, a flat colour would brighten where alpha overshoots
    return vec4<f32>(from_light(filtered.xyz / filtered.w, LIGHT), min(filtered.w, 1.0));
}

fn write_samples(index: u32, samples: vec4<f32>) {
    if (DEEP) {
        dest[2u * index] = pack_halves(samples.xy);
        dest[2u * index + 1u] = pack_halves(samples.zw);
        return;
    }
    dest[index] = pack_bytes(samples);
}
