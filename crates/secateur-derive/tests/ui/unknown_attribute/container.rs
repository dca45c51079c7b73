use secateur_derive::Prune;
struct Linear;

#[derive(Prune)]
#[prune(groups = "trunk", crat = "x")]
struct Net {
    linear: Linear,
}

fn main() {}
