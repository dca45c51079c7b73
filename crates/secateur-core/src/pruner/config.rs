//! What a pruner is made of.

use std::sync::Arc;

use burn::module::Module;

use crate::{
    allocation::{Allocation, Floor, Uniform},
    error::PruneError,
    layers::{AttributeMap, Prunable, attributes},
    magnitude::Magnitude,
    params::{ParamEntry, ParamInfo, ParamTable, Role},
    path_pattern::PathPattern,
    pattern::{Pattern, Unstructured, parse_pattern},
    penalty::Penalty,
    pruner::{Pruned, Pruner},
    reduction::Reduction,
    regrowth::Regrowth,
    schedule::Schedule,
    scorer::{AnyScorer, Comparison, ImportanceScorer, ModelScorer},
    selector::{Selector, TopK},
    signal::{Signal, SignalStore},
    treatment::{Regrown, Removed, Treatment},
};

/// Combines the axes of a pruning method; [`init`](Self::init) makes a [`Pruner`] of it.
///
/// | axis | default |
/// | --- | --- |
/// | scorer | [`Magnitude::l1`] |
/// | pattern | [`Unstructured`] |
/// | allocation | [`Uniform`]: every parameter loses the same share |
/// | schedule | none: it has to be given |
/// | regrowth | none: masks only shrink |
/// | selector | [`TopK`] |
///
/// [`to_saved`](Self::to_saved) makes it a [`SavedConfig`](super::SavedConfig), which files hold.
///
/// Weights of rank 2 and more are pruned. Biases, norms and other vectors are pruned only if
/// [`with_only`](Self::with_only) or [`with_also`](Self::with_also) name them.
#[derive(Clone, Debug)]
pub struct PrunerConfig {
    pub(crate) scorer: AnyScorer,
    pub(crate) pattern: Arc<dyn Pattern>,
    pub(crate) allocation: Arc<dyn Allocation>,
    pub(crate) schedule: Option<Arc<dyn Schedule>>,
    pub(crate) regrowth: Option<Arc<dyn Regrowth>>,
    pub(crate) selector: Arc<dyn Selector>,
    pub(crate) penalty: Option<Arc<dyn Penalty>>,
    pub(crate) treatment: Treatment,
    pub(crate) reduction: Reduction,
    pub(crate) comparison: Option<Comparison>,
    pub(crate) floor: Floor,
    pub(crate) seed: u64,
    pub(super) only: Vec<String>,
    pub(super) also: Vec<String>,
    pub(super) skip: Vec<String>,
}

impl Default for PrunerConfig {
    fn default() -> Self {
        Self::new()
    }
}

impl PrunerConfig {
    /// Magnitude, unstructured, uniform; the schedule has to be given.
    pub fn new() -> Self {
        Self {
            scorer: AnyScorer::Each(Arc::new(Magnitude::l1())),
            pattern: Arc::new(Unstructured),
            allocation: Arc::new(Uniform),
            schedule: None,
            regrowth: None,
            selector: Arc::new(TopK),
            penalty: None,
            treatment: Treatment::default(),
            reduction: Reduction::default(),
            comparison: None,
            floor: Floor::default(),
            seed: 0,
            only: Vec::new(),
            also: Vec::new(),
            skip: Vec::new(),
        }
    }

    /// How important each element is.
    pub fn with_scorer(mut self, scorer: impl ImportanceScorer + 'static) -> Self {
        self.scorer = AnyScorer::Each(Arc::new(scorer));
        self
    }

    /// A scorer that sees all parameters at once.
    pub fn with_model_scorer(mut self, scorer: impl ModelScorer + 'static) -> Self {
        self.scorer = AnyScorer::Model(Arc::new(scorer));
        self
    }

    /// Which elements live and die together. `#[prune(pattern = "..")]` wins where it stands.
    pub fn with_pattern(mut self, pattern: impl Pattern + 'static) -> Self {
        self.pattern = Arc::new(pattern);
        self
    }

    /// How the budget is spread over the parameters.
    pub fn with_allocation(mut self, allocation: impl Allocation + 'static) -> Self {
        self.allocation = Arc::new(allocation);
        self
    }

    /// How much is pruned at which step.
    pub fn with_schedule(mut self, schedule: impl Schedule + 'static) -> Self {
        self.schedule = Some(Arc::new(schedule));
        self
    }

    /// How pruned units come back.
    pub fn with_regrowth(mut self, regrowth: impl Regrowth + 'static) -> Self {
        self.regrowth = Some(Arc::new(regrowth));
        self
    }

