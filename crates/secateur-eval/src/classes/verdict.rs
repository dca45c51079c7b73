//! What may be said of a class, and in which words.

use serde::{Deserialize, Serialize};

use crate::classes::ClassChange;
use crate::statistics::Permutation;

/// What may be said of a class at a level.
///
/// Something is said to have happened where the adjusted p-value is at most α *and* the change
/// exceeds the control's (by exchanging models, p ≤ α). What was not shown is not thereby absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Fewer than ten models: intervals only.
    TooFewModels,
    /// There is no test.
    NotTestable,
    /// The recall fell, and by more than the average.
    LostMore,
    /// The recall fell.
    Lost,
    /// The recall fell, and by less than the average.
    LostLess,
    /// No change of the recall was shown, but it fell behind the average.
    Behind,
    /// No change of the recall was shown, but it lost less than the average.
    Ahead,
    /// The recall rose.
    Gained,
    /// No change was shown; one smaller than the detectable change may be there.
    NotShown,
}

impl Verdict {
    /// In words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::TooFewModels => "too few models",
            Self::NotTestable => "not testable",
            Self::LostMore => "lost more than the average",
            Self::Lost => "lost",
            Self::LostLess => "lost less than the average",
            Self::Behind => "fell behind the average",
            Self::Ahead => "held up better than the average",
            Self::Gained => "gained",
            Self::NotShown => "no change shown",
        }
    }

    /// A sign beside the words, for those who do not see colours: down, up, or neither.
    #[must_use]
    pub fn sign(self) -> &'static str {
        match self {
            Self::LostMore => "▼▼",
            Self::Lost | Self::LostLess | Self::Behind => "▼",
            Self::Gained => "▲",
            Self::Ahead => "△",
            Self::NotShown => "·",
            Self::TooFewModels | Self::NotTestable => "–",
        }
    }
}

pub(super) fn of(change: &ClassChange, alpha: f64) -> Verdict {
    if change.raw.outcome.p().is_none() && change.relative.outcome.p().is_none() {
        return Verdict::NotTestable;
    }
    if change.verdict == Verdict::TooFewModels {
        return Verdict::TooFewModels;
    }
    // The control has nothing to exceed: its verdict says what would be claimed without one.
    let beyond = |test: Option<Permutation>| test.is_none_or(|test| test.p <= alpha);
    let raw = beyond(change.exceeds) && change.raw.significant(alpha);
    let relative = beyond(change.relative_exceeds) && change.relative.significant(alpha);
    let (down, below) = (change.raw.change < 0.0, change.relative.change < 0.0);
    match (raw, relative) {
        (true, _) if !down => Verdict::Gained,
        (true, true) if below => Verdict::LostMore,
        (true, true) => Verdict::LostLess,
        (true, false) => Verdict::Lost,
        (false, true) if below => Verdict::Behind,
        (false, true) => Verdict::Ahead,
        (false, false) => Verdict::NotShown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classes::ClassTest;
    use crate::statistics::Outcome;

    fn change(raw: (f64, f64), relative: (f64, f64), exceeds: f64) -> ClassChange {
        let test = |(change, p): (f64, f64)| ClassTest {
            change,
            outcome: Outcome::Tested { t: 0.0, df: 1.0, p },
            adjusted: Some(p),
        };
        ClassChange {
            level: "l".into(),
            class: "c".into(),
            examples: 1,
            dense: 0.0,
            compared: 0.0,
            change: None,
            detectable: None,
            raw: test(raw),
            relative: test(relative),
            own: test(relative),
            exceeds: Some(Permutation {
                statistic: 0.0,
                p: exceeds,
                exchanges: 1,
                exact: true,
            }),
            relative_exceeds: Some(Permutation {
                statistic: 0.0,
                p: exceeds,
                exchanges: 1,
                exact: true,
            }),
            verdict: Verdict::NotShown,
        }
    }

    #[test]
    fn what_falls_is_never_a_gain() {
        let say = |raw, relative, exceeds| of(&change(raw, relative, exceeds), 0.05);
        assert_eq!(say((-0.1, 0.001), (0.1, 0.001), 0.01), Verdict::LostLess);
        assert_eq!(say((-0.1, 0.001), (-0.1, 0.001), 0.01), Verdict::LostMore);
        assert_eq!(say((-0.1, 0.9), (0.1, 0.001), 0.01), Verdict::Ahead);
        assert_eq!(say((0.1, 0.001), (-0.1, 0.001), 0.01), Verdict::Gained);
        assert_eq!(say((-0.1, 0.001), (-0.1, 0.9), 0.01), Verdict::Lost);
        // Nothing that the control has as well is claimed.
        assert_eq!(say((-0.1, 0.001), (-0.1, 0.001), 0.2), Verdict::NotShown);
        let mut few = change((-0.1, 1e-9), (-0.1, 1e-9), 0.01);
        few.verdict = Verdict::TooFewModels;
        assert_eq!(of(&few, 0.05), Verdict::TooFewModels);
    }

    #[test]
    fn nothing_is_called_unharmed() {
        use Verdict::*;
        for verdict in [
            TooFewModels,
            NotTestable,
            LostMore,
            Lost,
            LostLess,
            Behind,
            Ahead,
            Gained,
            NotShown,
        ] {
            let words = verdict.words();
            for word in ["unharmed", "unchanged", "unaffected", "safe", "no effect"] {
                assert!(!words.contains(word), "{words}");
            }
        }
    }
}
