//! Accuracy against what a model costs, in the manner of ShrinkBench.
//!
//! Blalock et al. (2020, "What is the state of neural network pruning?", arXiv 2003.03033) ask for
//! several methods at several sparsities with several seeds, from the same starting weights, with
//! random pruning as a control, and for spread. Points without the control are refused.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::error::{EvalError, check_finite};
use crate::statistics::bootstrap::{Resampling, deviation, mean};
use crate::statistics::{Estimate, Interval};

/// One pruned model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// The method.
    pub method: String,
    /// Sparsity asked for, 0 ≤ s < 1.
    pub sparsity: f64,
    /// Seed.
    pub seed: u64,
    /// Accuracy, 0 to 1.
    pub accuracy: f64,
    /// What it costs.
    pub costs: Costs,
}

/// What a model costs to keep and to run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Costs {
    /// Parameters that are not zero.
    pub parameters: f64,
    /// Multiply-adds of one example.
    pub multiply_adds: f64,
    /// Bytes of the file.
    pub bytes: f64,
    /// Measured seconds of one example; `None` if not measured.
    pub seconds: Option<f64>,
}

/// Which cost accuracy is held against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cost {
    /// Parameters that are not zero.
    Parameters,
    /// Multiply-adds.
    MultiplyAdds,
    /// Bytes of the file.
    Bytes,
    /// Measured time.
    Seconds,
}

impl Cost {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::Parameters,
        Self::MultiplyAdds,
        Self::Bytes,
        Self::Seconds,
    ];

    /// In words.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Parameters => "parameters",
            Self::MultiplyAdds => "multiply-adds",
            Self::Bytes => "bytes",
            Self::Seconds => "seconds",
        }
    }

    /// This cost of a model.
    #[must_use]
    pub fn of(self, costs: &Costs) -> Option<f64> {
        match self {
            Self::Parameters => Some(costs.parameters),
            Self::MultiplyAdds => Some(costs.multiply_adds),
            Self::Bytes => Some(costs.bytes),
            Self::Seconds => costs.seconds,
        }
    }
}

/// One method at one sparsity: means over its seeds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// The method.
    pub method: String,
    /// Sparsity asked for.
    pub sparsity: f64,
    /// Seeds.
    pub seeds: Vec<u64>,
    /// Mean accuracy.
    pub accuracy: f64,
    /// Its interval from resampling seeds; `None` for one seed, which has no spread to tell.
    pub interval: Option<Interval>,
    /// Standard deviation over the seeds; `None` for one seed.
    pub deviation: Option<f64>,
    /// Mean costs; seconds only where all were measured.
    pub costs: Costs,
    /// Quality of the model: ½·accuracy + ½·(1 − parameters / largest number of parameters), after
    /// the survey of Choudhary et al. (2020).
    pub quality: f64,
}

impl Step {
    /// Mean accuracy with its interval, in words where there is but one seed.
    #[must_use]
    pub fn words(&self) -> String {
        match self.interval {
            Some(interval) => crate::report::number::share(Estimate {
                value: self.accuracy,
                interval,
            }),
            None => format!(
                "{} (one seed)",
                crate::report::number::percent(self.accuracy)
            ),
        }
    }
}

/// Trade-off curves of several methods.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TradeOff {
    /// What was measured on.
    pub data: String,
    /// The method that prunes at random.
    pub control: String,
    /// Method by method, by sparsity.
    pub steps: Vec<Step>,
}

impl TradeOff {
    /// Gathers points of the data set `data`; `control` names the method that prunes at random.
    ///
    /// # Errors
    ///
    /// Without points, without the control, with a point given twice, or with numbers that make no
    /// sense.
    pub fn new(
        data: impl Into<String>,
        control: &str,
        points: &[Point],
    ) -> Result<Self, EvalError> {
        check(control, points)?;
        let largest = points
            .iter()
            .map(|point| point.costs.parameters)
            .fold(0.0, f64::max);
        let mut sorted: Vec<&Point> = points.iter().collect();
        sorted.sort_by(|a, b| {
            let order = a
                .method
                .cmp(&b.method)
                .then(a.sparsity.total_cmp(&b.sparsity));
            order.then(a.seed.cmp(&b.seed))
        });
        let groups = sorted.chunk_by(|a, b| a.method == b.method && a.sparsity == b.sparsity);
        let steps = groups.map(|group| step(group, largest)).collect();
        Ok(Self {
            data: data.into(),
            control: control.into(),
            steps,
        })
    }

