// Lanczos-3 along x, into working light. Twin: lanczos_x in daemon/engine/reference/lanczos.py.
//
// Reads   source: rows of packed 8-bit sRGB samples, four to a texel, edges already repeated, or where DEEP of 16 bits,
//         two to a texel. A texture and not a buffer: on llvmpipe that took a fifth off this pass, and a third off lanczos_y
//         taps: two vectors an output pixel, see Taps in window.wgsl
// Writes  dest: rows of working samples, premultiplied where there is alpha; see working.wgsl
// Thread  RUN output pixels of one row, four at a time, so that every texel is written by one thread

#import color
#import window
#import working

struct LanczosXParams {
    rows: u32,     // of source and dest
    outputs: u32,  // pixels in a row of dest, a multiple of four
    antiring: f32,
}

@group(0) @binding(0) var<uniform> params: LanczosXParams;
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

fn write_four(row: u32, column: u32, samples: vec4<f32>) {
    textureStore(dest, vec2<u32>(column, row), vec4<u32>(pack_working(samples), 0u, 0u));
}

fn write_exact(row: u32, column: u32, samples: vec4<f32>) {
    let words = bitcast<vec4<u32>>(samples);
    textureStore(dest, vec2<u32>(column, row), vec4<u32>(words.xy, 0u, 0u));
    textureStore(dest, vec2<u32>(column + 1u, row), vec4<u32>(words.zw, 0u, 0u));
}

// Four neighbouring pixels, the first of them a multiple of four.
fn write_pixels(row: u32, pixel: u32, p: vec4<f32>, q: vec4<f32>, r: vec4<f32>, s: vec4<f32>) {
    if (CHANNELS == 4u) {
        let column = pixel * 2u;
        write_exact(row, column, p);
        write_exact(row, column + 2u, q);
        write_exact(row, column + 4u, r);
        write_exact(row, column + 6u, s);
        return;
    }
    let column = pixel / 4u * CHANNELS;
    if (CHANNELS == 1u) {
        write_four(row, column, vec4<f32>(p.x, q.x, r.x, s.x));
        return;
    }
    write_four(row, column, vec4<f32>(p.xyz, q.x));
    write_four(row, column + 1u, vec4<f32>(q.yz, r.xy));
    write_four(row, column + 2u, vec4<f32>(r.z, s.xyz));
}

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
