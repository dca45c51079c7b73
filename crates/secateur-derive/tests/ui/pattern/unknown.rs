use secateur_derive::Prune;
struct Linear;

#[derive(Prune)]
struct Net {
    #[prune(pattern = "filters")]
    misspelled: Linear,
    #[prune(pattern = "diagonal")]
    invented: Linear,
    #[prune(pattern = 2)]
    number: Linear,
    #[prune(pattern = "block 4x1 axis=in")]
    option: Linear,
}

fn main() {}
