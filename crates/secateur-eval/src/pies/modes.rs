//! What most models of a population say about an example.

use serde::{Deserialize, Serialize};

use crate::population::Population;

/// Who wins when several classes have the most votes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TieRule {
    /// Nobody: the example is undecided, and counted apart.
    #[default]
    Undecided,
    /// The class with the largest number, as in the code of Hooker et al.
    LargestLabel,
}

/// The predictions of a population, example by example.
#[derive(Clone, Debug)]
pub(crate) struct Votes {
    pub models: usize,
    pub classes: usize,
    /// `[examples, models]`
    labels: Vec<u32>,
}

impl Votes {
    pub(crate) fn of(population: &Population, models: usize, classes: usize) -> Self {
        let models = &population.models()[..models.min(population.len())];
        let examples = models.first().map_or(0, |model| model.clean.len());
        let mut labels = vec![0; examples * models.len()];
        for (at, model) in models.iter().enumerate() {
            let column = labels.iter_mut().skip(at).step_by(models.len());
            column
                .zip(&model.clean.labels)
                .for_each(|(to, from)| *to = *from);
        }
        Self {
            models: models.len(),
            classes,
            labels,
        }
    }

    pub(crate) fn examples(&self) -> usize {
        self.labels.len() / self.models
    }

    pub(crate) fn row(&self, example: usize) -> &[u32] {
        &self.labels[example * self.models..][..self.models]
    }

    /// The mode of every example.
    pub(crate) fn modes(&self, rule: TieRule) -> Vec<Option<u32>> {
        let mut poll = Poll::new(self.classes);
        (0..self.examples())
            .map(|example| poll.mode(self.row(example).iter().copied(), rule))
            .collect()
    }

    /// The mode of every example among some of the models.
    pub(crate) fn modes_of(&self, models: &[usize], rule: TieRule) -> Vec<Option<u32>> {
        let mut poll = Poll::new(self.classes);
        let mode = |example| {
            let row = self.row(example);
            poll.mode(models.iter().map(|&model| row[model]), rule)
        };
        (0..self.examples()).map(mode).collect()
    }
}

/// Counts votes.
struct Poll {
    counts: Vec<u32>,
}

impl Poll {
    fn new(classes: usize) -> Self {
        Self {
            counts: vec![0; classes],
        }
    }

    /// The class with the most votes, `None` if nobody wins.
    fn mode(&mut self, votes: impl Iterator<Item = u32> + Clone, rule: TieRule) -> Option<u32> {
        let (mut best, mut most, mut tied) = (0, 0, false);
        for vote in votes.clone() {
            let count = &mut self.counts[vote as usize];
            *count += 1;
            if *count > most {
                (best, most, tied) = (vote, *count, false);
            } else if *count == most {
                tied = true;
            }
        }
        if tied && rule == TieRule::LargestLabel {
            let winners = votes
                .clone()
                .filter(|&vote| self.counts[vote as usize] == most);
            best = winners.max().unwrap_or(best);
        }
        votes.for_each(|vote| self.counts[vote as usize] = 0);
        match rule {
            TieRule::Undecided if tied => None,
            _ => Some(best),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ties() {
        let mut poll = Poll::new(4);
        let mut mode = |votes: &[u32], rule| poll.mode(votes.iter().copied(), rule);
        assert_eq!(mode(&[1, 2, 2, 1], TieRule::Undecided), None);
        assert_eq!(mode(&[2, 1, 1, 2], TieRule::LargestLabel), Some(2));
        assert_eq!(mode(&[1, 2, 2, 1, 1], TieRule::Undecided), Some(1));
        assert_eq!(mode(&[3, 0, 0, 3, 1, 1], TieRule::LargestLabel), Some(3));
        assert_eq!(mode(&[3], TieRule::Undecided), Some(3));
    }

    proptest! {
        #[test]
        fn agrees_with_counting(votes in prop::collection::vec(0_u32..5, 1..12)) {
            let counts: Vec<usize> = (0..5).map(|c| votes.iter().filter(|&&v| v == c).count()).collect();
            let most = counts.iter().max().copied().unwrap();
            let winners: Vec<u32> = (0..5).filter(|&c| counts[c as usize] == most).collect();
            let mut poll = Poll::new(5);
            let undecided = poll.mode(votes.iter().copied(), TieRule::Undecided);
            prop_assert_eq!(undecided, (winners.len() == 1).then(|| winners[0]));
            let largest = poll.mode(votes.iter().copied(), TieRule::LargestLabel);
            prop_assert_eq!(largest, winners.last().copied());
        }
    }
}
