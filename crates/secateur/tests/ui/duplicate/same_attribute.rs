use burn::nn::Linear;
use secateur::Prune;

#[derive(Prune)]
struct Net {
    #[prune(sparsity = 0.5, sparsity = 0.6)]
    linear: Linear,
}

fn main() {}
