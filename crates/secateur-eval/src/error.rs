//! Everything that can go wrong, with what it went wrong at and what to do about it.

use std::path::PathBuf;

/// The error of every fallible call of this crate.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum EvalError {
    /// A setting has a value that it cannot have.
    #[error("`{name}` is {value}; {remedy}")]
    Setting {
        /// The setting.
        name: &'static str,
        /// The value given.
        value: String,
        /// What to give instead.
        remedy: String,
    },

    /// There is nothing where something is needed.
    #[error("`{what}` is empty; {remedy}")]
    Empty {
        /// What is empty.
        what: String,
        /// What to do.
        remedy: &'static str,
    },

    /// A buffer has the wrong number of values.
    #[error("`{what}` has {found} values and should have {expected}, {meaning}; pass all of them")]
    Length {
        /// The buffer.
        what: String,
        /// How many values it should have.
        expected: usize,
        /// What that number is made of.
        meaning: &'static str,
        /// How many it has.
        found: usize,
    },

    /// A value is NaN or infinite.
    #[error(
        "`{what}` is {value} at place {index}; look for the model or the input that made it, such \
         a model has no accuracy to speak of"
    )]
    NotFinite {
        /// The buffer.
        what: String,
        /// The place in it.
        index: usize,
        /// The value.
        value: f64,
    },

    /// A row of probabilities is none.
    #[error(
        "the probabilities of example {example} {why}; pass the output of a softmax, or use \
         `Predictions::from_logits`"
    )]
    NotProbabilities {
        /// Index of the example.
        example: usize,
        /// What is wrong with it.
        why: String,
    },

    /// A label names a class that does not exist.
    #[error("`{what}` is {label} at place {index}, there are {classes} names; add the missing one")]
    UnknownLabel {
        /// Which labels.
        what: String,
        /// The place.
        index: usize,
        /// The label.
        label: u32,
        /// How many classes or groups there are.
        classes: usize,
    },

    /// Results of different test sets cannot be compared.
    #[error(
        "{first} and {second} were evaluated on different test sets ({first_sum:016x} and \
         {second_sum:016x}); evaluate all models on the same examples in the same order, and keep one \
         folder per test set"
    )]
    UnequalTestSets {
        /// One.
        first: String,
        /// Its checksum.
        first_sum: u64,
        /// The other.
        second: String,
        /// Its checksum.
        second_sum: u64,
    },

    /// A population is too small for any statement about spread.
    #[error(
        "the level `{level}` has {found} models; a population needs at least {needed}, and ten for \
         a verdict"
    )]
    TooFewModels {
        /// Name of the level.
        level: String,
        /// How many models it has.
        found: usize,
        /// How many it needs.
        needed: usize,
    },

    /// There is nothing to compare with.
    #[error("there is no population of kind {kind}; {remedy}")]
    NoPopulation {
        /// Which kind is missing.
        kind: &'static str,
        /// How to get one.
        remedy: &'static str,
    },

    /// A model was given twice.
    #[error("seed {seed} of the level `{level}` is there twice; keep one of the two")]
    Duplicate {
        /// Name of the level.
        level: String,
        /// The seed.
        seed: u64,
    },

    /// Two levels have the same name and are not the same.
    #[error("two different levels are called `{name}`; give one of them another name")]
    LevelConflict {
        /// The name.
        name: String,
    },

    /// Seeds are partly shared, so that neither the unpaired nor the paired test is right.
    #[error(
        "the levels `{first}` and `{second}` share {shared} of their seeds ({first_models} and {second_models} models); give \
         every level seeds of its own, or every pruned level exactly the dense seeds and the control others"
    )]
    MixedSeeds {
        /// One level.
        first: String,
        /// The other.
        second: String,
        /// How many seeds both have.
        shared: usize,
        /// Models of the first.
        first_models: usize,
        /// Models of the second.
        second_models: usize,
    },

    /// Models were evaluated under different conditions.
    #[error(
        "{model} was not evaluated under {condition}, others were; evaluate all models under the \
         same corruptions"
    )]
    MissingCondition {
        /// The model.
        model: String,
        /// The corruption and its severity.
        condition: String,
    },

    /// A file is damaged.
    #[error("`{}` is damaged: {what}; {remedy}", file.display())]
    Damaged {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        what: String,
        /// What to do about it.
        remedy: &'static str,
    },

    /// A file was written by a later version.
    #[error(
        "`{}` has version {found}, this program reads up to {known}; update the program that reads it",
        file.display()
    )]
    Version {
        /// The file.
        file: PathBuf,
        /// Its version.
        found: u32,
        /// The latest version known.
        known: u32,
    },

    /// A model was evaluated twice, with different results.
    #[error(
        "`{}` holds other results for the same level and seed; a seed must decide everything: find \
         what else the training draws from, or delete the file to replace it",
        file.display()
    )]
    Differs {
        /// The file.
        file: PathBuf,
    },

    /// The operating system refused.
    #[error("`{}`: {what}; check that the folder exists, is writable and has space", file.display())]
    Io {
        /// File or folder.
        file: PathBuf,
        /// What it said.
        what: String,
    },

    /// A picture could not be drawn.
    #[error("the picture `{picture}` could not be drawn: {what}; the numbers are in the CSV files")]
    Drawing {
        /// The picture.
        picture: String,
        /// Why not.
        what: String,
    },

    /// A model could not be pruned.
    #[error(transparent)]
    Prune(#[from] secateur_core::error::PruneError),
}

impl EvalError {
    /// An error of the operating system at a file.
    pub(crate) fn io(file: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let file = file.into();
        move |error| Self::Io {
            file,
            what: error.to_string(),
        }
    }

    /// A setting with a wrong value.
    pub(crate) fn setting(
        name: &'static str,
        value: impl std::fmt::Display,
        remedy: impl Into<String>,
    ) -> Self {
        Self::Setting {
            name,
            value: value.to_string(),
            remedy: remedy.into(),
        }
    }
}

/// Fails where a number is NaN or infinite.
pub(crate) fn check_finite(what: &str, values: &[f64]) -> Result<(), EvalError> {
    match values.iter().position(|value| !value.is_finite()) {
        Some(index) => Err(EvalError::NotFinite {
            what: what.into(),
            index,
            value: values[index],
        }),
        None => Ok(()),
    }
}
