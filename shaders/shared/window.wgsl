// The sliding window of a separable six-tap filter: six neighbouring samples in named members, since an array that is
// indexed at run time would live in memory. A run of outputs keeps its window and fetches one sample a step.

struct Window {
    a: vec4<f32>,
    b: vec4<f32>,
    c: vec4<f32>,
    d: vec4<f32>,
    e: vec4<f32>,
    f: vec4<f32>,
}

// The six taps of one output sample, and the first source sample that they weigh.
struct Taps {
    near: vec4<f32>,  // weights 0 to 3
    far: vec4<f32>,   // weights 4 and 5, first (whole, exact below 2^24), unused
}

fn slide(window: Window, next: vec4<f32>) -> Window {
    return Window(window.b, window.c, window.d, window.e, window.f, next);
}

fn weigh(window: Window, taps: Taps) -> vec4<f32> {
    return window.a * taps.near.x + window.b * taps.near.y + window.c * taps.near.z + window.d * taps.near.w
        + window.e * taps.far.x + window.f * taps.far.y;
}

// Holds a sum between the two central samples of its window, by a strength of 0 (not at all) to 1 (wholly).
fn hold(window: Window, total: vec4<f32>, strength: f32) -> vec4<f32> {
    let held = clamp(total, min(window.c, window.d), max(window.c, window.d));
    return mix(total, held, strength);
}
