//! The book's and the readme's snippets, run as documentation tests.

macro_rules! pages {
    ($($name:ident = $path:literal)+) => {$(
        #[doc = include_str!(concat!("../../../", $path))]
        pub mod $name {}
    )+};
}

pages! {
    readme = "README.md"
    install = "docs/src/guide/install.md"
    first_program = "docs/src/guide/first-program.md"
    training_loop = "docs/src/guide/training-loop.md"
    choosing = "docs/src/guide/choosing.md"
    patterns = "docs/src/guide/patterns.md"
    checkpoints = "docs/src/guide/checkpoints.md"
    resuming = "docs/src/guide/resuming.md"
    scorer = "docs/src/write-your-own/scorer.md"
    signal = "docs/src/write-your-own/signal.md"
    pattern = "docs/src/write-your-own/pattern.md"
    schedule = "docs/src/write-your-own/schedule.md"
    layer = "docs/src/write-your-own/layer.md"
    erk = "docs/src/methods/erk.md"
    lamp = "docs/src/methods/lamp.md"
    sensitivity = "docs/src/methods/sensitivity.md"
    distillation = "docs/src/methods/distillation.md"
    coming_from = "docs/src/coming-from.md"
}

#[cfg(feature = "graph")]
pages! {
    costs = "docs/src/guide/costs.md"
    calibration = "docs/src/guide/calibration.md"
    apoz = "docs/src/methods/apoz.md"
    wanda = "docs/src/methods/wanda.md"
    sparsegpt = "docs/src/methods/sparsegpt.md"
}

#[cfg(feature = "sparse")]
pages! {
    sparse_layers = "docs/src/guide/sparse-layers.md"
}

#[cfg(feature = "structure")]
pages! {
    attention = "docs/src/guide/attention.md"
    smaller = "docs/src/guide/smaller.md"
    repair = "docs/src/methods/repair.md"
}

#[cfg(feature = "eval")]
pages! {
    how_much = "docs/src/guide/how_much.md"
}
