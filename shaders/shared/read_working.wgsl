// Four samples of working light as passes along x leave them; see working.wgsl. Whoever imports this binds the texture
// as `source`, and has the override CHANNELS.

#import working

fn read_pair(row: u32, column: u32) -> vec2<u32> {
    return textureLoad(source, vec2<u32>(column, row), 0).xy;
}

fn read_working(row: u32, column: u32) -> vec4<f32> {
    if (CHANNELS == 4u) {
        return bitcast<vec4<f32>>(vec4<u32>(read_pair(row, 2u * column), read_pair(row, 2u * column + 1u)));
    }
    return unpack_working(read_pair(row, column));
}
