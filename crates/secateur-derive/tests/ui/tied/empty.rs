use secateur_derive::Prune;
struct Linear;

#[derive(Prune)]
struct Net {
    #[prune(tied = " ")]
    blank: Linear,
    #[prune(tied = stream)]
    unquoted: Linear,
    #[prune(tied)]
    nothing: Linear,
}

fn main() {}
