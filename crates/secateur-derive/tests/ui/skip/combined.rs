use secateur_derive::Prune;
struct Linear;

#[derive(Prune)]
struct Net {
    #[prune(skip, sparsity = 0.5, group = "trunk")]
    beside: Linear,
    #[prune(pattern = "2:4")]
    #[prune(skip)]
    above: Linear,
    #[prune(skip = true)]
    value: Linear,
}

fn main() {}
