//! What a net costs.

use std::path::Path;

use burn::prelude::*;
use secateur::eval::Costs;
use secateur::graph::{Counts, ModelGraph};
use secateur::sparse::SparseEngine;
use secateur_examples::data::pattern;
use secateur_examples::nets::{Classifier, SmallConv};
use secateur_examples::speed::Speed;
use secateur_examples::{ExampleError, Result};

/// Images of a call when time is taken.
const TIMED: usize = 16;

/// Of one image, compiled; the bytes are those of the compiled file, which is left at `file`.
pub(crate) fn costs(net: &SmallConv, file: &Path) -> Result<Costs> {
    let net = net.valid();
    let images = |count| pattern(count, [28, 28], &Device::flex());
    let captured = ModelGraph::capture(&net, images(1), SmallConv::forward)?;
    let counts = Counts::of(captured.graph());
    let timed = images(TIMED);
    let engine = SparseEngine::compile(&net, timed.clone(), SmallConv::forward)?;
    engine.save(file)?;
    let bytes = std::fs::metadata(file).map_err(ExampleError::io("read", file))?;
    let speed = Speed::measure(&net, &engine, &timed)?;
    Ok(Costs {
        parameters: counts.parameters().effective as f64,
        multiply_adds: counts.multiply_adds().effective as f64,
        bytes: bytes.len() as f64,
        seconds: Some(speed.engine * 1e-6 / TIMED as f64),
    })
}
