use secateur_derive::Prune;
struct Linear;

#[derive(Prune)]
enum Net {
    #[prune(skipp)]
    Dense(Linear),
}

fn main() {}
