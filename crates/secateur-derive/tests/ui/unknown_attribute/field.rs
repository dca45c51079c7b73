use secateur_derive::Prune;
struct Linear;

#[derive(Prune)]
struct Net {
    #[prune(sparsty = 0.5)]
    misspelled: Linear,
    #[prune(frozen)]
    invented: Linear,
}

fn main() {}
