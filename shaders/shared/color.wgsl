// Light: encoded sRGB to the light that is filtered in, and back. Twin: daemon/engine/color.py, whose constants these
// are (tests/shaders compares them).

const LIGHT_GAMMA = 0u;
const LIGHT_LINEAR = 1u;
const LIGHT_SIGMOID = 2u;

const SRGB_KNEE = 0.04045;
const SRGB_SLOPE = 12.92;
const SRGB_OFFSET = 0.055;
const SRGB_GAMMA = 2.4;
const LINEAR_KNEE = 0.0031308;

const SIGMOID_CENTER = 0.75;
const SIGMOID_SLOPE = 6.5;
const SIGMOID_OFFSET = 0.007577241267860811;
const SIGMOID_SCALE = 0.8279062958355761;

fn srgb_to_linear(value: vec3<f32>) -> vec3<f32> {
    let curved = pow((value + SRGB_OFFSET) / (1.0 + SRGB_OFFSET), vec3<f32>(SRGB_GAMMA));
    return select(curved, value / SRGB_SLOPE, value <= vec3<f32>(SRGB_KNEE));
}

fn linear_to_srgb(value: vec3<f32>) -> vec3<f32> {
    let curved = (1.0 + SRGB_OFFSET) * pow(value, vec3<f32>(1.0 / SRGB_GAMMA)) - SRGB_OFFSET;
    return select(curved, value * SRGB_SLOPE, value <= vec3<f32>(LINEAR_KNEE));
}

fn sigmoidize(linear: vec3<f32>) -> vec3<f32> {
    return SIGMOID_CENTER - log(1.0 / (linear * SIGMOID_SCALE + SIGMOID_OFFSET) - 1.0) / SIGMOID_SLOPE;
}

// Bounded first, to the colours that 0..1 come from: under thin alpha a value may be so large that exp overflows.
fn unsigmoidize(value: vec3<f32>) -> vec3<f32> {
    let bounded = saturate(value);
    return (1.0 / (1.0 + exp(SIGMOID_SLOPE * (SIGMOID_CENTER - bounded))) - SIGMOID_OFFSET) / SIGMOID_SCALE;
}

// Encoded values in 0..1 to working light.
fn to_light(encoded: vec3<f32>, light: u32) -> vec3<f32> {
    if (light == LIGHT_GAMMA) {
        return encoded;
    }
    let linear = srgb_to_linear(encoded);
    if (light == LIGHT_LINEAR) {
        return linear;
    }
    return sigmoidize(linear);
}

// Working light, bounded, to encoded values in 0..1.
fn from_light(value: vec3<f32>, light: u32) -> vec3<f32> {
    if (light == LIGHT_GAMMA) {
        return saturate(value);
    }
    if (light == LIGHT_LINEAR) {
        return linear_to_srgb(saturate(value));
    }
    return linear_to_srgb(saturate(unsigmoidize(value)));
}
