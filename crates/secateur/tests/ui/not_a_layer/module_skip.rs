use burn::module::Module;
use burn::nn::Linear;
use secateur::Prune;

#[derive(Clone, Debug)]
struct Settings;

#[derive(Module, Prune, Debug)]
struct Net {
    linear: Linear,
    #[module(skip)]
    #[prune(skip)]
    settings: Settings,
}

fn main() {}
