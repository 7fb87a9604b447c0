// Sharpening without a halo. Twin: sharpen in daemon/engine/reference/filters.py.
//
// Reads   source: rows of pixels of 16 bits, with a margin of `step`, edges already repeated
// Writes  dest: rows of pixels of 16 bits
// Thread  one pixel

#import filtered

struct SharpenParams {
    columns: u32,  // pixels in a row of dest
    rows: u32,     // of dest
    step: u32,     // how far away the neighbours are
    force: f32,    // in differences to their mean
}

@group(0) @binding(0) var<uniform> params: SharpenParams;
@group(0) @binding(1) var source: texture_2d<u32>;
@group(0) @binding(2) var<storage, read_write> dest: array<u32>;

override WORKGROUP_X: u32;
override WORKGROUP_Y: u32;

@compute @workgroup_size(WORKGROUP_X, WORKGROUP_Y)
fn main(@builtin(global_invocation_id) thread: vec3<u32>) {
    if (thread.x >= params.columns || thread.y >= params.rows) {
        return;
    }
    let row = thread.y + params.step;
    let column = thread.x + params.step;
    let here = read_premultiplied(row, column);
    let a = read_premultiplied(row - params.step, column);
    let b = read_premultiplied(row + params.step, column);
    let c = read_premultiplied(row, column - params.step);
    let d = read_premultiplied(row, column + params.step);
    let moved = here + params.force * (here - 0.25 * ((a + b) + (c + d)));
    let low = min(here, min(min(a, b), min(c, d)));
    let high = max(here, max(max(a, b), max(c, d)));
    write_straight(thread.y * params.columns + thread.x, clamp(moved, low, high));
}
