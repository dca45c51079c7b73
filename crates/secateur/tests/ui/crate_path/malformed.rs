use burn::nn::Linear;
use secateur::Prune;

#[derive(Prune)]
#[prune(crate = "not a path")]
struct Net {
    linear: Linear,
}

fn main() {}
