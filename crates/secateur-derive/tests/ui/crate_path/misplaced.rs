use secateur_derive::Prune;
struct Linear;

#[derive(Prune)]
struct Net {
    #[prune(crate = "secateur")]
    linear: Linear,
}

fn main() {}
