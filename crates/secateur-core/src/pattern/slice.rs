//! Patterns without a size: elements, kernels, filters and channels.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Pattern, Remainder};
use crate::error::PruneError;
use crate::units::Units;

macro_rules! slices {
    ($($(#[$doc:meta])* $name:ident = $text:literal, size $size:expr;)+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub struct $name;

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str($text)
            }
        }

        impl Pattern for $name {
            fn units(&self, path: &str, shape: [usize; 3]) -> Result<Units, PruneError> {
                Remainder::Error.tile(self, path, shape, $size)
            }
        }
    )+};
}

// A size of 0 is the whole axis, so these fit every view.
slices! {
    /// Every element by itself.
    Unstructured = "unstructured", size [1, 1, 1];
    /// A kernel: all taps that join one `in` to one `out`. An element of a `Linear`.
    Kernel = "kernel", size [1, 1, 0];
    /// A filter: everything that makes one `out`. A row of a `Linear`'s view.
    Filter = "filter", size [1, 0, 0];
    /// A channel: everything that reads one `in`. A column of a `Linear`'s view.
    Channel = "channel", size [0, 1, 0];
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bits::Bits;
    use crate::mask::Mask;
    use crate::reduction::Reduction;

    fn members(pattern: &dyn Pattern) -> Vec<Vec<usize>> {
        let units = pattern.units("w", [2, 2, 2]).unwrap();
        (0..units.count())
            .map(|unit| units.members(unit).collect())
            .collect()
    }

    #[test]
    fn golden_members() {
        // The view [2, 2, 2] holds o0: (0 1) (2 3), o1: (4 5) (6 7).
        assert_eq!(members(&Unstructured).len(), 8);
        assert_eq!(members(&Kernel), [[0, 1], [2, 3], [4, 5], [6, 7]]);
        assert_eq!(members(&Filter), [[0, 1, 2, 3], [4, 5, 6, 7]]);
        assert_eq!(members(&Channel), [[0, 1, 4, 5], [2, 3, 6, 7]]);
    }

    #[test]
    fn golden_channel_by_norm() {
        // JaxPruner's channel rule: the channel of the smallest norm goes as a whole.
        // View [2, 3, 1], columns (3, 4), (1, -1), (0, 4): norms 5, √2, 4; the second goes.
        let units = Channel.units("w", [2, 3, 1]).unwrap();
        let scores = units.scores(&[3.0, 1.0, 0.0, 4.0, -1.0, 4.0], Reduction::L2, None);
        let kept = crate::rank::keep_largest(&scores.unwrap(), None, 2);
        let mask = units.expand(&kept, &[], None).unwrap();
        assert_eq!(mask.bits().iter_ones().collect::<Vec<_>>(), [0, 2, 3, 5]);
        assert_eq!(Channel.is_obeyed("w", &mask), Ok(true));
        assert_eq!(Filter.is_obeyed("w", &mask), Ok(false));
    }

    #[test]
    fn every_view_fits() {
        for shape in [[0, 2, 2], [2, 0, 2], [2, 2, 0], [1, 1, 1], [7, 1, 1]] {
            let patterns: [&dyn Pattern; 4] = [&Unstructured, &Kernel, &Filter, &Channel];
            for pattern in patterns {
                let units = pattern.units("w", shape).unwrap();
                assert_eq!(
                    units.count() == 0,
                    shape.contains(&0),
                    "{pattern} {shape:?}"
                );
                let all = Bits::ones(units.elements_len());
                let mask = Mask::from_bits(shape, all).unwrap();
                assert_eq!(pattern.is_obeyed("w", &mask), Ok(true));
                assert_eq!(pattern.fixed_sparsity(), None);
            }
        }
    }
}
