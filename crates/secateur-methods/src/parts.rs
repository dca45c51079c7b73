//! The parts of the literature by name, for configurations in files.

use secateur_core::parts::Parts;

use crate::channel_fisher::ChannelFisher;
use crate::channel_taylor::ChannelTaylor;
use crate::erk::{Er, Erk};
use crate::fisher::DiagonalFisher;
use crate::fpgm::FilterDistance;
use crate::group_lasso::GroupLasso;
use crate::han::StdMagnitude;
use crate::lamp::Lamp;
use crate::li::GreedyMagnitude;
use crate::rigl::RigL;
use crate::sensitivity::BySensitivity;
use crate::set::Set;
use crate::sfp::SoftZero;
use crate::slimming::{NormScale, ScalePenalty};
use crate::snip::Snip;
use crate::sparse_training::RandomStart;
use crate::taylor::WeightTaylor;

/// The parts of `secateur-core` and of this crate: every configuration that a function of this
/// crate returns can be written and read with them.
///
/// ```
/// use secateur_core::pruner::SavedConfig;
/// use secateur_methods::{known_parts, rigl};
///
/// let saved = rigl(0.9, 100, 10_000).to_saved(&known_parts())?;
/// let json = serde_json::to_string_pretty(&saved).unwrap();
/// let read: SavedConfig = serde_json::from_str(&json).unwrap();
/// let config = read.to_config(&known_parts())?;
/// # assert_eq!(format!("{config:?}"), format!("{:?}", rigl(0.9, 100, 10_000)));
/// # Ok::<(), secateur_core::error::PruneError>(())
/// ```
pub fn known_parts() -> Parts {
    let parts = Parts::core()
        .with_scorer::<StdMagnitude>("StdMagnitude")
        .with_scorer::<WeightTaylor>("WeightTaylor")
        .with_scorer::<DiagonalFisher>("DiagonalFisher")
        .with_scorer::<RandomStart>("RandomStart")
        .with_scorer::<GreedyMagnitude>("GreedyMagnitude")
        .with_scorer::<FilterDistance>("FilterDistance")
        .with_scorer::<NormScale>("NormScale")
        .with_scorer::<ChannelTaylor>("ChannelTaylor")
        .with_scorer::<ChannelFisher>("ChannelFisher")
        .with_model_scorer::<Snip>("Snip")
        .with_allocation::<Erk>("Erk")
        .with_allocation::<Er>("Er")
        .with_allocation::<Lamp>("Lamp")
        .with_allocation::<BySensitivity>("BySensitivity")
        .with_regrowth::<RigL>("RigL")
        .with_regrowth::<Set>("Set")
        .with_selector::<SoftZero>("SoftZero")
        .with_penalty::<ScalePenalty>("ScalePenalty")
        .with_penalty::<GroupLasso>("GroupLasso");
    #[cfg(feature = "graph")]
    let parts = parts
        .with_scorer::<crate::Apoz>("Apoz")
        .with_scorer::<crate::Wanda>("Wanda")
        .with_selector::<crate::SparseGpt>("SparseGpt");
    parts
}

#[cfg(test)]
mod tests {
    use secateur_core::pruner::{PrunerConfig, SavedConfig};
    use secateur_core::schedule::{OneShot, Window};

    use super::*;
    use crate::{
        Groups, SensitivityCurve, agp, channel_fisher, channel_taylor, diagonal_fisher, fpgm, han,
        han_iterative, han_threshold, han_thresholds, li, lottery, network_slimming, rigl, set,
        sfp, snip, snip_with_biases, weight_taylor,
    };

    #[test]
    fn every_method_comes_back_from_json() {
        let kept = [("fc1.weight", 0.08), ("fc2.weight", 0.09)];
        let squared = WeightTaylor::new().squared();
        let greedy = GreedyMagnitude::new().without_inputs("conv2.weight", [1, 4]);
        let scales = [("conv1.weight", "norm1.gamma")];
        let lasso = GroupLasso::new(Groups::Channels, 1e-3).unwrap();
        let methods: [PrunerConfig; 24] = [
            agp(0.9, Window::new(500..=4_000).every(100)),
            han(kept).unwrap(),
            han_iterative(kept, 4, 100).unwrap(),
            han_threshold(1.5),
            han_thresholds([("fc1.weight", 1.6), ("fc2.weight", 1.4)]).unwrap(),
            lottery(0.2, 15, "fc3.weight").unwrap(),
            rigl(0.98, 100, 10_000),
            set(0.98, 100, 10_000),
            snip(0.95),
            snip_with_biases(0.95),
            weight_taylor(OneShot::new(0.5)),
            weight_taylor(OneShot::new(0.5)).with_scorer(squared),
            diagonal_fisher(OneShot::new(0.5)),
            PrunerConfig::new().with_allocation(Lamp),
            PrunerConfig::new().with_allocation(Er),
            PrunerConfig::new().with_allocation(BySensitivity::new([(
                "fc1.weight",
                SensitivityCurve::new([(0.0, 0.5), (0.9, 1.5)]).unwrap(),
            )])),
            li(0.5),
            li(0.5).with_scorer(greedy),
            fpgm(0.4),
            sfp(0.3, 390, 78_000),
            network_slimming(scales, 1e-4, 0.7, 9_000).unwrap(),
            channel_taylor(OneShot::new(0.5)),
            channel_fisher(OneShot::new(0.5)),
            li(0.5).with_penalty(lasso.with_only(["trunk.**"]).unwrap()),
        ];
        let methods = methods.into_iter();
        #[cfg(feature = "graph")]
        let methods = methods.chain([
            crate::apoz(0.5),
            crate::apoz_threshold(1.0),
            crate::wanda(0.5),
            crate::sparse_gpt(0.5).with_selector(crate::SparseGpt::new().with_damping(0.02)),
        ]);
        for config in methods {
            let saved = config.to_saved(&known_parts()).unwrap();
            let json = serde_json::to_string(&saved).unwrap();
            let read: SavedConfig = serde_json::from_str(&json).unwrap();
            assert_eq!(read, saved, "{json}");
            let back = read.to_config(&known_parts()).unwrap();
            assert_eq!(format!("{back:?}"), format!("{config:?}"));
        }
    }
}
