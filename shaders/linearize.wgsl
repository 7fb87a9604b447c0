// Encoded samples to working light, exactly. Twin: to_working in daemon/engine/reference/separable.py.
//
// Reads   source: see read_source.wgsl
// Writes  dest: a texel a pixel, premultiplied where there is alpha
// Thread  one pixel

#import read_source

struct LinearizeParams {
    columns: u32,  // pixels in a row of source and dest
    rows: u32,
}

@group(0) @binding(0) var<uniform> params: LinearizeParams;
@group(0) @binding(1) var source: texture_2d<u32>;
@group(0) @binding(2) var dest: texture_storage_2d<rgba32float, write>;

override WORKGROUP_X: u32;
override WORKGROUP_Y: u32;
override CHANNELS: u32;
override DEEP: bool;  // samples of 16 bits, four a pixel
override LIGHT: u32;

@compute @workgroup_size(WORKGROUP_X, WORKGROUP_Y)
fn main(@builtin(global_invocation_id) thread: vec3<u32>) {
    if (thread.x >= params.columns || thread.y >= params.rows) {
        return;
    }
    textureStore(dest, thread.xy, read_pixel(thread.y, thread.x));
}
