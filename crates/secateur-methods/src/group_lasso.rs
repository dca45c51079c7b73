//! Group lasso: whole filters, channels or taps are drawn to zero while training.

use burn::Tensor;
use burn::module::Module;
use secateur_core::error::PruneError;
use secateur_core::params::{ParamInfo, Role};
use secateur_core::path_pattern::PathPattern;
use secateur_core::penalty::{Penalty, scale};
use serde::{Deserialize, Serialize};

use crate::slimming::check_lambda;

/// Which weights of a layer are one group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Groups {
    /// `W[n, :, :]`: all that make one output.
    #[default]
    Filters,
    /// `W[:, c, :]`: all that read one input.
    Channels,
    /// `W[:, c, i]`: one tap of one input in all filters. Without them the filters have another
    /// shape than a rectangle.
    Shapes,
    /// The whole layer, which a shortcut has to replace.
    Layer,
}

impl Groups {
    /// `‖w_g‖₂` of each group of a view; the axes within a group are 1 long.
    fn norms(self, weight: Tensor<3>) -> Tensor<3> {
        let squares = weight.clone() * weight;
        let squares = match self {
            Self::Filters => squares.sum_dim(1).sum_dim(2),
            Self::Channels => squares.sum_dim(0).sum_dim(2),
            Self::Shapes => squares.sum_dim(0),
            Self::Layer => squares.sum_dim(0).sum_dim(1).sum_dim(2),
        };
        // The root has no slope at zero. The subgradient taken there is zero: a group that is gone
        // stays, and no NaN comes of it.
        let gone = squares.clone().equal_elem(0.0);
        squares
            .mask_fill(gone.clone(), 1.0)
            .sqrt()
            .mask_fill(gone, 0.0)
    }
}

/// Structured sparsity learning's term of the loss, `λ Σ_g ‖w_g‖₂` over the groups of each weight
/// (Wen, Wu, Wang, Chen and Li 2016, *Learning Structured Sparsity in Deep Neural Networks*, arXiv
/// 1608.03665, equation 2; group lasso is Yuan and Lin 2006).
///
/// The gradient of a group is `λ w_g / ‖w_g‖`: it has one length for small and large groups alike,
/// so small ones reach zero. Plain gradient descent only comes near it; the
/// [`proximal_step`] lands on it. Use the one or the other.
///
/// Groups of different sizes are not weighted: with the square root of its size, as Yuan and Lin
/// have it, a layer of larger filters would be drawn harder.
///
/// Cost: one pass over the weights, forwards and backwards.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GroupLasso {
    groups: Groups,
    lambda: f64,
    only: Vec<PathPattern>,
}

impl GroupLasso {
    /// Over all weights of the model.
    ///
    /// # Errors
    /// [`PruneError::InvalidSetting`] unless `λ` is a number of 0 or more.
    pub fn new(groups: Groups, lambda: f64) -> Result<Self, PruneError> {
        Ok(Self {
            groups,
            lambda: check_lambda(lambda, "take 1e-4 and see what the loss says")?,
            only: Vec::new(),
        })
    }

    /// Only over these weights, by patterns of their paths such as `"trunk.**"`: the outputs of a
    /// head, say, are not to go.
    ///
    /// # Errors
    /// [`PruneError::InvalidSetting`] for what is not a pattern.
    pub fn with_only<'a>(
        mut self,
        patterns: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, PruneError> {
        for pattern in patterns {
            self.only.push(PathPattern::new(pattern)?);
        }
        Ok(self)
    }
}

impl Penalty for GroupLasso {
    fn of(&self, info: &ParamInfo, weight: Tensor<3>) -> Option<Tensor<1>> {
        let named = || self.only.iter().any(|pattern| pattern.matches(&info.path));
        let applies = info.role == Role::Weight && (self.only.is_empty() || named());
        applies.then(|| self.groups.norms(weight).sum() * self.lambda)
    }
}

