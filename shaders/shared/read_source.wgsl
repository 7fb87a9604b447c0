// Working light of the pixels of a source: rows of packed 8-bit sRGB samples, four to a texel, edges already repeated,
// or where DEEP of 16 bits, two to a texel. A texture and not a buffer: on llvmpipe that took a fifth off enlarge_x, and
// a third off enlarge_y. Whoever imports this binds it as `source`, and has the overrides CHANNELS, DEEP and LIGHT.

#import color

fn read_word(row: u32, column: u32) -> u32 {
    return textureLoad(source, vec2<u32>(column, row), 0).x;
}

// The bytes of one pixel, first sample lowest; bytes above its channels are of no meaning.
fn read_bytes(row: u32, pixel: u32) -> u32 {
    let byte = pixel * CHANNELS;
    let column = byte / 4u;
    let low = read_word(row, column);
    if (CHANNELS == 4u) {
        return low;
    }
    let shift = 8u * (byte % 4u);
    if (CHANNELS == 1u) {
        return low >> shift;
    }
    // 24 bits that may run into the next word; in two shifts, since shifting by 32 is not defined
    return (low >> shift) | ((read_word(row, column + 1u) << 8u) << (24u - shift));
}

fn read_encoded(row: u32, pixel: u32) -> vec4<f32> {
    if (DEEP) {
        return vec4<f32>(unpack2x16unorm(read_word(row, 2u * pixel)), unpack2x16unorm(read_word(row, 2u * pixel + 1u)));
    }
    return unpack4x8unorm(read_bytes(row, pixel));
}

// Premultiplied where there is alpha; what a pixel has no channel for is 0.
fn read_pixel(row: u32, pixel: u32) -> vec4<f32> {
    let encoded = read_encoded(row, pixel);
    if (CHANNELS == 1u) {
        return vec4<f32>(to_light(encoded.xxx, LIGHT).x, 0.0, 0.0, 0.0);
    }
    let working = to_light(encoded.xyz, LIGHT);
    if (CHANNELS == 3u) {
        return vec4<f32>(working, 0.0);
    }
    return vec4<f32>(working * encoded.w, encoded.w);
}
