use secateur_derive::Prune;
struct Linear;

#[derive(Prune)]
#[prune(size = "query.out")]
struct Net {
    query: Linear,
}

#[derive(Prune)]
enum Choice {
    #[prune(size = "Dense.out")]
    Dense(Linear),
}

fn main() {}
