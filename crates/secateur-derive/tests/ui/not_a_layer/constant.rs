use secateur_derive::Prune;
struct Linear;

#[derive(Prune)]
struct Net {
    linear: Linear,
    #[prune(sparsity = 0.5)]
    width: usize,
}

fn main() {}
