//! The parts of the literature by name, for configurations in files.

use secateur_core::parts::Parts;

use crate::erk::{Er, Erk};
use crate::fisher::DiagonalFisher;
use crate::han::StdMagnitude;
use crate::lamp::Lamp;
use crate::rigl::RigL;
use crate::set::Set;
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
        .with_model_scorer::<Snip>("Snip")
        .with_allocation::<Erk>("Erk")
        .with_allocation::<Er>("Er")
        .with_allocation::<Lamp>("Lamp")
        .with_regrowth::<RigL>("RigL")
        .with_regrowth::<Set>("Set");
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
        agp, diagonal_fisher, han, han_iterative, han_threshold, han_thresholds, lottery, rigl,
        set, snip, snip_with_biases, weight_taylor,
    };

    #[test]
    fn every_method_comes_back_from_json() {
        let kept = [("fc1.weight", 0.08), ("fc2.weight", 0.09)];
        let squared = WeightTaylor::new().squared();
        let methods: [PrunerConfig; 15] = [
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
