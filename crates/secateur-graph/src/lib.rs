//! What a Burn model does, operation by operation.

#![warn(missing_docs)]
