//! Slices of a view along one of its dimensions, and their norms.

/// The slices of a view along one of its dimensions.
pub(super) struct Slices {
    pub(super) count: usize,
    pub(super) stride: usize,
}

impl Slices {
    /// The slice in which an element lies.
    pub(super) fn of(&self, index: usize) -> usize {
        index / self.stride % self.count
    }
}

/// The `n`-norm of absolute values; NaN if one of them is NaN.
pub(super) fn norm(values: &[f64], n: f64) -> f64 {
    let extreme = |pick: fn(f64, f64) -> f64, start: f64| {
        let nan = values.iter().find(|value| value.is_nan());
        nan.copied()
            .unwrap_or_else(|| values.iter().copied().fold(start, pick))
    };
    if n == f64::INFINITY {
        extreme(f64::max, 0.0)
    } else if n == f64::NEG_INFINITY {
        extreme(f64::min, f64::INFINITY)
    } else if n == 0.0 {
        values.iter().filter(|value| **value != 0.0).count() as f64
    } else {
        values
            .iter()
            .map(|value| value.powf(n))
            .sum::<f64>()
            .powf(1.0 / n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn norms_are_those_of_torch() {
        let values = [3.0, 0.0, 4.0];
        assert_eq!(norm(&values, 1.0), 7.0);
        assert_eq!(norm(&values, 2.0), 5.0);
        assert_eq!(norm(&values, 0.0), 2.0);
        assert_eq!(norm(&values, f64::INFINITY), 4.0);
        assert_eq!(norm(&values, f64::NEG_INFINITY), 0.0);
        assert!((norm(&[1.0, 1.0], -1.0) - 0.5).abs() < 1e-12);
        for n in [1.0, 2.0, f64::INFINITY, f64::NEG_INFINITY] {
            assert!(norm(&[1.0, f64::NAN], n).is_nan());
        }
    }

    #[test]
    fn slices_of_a_kernel() {
        let slices = Slices {
            count: 3,
            stride: 2,
        }; // dims [2, 3, 2] along 1
        let of: Vec<_> = (0..12).map(|index| slices.of(index)).collect();
        assert_eq!(of, [0, 0, 1, 1, 2, 2, 0, 0, 1, 1, 2, 2]);
    }
}
