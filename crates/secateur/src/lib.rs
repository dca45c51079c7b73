//! Secateur.
