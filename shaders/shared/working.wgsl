// How working light is kept between passes: four samples in two words, 16 bits a sample. Filters overshoot, to at most
// -0.272..1.272 by Lanczos-3, so the range kept is -0.5..1.5; its step of 3e-5 is finer than that of f16 near white.
// Premultiplied samples, which are divided by small alphas later, are kept as f32 instead, two to a pair of words.

#import bytes

const WORKING_LOW = -0.5;
const WORKING_RANGE = 2.0;

fn pack_working(samples: vec4<f32>) -> vec2<u32> {
    let unit = (samples - WORKING_LOW) / WORKING_RANGE;
    return vec2<u32>(pack_halves(unit.xy), pack_halves(unit.zw));
}

fn unpack_working(words: vec2<u32>) -> vec4<f32> {
    let unit = vec4<f32>(unpack2x16unorm(words.x), unpack2x16unorm(words.y));
    return unit * WORKING_RANGE + WORKING_LOW;
}
