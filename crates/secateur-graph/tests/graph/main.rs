//! Captured graphs of whole models.

mod capture;
mod counts;
mod nets;
