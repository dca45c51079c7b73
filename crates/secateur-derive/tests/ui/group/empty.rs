use secateur_derive::Prune;
struct Linear;

#[derive(Prune)]
#[prune(group = "")]
struct Net {
    #[prune(group = " ")]
    blank: Linear,
    #[prune(group = trunk)]
    unquoted: Linear,
}

fn main() {}
