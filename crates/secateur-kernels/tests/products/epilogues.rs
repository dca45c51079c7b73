//! Every epilogue on every format, layout and instruction set.

use secateur_kernels::reference::{self, position};
use secateur_kernels::{Activation, Epilogue, Layout, Threads};

use crate::cases::{MANY, activations, check, formats, multiply, packings, weights};

/// `[m, k, n]`: a vector and a batch each at, below and above whole vectors and bands.
const SHAPES: [[usize; 3]; 6] = [
    [1, 1, 1],
    [37, 21, 1],
    [32, 130, 1],
    [7, 20, 3],
    [37, 140, 19],
    [16, 33, 64],
];

/// All shapes, or under Miri a small one of each kind.
fn shapes() -> Vec<[usize; 3]> {
    if cfg!(miri) {
        vec![SHAPES[0], SHAPES[3]]
    } else {
        SHAPES.to_vec()
    }
}

const LAYOUTS: [Layout; 2] = [Layout::FeatureMajor, Layout::BatchMajor];

const ACTIVATIONS: [Activation; 5] = [
    Activation::Identity,
    Activation::Relu,
    Activation::Gelu,
    Activation::Silu,
    Activation::Clamp {
        min: -0.25,
        max: 0.5,
    },
];

/// The formulas as the literature has them.
fn activation_by_definition(activation: Activation, v: f64) -> f64 {
    match activation {
        Activation::Relu => v.max(0.0),
        Activation::Gelu => v / 2.0 * (1.0 + erf(v / std::f64::consts::SQRT_2)),
        Activation::Silu => v / (1.0 + (-v).exp()),
        Activation::Clamp { min, max } => v.clamp(f64::from(min), f64::from(max)),
        _ => v,
    }
}

/// `2 / sqrt pi * exp(-x^2) * (x + 2 x^3 / 3 + 4 x^5 / 15 + ...)`, all terms of one sign.
fn erf(x: f64) -> f64 {
    let (mut term, mut sum, mut odd) = (x, 0.0, 1.0);
    while term.abs() > 1e-17 * x.abs() {
        sum += term;
        odd += 2.0;
        term *= 2.0 * x * x / odd;
    }
    sum * (-x * x).exp() * std::f64::consts::FRAC_2_SQRT_PI
}

#[test]
fn erf_of_the_reference_is_the_error_function() {
    // Abramowitz and Stegun, table 7.1.
    for (x, expected) in [
        (0.0, 0.0),
        (0.5, 0.520_499_877_8),
        (-1.0, -0.842_700_792_9),
        (2.0, 0.995_322_265_0),
    ] {
        assert!((erf(x) - expected).abs() < 1e-9, "{x}");
    }
}

#[test]
fn every_epilogue_on_every_format() {
    for (seed, [m, k, n]) in (1..).zip(shapes()) {
        let csr = weights(seed, [m, k], 0.4);
        let packings = packings(&csr, &formats());
        let x = activations(seed, k * n);
        let bias = activations(seed ^ 0x10, m);
        let residual = activations(seed ^ 0x20, m * n);
        for layout in LAYOUTS {
            let sums = reference::matmul(&csr, &x, n, layout);
            for activation in ACTIVATIONS {
                for (biased, added) in [(false, false), (true, false), (false, true), (true, true)]
                {
                    let mut epilogue = Epilogue::none().activation(activation);
                    let mut expected = sums.clone();
                    if biased {
                        epilogue = Epilogue::bias(&bias).activation(activation);
                    }
                    if added {
                        epilogue = epilogue.residual(&residual);
                    }
                    for row in 0..m {
                        for column in 0..n {
                            let at = position(layout, row, column, m, n);
                            let bias = if biased { bias[row] } else { 0.0 };
                            let residual = if added { residual[at] } else { 0.0 };
                            let sum = expected[at] + f64::from(bias) + f64::from(residual);
                            expected[at] = activation_by_definition(activation, sum);
                        }
                    }
                    for packed in &packings {
                        let y = multiply(packed, &x, n, layout, epilogue, Threads::One);
                        let what = (packed.format(), packed.isa(), layout, epilogue, [m, k, n]);
                        check(&y, &expected, k + 6, &what);
                    }
                }
            }
        }
    }
}

#[test]
fn threads_agree_on_every_epilogue() {
    let [m, k, n] = if cfg!(miri) { [9, 7, 5] } else { [150, 70, 19] };
    let csr = weights(5, [m, k], 0.3);
    let x = activations(5, k * n);
    let (bias, residual) = (activations(6, m), activations(7, m * n));
    for packed in packings(&csr, &formats()) {
        for layout in LAYOUTS {
            for activation in ACTIVATIONS {
                let epilogue = Epilogue::bias(&bias)
                    .residual(&residual)
                    .activation(activation);
                let [one, many] = [Threads::One, MANY]
                    .map(|threads| multiply(&packed, &x, n, layout, epilogue, threads));
                assert_eq!(one, many, "{} {}", packed.format(), packed.isa());
            }
        }
    }
}

#[test]
fn a_nan_in_bias_or_residual_stays_where_it_is() {
    for n in [1, if cfg!(miri) { 3 } else { 19 }] {
        let [m, k] = [37, 20];
        let csr = weights(8, [m, k], 0.4);
        let x = activations(8, k * n);
        let (mut bias, mut residual) = (activations(9, m), activations(10, m * n));
        bias[5] = f32::NAN;
        residual[m * n - 1] = f32::NAN;
        for packed in packings(&csr, &formats()) {
            for layout in LAYOUTS {
                for activation in ACTIVATIONS {
                    let epilogue = Epilogue::bias(&bias)
                        .residual(&residual)
                        .activation(activation);
                    let y = multiply(&packed, &x, n, layout, epilogue, Threads::One);
                    let mut expected = vec![false; m * n];
                    expected[m * n - 1] = true;
                    for column in 0..n {
                        expected[position(layout, 5, column, m, n)] = true;
                    }
                    let nans: Vec<bool> = y.iter().map(|v| v.is_nan()).collect();
                    assert_eq!(nans, expected, "{} {}", packed.format(), packed.isa());
                }
            }
        }
    }
}
