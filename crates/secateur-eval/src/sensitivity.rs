//! How much each layer minds being pruned alone.

use std::collections::BTreeMap;
use std::fmt;

use burn::module::Module;
use indicatif::{ProgressBar, ProgressStyle};
use secateur_core::allocation::Uniform;
use secateur_core::pruner::PrunerConfig;
use secateur_core::schedule::OneShot;
use secateur_methods::{BySensitivity, SensitivityCurve};
use serde::{Deserialize, Serialize};

use crate::error::EvalError;

/// Prunes one layer at a time to several sparsities and measures what that costs.
///
/// Each point is one evaluation of the model, on whatever the closure looks at: a calibration set
/// of a few hundred examples as a rule. The model itself is never changed.
///
/// ```
/// use burn::nn::{Linear, LinearConfig};
/// use burn::prelude::*;
/// use secateur_core::pruner::PrunerConfig;
/// use secateur_eval::Sensitivity;
///
/// let device = Device::flex();
/// let layer = LinearConfig::new(4, 3).init(&device);
/// let x = Tensor::<2>::ones([2, 4], &device);
/// let dense = layer.forward(x.clone());
/// let damage = Sensitivity::new().with_sparsities([0.25, 0.5, 0.75]).scan(
///     &layer,
///     &PrunerConfig::new(),
///     |layer: &Linear| {
///         let change = layer.forward(x.clone()) - dense.clone();
///         change.powi_scalar(2).mean().into_scalar::<f32>().into()
///     },
/// )?;
/// println!("{damage}");
/// assert_eq!(damage.dense, 0.0);
/// let allocation = damage.allocation()?; // for `PrunerConfig::with_allocation`
/// # let _ = allocation;
/// # Ok::<(), secateur_eval::EvalError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Sensitivity {
    sparsities: Vec<f64>,
    enough: f64,
    progress: bool,
}

impl Default for Sensitivity {
    fn default() -> Self {
        Self {
            sparsities: vec![0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98],
            enough: f64::INFINITY,
            progress: false,
        }
    }
}

impl Sensitivity {
    /// 30 to 98 % in eight steps, no early stop.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// These sparsities, besides the dense model.
    #[must_use]
    pub fn with_sparsities(mut self, sparsities: impl IntoIterator<Item = f64>) -> Self {
        self.sparsities = sparsities.into_iter().collect();
        self
    }

    /// Leaves a layer once it does more damage than `damage`: what is sparser is not measured.
    #[must_use]
    pub fn with_stop_at(mut self, damage: f64) -> Self {
        self.enough = damage;
        self
    }

    /// Shows a progress bar on standard error.
    #[must_use]
    pub fn with_progress(mut self) -> Self {
        self.progress = true;
        self
    }

    /// Measures every parameter that `config` prunes, with its scorer and pattern; its schedule,
    /// allocation and attributes do not count. `loss` tells how bad a model is, larger is worse.
    ///
    /// For a scorer that wants gradients or activations give `config` the
    /// [`frozen_scores`](secateur_core::pruner::Pruner::frozen_scores) of a pruner that has seen
    /// them.
    ///
    /// # Errors
    ///
    /// [`EvalError::Setting`] for sparsities that do not rise within (0, 1), or a damage to stop at
    /// that is none; [`EvalError::NotFinite`] if the dense model's loss is not a number;
    /// [`EvalError::Prune`] if the configuration does not fit the model.
    pub fn scan<M: Module>(
        &self,
        model: &M,
        config: &PrunerConfig,
        mut loss: impl FnMut(&M) -> f64,
    ) -> Result<LayerDamage, EvalError> {
        self.check()?;
        let config = config.clone().with_allocation(Uniform);
        let all = config
            .clone()
            .with_schedule(OneShot::new(0.0))
            .init_module(model)?;
        // The model stays as it is, so its weights need be scored only once.
        let config = config.with_scorer(all.frozen_scores(model, 0)?);
        let paths: Vec<String> = all.params().map(|param| param.path.clone()).collect();
        let dense = loss(model);
        crate::error::check_finite("the dense model's loss", &[dense])?;
        let bar = self.bar(paths.len());
        let mut layers = BTreeMap::new();
        for path in paths {
            bar.set_message(path.clone());
            let mut points = Vec::new();
            for &sparsity in &self.sparsities {
                let mut pruned = model.clone();
                config
                    .clone()
                    .with_only([path.clone()])
                    .with_also([path.clone()])
                    .with_schedule(OneShot::new(sparsity))
                    .init_module(model)?
                    .prune(&mut pruned, 0)?;
                let found = loss(&pruned);
                bar.inc(1);
                if !found.is_finite() {
                    break;
                }
                points.push((sparsity, found));
                if found - dense > self.enough {
                    break;
                }
            }
            // A layer left early counts as done.
            bar.set_position(((layers.len() + 1) * self.sparsities.len()) as u64);
            layers.insert(path, points);
        }
        bar.finish_and_clear();
        Ok(LayerDamage { dense, layers })
    }

