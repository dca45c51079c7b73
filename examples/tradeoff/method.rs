//! The methods that are compared.

use std::fmt;

use burn::prelude::*;
use burn::tensor::Distribution;
use secateur::allocation::Global;
use secateur::magnitude::{Magnitude, Random};
use secateur::methods::{snip, weight_taylor};
use secateur::prelude::*;
use secateur::structure::choice::{Budget, ChannelPruning, Cost};
use secateur::structure::coupling::Coupling;
use secateur::structure::importance::{Importance, Normalisation};
use secateur_examples::Result;
use secateur_examples::data::{Data, Starter};
use secateur_examples::nets::{Classifier, SmallConv};
use secateur_examples::random::Generator;
use secateur_examples::training::{NoHook, Pruning, Recipe, Student, fit, gradients};

/// Batches whose gradients Taylor sees; SNIP sees one.
const OBSERVED: usize = 10;

/// A method, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    Dense,
    Magnitude,
    Random,
    Taylor,
    Filters,
    Snip,
}

impl Method {
    /// Those that prune.
    pub(crate) const ALL: [Self; 5] = [
        Self::Magnitude,
        Self::Random,
        Self::Taylor,
        Self::Filters,
        Self::Snip,
    ];

    /// A copy of `start` without that share of its weights, trained by `recipe`.
    pub(crate) fn pruned(
        self,
        start: &Student<SmallConv, Starter>,
        data: &Data<Starter>,
        sparsity: f64,
        seed: u64,
        recipe: &Recipe,
    ) -> Result<Student<SmallConv, Starter>> {
        let once = OneShot::new(sparsity);
        let config = match self {
            Self::Dense => return Ok(start.fork()),
            Self::Filters => return without_filters(start, data, sparsity, seed, recipe),
            Self::Magnitude => PrunerConfig::new()
                .with_scorer(Magnitude::l1())
                .with_allocation(Global)
                .with_schedule(once),
            Self::Random => PrunerConfig::new()
                .with_scorer(Random)
                .with_seed(seed)
                .with_schedule(once),
            Self::Taylor => weight_taylor(once),
            Self::Snip => snip(sparsity),
        };
        let mut student = start.fork();
        let mut pruner = config.init_module(student.model())?;
        let seen = match self {
            Self::Taylor => OBSERVED,
            Self::Snip => 1,
            _ => 0,
        };
        let mut order = Generator::new(seed, "observed batches");
        for seen in gradients(student.model(), &data.train, [seen, 100], &mut order) {
            pruner.observe(student.model(), &seen)?;
        }
        pruner.prune(student.model_mut(), 0)?;
        let mut pruning = Pruning::after_start(pruner);
        let mut student = fit(student, &data.train, recipe, seed, &mut pruning)?;
        pruning.finish(&mut student)?;
        Ok(student)
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Dense => "dense",
            Self::Magnitude => "magnitude",
            Self::Random => "random",
            Self::Taylor => "Taylor",
            Self::Filters => "L1 filters",
            Self::Snip => "SNIP",
        })
    }
}

/// Whole filters and neurons go until so small a share of the parameters is left.
fn without_filters(
    start: &Student<SmallConv, Starter>,
    data: &Data<Starter>,
    sparsity: f64,
    seed: u64,
    recipe: &Recipe,
) -> Result<Student<SmallConv, Starter>> {
    let example = Tensor::<3>::random([2, 28, 28], Distribution::Default, &Device::flex());
    let coupling = Coupling::of_model(start.model(), example.clone(), SmallConv::forward)?;
    let scores = Importance::new()
        .with_normalisation(Normalisation::Mean)
        .score(&coupling, start.model(), Magnitude::l1())?;
    let budget = Budget::share(Cost::Parameters, 1.0 - sparsity);
    let plan = ChannelPruning::within(budget).plan(&coupling, &scores)?;
    let (smaller, _) = plan.apply(start.model(), example, SmallConv::forward)?;
    fit(
        Student::new(smaller).fork(),
        &data.train,
        recipe,
        seed,
        NoHook,
    )
}
