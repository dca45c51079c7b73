use burn::nn::Linear;
use secateur::Prune;

#[derive(Prune)]
#[prune(groups = "trunk", crat = "x")]
struct Net {
    linear: Linear,
}

fn main() {}
