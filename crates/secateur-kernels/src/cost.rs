//! What a product costs in each format on this machine, and which format to choose.

mod calibration;
mod choice;

pub use choice::{Choice, Hint};

use crate::csr::Csr;
use crate::dense::few;
use crate::format::Format;
use crate::isa::Isa;
use crate::values::Precision;

/// Rows of a block that the model looks for; taller blocks are made of these.
const STRIP: Format = Format::Blocks {
    rows: 4,
    columns: 1,
};

/// Patterns that the model looks for, the sparsest first.
const PATTERNS: [Format; 5] = [
    Format::NofM { keep: 1, of: 8 },
    Format::NofM { keep: 1, of: 4 },
    Format::NofM { keep: 2, of: 8 },
    Format::NofM { keep: 2, of: 4 },
    Format::NofM { keep: 4, of: 8 },
];

/// Columns up to which formats that take them one at a time are worth considering.
const ONE_BY_ONE: usize = 8;

/// Nanoseconds of the two parts of a format's work.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Rate {
    /// A stored weight times a vector of columns; a stored weight times a column, where columns
    /// are not taken by the vector.
    weight: f64,
    /// Beginning and ending a row (or group of rows) once.
    visit: f64,
}

/// Predicts the time of a product, format by format.
///
/// A product takes `weights * rate.weight + visits * rate.visit`, and no less than reading the
/// packed matrix from the cache or memory it fits.
#[derive(Debug, Clone, PartialEq)]
pub struct CostModel {
    isa: Isa,
    dense: Rate,
    csr: Rate,
    panels: Rate,
    lists: Rate,
    strips: Rate,
    pairs: Rate,
    dense_vector: Rate,
    /// Dense rows against a few columns in one pass.
    dense_few: Rate,
    csr_vector: Rate,
    lookup: Rate,
    bitmap: Rate,
    /// Bytes a nanosecond from the second-level cache, the third, and memory.
    bandwidth: [f64; 3],
}

impl CostModel {
    /// Fixed figures for an instruction set, the same on every machine.
    #[must_use]
    pub fn table(isa: Isa) -> Self {
        let rate = |weight, visit| Rate { weight, visit };
        let wide = Self {
            isa,
            dense: rate(0.27, 1.0),
            csr: rate(0.70, 4.0),
            panels: rate(0.42, 2.2),
            lists: rate(0.28, 6.0),
            strips: rate(0.28, 3.0),
            pairs: rate(0.30, 9.0),
            dense_vector: rate(0.035, 6.0),
            dense_few: rate(0.03, 3.0),
            csr_vector: rate(0.45, 4.0),
            lookup: rate(0.12, 12.0),
            bitmap: rate(0.01, 1.0),
            bandwidth: [60.0, 20.0, 10.0],
        };
        match isa {
            Isa::Avx512Vbmi => wide,
            // Without the byte permutes a lookup goes one weight at a time.
            Isa::Avx512 => Self {
                lookup: rate(2.5, 20.0),
                ..wide
            },
            Isa::Avx2 => Self {
                bitmap: rate(1.0, 1.0),
                csr: rate(0.50, 4.0),
                panels: rate(0.36, 2.2),
                lists: rate(0.30, 6.0),
                dense_vector: rate(0.05, 6.0),
                dense_few: rate(0.05, 3.0),
                lookup: rate(2.5, 20.0),
                ..wide
            },
            _ => Self {
                bitmap: rate(1.0, 1.0),
                dense: rate(0.6, 1.0),
                csr: rate(1.0, 4.0),
                panels: rate(0.9, 4.0),
                lists: rate(0.8, 6.0),
                strips: rate(0.7, 4.0),
                pairs: rate(0.8, 9.0),
                dense_vector: rate(0.5, 6.0),
                // Four lanes; without any, there is no such path.
                dense_few: rate(0.12, 3.0),
                csr_vector: rate(0.8, 4.0),
                lookup: rate(2.5, 20.0),
                ..wide
            },
        }
    }

    /// Seconds that one product of a matrix with `nnz` unstructured weights takes, stored in
    /// `f32`.
    #[must_use]
    pub fn predict(&self, format: Format, shape: [usize; 2], nnz: usize, n: usize) -> f64 {
        self.seconds(format, shape, nnz, nnz, n, Precision::F32)
    }

