//! Small models of every kind of topology, all under the same checks.

mod attention;
mod chains;
mod check;
mod embeddings;
mod ends;
mod gated;
mod grouped;
mod groups;
mod joined;
mod layers;
mod norms;
mod permuted;
mod recurrent;
mod refused;
mod residual;
mod scales;
mod transformers;
