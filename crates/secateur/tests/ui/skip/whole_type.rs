use burn::nn::Linear;
use secateur::Prune;

#[derive(Prune)]
#[prune(skip)]
struct Net {
    #[prune(sparsity = 0.5)]
    linear: Linear,
}

fn main() {}
