use secateur_derive::Prune;
struct Linear;

#[derive(Prune)]
struct Net {
    query: Linear,
    #[prune(size = "query.out", skip, tied = "stream")]
    width: usize,
    #[prune(size = "query.out")]
    #[prune(size = "query.in")]
    twice: usize,
}

#[derive(Prune)]
#[prune(skip)]
struct Frozen {
    query: Linear,
    #[prune(size = "query.out")]
    width: usize,
}

fn main() {}
