//! `#[derive(Prune)]`.
