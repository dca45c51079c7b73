use secateur_derive::Prune;
struct Linear;

#[derive(Prune)]
#[prune(skip)]
struct Net {
    #[prune(sparsity = 0.5)]
    linear: Linear,
}

fn main() {}
