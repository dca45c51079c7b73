//! Which places of a captured model go together.

mod chains;
