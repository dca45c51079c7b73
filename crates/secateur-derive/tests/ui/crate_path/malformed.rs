use secateur_derive::Prune;
struct Linear;

#[derive(Prune)]
#[prune(crate = "not a path")]
struct Net {
    linear: Linear,
}

fn main() {}
