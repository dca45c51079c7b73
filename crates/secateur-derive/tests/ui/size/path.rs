use secateur_derive::Prune;
struct Linear;

#[derive(Prune)]
struct Net {
    query: Linear,
    classes: usize,
    #[prune(size = "qeury.out")]
    misspelled: usize,
    #[prune(size = "elsewhere.fc.out")]
    invented: usize,
    #[prune(size = "classes.out")]
    constant: usize,
    #[prune(size = "constant.out")]
    another_size: usize,
}

fn main() {}
