use secateur_derive::Prune;
struct Linear;

#[derive(Prune)]
struct Net {
    #[prune]
    bare: Linear,
    #[prune = "skip"]
    assigned: Linear,
    #[prune("2:4")]
    literal: Linear,
    #[prune(sparsity = )]
    unfinished: Linear,
}

fn main() {}
