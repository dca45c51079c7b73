//! Everything that can go wrong, with the parameter it went wrong on and what to do about it.

use std::path::PathBuf;

/// The error of every fallible call in Secateur.
///
/// A call that returns an error has changed nothing: neither the model nor the pruner. Each
/// message names the parameter (by its record path, e.g. `blocks.0.conv.weight`) or the setting
/// at fault and ends with what to do.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PruneError {
    /// A path or pattern names no parameter of the model.
    #[error("no parameter of this model matches `{path}`; {}", suggest(.known, "float parameter"))]
    UnknownParameter {
        /// The path or pattern that was asked for.
        path: String,
        /// The model's parameter paths, nearest spelling first.
        known: Vec<String>,
    },

    /// A path names no layer of the model.
    #[error("no layer of this model is at `{path}`; {}", suggest(.known, "layer that can be reached"))]
    UnknownLayer {
        /// The path that was asked for.
        path: String,
        /// The paths of the model's layers, nearest spelling first.
        known: Vec<String>,
    },

    /// A layer was asked for that keeps its fields to itself.
    #[error("`{path}` lies in a `{layer}`, which can be masked but not reached: {why}")]
    OpaqueLayer {
        /// The path that was asked for.
        path: String,
        /// The closed layer's type.
        layer: String,
        /// Why it is closed and what to use instead.
        why: String,
    },

    /// Nothing in the model may be pruned.
    #[error(
        "the model has no prunable parameter: every weight is skipped, or it has only biases, \
         norms and running statistics; name what to prune with `PrunerConfig::with_only`"
    )]
    NothingToPrune,

    /// What lies at a path cannot be taken out whole.
    #[error(
        "`{path}` is no item of a list and no content of an option, so it cannot be taken out \
         whole; {}",
        suggest(.known, "part that can")
    )]
    FixedPart {
        /// The path asked for.
        path: String,
        /// Paths of the parts that can, nearest spelling first.
        known: Vec<String>,
    },

    /// A setting is outside its range.
    #[error("`{setting}` is {value}, which is not {expected}; {remedy}")]
    InvalidSetting {
        /// Name of the setting, as the caller spelled it.
        setting: String,
        /// The value it had.
        value: String,
        /// What it has to be.
        expected: String,
        /// What to do.
        remedy: String,
    },

    /// A scorer returned NaN.
    #[error(
        "the scores of `{path}` hold NaN ({count} of {total}); the weights or the observed signals \
         are not finite: lower the learning rate, or mend the scorer `{scorer}`"
    )]
    NanScore {
        /// Parameter path.
        path: String,
        /// Name of the scorer.
        scorer: String,
        /// How many scores are NaN.
        count: usize,
        /// How many scores there are.
        total: usize,
    },

    /// A scorer returned the wrong number of scores.
    #[error(
        "scorer `{scorer}` returned {got} scores for `{path}`, which has {expected} elements; \
         return one score per element of the view, in (out, in, kernel) order"
    )]
    ScoreCount {
        /// Parameter path.
        path: String,
        /// Name of the scorer.
        scorer: String,
        /// Elements in the view.
        expected: usize,
        /// Scores returned.
        got: usize,
    },

    /// A pattern does not fit a parameter.
    #[error("pattern {pattern} does not fit `{path}`: {why}; {remedy}")]
    PatternMismatch {
        /// Parameter path.
        path: String,
        /// The pattern, as it prints.
        pattern: String,
        /// What does not fit.
        why: String,
        /// What to do.
        remedy: String,
    },

    /// A mask has another shape than its parameter.
    #[error(
        "the mask of `{path}` has shape {got:?}, the parameter's view is {expected:?} \
         (out, in, kernel); make the mask from this model"
    )]
    MaskShape {
        /// Parameter path.
        path: String,
        /// The view's shape (out, in, kernel).
        expected: [usize; 3],
        /// The mask's shape.
        got: [usize; 3],
    },

    /// Two fields share one parameter id and hold different values.
    #[error(
        "`{first}` and `{second}` share one parameter id but hold different values; Burn's \
         optimizers step only the first of two tied fields: use one field twice in `forward`, or \
         give the copy its own id"
    )]
    TiedMismatch {
        /// Path of the field met first.
        first: String,
        /// Path of the field met later.
        second: String,
    },

    /// The parameter already carries a reparameterization of somebody else.
    #[error(
        "`{path}` already carries the reparameterization `{name}` and Burn keeps only one; \
         merge it first with `Module::materialize`, or skip this parameter"
    )]
    Reparameterized {
        /// Parameter path.
        path: String,
        /// Name of the reparameterization found.
        name: String,
    },

    /// The parameter carries a mask attached with other settings than the caller's.
    #[error(
        "the mask on `{path}` was attached with gradient flow `{found}`, but `{wanted}` is asked \
         for; `finish` the model first or load into a fresh one, or configure the pruner alike"
    )]
    GradientFlow {
        /// Parameter path.
        path: String,
        /// How the attached mask passes gradients.
        found: String,
        /// How the pruner wants them passed.
        wanted: String,
    },

    /// The mask of this parameter was finished beside a foreign reparameterization.
    #[error(
        "`{path}` was finished while another parameter carries a reparameterization of somebody \
         else, so its spent mask is still there; take that off with Burn's `Param::map`, as in \
         `fc.weight = fc.weight.map(|weight| weight)`, or load the model into a fresh one"
    )]
    Finished {
        /// Parameter path.
        path: String,
    },

    /// A parameter that should be masked is not.
    #[error(
        "`{path}` carries no mask; call `Pruner::attach(&mut model)` before training, or \
         `secateur::load_file` to load a pruned file into a fresh model"
    )]
    NotAttached {
        /// Parameter path.
        path: String,
    },

    /// The model is not the one the pruner was made for.
    #[error("the model does not fit this pruner at `{path}`: {why}; make a new pruner for it")]
    ModelChanged {
        /// Parameter path.
        path: String,
        /// What differs.
        why: String,
    },

    /// A part of a configuration cannot be written.
    #[error("the {axis} `{part}` cannot be saved: {why}; {remedy}")]
    PartNotSaved {
        /// What the part is: a scorer, a schedule.
        axis: String,
        /// The part.
        part: String,
        /// What keeps it from being written.
        why: String,
        /// What to do.
        remedy: String,
    },

    /// A part of a saved configuration cannot be read.
    #[error("the {axis} `{part}` cannot be read: {why}; {remedy}")]
    PartNotRead {
        /// What the part is: a scorer, a schedule.
        axis: String,
        /// The name that stands for it.
        part: String,
        /// What keeps it from being read.
        why: String,
        /// What to do.
        remedy: String,
    },

    /// Running statistics were named for pruning.
    #[error(
        "`{path}` holds running statistics, which are measured and not learned; prune the norm's \
         scale or the layer before it"
    )]
    RunningStatistics {
        /// Parameter path.
        path: String,
    },

    /// The parameter's float type cannot be pruned.
    #[error("`{path}` is stored as {dtype}; prune before quantizing")]
    UnsupportedDType {
        /// Parameter path.
        path: String,
        /// The float type found.
        dtype: String,
    },

    /// Gradients were asked of a parameter that has none.
    #[error("no gradient for `{path}`: {why}")]
    MissingGradient {
        /// Parameter path.
        path: String,
        /// Why it has none and what to do.
        why: String,
    },

    /// A scorer needs a signal that was never observed.
    #[error("`{scorer}` needs {signal} of `{path}`, which was never observed; {remedy}")]
    MissingSignal {
        /// Parameter path.
        path: String,
        /// Name of the scorer or selector.
        scorer: String,
        /// Name of the signal.
        signal: String,
        /// What to call.
        remedy: String,
    },

    /// More is to be pruned than there is.
    #[error("`{path}` is asked to lose {asked} of its {available} units; {remedy}")]
    OverPruned {
        /// Parameter path, or `the model`.
        path: String,
        /// Units to prune.
        asked: usize,
        /// Units that may be pruned.
        available: usize,
        /// What to do.
        remedy: String,
    },

    /// The steps ran backwards.
    #[error(
        "step {step} comes after step {last}; steps may not run backwards: pass the optimizer's \
         step, or load the pruner's state together with the model"
    )]
    StepOrder {
        /// The step passed.
        step: usize,
        /// The last step seen.
        last: usize,
    },

    /// There is nothing to undo.
    #[error("there is no pruning to undo; `undo` takes back the last `prune` that changed masks")]
    NothingToUndo,

    /// A file is damaged or is not what it should be.
    #[error("{file} is not a sound {kind}: {why}; restore it from a copy")]
    CorruptFile {
        /// File name, or `bytes in memory`.
        file: String,
        /// What kind of file was expected.
        kind: String,
        /// What is wrong with it.
        why: String,
    },

    /// A file was written by a later version.
    #[error("{file} has format version {found}, this Secateur reads up to {supported}; update it")]
    FileVersion {
        /// File name, or `bytes in memory`.
        file: String,
        /// Version found.
        found: u32,
        /// Highest version this build reads.
        supported: u32,
    },

    /// The operating system refused a file operation.
    #[error("cannot {action} {}: {why}", .file.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        file: PathBuf,
        /// The system's message.
        why: String,
    },

    /// A file was saved from another model than the one it is loaded into.
    #[error(
        "{file} does not fit this model at `{path}`: {why}; load it into a model built like the \
         one it was saved from"
    )]
    RecordMismatch {
        /// File name.
        file: String,
        /// Path of the parameter, as the file or the model spells it.
        path: String,
        /// What differs.
        why: String,
    },

    /// Burn refused a record.
    #[error("Burn refused the record: {why}")]
    Record {
        /// Burn's message.
        why: String,
    },

    /// An error of a user's own scorer, pattern, schedule or signal.
    #[error("`{path}`: {message}")]
    Custom {
        /// Parameter path.
        path: String,
        /// The user's message.
        message: String,
    },
}

