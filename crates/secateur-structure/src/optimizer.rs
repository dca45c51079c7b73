//! An optimizer's memory, cut with its parameters: momentum, variance and whatever else it keeps.
//!
//! It is done from outside, on the optimizer's record, so that it works for every
//! [`ModuleOptimizer`], groups of parameters and optimizers of one's own included, and for
//! [`LBFGS`], which keeps all parameters in one vector.
//!
//! # What continues as if nothing had happened
//!
//! The state that is left is the state's slice, always. Whether the next steps of the survivors are
//! those that they would have made beside channels that are dead (zero and without gradient) is up
//! to the optimizer:
//!
//! | optimizer | next steps |
//! | --- | --- |
//! | SGD, Adam, AdamW, Adan, AdaGrad, RMSProp, Lion | the same: each element goes alone |
//! | LAMB | the same: its norms are sums, to which zeros add nothing |
//! | L-BFGS | the same, by inner products, in which zeros add nothing |
//! | Muon | the same but for the factor that it puts on the learning rate, which depends on the matrix' shape |
//! | Adafactor | the same but for update clipping and parameter scale, which are means over the matrix and grow as zeros leave it |
//!
//! Adafactor's factored second moment is also *scaled*: a row's factor is a mean over columns, which
//! changes if columns go. With factors `r`, `c` the second moment of an element is
//! `r_i c_j / mean(r)`; `r_i · mean(c kept) / mean(c)` and `c_j · mean(r kept) / mean(r)` leave it as
//! it was for each element that stays, and are the means over what stays wherever what goes had no
//! gradients.

mod factored;
mod record;

use std::collections::BTreeMap;
use std::fmt;

use burn::{
    module::Module,
    optim::{LBFGS, ModuleOptimizer},
    tensor::Bytes,
};

use crate::{cut::Cut, error::StructureError, survey::Survey};
use record::Record;

/// An optimizer whose state goes to bytes and back.
pub trait OptimizerState: Clone {
    /// The state as a record of Burn; empty if there never is any.
    ///
    /// # Errors
    /// [`StructureError::OptimizerState`] if Burn refuses.
    fn state_bytes(&self) -> Result<Vec<u8>, StructureError>;

    /// This optimizer with a state that [`state_bytes`](Self::state_bytes) gave.
    ///
    /// # Errors
    /// [`StructureError::OptimizerState`] if the bytes are damaged, or another kind of optimizer or
    /// one with other settings gave them.
    fn with_state_bytes(self, bytes: Vec<u8>) -> Result<Self, StructureError>;
}

fn refused(error: impl fmt::Display) -> StructureError {
    StructureError::OptimizerState {
        why: error.to_string(),
    }
}

macro_rules! recorded {
    ($optimizer:ty, $has_ids:literal, $other:literal) => {
        impl OptimizerState for $optimizer {
            fn state_bytes(&self) -> Result<Vec<u8>, StructureError> {
                Ok(self.into_bytes().map_err(refused)?.to_vec())
            }

            fn with_state_bytes(self, bytes: Vec<u8>) -> Result<Self, StructureError> {
                if bytes.is_empty() {
                    return Err(refused("it was saved without an optimizer"));
                }
                // Burn panics at tensors that another kind of optimizer names.
                let record = Record::read(bytes.clone())?;
                if record.entries.iter().any(|e| e.id.is_some() != $has_ids) {
                    return Err(refused(concat!("it is that of ", $other)));
                }
                let loaded = self
                    .from_bytes(Bytes::from_bytes_vec(bytes))
                    .map_err(refused)?;
                // Burn passes over what it does not know.
                match record.differs(&Record::read(loaded.state_bytes()?)?) {
                    Some(name) => Err(refused(format!(
                        "`{name}` is of another kind of optimizer, or of other settings"
                    ))),
                    None => Ok(loaded),
                }
            }
        }
    };
}

recorded!(ModuleOptimizer, true, "an L-BFGS");
recorded!(LBFGS, false, "an optimizer that steps each parameter alone");

/// No optimizer, or one without memory.
impl OptimizerState for () {
    fn state_bytes(&self) -> Result<Vec<u8>, StructureError> {
        Ok(Vec::new())
    }

    fn with_state_bytes(self, _bytes: Vec<u8>) -> Result<Self, StructureError> {
        Ok(())
    }
}

