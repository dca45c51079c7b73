//! How important coupled channels are, from the scores of the elements that go with them.

use std::collections::BTreeMap;

use burn::module::Module;
use secateur_core::params::Role;
use secateur_core::pruner::PrunerConfig;
use secateur_core::reduction::Reduction;
use secateur_core::schedule::OneShot;
use secateur_core::scorer::ImportanceScorer;
use serde::{Deserialize, Serialize};

use crate::axes::AxisId;
use crate::coupling::{Coupling, Group, Member};
use crate::error::StructureError;

/// Which members of a group its units are judged by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Judged {
    /// The weights whose outputs the units are: filters, as Li et al. (2017) rank them.
    #[default]
    Producers,
    /// The weights that read them: what the next layer makes of them.
    Consumers,
    /// Both.
    Weights,
    /// Scales of norms, as network slimming (Liu et al. 2017) ranks channels.
    NormScales,
    /// Every member that has scores.
    All,
}

impl Judged {
    fn is(self, member: &Member) -> bool {
        match self {
            Self::Producers => member.produces(),
            Self::Consumers => member.consumes(),
            Self::Weights => member.role == Role::Weight,
            Self::NormScales => member.role == Role::NormScale,
            Self::All => true,
        }
    }
}

/// What the scores of a group are divided by, so that groups can be compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Normalisation {
    /// Nothing: scores are compared as they are.
    #[default]
    None,
    /// The group's mean score.
    Mean,
    /// Its largest score.
    Max,
    /// The sum of its scores.
    Sum,
    /// The root of the sum of squares (Molchanov et al. 2017).
    L2,
    /// Nothing is divided: the score is the share of the group's units that score less, so only
    /// the order counts.
    Rank,
}

impl Normalisation {
    fn apply(self, scores: &mut [f32]) {
        let finite = || {
            scores
                .iter()
                .map(|&score| f64::from(score))
                .filter(|s| s.is_finite())
        };
        let divisor = match self {
            Self::None => return,
            Self::Mean => finite().sum::<f64>() / finite().count().max(1) as f64,
            Self::Max => finite().fold(0.0, f64::max),
            Self::Sum => finite().sum(),
            Self::L2 => finite().map(|score| score * score).sum::<f64>().sqrt(),
            Self::Rank => {
                let mut order: Vec<usize> = (0..scores.len()).collect();
                order.sort_by(|&a, &b| scores[a].total_cmp(&scores[b]).then(b.cmp(&a)));
                let count = scores.len() as f32;
                for (rank, at) in order.into_iter().enumerate() {
                    scores[at] = rank as f32 / count;
                }
                return;
            }
        };
        if divisor != 0.0 {
            for score in scores {
                *score = (f64::from(*score) / divisor) as f32;
            }
        }
    }
}

/// Makes scores of units from scores of elements.
///
/// The elements of each judged member that go with a unit are reduced to one number, the members'
/// numbers are added up, and the group is normalised. By default: the sum over each filter.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Importance {
    judged: Judged,
    reduction: Reduction,
    normalisation: Normalisation,
}

impl Importance {
    /// The sum over each filter, compared as it is.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Judges by other members.
    #[must_use]
    pub fn with_judged(mut self, judged: Judged) -> Self {
        self.judged = judged;
        self
    }

    /// Reduces the elements of a member in another way.
    #[must_use]
    pub fn with_reduction(mut self, reduction: Reduction) -> Self {
        self.reduction = reduction;
        self
    }

    /// Makes groups comparable.
    #[must_use]
    pub fn with_normalisation(mut self, normalisation: Normalisation) -> Self {
        self.normalisation = normalisation;
        self
    }

    /// The scores of the units of every group that may lose some, as `scorer` judges the model's
    /// weights now. A scorer that wants gradients or activations is fed through a
    /// [`Pruner`](secateur_core::pruner::Pruner), whose scores go to [`of`](Self::of).
    ///
    /// # Errors
    ///
    /// As [`of`](Self::of), and those of the scorer.
    pub fn score<M: Module>(
        &self,
        coupling: &Coupling,
        model: &M,
        scorer: impl ImportanceScorer + 'static,
    ) -> Result<UnitScores, StructureError> {
        let paths = self.paths(coupling);
        if paths.is_empty() {
            return self.of(coupling, &BTreeMap::new());
        }
        let pruner = PrunerConfig::new()
            .with_scorer(scorer)
            .with_schedule(OneShot::new(0.0))
            .with_only(paths.clone())
            .with_also(paths)
            .init_module(model)?;
        self.of(coupling, &pruner.scores(model, 0)?)
    }

