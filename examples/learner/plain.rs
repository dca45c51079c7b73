//! One line for each pass over the images, in place of Burn's dashboard.

use burn::train::LearnerSummary;
use burn::train::logger::{EvaluationProgressLogger, TrainingProgressLogger};
use burn::train::metric::{MetricDefinition, MetricId};
use burn::train::renderer::{
    EvaluationName, MetricState, MetricsRenderer, MetricsRendererEvaluation,
    MetricsRendererTraining,
};

/// Prints the metrics of every split when it ends. Burn's own plain renderer prints one line a
/// step, and no metrics.
#[derive(Debug, Default)]
pub(crate) struct PlainRenderer {
    epoch: usize,
    epochs: usize,
    split: String,
    metrics: Vec<(MetricDefinition, Option<f64>)>,
}

impl PlainRenderer {
    fn update(&mut self, state: MetricState) {
        let MetricState::Numeric(entry, Some(number)) = state else {
            return;
        };
        if let Some(value) = self.value_of(&entry.metric_id) {
            *value = Some(number.current());
        }
    }

    fn value_of(&mut self, id: &MetricId) -> Option<&mut Option<f64>> {
        let mut metrics = self.metrics.iter_mut();
        let found = metrics.find(|(definition, _)| definition.metric_id == *id);
        found.map(|(_, value)| value)
    }

    fn line(&self) -> String {
        let Self {
            epoch,
            epochs,
            split,
            ..
        } = self;
        let metrics = self.metrics.iter().filter_map(|(definition, value)| {
            value.map(|value| format!("  {} {value:.2}", definition.name.to_lowercase()))
        });
        format!(
            "epoch {epoch} of {epochs}  {split}{}",
            metrics.collect::<String>()
        )
    }
}

impl MetricsRenderer for PlainRenderer {
    fn manual_close(&mut self) {}

    fn register_metric(&mut self, definition: MetricDefinition) {
        if self.value_of(&definition.metric_id).is_none() {
            self.metrics.push((definition, None));
        }
    }
}

impl MetricsRendererTraining for PlainRenderer {
    fn update_train(&mut self, state: MetricState) {
        self.update(state);
    }

    fn update_valid(&mut self, state: MetricState) {
        self.update(state);
    }

    fn on_train_end(
        &mut self,
        _summary: Option<LearnerSummary>,
    ) -> Result<(), Box<dyn std::error::Error>> {
        Ok(())
    }
}

impl TrainingProgressLogger for PlainRenderer {
    fn start(
        &mut self,
        total_epochs: usize,
        starting_epoch: usize,
        _total_items: Option<usize>,
        _label: Option<&str>,
    ) {
        self.epochs = total_epochs;
        self.epoch = starting_epoch;
    }

    fn update_epoch(&mut self, epoch: usize) {
        self.epoch = epoch + 1;
    }

    fn start_split(&mut self, split: &str, _total_items: usize) {
        self.split = split.into();
        for (_, value) in &mut self.metrics {
            *value = None;
        }
    }

    fn update_split(&mut self, _items_processed: usize) {}

    fn end_split(&mut self) {
        println!("{}", self.line());
    }

    fn end(&mut self) {}

    fn log_event_training(&mut self, _event: String) {}
}

impl EvaluationProgressLogger for PlainRenderer {
    fn start_global_progress(&mut self, _total_tests: usize) {}
    fn start_test(&mut self, _name: &str, _total_items: usize) {}
    fn update_test_progress(&mut self, _items_processed: usize) {}
    fn end_test(&mut self) {}
    fn end_global_progress(&mut self) {}
    fn log_event_evaluation(&mut self, _event: String) {}
}

impl MetricsRendererEvaluation for PlainRenderer {
    fn update_test(&mut self, _name: EvaluationName, _state: MetricState) {}
}