    fn check(&self) -> Result<(), EvalError> {
        let inside = self.sparsities.iter().all(|s| *s > 0.0 && *s < 1.0);
        let rising = self.sparsities.windows(2).all(|pair| pair[0] < pair[1]);
        if self.sparsities.is_empty() || !inside || !rising {
            return Err(EvalError::setting(
                "sparsities",
                format!("{:?}", self.sparsities),
                "give one or more that rise between 0 and 1",
            ));
        }
        if self.enough.is_nan() || self.enough < 0.0 {
            return Err(EvalError::setting(
                "damage to stop at",
                self.enough,
                "give a number from 0 on",
            ));
        }
        Ok(())
    }

    fn bar(&self, layers: usize) -> ProgressBar {
        if !self.progress {
            return ProgressBar::hidden();
        }
        let bar = ProgressBar::new((layers * self.sparsities.len()) as u64);
        let style = ProgressStyle::with_template("[{elapsed_precise}] {bar:30} {pos}/{len} {msg}");
        bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
    }
}

/// What pruning each layer alone costs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LayerDamage {
    /// The loss of the dense model.
    pub dense: f64,
    /// Sparsities and losses of each parameter, by path.
    pub layers: BTreeMap<String, Vec<(f64, f64)>>,
}

impl LayerDamage {
    /// The curves by path, from the dense model on.
    ///
    /// # Errors
    ///
    /// [`EvalError::Prune`] for a layer without a point: its first sparsity already gave no
    /// number.
    pub fn curves(&self) -> Result<BTreeMap<String, SensitivityCurve>, EvalError> {
        let curves = self.layers.iter().map(|(path, points)| {
            let all = std::iter::once((0.0, self.dense)).chain(points.iter().copied());
            Ok((path.clone(), SensitivityCurve::new(all)?))
        });
        curves.collect()
    }

    /// The allocation that has every layer do the same damage.
    ///
    /// # Errors
    ///
    /// As [`curves`](Self::curves).
    pub fn allocation(&self) -> Result<BySensitivity, EvalError> {
        Ok(BySensitivity::new(self.curves()?))
    }
}

impl fmt::Display for LayerDamage {
    /// A line for each layer, a column for each sparsity: how much the loss rises.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut sparsities: Vec<f64> = self.layers.values().flatten().map(|(s, _)| *s).collect();
        sparsities.sort_by(f64::total_cmp);
        sparsities.dedup();
        let width = self.layers.keys().map(String::len).max().unwrap_or(0);
        let width = width.max("layer".len());
        write!(f, "{:<width$}", "layer")?;
        for sparsity in &sparsities {
            let percent = (sparsity * 1e6).round() / 1e4;
            write!(f, "  {:>9}", format!("{percent} %"))?;
        }
        for (path, points) in &self.layers {
            write!(f, "\n{path:<width$}")?;
            for sparsity in &sparsities {
                match points.iter().find(|(s, _)| s == sparsity) {
                    Some((_, loss)) => write!(f, "  {:>+9.4}", loss - self.dense)?,
                    None => write!(f, "  {:>9}", "-")?,
                }
            }
        }
        write!(f, "\nthe dense model: {:.4}; - not measured", self.dense)
    }
}
