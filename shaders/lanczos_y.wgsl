// Lanczos-3 along y, out of working light. Twin: lanczos_y in daemon/engine/reference/lanczos.py.
//
// Reads   source: rows of working samples, as lanczos_x writes them
//         taps: two vectors an output row, see Taps in window.wgsl
// Writes  dest: rows of packed 8-bit sRGB samples, each row padded to whole words, or where DEEP of 16 bits
// Thread  RUN output words of one column, or where DEEP pairs of words, which are a pixel. Else four samples are one word whatever the channels, so only alpha needs to know
//         where a pixel begins; neighbouring threads read and write neighbouring words.

#import bytes
#import color
#import window
#import working

struct LanczosYParams {
    columns: u32,  // words in a row of dest, or pairs of them
    outputs: u32,  // rows of dest
    antiring: f32,
}

@group(0) @binding(0) var<uniform> params: LanczosYParams;
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

fn read_pair(row: u32, column: u32) -> vec2<u32> {
    return textureLoad(source, vec2<u32>(column, row), 0).xy;
}

fn read_working(row: u32, column: u32) -> vec4<f32> {
    if (CHANNELS == 4u) {
        return bitcast<vec4<f32>>(vec4<u32>(read_pair(row, 2u * column), read_pair(row, 2u * column + 1u)));
    }
    return unpack_working(read_pair(row, column));
}

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

fn filter_samples(window: Window, weights: Taps) -> vec4<f32> {
    let total = weigh(window, weights);
    if (ANTIRING) {
        return encode(hold(window, total, params.antiring));
    }
    return encode(total);
}

fn write_samples(index: u32, samples: vec4<f32>) {
    if (DEEP) {
        dest[2u * index] = pack_halves(samples.xy);
        dest[2u * index + 1u] = pack_halves(samples.zw);
        return;
    }
    dest[index] = pack_bytes(samples);
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
