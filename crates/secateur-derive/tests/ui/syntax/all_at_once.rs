use secateur_derive::Prune;
struct Linear;

#[derive(Prune)]
#[prune(group = "")]
struct Net {
    #[prune(sparsity = 2.0, pattern = "4:2", gruop = "trunk")]
    first: Linear,
    #[prune(skip, skip)]
    second: Linear,
}

fn main() {}
