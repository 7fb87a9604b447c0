// A separable kernel along y when enlarging, out of working light. Twin: along_y in daemon/engine/reference/separable.py.
//
// Reads   source: rows of working samples, as enlarge_x writes them
//         taps: two vectors an output row, see Taps in window.wgsl
// Writes  dest: see write_samples.wgsl
// Thread  RUN output words of one column, or where DEEP pairs of words: neighbours read and write neighbouring words

#import read_working
#import window
#import write_samples

struct EnlargeYParams {
    columns: u32,  // words in a row of dest, or pairs of them
    outputs: u32,  // rows of dest
    antiring: f32,
}

@group(0) @binding(0) var<uniform> params: EnlargeYParams;
@group(0) @binding(1) var source: texture_2d<u32>;
@group(0) @binding(2) var<uniform> taps: array<Taps, 2048>;
@group(0) @binding(3) var<storage, read_write> dest: array<u32>;

override WORKGROUP_X: u32;
override WORKGROUP_Y: u32;
override RUN: u32;
override CHANNELS: u32;
override DEEP: bool;  // samples of 16 bits, four a pixel
override LIGHT: u32;
override ANTIRING: bool;

fn filter_samples(window: Window, weights: Taps) -> vec4<f32> {
    let total = weigh(window, weights);
    if (ANTIRING) {
        return encode(hold(window, total, params.antiring));
    }
    return encode(total);
}

@compute @workgroup_size(WORKGROUP_X, WORKGROUP_Y)
fn main(@builtin(global_invocation_id) thread: vec3<u32>) {
    let column = thread.x;
    let start = thread.y * RUN;
    if (column >= params.columns || start >= params.outputs) {
        return;
    }
    var first = u32(taps[start].far.z);
    var window = Window(
        read_working(first, column),
        read_working(first + 1u, column),
        read_working(first + 2u, column),
        read_working(first + 3u, column),
        read_working(first + 4u, column),
        read_working(first + 5u, column),
    );
    var index = start * params.columns + column;
    let stop = min(start + RUN, params.outputs);
    // For each place of the window, the outputs that it serves: asking at every output whether to slide took 9 % longer.
    var output = start;
    while (output < stop) {
        loop {
            let weights = taps[output];
            if (u32(weights.far.z) != first || output >= stop) {
                break;
            }
            write_samples(index, filter_samples(window, weights));
            index += params.columns;
            output += 1u;
        }
        first += 1u;
        window = slide(window, read_working(first + 5u, column));
    }
}
