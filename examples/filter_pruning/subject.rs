//! A net with its images: how it is trained, judged and timed.

use burn::module::Module;
use burn::optim::GradientsParams;
use burn::prelude::*;
use secateur::graph::{Counts, GraphTensors, ModelGraph};
use secateur::layers::Prunable;
use secateur_examples::Result;
use secateur_examples::speed::Speed;

/// Images of one call when speed is measured.
pub(crate) const TIMED: usize = 16;

pub(crate) trait Subject {
    type Net: Module + Prunable;
    type Images: GraphTensors + Clone;

    /// Whether batch norms stand behind its layers.
    fn has_norms(&self) -> bool;

    /// Layers whose filters stay, as path patterns.
    fn skip(&self) -> &'static [&'static str] {
        &[]
    }

    fn title(&self) -> String;

    /// To one logit a class.
    fn forward(net: &Self::Net, images: Self::Images) -> Tensor<2>;

    /// `count` images of no meaning.
    fn example(&self, count: usize) -> Self::Images;

    /// The trained net of full size, with λ times the sum of its norms' scales in the loss.
    fn dense(&self, seed: u64, lambda: Option<f64>) -> Result<Self::Net>;

    /// The strength of that penalty in network slimming; `None` where the net came trained.
    fn lambda(&self) -> Option<f64>;

    /// Trained on for a little, by a teacher's soft targets beside the labels if there is one.
    fn tuned(&self, net: Self::Net, teacher: Option<&Self::Net>, seed: u64) -> Result<Self::Net>;

    /// A net of full size that has learned nothing.
    fn fresh(&self, seed: u64) -> Self::Net;

    /// `net` trained as the net of full size was, for `times` as many epochs; `None` where that is
    /// not to be had.
    fn retrained(&self, net: Self::Net, seed: u64, times: f64) -> Result<Option<Self::Net>>;

    /// Gradients of a few batches.
    fn gradients(&self, net: &Self::Net, seed: u64) -> Result<Vec<GradientsParams>>;

    /// Percent of the test images that the net names right.
    fn right(&self, net: &Self::Net) -> f64;

    fn speed(&self, net: &Self::Net) -> Result<Speed>;

    /// What one image costs.
    fn counts(&self, net: &Self::Net) -> Result<Counts> {
        let captured = ModelGraph::capture(net, self.example(1), Self::forward)?;
        Ok(Counts::of(captured.graph()))
    }
}
