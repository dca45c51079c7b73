use burn::nn::Linear;
use secateur::Prune;

#[derive(Prune)]
struct Net {
    #[prune(sparsty = 0.5)]
    misspelled: Linear,
    #[prune(frozen)]
    invented: Linear,
}

fn main() {}
