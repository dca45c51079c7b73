//! The sections of the table, and the cases that they are made of.

use std::fmt;
use std::str::FromStr;

use secateur_benches::matrices::Pattern;

use crate::error::BenchError;
use crate::work::Work;

/// A part of the table, as `--only` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Section {
    Unstructured,
    Block4x1,
    TwoOfFour,
    Batch1,
    Conv3x3,
    TrainStep,
    Real,
}

impl Section {
    pub(crate) const ALL: [Self; 7] = [
        Self::Unstructured,
        Self::Block4x1,
        Self::TwoOfFour,
        Self::Batch1,
        Self::Conv3x3,
        Self::TrainStep,
        Self::Real,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Unstructured => "unstructured",
            Self::Block4x1 => "block4x1",
            Self::TwoOfFour => "two-of-four",
            Self::Batch1 => "batch1",
            Self::Conv3x3 => "conv3x3",
            Self::TrainStep => "train-step",
            Self::Real => "real",
        }
    }

    /// The case's name in rows: batch 1 is the unstructured case with n = 1.
    pub(crate) fn case(self) -> &'static str {
        match self {
            Self::Batch1 => Self::Unstructured.name(),
            other => other.name(),
        }
    }

    /// The pattern of its masks.
    pub(crate) fn pattern(self) -> Pattern {
        match self {
            Self::Block4x1 => Pattern::Strips(4),
            Self::TwoOfFour => Pattern::NofM { keep: 2, of: 4 },
            _ => Pattern::Unstructured,
        }
    }

    /// What is computed in it, each work at every sparsity. The real layers choose their own.
    pub(crate) fn works(self, quick: bool) -> Vec<Work> {
        let (m, k, n) = (1024, 1024, 64);
        let convolution = |channels, side| Work::Convolution {
            out: channels,
            input: channels,
            kernel: 3,
            image: [side; 2],
        };
        let mut works = match self {
            Self::Unstructured | Self::Block4x1 | Self::TwoOfFour => {
                vec![Work::Product { m, k, n }]
            }
            Self::Batch1 => [1024, 4096]
                .map(|size| Work::Product {
                    m: size,
                    k: size,
                    n: 1,
                })
                .to_vec(),
            Self::Conv3x3 => vec![convolution(256, 14), convolution(64, 56)],
            Self::TrainStep => vec![Work::Training { m, k, n }],
            Self::Real => Vec::new(),
        };
        if quick {
            works.truncate(1);
        }
        works
    }

    /// The sparsities of its cases.
    pub(crate) fn sparsities(self, quick: bool) -> &'static [f64] {
        match (self, quick) {
            (Self::TwoOfFour, _) => &[0.5],
            (Self::Real, true) => &[0.9],
            (Self::Real, false) => &[0.8, 0.9, 0.95],
            (_, true) => &[0.5, 0.9],
            (_, false) => &[0.5, 0.7, 0.8, 0.9, 0.95, 0.98],
        }
    }
}

impl fmt::Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Section {
    type Err = BenchError;

    fn from_str(name: &str) -> Result<Self, BenchError> {
        let names = || Self::ALL.map(Self::name).join(", ");
        Self::ALL
            .into_iter()
            .find(|section| section.name() == name)
            .ok_or_else(|| {
                BenchError::Usage(format!("there is no case `{name}`, only {}", names()))
            })
    }
}

impl Work {
    /// Rows and columns of the weights as a matrix and columns of the activations, `[m, k, n]`:
    /// output channels, channels times kernel and pixels for a convolution.
    pub(crate) fn size(self) -> [usize; 3] {
        match self {
            Self::Product { m, k, n } | Self::Training { m, k, n } => [m, k, n],
            Self::Convolution {
                out,
                input,
                kernel,
                image: [height, width],
            } => [out, input * kernel * kernel, height * width],
        }
    }

    /// Operations per weight, two a multiply-add. Padding counts as pixels do.
    pub(crate) fn flops_per_weight(self) -> f64 {
        let [_, _, n] = self.size();
        let products = match self {
            Self::Training { .. } => 3.0,
            _ => 1.0,
        };
        2.0 * products * n as f64
    }

    /// Operations of the dense work.
    pub(crate) fn dense_flops(self) -> f64 {
        let [m, k, _] = self.size();
        (m * k) as f64 * self.flops_per_weight()
    }
}

/// For a heading.
pub(crate) fn heading(section: Section, work: Work) -> String {
    let [m, k, n] = work.size();
    match work {
        Work::Convolution {
            out,
            input,
            kernel,
            image: [height, width],
        } => format!(
            "{section}: {kernel}x{kernel}, {input} -> {out} channels at {height}x{width}, batch 1 \
             (m = {m}, k = {k}, n = {n})"
        ),
        _ => format!("{section}: {m}x{k}, n = {n}"),
    }
}

#[cfg(test)]
mod tests {
    use secateur_benches::matrices::pruned;

    use super::*;

    #[test]
    fn names_are_read_back() {
        for section in Section::ALL {
            assert_eq!(section.to_string().parse::<Section>().unwrap(), section);
        }
        let message = "dense".parse::<Section>().unwrap_err().to_string();
        assert!(message.contains("no case `dense`"), "{message}");
        assert!(message.contains("two-of-four"), "{message}");
    }

    #[test]
    fn the_cases_are_those_of_the_table() {
        let sizes = |section: Section| {
            let works = section.works(false);
            works.into_iter().map(Work::size).collect::<Vec<_>>()
        };
        assert_eq!(sizes(Section::Unstructured), [[1024, 1024, 64]]);
        assert_eq!(sizes(Section::Batch1), [[1024, 1024, 1], [4096, 4096, 1]]);
        assert_eq!(sizes(Section::Conv3x3), [[256, 2304, 196], [64, 576, 3136]]);
        assert_eq!(Section::Batch1.case(), "unstructured");
        let step = Section::TrainStep.works(true)[0];
        assert_eq!(step.dense_flops(), 6.0 * 1024.0 * 1024.0 * 64.0);
    }

    #[test]
    fn every_case_has_exactly_its_sparsity() {
        for section in Section::ALL {
            for work in section.works(true) {
                let [m, k, _] = work.size();
                for &sparsity in section.sparsities(false) {
                    let csr = pruned([m, k], sparsity, section.pattern()).unwrap();
                    let unit = if section == Section::Block4x1 { 4 } else { 1 };
                    let units = m * k / unit;
                    let kept = unit * (units - (sparsity * units as f64).round() as usize);
                    assert_eq!(csr.nnz(), kept, "{section} at {sparsity}");
                }
            }
        }
    }
}
