// A polar kernel, round or drawn out along edges. Twin: daemon/engine/reference/polar.py, which says what each step is.
//
// Reads   source: a texel a pixel of working light, as linearize writes it
//         x_taps, y_taps: of each output column and row its first sample (far.z, see Taps in window.wgsl), and how far
//         that sample lies right of it, or below it (near.x)
// Writes  dest: see write_samples.wgsl
// Thread  four neighbouring pixels of one row, which are whole words whatever the channels

#import window
#import write_samples

struct PolarParams {
    columns: u32,  // words in a row of dest
    outputs: u32,  // pixels in a row of dest, a multiple of four
    rows: u32,     // of dest
    scale: f32,    // what makes the polynomial's argument of a squared distance
    antiring: f32,
}

@group(0) @binding(0) var<uniform> params: PolarParams;
@group(0) @binding(1) var source: texture_2d<f32>;
@group(0) @binding(2) var<uniform> x_taps: array<Taps, 2048>;
@group(0) @binding(3) var<uniform> y_taps: array<Taps, 2048>;
@group(0) @binding(4) var<storage, read_write> dest: array<u32>;

override WORKGROUP_X: u32;
override WORKGROUP_Y: u32;
override CHANNELS: u32;
override DEEP: bool;  // samples of 16 bits, four a pixel
override LIGHT: u32;
override STEERED: bool;

const SIDE = 8u;
const CENTRE = 3u;
const ACROSS = 1.1;
const ALONG = 0.6;
const FLAT = 0.0001;
const BRIGHTNESS = vec4<f32>(0.25, 0.5, 0.25, 1.0);
const BINOMIAL = vec4<f32>(0.25, 0.5, 0.25, 0.0);

// The kernel as a polynomial in the square of distance: see polynomial() there.
const P0 = 0.0047287426;
const P1 = 0.0840650908;
const P2 = -0.2510927446;
const P3 = 0.1502076394;
const P4 = 0.2406409498;
const P5 = -0.4840134386;
const P6 = 0.4128862720;
const P7 = -0.2235078797;
const P8 = 0.0866410613;
const P9 = -0.0255156848;
const P10 = 0.0060018301;
const P11 = -0.0012357207;
const P12 = 0.0001938881;

fn weigh_squared(squared: f32) -> f32 {
    let t = squared * params.scale - 1.0;
    var value = P12 * t + P11;
    value = value * t + P10;
    value = value * t + P9;
    value = value * t + P8;
    value = value * t + P7;
    value = value * t + P6;
    value = value * t + P5;
    value = value * t + P4;
    value = value * t + P3;
    value = value * t + P2;
    value = value * t + P1;
    value = value * t + P0;
    return select(0.0, value, t < 1.0);
}

fn brightness(at: vec2<u32>) -> f32 {
    let pixel = textureLoad(source, at, 0);
    if (CHANNELS == 1u) {
        return pixel.x;
    }
    return dot(pixel, BRIGHTNESS);
}

// Of the four slopes around an output that lies so far beyond the first of its two central samples.
fn slope_shares(fraction: f32) -> vec4<f32> {
    return mix(BINOMIAL, BINOMIAL.wxyz, fraction);
}

// The structure tensor: xx, xy, yy.
fn tensor(first: vec2<u32>, fraction: vec2<f32>) -> vec3<f32> {
    let x_shares = slope_shares(fraction.x);
    let y_shares = slope_shares(fraction.y);
    var total = vec3<f32>(0.0);
    for (var row = 0u; row < 4u; row += 1u) {
        for (var column = 0u; column < 4u; column += 1u) {
            let at = first + vec2<u32>(CENTRE - 1u + column, CENTRE - 1u + row);
            let across = 0.5 * (brightness(at + vec2<u32>(1u, 0u)) - brightness(at - vec2<u32>(1u, 0u)));
            let down = 0.5 * (brightness(at + vec2<u32>(0u, 1u)) - brightness(at - vec2<u32>(0u, 1u)));
            total += y_shares[row] * x_shares[column] * vec3<f32>(across * across, across * down, down * down);
        }
    }
    return total;
}

