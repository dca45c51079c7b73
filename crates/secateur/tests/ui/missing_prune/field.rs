use burn::module::Module;
use burn::nn::Linear;
use secateur::Prune;

#[derive(Module, Debug)]
struct Block {
    linear: Linear,
}

#[derive(Module, Prune, Debug)]
struct Net {
    blocks: Vec<Block>,
}

fn main() {}
