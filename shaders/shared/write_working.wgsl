// Four neighbouring pixels of working light, the first of them a multiple of four, to where passes along x leave them;
// see working.wgsl. Whoever imports this binds a texture as `dest`, and has the override CHANNELS.

#import working

fn write_four(row: u32, column: u32, samples: vec4<f32>) {
    textureStore(dest, vec2<u32>(column, row), vec4<u32>(pack_working(samples), 0u, 0u));
}

fn write_exact(row: u32, column: u32, samples: vec4<f32>) {
    let words = bitcast<vec4<u32>>(samples);
    textureStore(dest, vec2<u32>(column, row), vec4<u32>(words.xy, 0u, 0u));
    textureStore(dest, vec2<u32>(column + 1u, row), vec4<u32>(words.zw, 0u, 0u));
}

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
