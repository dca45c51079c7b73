use secateur_derive::Prune;
struct Linear;

const TARGET: f64 = 0.5;

#[derive(Prune)]
struct Net {
    #[prune(sparsity = "0.5")]
    string: Linear,
    #[prune(sparsity = TARGET)]
    constant: Linear,
    #[prune(sparsity)]
    nothing: Linear,
    #[prune(sparsity(0.5))]
    list: Linear,
}

fn main() {}
