//! Coupled channels, and taking them out.
#![cfg(feature = "structure")]

mod chains;
mod choice;
mod constants;
mod heads;
mod published;
mod removal;
mod tied;
mod topologies;
mod training_on;
