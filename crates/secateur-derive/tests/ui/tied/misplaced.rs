use secateur_derive::Prune;
struct Linear;

#[derive(Prune)]
#[prune(tied = "stream")]
struct Net {
    linear: Linear,
    #[prune(tied = "stream")]
    width: usize,
}

fn main() {}