/// The proximal step of [`GroupLasso`] on the weight at `path`:
/// `w_g ← w_g · max(0, 1 - ηλ / ‖w_g‖₂)`.
///
/// Take it after each step of the optimizer, with `shrink = ηλ` of that step's learning rate `η`, and
/// leave the penalty out of the loss. Groups whose norm is at most `shrink` are then exactly zero.
///
/// # Errors
/// [`PruneError::InvalidSetting`] unless `shrink` is a number of 0 or more; those of
/// [`scale`]. The model is then as it was.
pub fn proximal_step<M: Module>(
    model: &mut M,
    path: &str,
    groups: Groups,
    shrink: f64,
) -> Result<(), PruneError> {
    if !(shrink >= 0.0 && shrink.is_finite()) {
        let remedy = "pass the learning rate times lambda";
        return Err(PruneError::invalid(
            "shrink",
            shrink,
            "a number of 0 or more",
            remedy,
        ));
    }
    scale(model, path, |weight| {
        let norms = groups.norms(weight);
        // What is zero already stays so whatever the factor.
        let gone = norms.clone().equal_elem(0.0);
        let share = norms.mask_fill(gone, 1.0).recip() * shrink;
        (share.neg() + 1.0).clamp_min(0.0)
    })
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use secateur_core::pruner::PrunerConfig;
    use secateur_core::schedule::OneShot;

    use super::*;
    use crate::worked::{Pair, assert_close};

    /// a: filters (3, 4), (0, 0), (0.3, 0.4); b: (5, 0), (12, 0), (0, 0.5).
    fn model() -> Pair {
        Pair::of_rows(
            3,
            &[3.0, 4.0, 0.0, 0.0, 0.3, 0.4],
            &[5.0, 0.0, 12.0, 0.0, 0.0, 0.5],
        )
    }

    /// The penalty of the model and its gradient in `a`.
    fn penalty(lasso: GroupLasso) -> (f32, Vec<f32>) {
        let model = model();
        let config = PrunerConfig::new()
            .with_penalty(lasso)
            .with_schedule(OneShot::new(0.5));
        let penalty = config.init_module(&model).unwrap().penalty(&model).unwrap();
        let value = penalty.clone().into_scalar::<f32>();
        let gradient = model.a.val().grad(&penalty.backward()).unwrap();
        (value, gradient.into_data().iter::<f32>().collect())
    }

    #[test]
    fn penalties_by_hand() {
        // Filters, a: 5 + 0 + 0.5; b: 5 + 12 + 0.5. Of both 23, a tenth 2.3. The gradient in a is
        // a tenth of w/‖w‖: (0.06, 0.08), nothing, (0.06, 0.08).
        let (value, gradient) = penalty(GroupLasso::new(Groups::Filters, 0.1).unwrap());
        assert_close(&[value], &[2.3]);
        assert_close(&gradient, &[0.06, 0.08, 0.0, 0.0, 0.06, 0.08]);
        // Channels, a: √(9 + 0.09), √(16 + 0.16); b: 13, 0.5. A column is one tap as well.
        let channels = 9.09f32.sqrt() + 16.16f32.sqrt() + 13.5;
        for groups in [Groups::Channels, Groups::Shapes] {
            let (value, gradient) = penalty(GroupLasso::new(groups, 1.0).unwrap());
            assert_close(&[value], &[channels]);
            assert_close(&gradient[..1], &[3.0 / 9.09f32.sqrt()]);
        }
        // Layers: √25.25 and √169.25.
        let (value, _) = penalty(GroupLasso::new(Groups::Layer, 1.0).unwrap());
        assert_close(&[value], &[25.25f32.sqrt() + 169.25f32.sqrt()]);
        // Only a: 5.5.
        let lasso = GroupLasso::new(Groups::Filters, 1.0).unwrap();
        assert_close(&[penalty(lasso.with_only(["a"]).unwrap()).0], &[5.5]);
    }

    #[test]
    fn a_convolution_has_all_four_kinds_of_groups() {
        let device = burn::tensor::Device::flex();
        // Filters (1, 2 | 2, 4) and (4, 0 | 0, 3) over two channels of two taps.
        let weight =
            Tensor::<3>::from_floats([[[1., 2.], [2., 4.]], [[4., 0.], [0., 3.]]], &device);
        let norms = |groups: Groups| {
            let norms = groups.norms(weight.clone());
            (
                norms.dims(),
                norms.into_data().iter::<f32>().collect::<Vec<_>>(),
            )
        };
        // 1+4+4+16 = 25 and 16+9 = 25; 1+4+16 = 21 and 4+16+9 = 29; taps 17, 4, 4, 25; all 50.
        let roots = |squares: &[f32]| squares.iter().map(|s| s.sqrt()).collect::<Vec<_>>();
        assert_eq!(norms(Groups::Filters), ([2, 1, 1], roots(&[25., 25.])));
        assert_eq!(norms(Groups::Channels), ([1, 2, 1], roots(&[21., 29.])));
        assert_eq!(
            norms(Groups::Shapes),
            ([1, 2, 2], roots(&[17., 4., 4., 25.]))
        );
        assert_eq!(norms(Groups::Layer), ([1, 1, 1], roots(&[50.])));
    }

    #[test]
    fn proximal_steps_by_hand() {
        // ηλ = 0.5. a: 1 - 0.5/5 = 0.9; zero stays; 1 - 0.5/0.5 = 0.
        let mut model = model();
        proximal_step(&mut model, "a", Groups::Filters, 0.5).unwrap();
        // b: columns of norm 13 and 0.5: 1 - 0.5/13 = 25/26, and 0.
        proximal_step(&mut model, "b", Groups::Channels, 0.5).unwrap();
        let (a, b) = model.values();
        assert_close(&a, &[2.7, 3.6, 0.0, 0.0, 0.0, 0.0]);
        let kept = 25.0 / 26.0;
        assert_close(&b, &[5.0 * kept, 0.0, 12.0 * kept, 0.0, 0.0, 0.0]);

        let before = model.values();
        proximal_step(&mut model, "a", Groups::Filters, 0.0).unwrap();
        assert_eq!(model.values(), before);
        for (path, shrink) in [("a", -1.0), ("a", f64::NAN), ("c", 0.5)] {
            assert!(proximal_step(&mut model, path, Groups::Filters, shrink).is_err());
        }
        assert_eq!(model.values(), before);
    }
}