    /// How scores become a mask.
    pub fn with_selector(mut self, selector: impl Selector + 'static) -> Self {
        self.selector = Arc::new(selector);
        self
    }

    /// A term for the training loss, which [`Pruner::penalty`] computes.
    pub fn with_penalty(mut self, penalty: impl Penalty + 'static) -> Self {
        self.penalty = Some(Arc::new(penalty));
        self
    }

    /// What becomes of removed and regrown values and of the gradient.
    pub fn with_treatment(mut self, treatment: Treatment) -> Self {
        self.treatment = treatment;
        self
    }

    /// What becomes of removed values; short for a [`Treatment`] that differs only there.
    pub fn with_removed(mut self, removed: Removed) -> Self {
        self.treatment.removed = removed;
        self
    }

    /// What values come back with; short for a [`Treatment`] that differs only there.
    pub fn with_regrown(mut self, regrown: Regrown) -> Self {
        self.treatment.regrown = regrown;
        self
    }

    /// How the scores of a unit's members become the unit's score.
    pub fn with_reduction(mut self, reduction: Reduction) -> Self {
        self.reduction = reduction;
        self
    }

    /// Among which units scores are compared, against the scorer's own wish.
    pub fn with_comparison(mut self, comparison: Comparison) -> Self {
        self.comparison = Some(comparison);
        self
    }

    /// What every parameter keeps at least; the report says where it took effect.
    pub fn with_floor(mut self, floor: Floor) -> Self {
        self.floor = floor;
        self
    }

    /// The seed of all random draws.
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Prunes only parameters whose path matches one of the patterns (`*` stands for one
    /// component, `**` for any number), biases and norms among them.
    pub fn with_only<P: Into<String>>(mut self, patterns: impl IntoIterator<Item = P>) -> Self {
        self.only.extend(patterns.into_iter().map(Into::into));
        self
    }

    /// Prunes these too: biases and norms, say.
    pub fn with_also<P: Into<String>>(mut self, patterns: impl IntoIterator<Item = P>) -> Self {
        self.also.extend(patterns.into_iter().map(Into::into));
        self
    }

    /// Never prunes parameters whose path matches one of the patterns.
    pub fn with_skip<P: Into<String>>(mut self, patterns: impl IntoIterator<Item = P>) -> Self {
        self.skip.extend(patterns.into_iter().map(Into::into));
        self
    }

    /// A pruner for a model that derives `Prune`, whose attributes it obeys.
    ///
    /// # Errors
    /// [`PruneError::InvalidSetting`] for settings out of range, [`PruneError::UnknownParameter`]
    /// for patterns that match nothing, [`PruneError::RunningStatistics`] for naming them,
    /// [`PruneError::PatternMismatch`] for a pattern that does not fit,
    /// [`PruneError::NothingToPrune`] if nothing is left.
    pub fn init<M: Module + Prunable>(self, model: &M) -> Result<Pruner, PruneError> {
        let attributes = attributes(model);
        let mut copy = model.clone();
        let specs = crate::layers::layers_mut(&mut copy).params();
        let mut table = ParamTable::of(model);
        table.apply_specs(&specs);
        self.build(&table, Some(&attributes))
    }

    /// A pruner for any module; its layers are known by the names of Burn's types.
    ///
    /// # Errors
    /// As [`init`](Self::init).
    pub fn init_module<M: Module>(self, model: &M) -> Result<Pruner, PruneError> {
        self.build(&ParamTable::of(model), None)
    }

    fn build(
        self,
        table: &ParamTable,
        attributes: Option<&AttributeMap>,
    ) -> Result<Pruner, PruneError> {
        let schedule = self.schedule.clone().ok_or_else(|| {
            PruneError::invalid(
                "schedule",
                "not set",
                "a schedule",
                "add `.with_schedule(OneShot::new(0.9))`, or another one",
            )
        })?;
        schedule.check()?;
        self.allocation.check()?;
        self.floor.check()?;
        if let Some(sparsity) = self.treatment.backward_sparsity {
            PruneError::check_sparsity("backward sparsity", sparsity)?;
        }
        if let Some(regrowth) = &self.regrowth {
            regrowth.check()?;
        }
        let paths: Vec<&str> = table.entries.iter().map(|e| e.info.path.as_str()).collect();
        for pattern in schedule
            .path_patterns()
            .into_iter()
            .chain(self.allocation.path_patterns())
        {
            pattern.check_known(paths.iter().copied())?;
        }
        let chosen = self.choose(table, attributes)?;
        let mut params = Vec::new();
        for (entry, mut info) in chosen {
            if let Some(attributes) = attributes {
                let own = attributes.at(&info.path);
                info.sparsity = own.sparsity;
                info.group = own.group;
                info.pattern = own.pattern;
            }
            let pattern = match &info.pattern {
                Some(text) => Arc::from(parse_pattern(text)?),
                None => self.pattern.clone(),
            };
            // Column-major linears show another shape until they are initialised, and are
            // checked when they are pruned.
            if !(info.layer == "Linear" && info.role == Role::Weight) {
                pattern.units(&info.path, info.shape)?;
            }
            check_fixed_sparsity(&info, &*pattern, &*schedule)?;
            params.push(Pruned {
                info,
                layout: entry.layout,
                tied: entry.tied.clone(),
                pattern,
            });
        }
        if params.is_empty() {
            return Err(PruneError::NothingToPrune);
        }
        let signals = self.all_signals();
        Ok(Pruner {
            schedule,
            signals: SignalStore::new(signals),
            config: self,
            params,
            last_step: None,
            asked: Default::default(),
            undo: None,
        })
    }

    fn all_signals(&self) -> Vec<Arc<dyn Signal>> {
        let mut signals = self.scorer.signals();
        signals.extend(self.selector.signals());
        signals.extend(self.regrowth.iter().flat_map(|r| r.signals()));
        signals
    }

    /// The parameters to prune, in Burn's order.
    fn choose<'t>(
        &self,
        table: &'t ParamTable,
        attributes: Option<&AttributeMap>,
    ) -> Result<Vec<(&'t ParamEntry, ParamInfo)>, PruneError> {
        let only = self.matchers(table, &self.only)?;
        let also = self.matchers(table, &self.also)?;
        let skip = parse_patterns(table, &self.skip)?;
        let matches = |patterns: &[PathPattern], entry: &ParamEntry| {
            let own = std::iter::once(&entry.info.path);
            own.chain(&entry.tied)
                .any(|path| patterns.iter().any(|pattern| pattern.matches(path)))
        };
        let mut chosen = Vec::new();
        for entry in &table.entries {
            if entry.info.role == Role::RunningStatistic {
                continue;
            }
            let by_default = only.is_empty() && entry.info.role == Role::Weight;
            let named = matches(&only, entry) || matches(&also, entry);
            let skipped = matches(&skip, entry)
                || attributes.is_some_and(|map| map.at(&entry.info.path).skip);
            if (by_default || named) && !skipped {
                chosen.push((entry, entry.info.clone()));
            }
        }
        Ok(chosen)
    }

