use burn::nn::Linear;
use secateur::Prune;

#[derive(Prune)]
struct Net {
    #[prune(crate = "secateur")]
    linear: Linear,
}

fn main() {}