impl PruneError {
    /// An error of a user's own scorer, selector or signal, tied to a parameter.
    pub fn custom(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Custom {
            path: path.into(),
            message: message.into(),
        }
    }

    /// A setting outside its range.
    pub fn invalid(
        setting: impl Into<String>,
        value: impl ToString,
        expected: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self::InvalidSetting {
            setting: setting.into(),
            value: value.to_string(),
            expected: expected.into(),
            remedy: remedy.into(),
        }
    }

    /// `sparsity` checked to lie in [0, 1); `setting` names it in the error.
    pub fn check_sparsity(setting: &str, sparsity: f64) -> Result<f64, Self> {
        if (0.0..1.0).contains(&sparsity) {
            return Ok(sparsity);
        }
        let remedy = if sparsity > 1.0 && sparsity < 100.0 {
            format!("for {sparsity} % write {}", sparsity / 100.0)
        } else if sparsity == 1.0 {
            "a parameter cannot lose all of its weights; remove the layer instead".into()
        } else {
            "pass the share of zeros, e.g. 0.9".into()
        };
        Err(Self::invalid(setting, sparsity, "in [0, 1)", remedy))
    }
}

/// Lists a few known paths of a kind of `thing`, or says that there are none.
fn suggest(known: &[String], thing: &str) -> String {
    match known.len() {
        0 => format!("the model has no {thing}"),
        1 => format!("it has only `{}`", known[0]),
        n => {
            let shown: Vec<_> = known.iter().take(4).map(|p| format!("`{p}`")).collect();
            let more = if n > 4 {
                format!(" and {} more", n - 4)
            } else {
                String::new()
            };
            format!("did you mean one of {}{more}?", shown.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sparsity_must_be_a_share() {
        assert_eq!(PruneError::check_sparsity("sparsity", 0.9), Ok(0.9));
        let percent = PruneError::check_sparsity("sparsity", 90.0).unwrap_err();
        assert!(percent.to_string().contains("write 0.9"), "{percent}");
        for bad in [1.0, -0.1, f64::NAN, f64::INFINITY] {
            assert!(PruneError::check_sparsity("sparsity", bad).is_err());
        }
    }

    #[test]
    fn unknown_parameters_come_with_suggestions() {
        let error = PruneError::UnknownParameter {
            path: "fc.wieght".into(),
            known: vec!["fc.weight".into(), "fc.bias".into()],
        };
        assert!(
            error
                .to_string()
                .contains("did you mean one of `fc.weight`")
        );
    }
}
