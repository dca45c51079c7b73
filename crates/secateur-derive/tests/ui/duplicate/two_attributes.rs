use secateur_derive::Prune;
struct Linear;

#[derive(Prune)]
#[prune(group = "a")]
#[prune(group = "b")]
struct Net {
    #[prune(skip)]
    #[prune(skip)]
    linear: Linear,
}

fn main() {}
