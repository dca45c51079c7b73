use secateur_derive::Prune;
struct Linear;

#[derive(Prune)]
struct Net {
    query: Linear,
    #[prune(size = "query.out")]
    narrow: u32,
    #[prune(size = "query.out")]
    optional: Option<usize>,
    #[prune(size = "query.out")]
    layer: Linear,
    #[prune(size = "query.weight")]
    malformed_too: f32,
}

fn main() {}
