// Rounding to whole numbers by adding 2^23, which leaves the number, to nearest even, in the lowest bits of the float.
// With the builtins pack4x8unorm and pack2x16unorm a pass took 7 % longer on llvmpipe.

const WHOLE_BITS = 8388608.0;

// Four samples of 0..1, bounded by the caller, as the bytes of a word.
fn pack_bytes(samples: vec4<f32>) -> u32 {
    let bits = bitcast<vec4<u32>>(samples * 255.0 + WHOLE_BITS);
    return (bits.x & 0xffu) | ((bits.y & 0xffu) << 8u) | ((bits.z & 0xffu) << 16u) | (bits.w << 24u);
}

// Two samples of 0..1, bounded by the caller, as the halves of a word.
fn pack_halves(samples: vec2<f32>) -> u32 {
    let bits = bitcast<vec2<u32>>(samples * 65535.0 + WHOLE_BITS);
    return (bits.x & 0xffffu) | (bits.y << 16u);
}
