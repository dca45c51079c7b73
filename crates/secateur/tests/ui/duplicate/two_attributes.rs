use burn::nn::Linear;
use secateur::Prune;

#[derive(Prune)]
#[prune(group = "a")]
#[prune(group = "b")]
struct Net {
    #[prune(skip)]
    #[prune(skip)]
    linear: Linear,
}

fn main() {}
