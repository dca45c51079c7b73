//! The sparse engine against Burn.
#![cfg(feature = "sparse")]

mod estimates;
mod files;
mod models;
mod nets;
mod runs;
