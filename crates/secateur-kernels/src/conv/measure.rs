//! Choosing by trying: candidates of the estimate, timed on this machine.

use std::time::Duration;

use crate::csr::Csr;
use crate::epilogue::Epilogue;
use crate::error::KernelError;
use crate::scratch::Scratch;
use crate::trial::least_seconds;

use super::estimate::{ConvHint, Panels};
use super::geometry::ConvGeometry;
use super::packed::SparseConv;

/// How often each candidate runs at most.
const ROUNDS: usize = 10;

/// Time after which fewer runs are enough.
const BUDGET: Duration = Duration::from_millis(50);

/// Ways to cut panels whose estimate is this many times the best are not tried.
const HOPELESS: f64 = 2.0;

/// Floats of input and output that a batch is cut down to: far more than any cache holds.
const MOST: usize = 1 << 24;

/// Measures the nanoseconds that an image takes dense and in panels cut in each of `ways`; gives
/// the former, puts the latter in place of the estimates and drops the ways that are not worth a
/// try.
pub(super) fn measure(
    csr: &Csr,
    geometry: &ConvGeometry,
    hint: &ConvHint,
    ways: &mut Vec<Panels>,
) -> Result<f64, KernelError> {
    let best = ways
        .iter()
        .map(|way| way.cost)
        .fold(f64::INFINITY, f64::min);
    ways.retain(|way| way.cost <= HOPELESS * best);
    let [height, width] = geometry.output(hint.image)?;
    let [out, input] = geometry.channels();
    let (inputs, outputs) = (input * hint.image[0] * hint.image[1], out * height * width);
    let batch = hint
        .batch
        .clamp(1, (MOST / (inputs + outputs).max(1)).max(1));
    let x = vec![0.5; batch * inputs];

    let mut trials = vec![SparseConv::pack_dense(csr, geometry)?];
    for way in &*ways {
        trials.push(SparseConv::pack_panels(csr, geometry, *way)?);
    }
    let mut trials: Vec<_> = trials
        .into_iter()
        .map(|conv| (conv, vec![0.0; batch * outputs], Scratch::new()))
        .collect();
    let seconds = least_seconds(&mut trials, ROUNDS, BUDGET, |(conv, y, scratch)| {
        conv.forward(&x, batch, hint.image, y, Epilogue::none(), scratch)
    })?;
    let an_image = |seconds: f64| seconds * 1e9 / batch as f64;
    for (way, &seconds) in ways.iter_mut().zip(&seconds[1..]) {
        way.cost = an_image(seconds);
    }
    Ok(an_image(seconds[0]))
}