/// What became of an optimizer's state, by path of the parameter.
///
/// The state of an optimizer that keeps all parameters in one vector goes by [`ALL`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct OptimizerReport {
    /// Names of the tensors that were cut with the parameter, or whose elements were zeroed.
    pub sliced: BTreeMap<String, Vec<String>>,
    /// Names of factors that were also scaled, because they are means over what was cut.
    pub scaled: BTreeMap<String, Vec<String>>,
    /// Why the state of the parameter was dropped: it begins anew at the next step.
    pub reset: BTreeMap<String, String>,
    /// Paths of parameters that are gone with a part of the model, and their state with them.
    pub dropped: Vec<String>,
    /// Why tensors were left as they are, though elements of theirs were to be zeroed.
    pub left: BTreeMap<String, String>,
}

/// Stands for all parameters of a model in an [`OptimizerReport`].
pub const ALL: &str = "(all parameters)";

impl fmt::Display for OptimizerReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (path, names) in &self.sliced {
            writeln!(f, "{path}: cut {}", names.join(", "))?;
        }
        for (path, names) in &self.scaled {
            writeln!(f, "{path}: scaled {}", names.join(", "))?;
        }
        for (path, why) in &self.reset {
            writeln!(f, "{path}: begins anew, because {why}")?;
        }
        for path in &self.dropped {
            writeln!(f, "{path}: forgotten, for it is gone")?;
        }
        for (path, why) in &self.left {
            writeln!(f, "{path}: left, because {why}")?;
        }
        Ok(())
    }
}

/// Cuts what an optimizer remembers of a model's parameters as the parameters themselves are cut.
/// What it remembers of parts that the cut drops is forgotten.
///
/// `before` is the model of full size; step counts stay, and so does what is remembered of
/// parameters that stay whole. A tensor that has the parameter's dimensions is cut along all of
/// them; one with size 1 in some of them (a factored moment) along the others; where neither holds,
/// the state of that parameter is dropped and the report says so. [The module](self) says for which
/// optimizers training then goes on as if nothing had happened.
///
/// # Errors
/// As [`slice_params`](crate::slice::slice_params) if the cut does not fit `before`,
/// [`StructureError::OptimizerState`] if Burn refuses the state. `optimizer` then stays as it was.
pub fn cut_optimizer<O: OptimizerState, M: Module>(
    optimizer: &mut O,
    cut: &Cut,
    before: &M,
) -> Result<OptimizerReport, StructureError> {
    let survey = Survey::of(before);
    survey.check(cut)?;
    edit(optimizer, |record| record.cut(cut, &survey))
}

/// Makes an optimizer forget single elements, such as regrown ones: by path of the parameter, their
/// places in storage order.
///
/// They are zero afterwards in every tensor that has an element for each of the parameter's. Step
/// counts stay, and factored moments are left, because they tell no elements apart.
///
/// # Errors
/// [`StructureError::UnknownParameter`] for a path that is not in `model`,
/// [`StructureError::BadPlace`] for an element that it does not have,
/// [`StructureError::OptimizerState`] if Burn refuses the state. `optimizer` then stays as it was.
pub fn reset_elements<O: OptimizerState, M: Module>(
    optimizer: &mut O,
    elements: &BTreeMap<String, Vec<usize>>,
    model: &M,
) -> Result<OptimizerReport, StructureError> {
    let survey = Survey::of(model);
    for (path, places) in elements {
        let Some(shape) = survey.shape(path) else {
            return Err(StructureError::UnknownParameter { path: path.clone() });
        };
        let size = shape.iter().product();
        if let Some(&place) = places.iter().find(|&&place| place >= size) {
            return Err(StructureError::BadPlace {
                path: path.clone(),
                dim: 0,
                place,
                why: "does not exist when counted in storage order".into(),
                size,
            });
        }
    }
    edit(optimizer, |record| record.zero(elements, &survey))
}

/// Runs the state through `change`, which may refuse.
fn edit<O: OptimizerState>(
    optimizer: &mut O,
    change: impl FnOnce(&mut Record) -> OptimizerReport,
) -> Result<OptimizerReport, StructureError> {
    let bytes = optimizer.state_bytes()?;
    if bytes.is_empty() {
        return Ok(OptimizerReport::default());
    }
    let mut record = Record::read(bytes)?;
    let report = change(&mut record);
    *optimizer = optimizer.clone().with_state_bytes(record.write()?)?;
    Ok(report)
}