    /// Seconds of the same product in whichever format is fastest, dense among them.
    #[must_use]
    pub fn fastest(&self, shape: [usize; 2], nnz: usize, n: usize) -> f64 {
        let formats = std::iter::once(&Format::Dense).chain(unstructured(n));
        formats
            .map(|&format| self.predict(format, shape, nnz, n))
            .fold(f64::INFINITY, f64::min)
    }

    /// Seconds that reading or writing so many bytes takes, from the cache or memory they fit.
    #[must_use]
    pub fn moving(&self, bytes: usize) -> f64 {
        bytes as f64 / self.bandwidth_for(bytes as f64) * 1e-9
    }

    /// Bytes a nanosecond where so many are in use.
    fn bandwidth_for(&self, bytes: f64) -> f64 {
        let level = if bytes < 1e6 {
            0
        } else if bytes < 3e7 {
            1
        } else {
            2
        };
        self.bandwidth[level]
    }

    /// The sparsity from which the best unstructured format beats the dense product; 1 where
    /// none does.
    #[must_use]
    pub fn break_even(&self, shape: [usize; 2], n: usize) -> f64 {
        let elements = shape[0] as f64 * shape[1] as f64;
        let dense = self.predict(Format::Dense, shape, elements as usize, n);
        (0..=100)
            .map(|percent| f64::from(percent) / 100.0)
            .find(|sparsity| {
                let nnz = (elements * (1.0 - sparsity)) as usize;
                unstructured(n)
                    .iter()
                    .any(|&format| self.predict(format, shape, nnz, n) < dense)
            })
            .unwrap_or(1.0)
    }

    /// The format with the least predicted time for `csr` in `f32` and `n` columns.
    #[must_use]
    pub fn choose(&self, csr: &Csr, n: usize) -> Choice {
        self.choose_in(csr, n, Precision::F32)
    }

    /// The same for weights stored in `precision`: there are fewer bytes to read, which tells where
    /// memory is the limit. What widening costs is not counted: it is little against a column, and
    /// nothing against a batch.
    #[must_use]
    pub fn choose_in(&self, csr: &Csr, n: usize, precision: Precision) -> Choice {
        let shape = csr.shape();
        let strips = count_strips(csr);
        let mut formats = vec![Format::Dense, STRIP];
        formats.extend(unstructured(n));
        if n > 1 {
            formats.extend(
                PATTERNS
                    .into_iter()
                    .find(|format| format.check(csr).is_ok()),
            );
        }
        let mut predictions: Vec<(Format, f64)> = formats
            .into_iter()
            .map(|format| {
                let seconds = self.seconds(format, shape, csr.nnz(), strips, n, precision);
                (format, seconds)
            })
            .collect();
        // Stable, dense first: a sparse format has to be faster, not equal.
        predictions.sort_by(|a, b| a.1.total_cmp(&b.1));
        Choice {
            shape,
            sparsity: csr.sparsity(),
            columns: n,
            break_even: self.break_even(shape, n),
            measured: false,
            predictions,
        }
    }

    fn seconds(
        &self,
        format: Format,
        shape: [usize; 2],
        nnz: usize,
        strips: usize,
        n: usize,
        precision: Precision,
    ) -> f64 {
        let (weights, visits) = self.work(format, shape, nnz, strips, n);
        let rate = self.rate(format, n);
        let passes = if vector_at_a_time(format, n) { n } else { 1 } as f64;
        let compute = passes * (weights * rate.weight + visits * rate.visit);
        let elements = shape[0] as f64 * shape[1] as f64;
        // Values, and bytes of what says where they belong.
        let (values, structure) = match format {
            Format::Dense => (elements, 0.0),
            Format::Csr => (nnz as f64, 4.0 * nnz as f64),
            Format::Lookup => (1.16 * nnz as f64, 1.16 * nnz as f64),
            Format::Bitmap => (nnz as f64, elements / 8.0),
            Format::Blocks { .. } => (4.0 * strips as f64, 4.0 * strips as f64),
            Format::NofM { keep, of } => {
                let places = places(shape, keep, of);
                (places, places)
            }
            _ => (nnz as f64, 1.2 * nnz as f64),
        };
        let bytes = values * precision.bytes() as f64 + structure;
        compute.max(passes * bytes / self.bandwidth_for(bytes)) * 1e-9
    }

