use secateur_derive::Prune;
struct Linear;

#[derive(Prune)]
enum Net {
    Two(Linear, Linear),
    Named { linear: Linear },
    #[prune(skip)]
    Unit,
}

fn main() {}
