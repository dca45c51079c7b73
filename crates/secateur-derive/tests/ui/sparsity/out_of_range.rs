use secateur_derive::Prune;
struct Linear;

#[derive(Prune)]
struct Net {
    #[prune(sparsity = 1.0)]
    all: Linear,
    #[prune(sparsity = 90)]
    percent: Linear,
    #[prune(sparsity = -0.5)]
    negative: Linear,
}

fn main() {}
