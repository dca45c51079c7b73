use secateur_derive::Prune;
struct Linear;

#[derive(Prune)]
enum Net {
    #[prune(pattern = "2:4")]
    Dense(#[prune(pattern = "1:4")] Linear),
}

fn main() {}
