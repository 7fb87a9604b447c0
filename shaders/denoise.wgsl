// Non-local means. Twin: denoise in daemon/engine/reference/filters.py; daemon/engine/filters.py has the constants.
//
// Reads   source: rows of pixels of 16 bits, with a margin of four, edges already repeated
// Writes  dest: rows of pixels of 16 bits
// Thread  one pixel

#import filtered

struct DenoiseParams {
    columns: u32,  // pixels in a row of dest
    rows: u32,     // of dest
    force: f32,    // of a sum of squared differences over a patch and its samples: one over what weighs nothing
}

@group(0) @binding(0) var<uniform> params: DenoiseParams;
@group(0) @binding(1) var source: texture_2d<u32>;
@group(0) @binding(2) var<storage, read_write> dest: array<u32>;

override WORKGROUP_X: u32;
override WORKGROUP_Y: u32;

const SEARCH = 3;
const PATCH = 1;

fn read(row: i32, column: i32) -> vec4<f32> {
    return read_premultiplied(u32(row), u32(column));
}

// How unlike the surroundings of two pixels are.
fn compare(row: i32, column: i32, down: i32, right: i32) -> f32 {
    var total = 0.0;
    for (var i = -PATCH; i <= PATCH; i += 1) {
        for (var j = -PATCH; j <= PATCH; j += 1) {
            let difference = read(row + i + down, column + j + right) - read(row + i, column + j);
            total += dot(difference, difference);
        }
    }
    return total;
}

@compute @workgroup_size(WORKGROUP_X, WORKGROUP_Y)
fn main(@builtin(global_invocation_id) thread: vec3<u32>) {
    if (thread.x >= params.columns || thread.y >= params.rows) {
        return;
    }
    let row = i32(thread.y) + SEARCH + PATCH;
    let column = i32(thread.x) + SEARCH + PATCH;
    var total = vec4<f32>(0.0);
    var weights = 0.0;
    for (var down = -SEARCH; down <= SEARCH; down += 1) {
        for (var right = -SEARCH; right <= SEARCH; right += 1) {
            let like = max(1.0 - compare(row, column, down, right) * params.force, 0.0);
            total += like * like * read(row + down, column + right);
            weights += like * like;
        }
    }
    write_straight(thread.y * params.columns + thread.x, total / weights);
}
