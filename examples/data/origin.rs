//! Where images come from, as a type.
//!
//! The starter set is cut out of Fashion-MNIST's *test* part. A net that learned from it has seen
//! the images it would be judged on in a published comparison, so its error there would be worth
//! nothing. The origin is therefore part of the types: a
//! [`Student`](crate::training::Student) that learned from one origin cannot be evaluated on
//! another; such a program does not compile.

/// Where images come from.
pub trait Origin: Copy + std::fmt::Debug + Send + Sync + 'static {
    /// Part of the file name of a saved model, so that the origin is known after loading, too.
    const NAME: &'static str;
}

/// The starter set: 8,000 + 2,000 images of Fashion-MNIST's test part.
#[derive(Clone, Copy, Debug)]
pub struct Starter;

/// The official split of a data set: its results compare with published ones.
#[derive(Clone, Copy, Debug)]
pub struct Official;

impl Origin for Starter {
    const NAME: &'static str = "starter";
}

impl Origin for Official {
    const NAME: &'static str = "official";
}
