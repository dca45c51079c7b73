//! What several methods do: prune a net once, train what is left, judge it finished.

use secateur::pruner::{Pruner, PrunerConfig};
use secateur_examples::Result;
use secateur_examples::data::{Data, Official};
use secateur_examples::nets::Classifier;
use secateur_examples::training::{NoHook, Recipe, Student, fit};

use crate::job::{Job, Net};
use crate::method::Method;
use crate::row::Row;

/// The paper's kept shares at twelve times fewer weights (Han et al. 2015, tables 3 and 4).
pub(crate) fn han_shares(net: Net) -> &'static [(&'static str, f64)] {
    match net {
        Net::LeNet300 => &[
            ("fc1.weight", 0.08),
            ("fc2.weight", 0.09),
            ("fc3.weight", 0.26),
        ],
        Net::LeNet5 => &[
            ("conv1.weight", 0.66),
            ("conv2.weight", 0.12),
            ("fc1.weight", 0.08),
            ("fc2.weight", 0.19),
        ],
    }
}

/// A net pruned once, at step 0 of its pruner.
pub(crate) fn pruned<M: Classifier>(
    config: PrunerConfig,
    mut student: Student<M, Official>,
) -> Result<(Pruner, Student<M, Official>)> {
    let mut pruner = config.init_module(student.model())?;
    pruner.prune(student.model_mut(), 0)?;
    Ok((pruner, student))
}

/// Trains a masked net, bakes its zeros in and judges it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Verdict<'a> {
    pub job: &'a Job,
    pub data: &'a Data<Official>,
    pub method: Method,
    /// Share of zeros asked for.
    pub sparsity: f64,
    /// Epochs behind the net when it is judged.
    pub epochs: usize,
}

impl Verdict<'_> {
    pub(crate) fn trained<M: Classifier>(
        &self,
        mut pruner: Pruner,
        student: Student<M, Official>,
        recipe: &Recipe,
    ) -> Result<Row> {
        let seed = self.job.seed;
        let mut student = fit(student, &self.data.train, recipe, seed, NoHook)?;
        pruner.finish(student.model_mut())?;
        Ok(self.on(&student))
    }

    pub(crate) fn on<M: Classifier>(&self, student: &Student<M, Official>) -> Row {
        Row::judge(
            self.job,
            self.method,
            self.sparsity,
            self.epochs,
            student,
            self.data,
        )
    }
}

/// The share of zeros that kept shares per layer come to.
pub(crate) fn overall<M: Classifier>(student: &Student<M, Official>, kept: &[(&str, f64)]) -> f64 {
    let layers = secateur_examples::nets::count_weights(student.model());
    let total: usize = layers.iter().map(|layer| layer.total).sum();
    let left: f64 = layers
        .iter()
        .map(|layer| {
            let share = kept.iter().find(|(path, _)| *path == layer.path);
            share.map_or(1.0, |(_, share)| *share) * layer.total as f64
        })
        .sum();
    1.0 - left / total as f64
}
