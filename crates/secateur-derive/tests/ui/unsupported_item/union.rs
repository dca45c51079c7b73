struct Linear;

#[derive(Prune)]
union Net {
    first: u32,
    second: f32,
}

fn main() {}