    /// Names of the methods.
    #[must_use]
    pub fn methods(&self) -> Vec<&str> {
        let names: BTreeSet<&str> = self.steps.iter().map(|step| step.method.as_str()).collect();
        names.into_iter().collect()
    }

    /// The steps that no other beats: none is at least as accurate and at most as costly, and
    /// better in one of the two. By mean accuracies, cheapest first; spread is not considered.
    /// Steps without this cost are left out.
    #[must_use]
    pub fn pareto(&self, cost: Cost) -> Vec<&Step> {
        let with = self
            .steps
            .iter()
            .filter_map(|step| Some((step, cost.of(&step.costs)?)));
        let mut by_cost: Vec<(&Step, f64)> = with.collect();
        by_cost.sort_by(|a, b| {
            a.1.total_cmp(&b.1)
                .then(b.0.accuracy.total_cmp(&a.0.accuracy))
        });
        let mut front: Vec<(&Step, f64)> = Vec::new();
        for (step, cost) in by_cost {
            let better = front.last().is_none_or(|(best, at)| {
                step.accuracy > best.accuracy || (step.accuracy == best.accuracy && cost == *at)
            });
            if better {
                front.push((step, cost));
            }
        }
        front.into_iter().map(|(step, _)| step).collect()
    }

    /// Quality of model with weights of your choice: α·accuracy + β·(1 − parameters / largest).
    #[must_use]
    pub fn quality(&self, step: &Step, alpha: f64, beta: f64) -> f64 {
        let largest = self
            .steps
            .iter()
            .map(|step| step.costs.parameters)
            .fold(0.0, f64::max);
        quality(step.accuracy, step.costs.parameters, largest, alpha, beta)
    }
}

fn quality(accuracy: f64, parameters: f64, largest: f64, alpha: f64, beta: f64) -> f64 {
    let kept = if largest > 0.0 {
        parameters / largest
    } else {
        0.0
    };
    alpha * accuracy + beta * (1.0 - kept)
}

fn check(control: &str, points: &[Point]) -> Result<(), EvalError> {
    if points.is_empty() {
        let remedy = "measure at least one model of one method and one pruned at random";
        return Err(EvalError::Empty {
            what: "points".into(),
            remedy,
        });
    }
    for point in points {
        let costs = &point.costs;
        let seconds = costs.seconds.unwrap_or(0.0);
        let numbers = [
            point.sparsity,
            point.accuracy,
            costs.parameters,
            costs.multiply_adds,
            costs.bytes,
            seconds,
        ];
        let what = format!(
            "point {} at {} with seed {}",
            point.method, point.sparsity, point.seed
        );
        check_finite(&what, &numbers)?;
        if !(0.0..1.0).contains(&point.sparsity) {
            return Err(EvalError::setting(
                "sparsity",
                point.sparsity,
                "give 0 <= s < 1",
            ));
        }
        if !(0.0..=1.0).contains(&point.accuracy) {
            return Err(EvalError::setting(
                "accuracy",
                point.accuracy,
                "give a share from 0 to 1",
            ));
        }
        if let Some(negative) = numbers.iter().find(|number| **number < 0.0) {
            return Err(EvalError::setting(
                "cost",
                negative,
                "costs are not negative",
            ));
        }
    }
    if !points.iter().any(|point| point.method == control) {
        return Err(EvalError::NoPopulation {
            kind: "random pruning",
            remedy: "measure models that were pruned at random too: whatever they reach is no merit of a method",
        });
    }
    let mut seen = BTreeSet::new();
    for point in points {
        if !seen.insert((&point.method, point.sparsity.to_bits(), point.seed)) {
            return Err(EvalError::Duplicate {
                level: format!("{} at {}", point.method, point.sparsity),
                seed: point.seed,
            });
        }
    }
    Ok(())
}

