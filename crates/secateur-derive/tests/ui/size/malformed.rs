use secateur_derive::Prune;
struct Linear;

#[derive(Prune)]
struct Net {
    query: Linear,
    #[prune(size = "")]
    empty: usize,
    #[prune(size = "query")]
    without_side: usize,
    #[prune(size = "out")]
    without_layer: usize,
    #[prune(size = "query..out")]
    without_component: usize,
    #[prune(size = "que ry.out")]
    blank: usize,
    #[prune(size = "query.out[0")]
    open: usize,
    #[prune(size = "query.out[head]")]
    no_number: usize,
    #[prune(size = "query.out[2..1]")]
    backwards: usize,
    #[prune(size = "query.out[0][1]")]
    two_brackets: usize,
    #[prune(size = 8)]
    unquoted: usize,
    #[prune(size)]
    nothing: usize,
}

fn main() {}
