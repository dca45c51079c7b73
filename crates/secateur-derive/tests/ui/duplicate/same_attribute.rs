use secateur_derive::Prune;
struct Linear;

#[derive(Prune)]
struct Net {
    #[prune(sparsity = 0.5, sparsity = 0.6)]
    linear: Linear,
}

fn main() {}
