use burn::nn::Linear;
use secateur::Prune;

#[derive(Prune)]
#[prune(group = "")]
struct Net {
    #[prune(group = " ")]
    blank: Linear,
    #[prune(group = trunk)]
    unquoted: Linear,
}

fn main() {}
