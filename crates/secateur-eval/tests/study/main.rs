//! Whole studies on synthetic populations.

mod folder;
mod inputs;
mod synthetic;
mod verdicts;
