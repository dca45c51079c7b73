use burn::nn::Linear;
use secateur::Prune;

#[derive(Prune)]
enum Net {
    Two(Linear, Linear),
    Named { linear: Linear },
    #[prune(skip)]
    Unit,
}

fn main() {}
