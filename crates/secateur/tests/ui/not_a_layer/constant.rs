use burn::nn::Linear;
use secateur::Prune;

#[derive(Prune)]
struct Net {
    linear: Linear,
    #[prune(sparsity = 0.5)]
    width: usize,
}

fn main() {}
