// A separable kernel of any width along y, out of working light. Twin: along_y in daemon/engine/reference/separable.py.
//
// Reads   source: rows of working samples, as reduce_x writes them
//         taps: of each output row the first source row (whole, exact below 2^24), then its weights
// Writes  dest: see write_samples.wgsl
// Thread  one word of dest, or where DEEP a pair of words: neighbours read and write neighbouring words

#import read_working
#import write_samples

struct ReduceYParams {
    columns: u32,  // words in a row of dest, or pairs of them
    outputs: u32,  // rows of dest
    taps: u32,     // weights of an output
    antiring: f32, // 0 where this axis is reduced
}

@group(0) @binding(0) var<uniform> params: ReduceYParams;
@group(0) @binding(1) var source: texture_2d<u32>;
@group(0) @binding(2) var<storage, read> taps: array<f32>;
@group(0) @binding(3) var<storage, read_write> dest: array<u32>;

override WORKGROUP_X: u32;
override WORKGROUP_Y: u32;
override CHANNELS: u32;
override DEEP: bool;  // samples of 16 bits, four a pixel
override LIGHT: u32;

fn filter_samples(row: u32, column: u32) -> vec4<f32> {
    let begin = row * (params.taps + 1u);
    let first = u32(taps[begin]);
    var total = vec4<f32>(0.0);
    for (var tap = 0u; tap < params.taps; tap += 1u) {
        total += taps[begin + 1u + tap] * read_working(first + tap, column);
    }
    if (params.antiring == 0.0) {
        return total;
    }
    let near = read_working(first + params.taps / 2u - 1u, column);
    let far = read_working(first + params.taps / 2u, column);
    return mix(total, clamp(total, min(near, far), max(near, far)), params.antiring);
}

@compute @workgroup_size(WORKGROUP_X, WORKGROUP_Y)
fn main(@builtin(global_invocation_id) thread: vec3<u32>) {
    let column = thread.x;
    let row = thread.y;
    if (column >= params.columns || row >= params.outputs) {
        return;
    }
    write_samples(row * params.columns + column, encode(filter_samples(row, column)));
}
