//! Budgets that users pay for.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use secateur_graph::{CostModel, Counts, Graph, Latency, Source};

use super::{ChannelPruning, Row, lowest_first};
use crate::axes::AxisId;
use crate::error::StructureError;
use crate::plan::Plan;

/// What a model costs.
#[derive(Clone)]
#[non_exhaustive]
pub enum Cost {
    /// Elements of all parameters, without running statistics.
    Parameters,
    /// Products of two numbers that are added up.
    MultiplyAdds,
    /// Bytes of all parameters and running statistics.
    WeightBytes,
    /// The most bytes of activations that are needed at one time, when each is freed after its
    /// last use.
    PeakActivationBytes,
    /// Predicted milliseconds of the batch that was captured, with one thread on the kernels of
    /// this project: those of `CostModel::of_this_machine()`, or of a table. Products are cut into
    /// vectors, so that a channel fewer need not be faster.
    Milliseconds(Arc<CostModel>),
    /// Anything else that a graph with its shapes tells, by name.
    Custom(&'static str, Arc<dyn Fn(&Graph) -> f64 + Send + Sync>),
}

impl Cost {
    /// Predicted milliseconds by a cost model.
    #[must_use]
    pub fn milliseconds(model: CostModel) -> Self {
        Self::Milliseconds(Arc::new(model))
    }

    /// What a graph costs.
    #[must_use]
    pub fn of(&self, graph: &Graph) -> f64 {
        match self {
            Self::Parameters => {
                let counts = Counts::of(graph);
                (counts.parameters().dense + counts.unused_parameters) as f64
            }
            Self::MultiplyAdds => Counts::of(graph).multiply_adds().dense as f64,
            Self::WeightBytes => Counts::of(graph).weight_bytes() as f64,
            Self::PeakActivationBytes => peak_activation_bytes(graph) as f64,
            Self::Milliseconds(model) => 1e3 * Latency::of(graph, model).seconds(),
            Self::Custom(_, cost) => cost(graph),
        }
    }
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Parameters => "parameters",
            Self::MultiplyAdds => "multiply-adds",
            Self::WeightBytes => "bytes of weights",
            Self::PeakActivationBytes => "peak bytes of activations",
            Self::Milliseconds(_) => "predicted milliseconds",
            Self::Custom(name, _) => name,
        })
    }
}

impl fmt::Debug for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cost({self})")
    }
}

/// What a model may cost at most.
#[derive(Clone, Debug)]
pub struct Budget {
    cost: Cost,
    limit: Limit,
}

#[derive(Clone, Copy, Debug)]
enum Limit {
    Share(f64),
    Amount(f64),
}

impl Budget {
    /// At most this share of what the model costs now.
    #[must_use]
    pub fn share(cost: Cost, share: f64) -> Self {
        Self {
            cost,
            limit: Limit::Share(share),
        }
    }

    /// At most this much, in the cost's own unit.
    #[must_use]
    pub fn amount(cost: Cost, amount: f64) -> Self {
        Self {
            cost,
            limit: Limit::Amount(amount),
        }
    }

    /// Takes the lowest scores until the model is within the budget: as few as will do, so that
    /// what is left over is less than the last step gave.
    pub(super) fn fill(
        &self,
        pruning: &ChannelPruning,
        plan: &mut Plan<'_>,
        rows: &[Row<'_>],
    ) -> Result<(), StructureError> {
        let now = self.cost.of(&plan.smaller_graph());
        let limit = match self.limit {
            Limit::Share(share) if (0.0..=1.0).contains(&share) => share * now,
            Limit::Amount(amount) if amount >= 0.0 => amount,
            Limit::Share(share) | Limit::Amount(share) => {
                return Err(StructureError::Share { share });
            }
        };
        for row in rows {
            if let Some(share) = row.share {
                pruning.take(plan, row, row.asked(share))?;
            }
        }
        let pool: Vec<&Row<'_>> = rows.iter().filter(|row| row.share.is_none()).collect();
        let units = lowest_first(&pool);
        let fixed = plan.clone();
        let with = |count: usize| {
            let mut plan = fixed.clone();
            let mut counts: BTreeMap<AxisId, usize> = BTreeMap::new();
            for (row, _) in &units[..count] {
                *counts.entry(row.group.axis).or_default() += 1;
            }
            for row in &pool {
                let count = counts.get(&row.group.axis).copied().unwrap_or(0);
                pruning.take(&mut plan, row, count)?;
            }
            let cost = self.cost.of(&plan.smaller_graph());
            Ok::<_, StructureError>((plan, cost))
        };
        let (smallest, least) = with(units.len())?;
        if least > limit {
            return Err(StructureError::Budget {
                cost: self.cost.to_string(),
                limit,
                now,
                least,
            });
        }
        // The more units are gone, the less is left to count, so the first number within the limit
        // can be searched for. Predicted times have steps, and may rise for a moment where a kernel
        // likes a multiple: the plan found is within the limit all the same, if not always the
        // first.
        let (mut low, mut high, mut best) = (0, units.len(), smallest);
        while low < high {
            let middle = low + (high - low) / 2;
            let (candidate, cost) = with(middle)?;
            if cost <= limit {
                high = middle;
                best = candidate;
            } else {
                low = middle + 1;
            }
        }
        *plan = best;
        Ok(())
    }
}

/// The most bytes of activations that are needed at one time: inputs from the start, every value
/// from its operation on to the last that reads it.
#[must_use]
pub fn peak_activation_bytes(graph: &Graph) -> usize {
    let mut last = vec![0; graph.values.len()];
    for (id, operation) in graph.enumerate() {
        for value in operation.inputs.iter().chain(&operation.outputs) {
            last[value.0] = id.0;
        }
    }
    for output in &graph.outputs {
        last[output.0] = graph.operations.len();
    }
    let is_activation = |value: usize| match &graph.values[value].source {
        Source::Input(_) => true,
        Source::Operation(_) => graph.parameter(secateur_graph::ValueId(value)).is_none(),
        Source::Parameter(_) | Source::Constant => false,
    };
    let inputs = graph.inputs.iter().map(|input| graph.value(*input).bytes());
    let mut live: usize = inputs.sum();
    let mut peak = live;
    for (id, operation) in graph.enumerate() {
        let made = operation
            .outputs
            .iter()
            .filter(|value| is_activation(value.0));
        live += made.map(|&value| graph.value(value).bytes()).sum::<usize>();
        peak = peak.max(live);
        let mut seen = Vec::new();
        for value in operation.inputs.iter().chain(&operation.outputs) {
            if last[value.0] == id.0 && is_activation(value.0) && !seen.contains(value) {
                seen.push(*value);
                live -= graph.value(*value).bytes();
            }
        }
    }
    peak
}
