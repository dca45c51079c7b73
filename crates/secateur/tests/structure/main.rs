//! Coupled channels, and taking them out.
#![cfg(feature = "structure")]

mod chains;
mod removal;
mod topologies;
