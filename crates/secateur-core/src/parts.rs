//! The parts of a pruner by name, so that a configuration can be written to a file and read from
//! one.
//!
//! A [`PrunerConfig`](crate::pruner::PrunerConfig) is made of parts of any type, yours among them.
//! What is written of a part is the name of its type and its settings; [`Parts`] knows which name
//! stands for which type.

use std::any::Any;
use std::fmt::{self, Debug};
use std::sync::Arc;

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::allocation::{Allocation, Global, PerParameter, Uniform};
use crate::error::PruneError;
use crate::magnitude::{FromScores, Magnitude, Random};
use crate::pattern::{
    Block, BuiltinPattern, Channel, Filter, Kernel, NofM, Pattern, Unstructured, Vector,
};
use crate::penalty::Penalty;
use crate::regrowth::{Reconsider, Regrowth};
use crate::schedule::{
    Cosine, Cubic, Exponential, Iterative, Linear, OneShot, PerParameterRate, Schedule,
};
use crate::scorer::{ImportanceScorer, ModelScorer};
use crate::selector::{Selector, TopK};

/// One part of a saved configuration: the name that stands for its type among the [`Parts`], and
/// its settings.
///
/// In JSON `{"name": "Magnitude", "settings": {"norm": "L1"}}`; a part without settings is its
/// name alone, `{"name": "TopK"}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedPart {
    name: String,
    #[serde(default, skip_serializing_if = "Value::is_null")]
    settings: Value,
}

impl SavedPart {
    /// The name that stands for the part's type.
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// Declares one shelf for each kind of part.
macro_rules! parts {
    ($($shelf:ident: $trait:ident, $with:ident, $axis:literal;)+) => {
        /// The types of parts that can be written and read, by name.
        ///
        /// [`core`](Self::core) has the parts of this crate, `secateur::methods::known_parts` those
        /// of the literature as well. A part of your own is added by its type; a name that is there
        /// already then stands for the new one.
        ///
        /// ```
        /// # use secateur_core::{error::PruneError, scorer::{ImportanceScorer, ScoreContext}};
        /// use secateur_core::parts::Parts;
        /// use serde::{Deserialize, Serialize};
        ///
        /// #[derive(Debug, Serialize, Deserialize)]
        /// struct Power {
        ///     exponent: i32,
        /// }
        ///
        /// impl ImportanceScorer for Power {
        ///     fn score(&self, ctx: &ScoreContext<'_>) -> Result<Vec<f32>, PruneError> {
        ///         Ok(ctx.weight().iter().map(|w| w.abs().powi(self.exponent)).collect())
        ///     }
        /// }
        ///
        /// let parts = Parts::core().with_scorer::<Power>("Power");
        /// ```
        #[derive(Clone, Debug)]
        pub struct Parts {
            $(pub(crate) $shelf: Shelf<dyn $trait>,)+
        }

        impl Parts {
            /// No parts.
            pub fn none() -> Self {
                Self {
                    $($shelf: Shelf::new($axis, stringify!($with)),)+
                }
            }

            $(
                #[doc = concat!("Adds a type of ", $axis, " under the name that stands for it.")]
                #[must_use]
                pub fn $with<P: $trait + Serialize + DeserializeOwned>(mut self, name: &str) -> Self {
                    self.$shelf.add(Kind {
                        name: name.into(),
                        write: |part| {
                            let part: &dyn Any = part;
                            part.downcast_ref::<P>().map(serde_json::to_value)
                        },
                        read: |settings| Ok(Arc::new(serde_json::from_value::<P>(settings)?)),
                    });
                    self
                }
            )+
        }
    };
}

parts! {
    scorers: ImportanceScorer, with_scorer, "scorer";
    model_scorers: ModelScorer, with_model_scorer, "model scorer";
    patterns: Pattern, with_pattern, "pattern";
    allocations: Allocation, with_allocation, "allocation";
    schedules: Schedule, with_schedule, "schedule";
    regrowths: Regrowth, with_regrowth, "regrowth";
    selectors: Selector, with_selector, "selector";
    penalties: Penalty, with_penalty, "penalty";
}

impl Parts {
    /// The parts of this crate: all that [`PrunerConfig`](crate::pruner::PrunerConfig) takes, but
    /// for closures.
    pub fn core() -> Self {
        Self::none()
            .with_scorer::<Magnitude>("Magnitude")
            .with_scorer::<Random>("Random")
            .with_scorer::<FromScores>("FromScores")
            .with_pattern::<Unstructured>("Unstructured")
            .with_pattern::<NofM>("NofM")
            .with_pattern::<Block>("Block")
            .with_pattern::<Vector>("Vector")
            .with_pattern::<Kernel>("Kernel")
            .with_pattern::<Filter>("Filter")
            .with_pattern::<Channel>("Channel")
            .with_pattern::<BuiltinPattern>("BuiltinPattern")
            .with_allocation::<Uniform>("Uniform")
            .with_allocation::<Global>("Global")
            .with_allocation::<PerParameter>("PerParameter")
            .with_schedule::<OneShot>("OneShot")
            .with_schedule::<Linear>("Linear")
            .with_schedule::<Cubic>("Cubic")
            .with_schedule::<Exponential>("Exponential")
            .with_schedule::<Cosine>("Cosine")
            .with_schedule::<Iterative>("Iterative")
            .with_schedule::<PerParameterRate<OneShot>>("PerParameterRate<OneShot>")
            .with_schedule::<PerParameterRate<Linear>>("PerParameterRate<Linear>")
            .with_schedule::<PerParameterRate<Cubic>>("PerParameterRate<Cubic>")
            .with_schedule::<PerParameterRate<Exponential>>("PerParameterRate<Exponential>")
            .with_schedule::<PerParameterRate<Cosine>>("PerParameterRate<Cosine>")
            .with_schedule::<PerParameterRate<Iterative>>("PerParameterRate<Iterative>")
            .with_regrowth::<Reconsider>("Reconsider")
            .with_selector::<TopK>("TopK")
    }
}

/// How one type of part is written and read.
struct Kind<T: ?Sized> {
    name: String,
    /// `None` for a part of another type.
    write: fn(&T) -> Option<serde_json::Result<Value>>,
    read: fn(Value) -> serde_json::Result<Arc<T>>,
}

impl<T: ?Sized> Clone for Kind<T> {
    fn clone(&self) -> Self {
        Self {
            name: self.name.clone(),
            ..*self
        }
    }
}

/// The types of one kind of part.
pub(crate) struct Shelf<T: ?Sized> {
    axis: &'static str,
    /// The method that adds to this shelf.
    with: &'static str,
    kinds: Vec<Kind<T>>,
}

impl<T: ?Sized> Clone for Shelf<T> {
    fn clone(&self) -> Self {
        Self {
            kinds: self.kinds.clone(),
            ..*self
        }
    }
}

impl<T: ?Sized> Debug for Shelf<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}