    /// Weights and visits that a product (a column, for formats that take them one by one) is
    /// made of.
    fn work(
        &self,
        format: Format,
        [m, k]: [usize; 2],
        nnz: usize,
        strips: usize,
        n: usize,
    ) -> (f64, f64) {
        let vectors = n.div_ceil(self.isa.lanes()) as f64;
        let tiles = (vectors / 4.0).ceil();
        // A narrow tile is not as much faster as it is narrower: there are fewer products beside the
        // loads of weights and indices, and a sum has to wait for itself.
        let least = match format {
            Format::Csr => 1.5,
            Format::Dense => 1.6,
            Format::Panels => 1.8,
            Format::RowLists => 3.5,
            _ => 2.5,
        };
        let last = vectors - 4.0 * (tiles - 1.0);
        let vectors = vectors - last + last.max(least);
        let (rows, columns, weights) = (m as f64, k as f64, nnz as f64);
        if vector_at_a_time(format, n) {
            return match format {
                Format::Dense => (rows * columns, rows),
                Format::Lookup => (weights, (rows / 32.0).ceil() * (columns / 128.0).ceil()),
                Format::Bitmap => (weights, rows * (columns / 16.0).ceil()),
                _ => (weights, rows),
            };
        }
        if self.takes_few(format, n) {
            let n = n as f64;
            return (rows * columns * n, rows * n);
        }
        let panels = (columns / 128.0).ceil();
        match format {
            Format::Dense => (rows * columns * vectors, rows * tiles),
            Format::Panels => (weights * vectors, (rows * panels).min(weights) * tiles),
            Format::RowLists => {
                let lists = (rows / 4.0).ceil() * panels * used_lists(weights / (rows * columns));
                (weights * vectors, lists * tiles)
            }
            Format::NofM { keep, of } => (
                places([m, k], keep, of) * vectors,
                (rows / 2.0).ceil() * panels * tiles,
            ),
            Format::Blocks { .. } => (4.0 * strips as f64 * vectors, (rows / 4.0).ceil() * tiles),
            _ => (weights * vectors, rows * tiles),
        }
    }

    fn rate(&self, format: Format, n: usize) -> Rate {
        let vector = vector_at_a_time(format, n);
        match format {
            Format::Dense if vector => self.dense_vector,
            Format::Csr if vector => self.csr_vector,
            Format::Dense if self.takes_few(format, n) => self.dense_few,
            Format::Dense => self.dense,
            Format::Csr => self.csr,
            Format::Panels => self.panels,
            Format::RowLists => self.lists,
            Format::Lookup => self.lookup,
            Format::Bitmap => self.bitmap,
            Format::Blocks { .. } => self.strips,
            Format::NofM { .. } => self.pairs,
        }
    }

    /// Whether `format` multiplies `n` columns in one pass, a vector of weights at a time.
    fn takes_few(&self, format: Format, n: usize) -> bool {
        format == Format::Dense && (2..=few(self.isa)).contains(&n)
    }
}

/// Weights that an n:m format stores, with those it adds to fill groups.
fn places([m, k]: [usize; 2], keep: usize, of: usize) -> f64 {
    (m * k.div_ceil(of) * keep) as f64
}

/// Lists of a group of four rows that have an entry in a panel of 128 columns, on average, when
/// weights are kept with probability `density`.
fn used_lists(density: f64) -> f64 {
    (1..16_u32)
        .map(|subset| {
            let members = subset.count_ones() as i32;
            let here = density.powi(members) * (1.0 - density).powi(4 - members);
            1.0 - (1.0 - here).powi(128)
        })
        .sum()
}

/// Formats for unstructured weights that are worth considering for `n` columns.
fn unstructured(n: usize) -> &'static [Format] {
    if n == 1 {
        &[Format::Lookup, Format::Bitmap, Format::Csr]
    } else if n <= ONE_BY_ONE {
        &[
            Format::Lookup,
            Format::Bitmap,
            Format::Csr,
            Format::Panels,
            Format::RowLists,
        ]
    } else {
        &[Format::Panels, Format::RowLists, Format::Csr]
    }
}