    /// The parameters that units are judged by, sorted: what a
    /// [`Pruner`](secateur_core::pruner::Pruner) whose scores go to [`of`](Self::of) is to be made
    /// for, by `with_only` and, since norms have to be named, `with_also`.
    #[must_use]
    pub fn paths(&self, coupling: &Coupling) -> Vec<String> {
        let free = coupling.groups().iter().filter(|group| group.is_free());
        let members = free.flat_map(|group| &group.members);
        let mut paths: Vec<String> = members
            .filter(|member| self.judged.is(member) && member.role != Role::RunningStatistic)
            .map(|member| member.path.clone())
            .collect();
        paths.sort_unstable();
        paths.dedup();
        paths
    }

    /// The scores of the units of every group that may lose some, from the scores of elements by
    /// path, each in the order of the parameter's tensor: what
    /// [`Pruner::scores`](secateur_core::pruner::Pruner::scores) gives.
    ///
    /// # Errors
    ///
    /// [`StructureError::NoScores`] for a group without scores of any judged member,
    /// [`StructureError::ScoreCount`] where there are more or fewer scores than elements.
    pub fn of(
        &self,
        coupling: &Coupling,
        scores: &BTreeMap<String, Vec<f32>>,
    ) -> Result<UnitScores, StructureError> {
        let mut all = BTreeMap::new();
        for group in coupling.groups().iter().filter(|group| group.is_free()) {
            let mut units = self.group(coupling, group, scores)?;
            self.normalisation.apply(&mut units);
            all.insert(group.axis, units);
        }
        Ok(UnitScores { scores: all })
    }

    fn group(
        &self,
        coupling: &Coupling,
        group: &Group,
        scores: &BTreeMap<String, Vec<f32>>,
    ) -> Result<Vec<f32>, StructureError> {
        let judged = |member: &&Member| self.judged.is(member) && scores.contains_key(&member.path);
        let members: Vec<&Member> = group.members.iter().filter(judged).collect();
        if members.is_empty() {
            return Err(StructureError::NoScores {
                path: group.name().into(),
                judged: format!("{:?}", self.judged),
            });
        }
        let mut units = vec![0.0_f64; group.size];
        for member in members {
            let values = &scores[&member.path];
            let shape = coupling.shape_of(&member.path)?;
            let elements: usize = shape.iter().product();
            if values.len() != elements {
                return Err(StructureError::ScoreCount {
                    path: member.path.clone(),
                    expected: elements,
                    got: values.len(),
                });
            }
            let inner: usize = shape[member.dim + 1..].iter().product();
            let size = shape[member.dim];
            for (place, unit) in units.iter_mut().enumerate() {
                let places = coupling.places(
                    member,
                    crate::coupling::Unit {
                        axis: group.axis,
                        place,
                    },
                );
                let blocks = (0..elements / (size * inner).max(1)).flat_map(|outer| {
                    let start = outer * size * inner;
                    places.iter().map(move |place| start + place * inner)
                });
                let slice = blocks.flat_map(|at| values[at..at + inner].iter().copied());
                *unit += f64::from(self.reduction.of(slice));
            }
        }
        Ok(units.into_iter().map(|unit| unit as f32).collect())
    }
}

/// How important each unit of each group is; larger is kept.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct UnitScores {
    scores: BTreeMap<AxisId, Vec<f32>>,
}

impl UnitScores {
    /// Scores made elsewhere, one for each place of each axis.
    pub fn new(scores: impl IntoIterator<Item = (AxisId, Vec<f32>)>) -> Self {
        Self {
            scores: scores.into_iter().collect(),
        }
    }

    /// The scores of an axis' places.
    #[must_use]
    pub fn of(&self, axis: AxisId) -> Option<&[f32]> {
        self.scores.get(&axis).map(Vec::as_slice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normalisations_by_hand() {
        let cases = [
            (Normalisation::None, [1.0, 3.0, 4.0]),
            (Normalisation::Mean, [0.375, 1.125, 1.5]),
            (Normalisation::Max, [0.25, 0.75, 1.0]),
            (Normalisation::Sum, [0.125, 0.375, 0.5]),
            (Normalisation::L2, [0.196_116_14, 0.588_348_4, 0.784_464_54]),
            (Normalisation::Rank, [0.0, 1.0 / 3.0, 2.0 / 3.0]),
        ];
        for (normalisation, expected) in cases {
            let mut scores = [1.0, 3.0, 4.0];
            normalisation.apply(&mut scores);
            for (got, expected) in scores.iter().zip(expected) {
                assert!(
                    (got - expected).abs() < 1e-6,
                    "{normalisation:?}: {scores:?}"
                );
            }
        }
    }

    #[test]
    fn nothing_is_divided_by_zero() {
        let mut scores = [0.0, 0.0];
        Normalisation::Mean.apply(&mut scores);
        assert_eq!(scores, [0.0, 0.0]);
    }
}
