// A separable kernel along x when enlarging, into working light. Twin: along_x in daemon/engine/reference/separable.py.
//
// Reads   source: see read_source.wgsl
//         taps: two vectors an output pixel, see Taps in window.wgsl
// Writes  dest: rows of working samples, premultiplied where there is alpha; see working.wgsl
// Thread  RUN output pixels of one row, four at a time, so that every texel is written by one thread

#import read_source
#import window
#import write_working

struct EnlargeXParams {
    rows: u32,     // of source and dest
    outputs: u32,  // pixels in a row of dest, a multiple of four
    antiring: f32,
}

@group(0) @binding(0) var<uniform> params: EnlargeXParams;
@group(0) @binding(1) var source: texture_2d<u32>;
@group(0) @binding(2) var<uniform> taps: array<Taps, 2048>;
@group(0) @binding(3) var dest: texture_storage_2d<rg32uint, write>;

override WORKGROUP_X: u32;
override WORKGROUP_Y: u32;
override RUN: u32;  // a multiple of four
override CHANNELS: u32;
override DEEP: bool;  // samples of 16 bits, four a pixel
override LIGHT: u32;
override ANTIRING: bool;

struct Run {
    window: Window,
    row: u32,
    first: u32,
}

fn filter_next(run: ptr<function, Run>, output: u32) -> vec4<f32> {
    let weights = taps[output];
    if (u32(weights.far.z) != (*run).first) {
        (*run).first += 1u;
        (*run).window = slide((*run).window, read_pixel((*run).row, (*run).first + 5u));
    }
    let total = weigh((*run).window, weights);
    if (ANTIRING) {
        return hold((*run).window, total, params.antiring);
    }
    return total;
}

@compute @workgroup_size(WORKGROUP_X, WORKGROUP_Y)
fn main(@builtin(global_invocation_id) thread: vec3<u32>) {
    let start = thread.x * RUN;
    let row = thread.y;
    if (row >= params.rows || start >= params.outputs) {
        return;
    }
    let first = u32(taps[start].far.z);
    var run: Run;
    run.row = row;
    run.first = first;
    run.window = Window(
        read_pixel(row, first),
        read_pixel(row, first + 1u),
        read_pixel(row, first + 2u),
        read_pixel(row, first + 3u),
        read_pixel(row, first + 4u),
        read_pixel(row, first + 5u),
    );
    let stop = min(start + RUN, params.outputs);
    for (var output = start; output < stop; output += 4u) {
        let p = filter_next(&run, output);
        let q = filter_next(&run, output + 1u);
        let r = filter_next(&run, output + 2u);
        let s = filter_next(&run, output + 3u);
        write_pixels(row, output, p, q, r, s);
    }
}
