use burn::nn::Linear;
use secateur::Prune;

#[derive(Prune)]
struct Net {
    #[prune(pattern = "filters")]
    misspelled: Linear,
    #[prune(pattern = "diagonal")]
    invented: Linear,
    #[prune(pattern = 2)]
    number: Linear,
}

fn main() {}
