use burn::module::Module;
use burn::nn::Linear;
use secateur::Prune;
use secateur::layers::{ParamSpec, PrunableLayer};

#[derive(Module, Prune, Debug)]
struct Net {
    linear: Linear,
}

impl PrunableLayer for Net {
    fn params(&self) -> Vec<ParamSpec> {
        Vec::new()
    }
}

fn main() {}