fn step(group: &[&Point], largest: f64) -> Step {
    let accuracies: Vec<f64> = group.iter().map(|point| point.accuracy).collect();
    let average = |of: fn(&Costs) -> f64| {
        mean(
            &group
                .iter()
                .map(|point| of(&point.costs))
                .collect::<Vec<_>>(),
        )
    };
    let seconds: Option<Vec<f64>> = group.iter().map(|point| point.costs.seconds).collect();
    let costs = Costs {
        parameters: average(|costs| costs.parameters),
        multiply_adds: average(|costs| costs.multiply_adds),
        bytes: average(|costs| costs.bytes),
        seconds: seconds.map(|seconds| mean(&seconds)),
    };
    let (method, sparsity) = (group[0].method.clone(), group[0].sparsity);
    let resampling = Resampling {
        replicates: 2000,
        alpha: 0.05,
        seed: 0,
    };
    let several = group.len() > 1;
    let name = format!("{method} {sparsity}");
    Step {
        seeds: group.iter().map(|point| point.seed).collect(),
        accuracy: mean(&accuracies),
        interval: several.then(|| resampling.mean(&name, &accuracies).interval),
        deviation: several.then(|| deviation(&accuracies)),
        quality: quality(mean(&accuracies), costs.parameters, largest, 0.5, 0.5),
        costs,
        method,
        sparsity,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(method: &str, sparsity: f64, seed: u64, accuracy: f64) -> Point {
        let costs = Costs {
            parameters: 1000.0 * (1.0 - sparsity),
            ..Costs::default()
        };
        Point {
            method: method.into(),
            sparsity,
            seed,
            accuracy,
            costs,
        }
    }

    fn points() -> Vec<Point> {
        vec![
            point("magnitude", 0.0, 0, 0.9),
            point("magnitude", 0.5, 0, 0.91),
            point("magnitude", 0.5, 1, 0.89),
            point("magnitude", 0.9, 0, 0.8),
            point("random", 0.5, 0, 0.7),
            point("random", 0.9, 0, 0.8),
        ]
    }

    #[test]
    fn means_fronts_and_quality_by_hand() {
        let curves = TradeOff::new("toy", "random", &points()).unwrap();
        let half = &curves.steps[1];
        assert_eq!((half.seeds.len(), half.accuracy), (2, 0.9));
        assert!((half.deviation.unwrap() - 0.02 / 2.0_f64.sqrt()).abs() < 1e-12);
        // ½ · 0.9 + ½ · (1 − 500 / 1000)
        assert!((half.quality - 0.7).abs() < 1e-12);
        assert!((curves.quality(half, 1.0, 0.0) - 0.9).abs() < 1e-12);
        // 0.9 costs 500 at half sparsity and 1000 dense; random and magnitude tie at 90 %.
        let front = curves.pareto(Cost::Parameters);
        let names: Vec<_> = front
            .iter()
            .map(|step| (step.method.as_str(), step.sparsity))
            .collect();
        assert_eq!(
            names,
            [("magnitude", 0.9), ("random", 0.9), ("magnitude", 0.5)]
        );
        assert!(curves.pareto(Cost::Seconds).is_empty());
        assert!(curves.steps[0].words().contains("one seed"));
    }

    #[test]
    fn senseless_points_are_refused() {
        let new = |points: &[Point]| TradeOff::new("toy", "random", points);
        assert!(matches!(new(&[]), Err(EvalError::Empty { .. })));
        assert!(matches!(
            new(&points()[..4]),
            Err(EvalError::NoPopulation { .. })
        ));
        let mut twice = points();
        twice.push(twice[0].clone());
        assert!(matches!(new(&twice), Err(EvalError::Duplicate { .. })));
        for (sparsity, accuracy) in [(1.0, 0.5), (0.5, 1.5), (0.5, f64::NAN), (f64::NAN, 0.5)] {
            assert!(new(&[point("random", sparsity, 0, accuracy)]).is_err());
        }
    }
}
