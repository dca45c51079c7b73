//! The literature of pruning.
