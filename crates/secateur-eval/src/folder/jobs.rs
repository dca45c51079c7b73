//! Which models a study consists of, and how they are shared out.

use crate::level::Level;

/// A model that is to be trained and evaluated.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    /// The level it is pruned to.
    pub level: Level,
    /// The seed that decides everything about it.
    pub seed: u64,
}

/// All models of a study.
///
/// ```
/// use secateur_eval::{Jobs, Level};
///
/// let jobs = Jobs::disjoint([Level::dense(), Level::control()], 30);
/// assert_eq!(jobs.iter().map(|job| job.seed).collect::<Vec<_>>(), (0..60).collect::<Vec<_>>());
/// // Two machines: each takes every other one.
/// assert_eq!(jobs.clone().share(0, 2).len() + jobs.share(1, 2).len(), 60);
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Jobs(Vec<Job>);

impl Jobs {
    /// `models` of each level, every level with seeds of its own, so that populations are
    /// independent.
    #[must_use]
    pub fn disjoint(levels: impl IntoIterator<Item = Level>, models: usize) -> Self {
        let levels = levels.into_iter();
        let each = levels.flat_map(|level| std::iter::repeat_n(level, models));
        Self::of((0..).zip(each).map(|(seed, level)| Job { level, seed }))
    }

    /// Exactly these.
    #[must_use]
    pub fn of(jobs: impl IntoIterator<Item = Job>) -> Self {
        Self(jobs.into_iter().collect())
    }

    /// Every `of`-th job from the `index`-th on: one of `of` equal parts. Nothing if `of` is 0.
    #[must_use]
    pub fn share(self, index: usize, of: usize) -> Self {
        let jobs = self.0.into_iter().enumerate();
        let mine = jobs.filter(|(at, _)| at.checked_rem(of) == Some(index));
        Self(mine.map(|(_, job)| job).collect())
    }

    /// The jobs in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Job> {
        self.0.iter()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'a> IntoIterator for &'a Jobs {
    type Item = &'a Job;
    type IntoIter = std::slice::Iter<'a, Job>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
