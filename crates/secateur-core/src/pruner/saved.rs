//! A pruner's configuration as files hold it.

use serde::{Deserialize, Serialize};

use super::PrunerConfig;
use crate::{
    allocation::Floor,
    error::PruneError,
    parts::{Parts, SavedPart},
    reduction::Reduction,
    scorer::{AnyScorer, Comparison},
    treatment::{Regrown, Treatment},
};

/// A [`PrunerConfig`] as files hold it, in any format that serde writes.
///
/// Each part is there by name, with its settings; [`Parts`] says what the names stand for. What a
/// file leaves out is as in [`PrunerConfig::new`], so that one written by hand may be short; a
/// field that is unknown is an error.
///
/// ```
/// use secateur_core::{
///     parts::Parts,
///     pruner::{PrunerConfig, SavedConfig},
///     schedule::Cubic,
/// };
///
/// let config = PrunerConfig::new()
///     .with_schedule(Cubic::new(0.9).between(500..=4_000).every(100))
///     .with_skip(["head.weight"]);
/// let saved = config.to_saved(&Parts::core())?;
/// let json = serde_json::to_string_pretty(&saved).unwrap();
///
/// let read: SavedConfig = serde_json::from_str(&json).unwrap();
/// assert_eq!(read, saved);
/// let config = read.to_config(&Parts::core())?;
/// # let _ = config;
///
/// let by_hand = r#"{"allocation": {"name": "Global"}, "seed": 7}"#;
/// let by_hand: SavedConfig = serde_json::from_str(by_hand).unwrap();
/// let config = by_hand.to_config(&Parts::core())?.with_schedule(Cubic::new(0.9).between(0..=100));
/// # let _ = config;
/// # Ok::<(), secateur_core::error::PruneError>(())
/// ```
///
/// `serde_json` reads numbers of more than fifteen digits exactly only with its feature
/// `float_roundtrip`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SavedConfig {
    #[serde(skip_serializing_if = "Option::is_none")]
    scorer: Option<SavedScorer>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pattern: Option<SavedPart>,
    #[serde(skip_serializing_if = "Option::is_none")]
    allocation: Option<SavedPart>,
    #[serde(skip_serializing_if = "Option::is_none")]
    schedule: Option<SavedPart>,
    #[serde(skip_serializing_if = "Option::is_none")]
    regrowth: Option<SavedPart>,
    #[serde(skip_serializing_if = "Option::is_none")]
    selector: Option<SavedPart>,
    #[serde(skip_serializing_if = "Option::is_none")]
    penalty: Option<SavedPart>,
    treatment: Treatment,
    reduction: Reduction,
    #[serde(skip_serializing_if = "Option::is_none")]
    comparison: Option<Comparison>,
    floor: Floor,
    seed: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    only: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    also: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    skip: Vec<String>,
}

/// A saved scorer of either kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SavedScorer {
    /// An [`ImportanceScorer`](crate::scorer::ImportanceScorer).
    Each(SavedPart),
    /// A [`ModelScorer`](crate::scorer::ModelScorer).
    Model(SavedPart),
}

impl PrunerConfig {
    /// This configuration as files hold it; see [`SavedConfig`].
    ///
    /// # Errors
    /// [`PruneError::PartNotSaved`] names the part that cannot be written: one whose type is not
    /// among `parts` (a closure never is), or that holds a model's weights ([`Regrown::From`]) or
    /// infinite numbers.
    pub fn to_saved(&self, parts: &Parts) -> Result<SavedConfig, PruneError> {
        if let Regrown::From(_) = self.treatment.regrown {
            return Err(PruneError::PartNotSaved {
                axis: "treatment".into(),
                part: "Regrown::From".into(),
                why: "it holds a model's weights".into(),
                remedy: "save them by `Weights::save`, and set them again after loading".into(),
            });
        }
        let scorer = match &self.scorer {
            AnyScorer::Each(scorer) => SavedScorer::Each(parts.scorers.save(&**scorer)?),
            AnyScorer::Model(scorer) => SavedScorer::Model(parts.model_scorers.save(&**scorer)?),
        };
        let regrowth = self.regrowth.as_deref();
        let schedule = self.schedule.as_deref();
        let penalty = self.penalty.as_deref();
        Ok(SavedConfig {
            scorer: Some(scorer),
            pattern: Some(parts.patterns.save(&*self.pattern)?),
            allocation: Some(parts.allocations.save(&*self.allocation)?),
            schedule: schedule.map(|s| parts.schedules.save(s)).transpose()?,
            regrowth: regrowth.map(|r| parts.regrowths.save(r)).transpose()?,
            selector: Some(parts.selectors.save(&*self.selector)?),
            penalty: penalty.map(|p| parts.penalties.save(p)).transpose()?,
            treatment: self.treatment.clone(),
            reduction: self.reduction,
            comparison: self.comparison,
            floor: self.floor,
            seed: self.seed,
            only: self.only.clone(),
            also: self.also.clone(),
            skip: self.skip.clone(),
        })
    }
}