    /// Patterns for what to prune: naming running statistics outright is an error.
    fn matchers(
        &self,
        table: &ParamTable,
        texts: &[String],
    ) -> Result<Vec<PathPattern>, PruneError> {
        for text in texts {
            if let Some(entry) = table.get(text)
                && entry.info.role == Role::RunningStatistic
            {
                return Err(PruneError::RunningStatistics { path: text.clone() });
            }
        }
        parse_patterns(table, texts)
    }
}

fn parse_patterns(table: &ParamTable, texts: &[String]) -> Result<Vec<PathPattern>, PruneError> {
    let mut patterns = Vec::new();
    for text in texts {
        let pattern = PathPattern::new(text)?;
        let mut paths = table
            .entries
            .iter()
            .flat_map(|e| std::iter::once(&e.info.path).chain(&e.tied));
        if !paths.any(|path| pattern.matches(path)) {
            return Err(table.unknown(text));
        }
        patterns.push(pattern);
    }
    Ok(patterns)
}

/// A pattern that fixes its sparsity accepts no other final one.
fn check_fixed_sparsity(
    info: &ParamInfo,
    pattern: &dyn Pattern,
    schedule: &dyn Schedule,
) -> Result<(), PruneError> {
    let Some(fixed) = pattern.fixed_sparsity() else {
        return Ok(());
    };
    let asked = info.sparsity.or_else(|| schedule.final_sparsity());
    match asked {
        Some(asked) if asked != 0.0 && (asked - fixed).abs() > 1e-9 => Err(PruneError::invalid(
            format!("sparsity of {}", info.path),
            asked,
            format!("the {fixed} that pattern {pattern} fixes"),
            format!("ask for {fixed}, or choose another pattern"),
        )),
        _ => Ok(()),
    }
}
