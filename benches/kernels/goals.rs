//! What the kernels are meant to reach on AVX-512, one thread, as ratios of time.

use crate::section::Section;
use crate::work::Work;

/// The goals of one row of the table.
type Row = &'static [(f64, f64)];

/// Effective operations at 90 % sparsity and n = 64, as a share of the multiply-add peak.
pub(crate) const PEAK_SHARE: f64 = 0.55;

/// How many times the speed of the best dense.
pub(crate) fn against_dense(section: Section, work: Work, sparsity: f64) -> Option<f64> {
    let row: Row = match (section, work) {
        (Section::Unstructured, _) => &[
            (0.5, 1.75),
            (0.7, 2.5),
            (0.8, 3.5),
            (0.9, 6.0),
            (0.95, 11.0),
            (0.98, 22.0),
        ],
        (Section::Block4x1, _) => &[
            (0.5, 1.8),
            (0.7, 3.2),
            (0.8, 5.0),
            (0.9, 10.0),
            (0.95, 20.0),
            (0.98, 45.0),
        ],
        (Section::TwoOfFour, _) => &[(0.5, 1.6)],
        (Section::Batch1, Work::Product { m: 1024, .. }) => &[
            (0.5, 1.6),
            (0.7, 2.6),
            (0.8, 4.0),
            (0.9, 9.0),
            (0.95, 15.0),
            (0.98, 25.0),
        ],
        (Section::Batch1, _) => &[
            (0.5, 1.7),
            (0.7, 3.0),
            (0.8, 5.0),
            (0.9, 15.0),
            (0.95, 27.0),
            (0.98, 47.0),
        ],
        (Section::Conv3x3, Work::Convolution { out: 256, .. }) => &[
            (0.7, 2.2),
            (0.8, 3.2),
            (0.9, 5.7),
            (0.95, 9.0),
            (0.98, 14.0),
        ],
        (Section::Conv3x3, _) => &[
            (0.7, 2.3),
            (0.8, 3.1),
            (0.9, 5.2),
            (0.95, 8.0),
            (0.98, 12.0),
        ],
        (Section::TrainStep, _) => &[(0.9, 5.5), (0.95, 9.0)],
        (Section::Real, _) => &[],
    };
    at(row, sparsity)
}

/// How many times the speed of Burn's Flex as it ships.
pub(crate) fn against_flex(section: Section, sparsity: f64) -> Option<f64> {
    let row: Row = match section {
        Section::Unstructured => &[
            (0.5, 3.4),
            (0.7, 4.9),
            (0.8, 6.8),
            (0.9, 12.0),
            (0.95, 21.0),
            (0.98, 43.0),
        ],
        _ => &[],
    };
    at(row, sparsity)
}

fn at(row: Row, sparsity: f64) -> Option<f64> {
    row.iter()
        .find(|(goal, _)| (goal - sparsity).abs() < 1e-9)
        .map(|&(_, ratio)| ratio)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goals_are_found_by_size_and_sparsity() {
        let goal = |section: Section, nth: usize, sparsity| {
            against_dense(section, section.works(false)[nth], sparsity)
        };
        assert_eq!(goal(Section::Unstructured, 0, 0.9), Some(6.0));
        assert_eq!(goal(Section::Batch1, 0, 0.5), Some(1.6));
        assert_eq!(goal(Section::Batch1, 1, 0.98), Some(47.0));
        assert_eq!(goal(Section::Conv3x3, 0, 0.95), Some(9.0));
        assert_eq!(goal(Section::Conv3x3, 1, 0.95), Some(8.0));
        assert_eq!(goal(Section::Conv3x3, 1, 0.5), None);
        assert_eq!(goal(Section::TrainStep, 0, 0.8), None);
        assert_eq!(against_flex(Section::Unstructured, 0.98), Some(43.0));
        assert_eq!(against_flex(Section::Batch1, 0.98), None);
    }
}