impl<T: ?Sized> Shelf<T> {
    fn new(axis: &'static str, with: &'static str) -> Self {
        Self {
            axis,
            with,
            kinds: Vec::new(),
        }
    }

    fn add(&mut self, kind: Kind<T>) {
        self.kinds.retain(|known| known.name != kind.name);
        self.kinds.push(kind);
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.kinds.iter().map(|kind| kind.name.as_str())
    }

    fn remedy(&self) -> String {
        let Self { axis, with, .. } = self;
        format!("add its type by `Parts::{with}`, or set the {axis} in code")
    }
}

impl<T: ?Sized + Debug> Shelf<T> {
    /// # Errors
    /// [`PruneError::PartNotSaved`] for a part of an unknown type or with settings that would not
    /// come back.
    pub(crate) fn save(&self, part: &T) -> Result<SavedPart, PruneError> {
        let refused = |why: String, remedy: String| PruneError::PartNotSaved {
            axis: self.axis.into(),
            part: type_of(part),
            why,
            remedy,
        };
        let written = |kind: &Kind<T>| (kind.write)(part).map(|settings| (kind.clone(), settings));
        let Some((kind, settings)) = self.kinds.iter().find_map(written) else {
            let known: Vec<_> = self.names().collect();
            let why = format!("its type is not known, only {}", known.join(", "));
            return Err(refused(why, self.remedy()));
        };
        // Infinite numbers are written, and not read again.
        let settings = settings
            .and_then(|settings| (kind.read)(settings.clone()).map(|_| settings))
            .map_err(|error| refused(error.to_string(), "make its settings finite".into()))?;
        Ok(SavedPart {
            name: kind.name,
            settings,
        })
    }

    /// # Errors
    /// [`PruneError::PartNotRead`] for an unknown name, or settings that are not the part's.
    pub(crate) fn load(&self, saved: &SavedPart) -> Result<Arc<T>, PruneError> {
        let refused = |why: String, remedy: String| PruneError::PartNotRead {
            axis: self.axis.into(),
            part: saved.name.clone(),
            why,
            remedy,
        };
        let Some(kind) = self.kinds.iter().find(|kind| kind.name == saved.name) else {
            let known: Vec<_> = self.names().collect();
            let why = format!("it is not known, only {}", known.join(", "));
            return Err(refused(why, self.remedy()));
        };
        (kind.read)(saved.settings.clone())
            .map_err(|error| refused(error.to_string(), "mend its settings in the file".into()))
    }
}

/// The name with which a part's `Debug` begins, which is that of its type.
fn type_of<T: ?Sized + Debug>(part: &T) -> String {
    let text = format!("{part:?}");
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_');
    text[..end.unwrap_or(text.len())].into()
}
