#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

pub mod conv;
pub mod cost;
pub mod csr;
pub mod epilogue;
pub mod error;
pub mod format;
pub mod isa;
pub mod layout;
pub mod mapped;
pub mod matrix;
pub mod reference;
pub mod scratch;
pub mod threads;
pub mod training;
pub mod values;

mod bands;
mod bitmap;
mod blocks;
mod dense;
mod file;
mod lists;
mod lookup;
mod pairs;
mod panels;
mod rows;
mod sddmm;
mod size;
mod slots;
mod softmax;
mod sorted;
mod tile;
mod transpose;
mod trial;
mod vector;
mod vector_product;

pub use conv::{ConvChoice, ConvFormat, ConvGeometry, ConvHint, SparseConv};
pub use cost::{Choice, CostModel, Hint};
pub use csr::Csr;
pub use epilogue::{Activation, Epilogue};
pub use error::KernelError;
pub use format::Format;
pub use isa::Isa;
pub use layout::Layout;
pub use matrix::{Repacked, SparseMatrix};
pub use scratch::Scratch;
pub use softmax::softmax;
pub use threads::Threads;
pub use training::TrainingMatrix;
pub use values::Precision;
