use secateur_derive::Prune;
struct Linear;

#[derive(Prune)]
struct Net {
    #[prune(pattern = "4:2")]
    reversed: Linear,
    #[prune(pattern = "2:x")]
    letter: Linear,
    #[prune(pattern = "block 4")]
    one_size: Linear,
    #[prune(pattern = "vector")]
    no_length: Linear,
    #[prune(pattern = "")]
    empty: Linear,
}

fn main() {}
