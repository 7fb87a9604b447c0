// A separable kernel of any width along x, into working light. Twin: along_x in daemon/engine/reference/separable.py.
//
// Reads   source: see read_source.wgsl
//         taps: of each output pixel the first source pixel (whole, exact below 2^24), then its weights
// Writes  dest: rows of working samples, premultiplied where there is alpha; see working.wgsl
// Thread  four output pixels of one row, so that every texel is written by one thread

#import read_source
#import write_working

struct ReduceXParams {
    rows: u32,     // of source and dest
    outputs: u32,  // pixels in a row of dest, a multiple of four
    taps: u32,     // weights of an output
    antiring: f32, // 0 where this axis is reduced
}

@group(0) @binding(0) var<uniform> params: ReduceXParams;
@group(0) @binding(1) var source: texture_2d<u32>;
@group(0) @binding(2) var<storage, read> taps: array<f32>;
@group(0) @binding(3) var dest: texture_storage_2d<rg32uint, write>;

override WORKGROUP_X: u32;
override WORKGROUP_Y: u32;
override CHANNELS: u32;
override DEEP: bool;  // samples of 16 bits, four a pixel
override LIGHT: u32;

fn filter_pixel(row: u32, output: u32) -> vec4<f32> {
    let begin = output * (params.taps + 1u);
    let first = u32(taps[begin]);
    var total = vec4<f32>(0.0);
    for (var tap = 0u; tap < params.taps; tap += 1u) {
        total += taps[begin + 1u + tap] * read_pixel(row, first + tap);
    }
    if (params.antiring == 0.0) {
        return total;
    }
    let near = read_pixel(row, first + params.taps / 2u - 1u);
    let far = read_pixel(row, first + params.taps / 2u);
    return mix(total, clamp(total, min(near, far), max(near, far)), params.antiring);
}

@compute @workgroup_size(WORKGROUP_X, WORKGROUP_Y)
fn main(@builtin(global_invocation_id) thread: vec3<u32>) {
    let output = thread.x * 4u;
    let row = thread.y;
    if (row >= params.rows || output >= params.outputs) {
        return;
    }
    let p = filter_pixel(row, output);
    let q = filter_pixel(row, output + 1u);
    let r = filter_pixel(row, output + 2u);
    let s = filter_pixel(row, output + 3u);
    write_pixels(row, output, p, q, r, s);
}
