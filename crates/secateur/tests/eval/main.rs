//! What pruning costs, asked of models of Burn.

mod answers;
mod sensitivity;