impl SavedConfig {
    /// The configuration, its settings still to be checked by [`PrunerConfig::init`].
    ///
    /// # Errors
    /// [`PruneError::PartNotRead`] for a name that is not among `parts`, or settings that are not
    /// those of the part.
    pub fn to_config(&self, parts: &Parts) -> Result<PrunerConfig, PruneError> {
        let mut config = PrunerConfig::new();
        match &self.scorer {
            Some(SavedScorer::Each(part)) => {
                config.scorer = AnyScorer::Each(parts.scorers.load(part)?);
            }
            Some(SavedScorer::Model(part)) => {
                config.scorer = AnyScorer::Model(parts.model_scorers.load(part)?);
            }
            None => {}
        }
        if let Some(part) = &self.pattern {
            config.pattern = parts.patterns.load(part)?;
        }
        if let Some(part) = &self.allocation {
            config.allocation = parts.allocations.load(part)?;
        }
        if let Some(part) = &self.selector {
            config.selector = parts.selectors.load(part)?;
        }
        let (schedule, regrowth, penalty) = (&self.schedule, &self.regrowth, &self.penalty);
        let schedule = schedule.as_ref().map(|part| parts.schedules.load(part));
        let regrowth = regrowth.as_ref().map(|part| parts.regrowths.load(part));
        let penalty = penalty.as_ref().map(|part| parts.penalties.load(part));
        Ok(PrunerConfig {
            schedule: schedule.transpose()?,
            regrowth: regrowth.transpose()?,
            penalty: penalty.transpose()?,
            treatment: self.treatment.clone(),
            reduction: self.reduction,
            comparison: self.comparison,
            floor: self.floor,
            seed: self.seed,
            only: self.only.clone(),
            also: self.also.clone(),
            skip: self.skip.clone(),
            ..config
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::allocation::{Global, PerParameter};
    use crate::magnitude::{FromScores, Magnitude, Random};
    use crate::pattern::{BuiltinPattern, Filter, NofM};
    use crate::regrowth::Reconsider;
    use crate::schedule::{Cubic, FnSchedule, Iterative, OneShot, PerParameterRate};
    use crate::scorer::{ImportanceScorer, ScoreContext};
    use crate::treatment::Removed;
    use crate::weights::Weights;

    /// Through JSON and back: what comes back prints as what was written.
    fn assert_round_trip(config: PrunerConfig, parts: &Parts) {
        let saved = config.to_saved(parts).unwrap();
        let json = serde_json::to_string(&saved).unwrap();
        let read: SavedConfig = serde_json::from_str(&json).unwrap();
        assert_eq!(read, saved, "{json}");
        let back = read.to_config(parts).unwrap();
        assert_eq!(format!("{back:?}"), format!("{config:?}"));
    }

    #[test]
    fn every_part_comes_back() {
        let parts = Parts::core();
        assert_round_trip(PrunerConfig::new(), &parts);
        let rounds = Iterative::of_remaining(0.2, 15).every(1_000);
        assert_round_trip(
            PrunerConfig::new()
                .with_scorer(Magnitude::l2())
                .with_pattern(NofM::keep(2).of(4).unwrap())
                .with_allocation(PerParameter::new().with("fc1.*", 0.92).unwrap())
                .with_schedule(
                    PerParameterRate::new(rounds)
                        .with("fc3.weight", 0.5)
                        .unwrap(),
                )
                .with_regrowth(Reconsider)
                .with_removed(Removed::Learning)
                .with_regrown(Regrown::Kept)
                .with_reduction(Reduction::L2)
                .with_comparison(Comparison::OutputRow)
                .with_floor(Floor::at_least(3))
                .with_seed(u64::MAX)
                .with_only(["a.*", "b"])
                .with_also(["**.bias"])
                .with_skip(["head.weight"]),
            &parts,
        );
        let scores = FromScores::from_iter([("fc.weight", vec![1.0, 0.1])]);
        assert_round_trip(PrunerConfig::new().with_scorer(scores), &parts);
        let named: BuiltinPattern = "block 4x1 remainder=keep".parse().unwrap();
        assert_round_trip(
            PrunerConfig::new()
                .with_scorer(Random)
                .with_pattern(named)
                .with_allocation(Global)
                .with_schedule(Cubic::new(0.9).between(500..=4_000).every(100)),
            &parts,
        );
    }

    #[test]
    fn a_file_is_readable_and_may_be_short() {
        let config = PrunerConfig::new()
            .with_pattern(Filter)
            .with_schedule(OneShot::new(0.5));
        let saved = config.to_saved(&Parts::core()).unwrap();
        let json = serde_json::to_string(&saved).unwrap();
        let begins = r#"{"scorer":{"each":{"name":"Magnitude","settings":{"norm":"L1"}}},"#;
        assert!(json.starts_with(begins), "{json}");
        assert!(json.contains(r#""pattern":{"name":"Filter"}"#), "{json}");

        let short = r#"{"pattern":{"name":"Filter"}}"#;
        let short: SavedConfig = serde_json::from_str(short).unwrap();
        let config = short.to_config(&Parts::core()).unwrap();
        let expected = PrunerConfig::new().with_pattern(Filter);
        assert_eq!(format!("{config:?}"), format!("{expected:?}"));
        assert!(serde_json::from_str::<SavedConfig>(r#"{"patern":{}}"#).is_err());
    }

    #[derive(Debug, Serialize, Deserialize)]
    struct Mine {
        power: i32,
    }

    impl ImportanceScorer for Mine {
        fn score(&self, ctx: &ScoreContext<'_>) -> Result<Vec<f32>, PruneError> {
            let power = |w: &f32| w.abs().powi(self.power);
            Ok(ctx.weight().iter().map(power).collect())
        }
    }

    #[test]
    fn parts_of_ones_own_are_added_by_type() {
        let config = || PrunerConfig::new().with_scorer(Mine { power: 3 });
        let error = config().to_saved(&Parts::core()).unwrap_err();
        let PruneError::PartNotSaved { axis, part, .. } = &error else {
            panic!("{error}");
        };
        assert_eq!((axis.as_str(), part.as_str()), ("scorer", "Mine"));
        assert!(error.to_string().contains("Parts::with_scorer"), "{error}");

        let parts = Parts::core().with_scorer::<Mine>("Mine");
        assert_round_trip(config(), &parts);
        let saved = config().to_saved(&parts).unwrap();
        let error = saved.to_config(&Parts::core()).unwrap_err();
        assert!(
            matches!(&error, PruneError::PartNotRead { part, .. } if part == "Mine"),
            "{error}"
        );
    }

    #[test]
    fn what_cannot_be_written_is_named() {
        let refused = |config: PrunerConfig| {
            let error = config.to_saved(&Parts::core()).unwrap_err();
            let PruneError::PartNotSaved { axis, part, .. } = &error else {
                panic!("{error}");
            };
            format!("{axis} {part}")
        };
        let closure = FnSchedule::new(|_| 0.5).between(0..=9);
        let closure = PrunerConfig::new().with_schedule(closure);
        assert_eq!(refused(closure), "schedule FnSchedule");
        let weights = PrunerConfig::new().with_regrown(Regrown::From(Weights::default()));
        assert_eq!(refused(weights), "treatment Regrown::From");
        let infinite = FromScores::from_iter([("w", vec![f32::INFINITY])]);
        let infinite = PrunerConfig::new().with_scorer(infinite);
        assert_eq!(refused(infinite), "scorer FromScores");
    }

    #[test]
    fn settings_that_are_not_the_parts_are_named() {
        for part in [
            r#"{"name":"Cubic","settings":{"final":0.9}}"#,
            r#"{"name":"Cubic"}"#,
            r#"{"name":"Qubic"}"#,
        ] {
            let json = format!(r#"{{"schedule":{part}}}"#);
            let saved: SavedConfig = serde_json::from_str(&json).unwrap();
            let error = saved.to_config(&Parts::core()).unwrap_err();
            assert!(
                error.to_string().contains("the schedule `"),
                "{part}: {error}"
            );
        }
    }
}
