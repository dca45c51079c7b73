//! Images of ten kinds: MNIST, Fashion-MNIST, CIFAR-10 as JPEG, and the starter set that is part of
//! this package.

mod batches;
mod cifar;
pub mod folders;
mod idx;
mod official;
mod origin;
mod pattern;
mod samples;
mod starter;

pub use batches::{Batch, batches};
pub use cifar::{CIFAR_LABEL, CifarPart, ColourBatch, ColourSamples, cifar_jpeg};
pub use idx::{Idx, read_idx, write_idx};
pub use official::{DatasetName, FASHION_CLASSES, official};
pub use origin::{Official, Origin, Starter};
pub use pattern::pattern;
pub use samples::{Data, Samples};
pub use starter::{COPYRIGHT, TEST_IMAGES, TRAIN_IMAGES, pack_starter, starter};
