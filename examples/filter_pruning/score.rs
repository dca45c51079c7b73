//! What filters are ranked by.

use std::fmt;

use secateur::magnitude::{Magnitude, Random};
use secateur::methods::WeightTaylor;
use secateur::methods::fpgm::FilterDistance;
use secateur::prelude::*;
use secateur::structure::coupling::Coupling;
use secateur::structure::importance::{Importance, Judged, Normalisation, UnitScores};
use secateur_examples::Result;

use crate::subject::Subject;

/// A score of filters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Score {
    Norm,
    Distance,
    Taylor,
    Scale,
    Chance,
}

impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Norm => "L1 (Li 2017)",
            Self::Distance => "FPGM (He 2019)",
            Self::Taylor => "Taylor (Molchanov 2019)",
            Self::Scale => "norm scales (Liu 2017)",
            Self::Chance => "by lot",
        })
    }
}

impl Score {
    /// The scores of all filters; those of different layers by their share of their layer's mean,
    /// norm scales as they are.
    pub(crate) fn of<S: Subject>(
        self,
        subject: &S,
        coupling: &Coupling,
        net: &S::Net,
        seed: u64,
    ) -> Result<UnitScores> {
        let importance = Importance::new().with_normalisation(Normalisation::Mean);
        Ok(match self {
            Self::Norm => importance.score(coupling, net, Magnitude::l1())?,
            Self::Distance => importance.score(coupling, net, FilterDistance)?,
            Self::Chance => importance.score(coupling, net, Random)?,
            Self::Scale => Importance::new().with_judged(Judged::NormScales).score(
                coupling,
                net,
                Magnitude::l1(),
            )?,
            Self::Taylor => {
                // Behind a norm a filter's size says nothing: there its scale is the gate.
                let judged = match subject.has_norms() {
                    true => Judged::NormScales,
                    false => Judged::Producers,
                };
                let importance = importance.with_judged(judged);
                let paths = importance.paths(coupling);
                let mut pruner = PrunerConfig::new()
                    .with_scorer(WeightTaylor::new())
                    .with_schedule(OneShot::new(0.0))
                    .with_only(paths.clone())
                    .with_also(paths)
                    .init_module(net)?;
                for gradients in subject.gradients(net, seed)? {
                    pruner.observe(net, &gradients)?;
                }
                importance.of(coupling, &pruner.scores(net, 0)?)?
            }
        })
    }
}
