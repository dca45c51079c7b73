//! Two matrices whose weights, gradients and scores are few enough to work out by hand.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use burn::Tensor;
use burn::module::{Module, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Device, TensorData};
use secateur_core::error::PruneError;
use secateur_core::pruner::{Pruner, PrunerConfig};
use secateur_core::selector::{SelectContext, Selection, Selector, TopK};

/// Two matrices, of two rows each unless said otherwise, stored as they are viewed: `[out, in]`.
#[derive(Module, Debug)]
pub struct Pair {
    pub a: Param<Tensor<2>>,
    pub b: Param<Tensor<2>>,
}

/// Gradients, or whatever else there is one of per weight.
pub type Both<'a> = (&'a [f32], &'a [f32]);

fn matrix(values: &[f32], rows: usize) -> Tensor<2> {
    let data = TensorData::new(values.to_vec(), [rows, values.len() / rows]);
    Tensor::from_data(data, &Device::flex().autodiff())
}

impl Pair {
    pub fn new(a: &[f32], b: &[f32]) -> Self {
        Self::of_rows(2, a, b)
    }

    pub fn of_rows(rows: usize, a: &[f32], b: &[f32]) -> Self {
        Self {
            a: Param::from_tensor(matrix(a, rows)),
            b: Param::from_tensor(matrix(b, rows)),
        }
    }

    /// `Σ w·g`: a loss whose gradient is `g`.
    pub fn loss(&self, (a, b): Both<'_>) -> Tensor<1> {
        let rows = self.a.val().dims()[0];
        (self.a.val() * matrix(a, rows)).sum() + (self.b.val() * matrix(b, rows)).sum()
    }

    pub fn grads(&self, gradient: Both<'_>) -> GradientsParams {
        GradientsParams::from_grads(self.loss(gradient).backward(), self)
    }

    /// The weights that act.
    pub fn values(&self) -> (Vec<f32>, Vec<f32>) {
        let of = |param: &Param<Tensor<2>>| param.val().into_data().iter::<f32>().collect();
        (of(&self.a), of(&self.b))
    }
}

/// Which elements of `a` and `b` are kept, by index.
pub fn kept(pruner: &Pruner, model: &Pair) -> (Vec<usize>, Vec<usize>) {
    let masks = pruner.masks(model).unwrap();
    let of = |path| masks.get(path).unwrap().iter_kept().collect();
    (of("a"), of("b"))
}

/// Prunes `model` at step 0 after `feed`, and tells what is kept.
pub fn pruned(
    config: PrunerConfig,
    model: &Pair,
    feed: impl FnOnce(&mut Pruner),
) -> (Vec<usize>, Vec<usize>) {
    let mut model = model.clone();
    let mut pruner = config.init_module(&model).unwrap();
    feed(&mut pruner);
    pruner.prune(&mut model, 0).unwrap();
    kept(&pruner, &model)
}

/// The scores that `config` gives at step 0 after `feed`.
pub fn scores(
    config: PrunerConfig,
    model: &Pair,
    feed: impl FnOnce(&mut Pruner),
) -> Result<(Vec<f32>, Vec<f32>), PruneError> {
    let seen = Seen::default();
    let mut pruner = config.with_selector(seen.clone()).init_module(model)?;
    feed(&mut pruner);
    pruner.select(model, 0)?;
    let mut scores = seen.0.lock().unwrap();
    let mut of = |path| scores.remove(path).unwrap();
    Ok((of("a"), of("b")))
}

/// Selects as ever and notes the scores it saw.
#[derive(Clone, Debug, Default)]
struct Seen(Arc<Mutex<BTreeMap<String, Vec<f32>>>>);

impl Selector for Seen {
    fn select(&self, ctx: &SelectContext<'_>) -> Result<Selection, PruneError> {
        let mut seen = self.0.lock().unwrap();
        seen.insert(ctx.score.path().into(), ctx.element_scores.to_vec());
        TopK.select(ctx)
    }
}

/// Asserts that every number is the expected one to seven digits or so.
pub fn assert_close(got: &[f32], want: &[f32]) {
    assert_eq!(got.len(), want.len(), "{got:?}");
    for (g, w) in got.iter().zip(want) {
        assert!((g - w).abs() <= 2e-6 * w.abs(), "{got:?} is not {want:?}");
    }
}