// The quadratic form (xx, xy, yy) of squared distance in the ellipse of an output.
fn ellipse(first: vec2<u32>, fraction: vec2<f32>) -> vec3<f32> {
    let found = tensor(first, fraction);
    let along_axes = found.x - found.z;
    let apart = sqrt(along_axes * along_axes + 4.0 * found.y * found.y);
    if (apart <= 0.0) {
        return vec3<f32>(1.0, 0.0, 1.0);
    }
    let share = apart / (found.x + found.z + FLAT);
    let coherence = share * share;
    let across = 1.0 + (ACROSS - 1.0) * coherence;
    let along = 1.0 + (ALONG - 1.0) * coherence;
    let mean = 0.5 * (across + along);
    let half = 0.5 * (across - along) / apart;
    return vec3<f32>(mean + half * along_axes, half * 2.0 * found.y, mean - half * along_axes);
}

fn hold_nearest(first: vec2<u32>, total: vec4<f32>) -> vec4<f32> {
    let at = first + vec2<u32>(CENTRE, CENTRE);
    let a = textureLoad(source, at, 0);
    let b = textureLoad(source, at + vec2<u32>(1u, 0u), 0);
    let c = textureLoad(source, at + vec2<u32>(0u, 1u), 0);
    let d = textureLoad(source, at + vec2<u32>(1u, 1u), 0);
    return mix(total, clamp(total, min(min(a, b), min(c, d)), max(max(a, b), max(c, d))), params.antiring);
}

fn filter_pixel(output: u32, row: u32) -> vec4<f32> {
    let x = x_taps[output];
    let y = y_taps[row];
    let first = vec2<u32>(u32(x.far.z), u32(y.far.z));
    let offset = vec2<f32>(x.near.x, y.near.x);
    var form = vec3<f32>(1.0, 0.0, 1.0);
    if (STEERED) {
        form = ellipse(first, -(offset + f32(CENTRE)));
    }
    var total = vec4<f32>(0.0);
    var weights = 0.0;
    for (var i = 0u; i < SIDE; i += 1u) {
        for (var j = 0u; j < SIDE; j += 1u) {
            let d = offset + vec2<f32>(f32(j), f32(i));
            let squared = form.x * d.x * d.x + 2.0 * form.y * d.x * d.y + form.z * d.y * d.y;
            let weight = weigh_squared(squared);
            total += weight * textureLoad(source, first + vec2<u32>(j, i), 0);
            weights += weight;
        }
    }
    return hold_nearest(first, total / weights);
}

@compute @workgroup_size(WORKGROUP_X, WORKGROUP_Y)
fn main(@builtin(global_invocation_id) thread: vec3<u32>) {
    let output = thread.x * 4u;
    let row = thread.y;
    if (output >= params.outputs || row >= params.rows) {
        return;
    }
    let p = filter_pixel(output, row);
    let q = filter_pixel(output + 1u, row);
    let r = filter_pixel(output + 2u, row);
    let s = filter_pixel(output + 3u, row);
    if (CHANNELS == 4u) {
        let index = row * params.outputs + output;
        write_samples(index, encode(p));
        write_samples(index + 1u, encode(q));
        write_samples(index + 2u, encode(r));
        write_samples(index + 3u, encode(s));
        return;
    }
    let index = row * params.columns + thread.x * CHANNELS;
    if (CHANNELS == 1u) {
        write_samples(index, encode(vec4<f32>(p.x, q.x, r.x, s.x)));
        return;
    }
    write_samples(index, encode(vec4<f32>(p.xyz, q.x)));
    write_samples(index + 1u, encode(vec4<f32>(q.yz, r.xy)));
    write_samples(index + 2u, encode(vec4<f32>(r.z, s.xyz)));
}
