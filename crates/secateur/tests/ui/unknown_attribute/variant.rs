use burn::nn::Linear;
use secateur::Prune;

#[derive(Prune)]
enum Net {
    #[prune(skipp)]
    Dense(Linear),
}

fn main() {}
