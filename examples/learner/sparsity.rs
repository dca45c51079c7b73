//! The sparsity as a metric on Burn's dashboard.

use std::sync::Arc;

use burn::tensor::TensorReadError;
use burn::train::metric::{
    Metric, MetricAttributes, MetricMetadata, MetricName, Numeric, NumericAttributes, NumericEntry,
    SerializedEntry,
};

const UNIT: &str = "%";

/// What [`SparsityMetric`] reads: the share of zeros among the pruned parameters, 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct SparsityInput(pub f64);

/// Share of zeros in percent. An epoch's value is that of its last step: a mean over steps would be
/// the sparsity of no model.
#[derive(Clone, Debug)]
pub(crate) struct SparsityMetric {
    name: MetricName,
    percent: Option<f64>,
}

impl SparsityMetric {
    pub(crate) fn new() -> Self {
        Self {
            name: Arc::new("Sparsity".into()),
            percent: None,
        }
    }

    fn entry(&self) -> SerializedEntry {
        match self.percent {
            Some(percent) => SerializedEntry::new(
                format!("{percent:.2} {UNIT}"),
                NumericEntry::Value(percent).serialize(),
            ),
            None => SerializedEntry::not_available(Some(UNIT)),
        }
    }
}

impl Metric for SparsityMetric {
    type Input = SparsityInput;

    fn name(&self) -> MetricName {
        Arc::clone(&self.name)
    }

    fn description(&self) -> Option<String> {
        Some("Share of zeros among the pruned parameters.".into())
    }

    fn attributes(&self) -> MetricAttributes {
        NumericAttributes {
            unit: Some(UNIT.into()),
            higher_is_better: true,
        }
        .into()
    }

    fn update(
        &mut self,
        input: &SparsityInput,
        _metadata: &MetricMetadata,
    ) -> Result<SerializedEntry, TensorReadError> {
        self.percent = Some(100.0 * input.0);
        Ok(self.entry())
    }

    fn compute(&mut self) -> Result<SerializedEntry, TensorReadError> {
        Ok(self.entry())
    }

    fn clear(&mut self) {
        self.percent = None;
    }
}

impl Numeric for SparsityMetric {
    fn value(&self) -> Option<NumericEntry> {
        self.percent.map(NumericEntry::Value)
    }

    fn running_value(&self) -> Option<NumericEntry> {
        self.value()
    }

    fn final_value(&self) -> NumericEntry {
        NumericEntry::Final(self.percent.unwrap_or(f64::NAN))
    }
}

#[cfg(test)]
mod tests {
    use burn::data::dataloader::Progress;

    use super::*;

    #[test]
    fn an_epoch_ends_with_the_sparsity_of_its_last_step() {
        let mut metric = SparsityMetric::new();
        assert!(metric.value().is_none());
        let metadata = MetricMetadata {
            progress: Progress::new(1, 2, None),
            iteration: None,
            lr: None,
        };
        for sparsity in [0.25, 0.75] {
            metric.update(&SparsityInput(sparsity), &metadata).unwrap();
        }
        assert_eq!(metric.compute().unwrap().formatted, "75.00 %");
        assert_eq!(metric.final_value().current(), 75.0);
        metric.clear();
        assert!(metric.running_value().is_none());
    }
}
