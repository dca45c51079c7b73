use burn::nn::Linear;
use secateur::Prune;

#[derive(Prune)]
struct Net {
    #[prune]
    bare: Linear,
    #[prune = "skip"]
    assigned: Linear,
    #[prune("2:4")]
    literal: Linear,
    #[prune(sparsity = )]
    unfinished: Linear,
}

fn main() {}