/// Whether `format` multiplies `n` columns one after the other.
fn vector_at_a_time(format: Format, n: usize) -> bool {
    match format {
        Format::Lookup | Format::Bitmap => true,
        Format::Dense | Format::Csr => n == 1,
        _ => false,
    }
}

/// Strips of four rows by one column that hold a weight.
fn count_strips(csr: &Csr) -> usize {
    let [m, k] = csr.shape();
    let mut seen = vec![usize::MAX; k];
    let mut strips = 0;
    for row in 0..m {
        for (column, _) in csr.row(row) {
            if seen[column] != row / 4 {
                seen[column] = row / 4;
                strips += 1;
            }
        }
    }
    strips
}

#[cfg(test)]
mod tests {
    use super::calibration::{sample, sample_n_of_m};
    use super::*;

    #[test]
    #[cfg_attr(miri, ignore = "large")]
    fn the_table_never_picks_a_slower_format() {
        for isa in Isa::ALL {
            let model = CostModel::table(isa);
            for sparsity in [0.0, 0.3, 0.5, 0.7, 0.9, 0.99] {
                for n in [1, 2, 8, 9, 64, 256] {
                    let choice = model.choose(&sample([128, 256], sparsity), n);
                    assert!(choice.predictions()[0].1 <= choice.dense_seconds());
                    assert_eq!(choice, model.choose(&sample([128, 256], sparsity), n));
                }
            }
            let full = model.choose(&sample([128, 256], 0.0), 64);
            assert_eq!(full.format(), Format::Dense, "{isa}");
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "large")]
    fn an_n_of_m_matrix_is_recognised() {
        let [_, _, _, two_of_four, _] = PATTERNS;
        let csr = sample_n_of_m([128, 256], 2, 4);
        assert_eq!((csr.nnz(), csr.check_n_of_m(2, 4)), (64 * 256, Ok(())));
        for isa in Isa::ALL {
            let predicted = |csr: &Csr, n| {
                let choice = CostModel::table(isa).choose(csr, n);
                let mut formats = choice.predictions().iter();
                formats.any(|(format, _)| *format == two_of_four)
            };
            assert!(predicted(&csr, 64), "{isa}");
            assert!(!predicted(&csr, 1), "{isa}");
            assert!(!predicted(&sample([128, 256], 0.5), 64), "{isa}");
        }
        let wide = CostModel::table(Isa::Avx512);
        assert_eq!(wide.choose(&csr, 64).format(), two_of_four);
    }

    #[test]
    #[cfg_attr(miri, ignore = "large")]
    fn sparser_is_faster() {
        let model = CostModel::table(Isa::Avx512Vbmi);
        let choice = |sparsity| model.choose(&sample([1024, 1024], sparsity), 64);
        assert_eq!(choice(0.95).format(), Format::Panels);
        assert!(choice(0.95).predictions()[0].1 < choice(0.8).predictions()[0].1);
        let even = model.break_even([1024, 1024], 64);
        assert!((0.1..0.8).contains(&even), "{even}");
        assert!(choice(0.9).to_string().contains("x dense"));
    }

    #[test]
    #[cfg_attr(miri, ignore = "slow")]
    fn a_measured_choice_is_the_fastest_of_what_was_tried() {
        let isa = Isa::from_env().unwrap();
        for (sparsity, n) in [(0.97, 64), (0.97, 4), (0.97, 1), (0.0, 64)] {
            let csr = sample([256, 512], sparsity);
            let hint = Hint::batch(n).with_model(CostModel::table(isa)).measured();
            let choice = hint.choose(&csr).unwrap();
            let tried = choice.predictions();
            assert!(tried.windows(2).all(|pair| pair[0].1 <= pair[1].1));
            assert!(tried.iter().all(|tried| tried.1.is_finite()));
            assert!(choice.is_measured() && choice.dense_seconds().is_finite());
            assert_eq!(choice.format(), tried[0].0);
            // Of full weights only the clock can tell.
            assert!(
                sparsity == 0.0 || choice.format() != Format::Dense,
                "{choice}"
            );
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "large")]
    fn a_measured_model_agrees_that_zeros_pay() {
        let model = CostModel::measure(Isa::widest()).unwrap();
        let choice = model.choose(&sample([512, 512], 0.97), 64);
        assert_ne!(choice.format(), Format::Dense, "{choice}");
    }
}
