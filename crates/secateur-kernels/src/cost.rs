//! What a product costs in each format on this machine, and which format to choose.

use std::fmt;
use std::sync::OnceLock;
use std::time::Instant;

use crate::csr::Csr;
use crate::epilogue::Epilogue;
use crate::error::KernelError;
use crate::format::Format;
use crate::isa::Isa;
use crate::matrix::SparseMatrix;
use crate::scratch::Scratch;

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

/// Columns up to which a product is taken a vector at a time.
const FEW: usize = 8;

/// Times that a calibration runs each product, twice in a row.
const ROUNDS: usize = 8;

/// What is known of the products that a matrix will be packed for.
#[derive(Debug, Clone, PartialEq)]
pub struct Hint {
    columns: usize,
    model: Option<CostModel>,
}

impl Hint {
    /// Products with about `columns` columns: the batch of a linear layer, the pixels of a
    /// convolution. The default is 1.
    #[must_use]
    pub fn batch(columns: usize) -> Self {
        Self {
            columns: columns.max(1),
            model: None,
        }
    }

    /// Decides by `model` instead of the one measured on this machine; with
    /// [`CostModel::table`] the choice is the same on every run.
    #[must_use]
    pub fn with_model(self, model: CostModel) -> Self {
        Self {
            model: Some(model),
            ..self
        }
    }

    /// Columns expected.
    #[must_use]
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// The choice for `csr`, with its reasons.
    ///
    /// # Errors
    ///
    /// Where `SECATEUR_ISA` cannot be honoured.
    pub fn choose(&self, csr: &Csr) -> Result<Choice, KernelError> {
        let model = match &self.model {
            Some(model) => model,
            None => CostModel::of_this_machine()?,
        };
        Ok(model.choose(csr, self.columns))
    }
}

impl Default for Hint {
    fn default() -> Self {
        Self::batch(1)
    }
}

/// Nanoseconds of the two parts of a format's work.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Rate {
    /// A stored weight times a vector of columns; a stored weight, against a single column.
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
                csr_vector: rate(0.8, 4.0),
                lookup: rate(2.5, 20.0),
                ..wide
            },
        }
    }

    /// The model measured on this machine for the instruction set of [`Isa::from_env`]: the
    /// first call takes some tenths of a second, later ones nothing.
    ///
    /// # Errors
    ///
    /// Where `SECATEUR_ISA` cannot be honoured.
    pub fn of_this_machine() -> Result<&'static Self, KernelError> {
        static MODEL: OnceLock<Result<CostModel, KernelError>> = OnceLock::new();
        MODEL
            .get_or_init(|| Self::measure(Isa::from_env()?))
            .as_ref()
            .map_err(Clone::clone)
    }

    /// Measures this machine: every format at two sparsities, so that both of its rates follow.
    ///
    /// # Errors
    ///
    /// Where this processor lacks `isa`.
    pub fn measure(isa: Isa) -> Result<Self, KernelError> {
        let mut model = Self::table(isa.checked()?);
        // Large enough that no branch predictor learns the matrix by heart.
        let (m, k) = (768, 1024);
        let few = sample([m, k], 0.94);
        let many = sample([m, k], 0.5);
        let batch = 4 * isa.lanes();
        let runs = [
            (Format::Dense, batch),
            (Format::Csr, batch),
            (Format::Panels, batch),
            (Format::RowLists, batch),
            (STRIP, batch),
            (Format::Dense, 1),
            (Format::Csr, 1),
            (Format::Lookup, 1),
            (Format::Bitmap, 1),
        ];
        let sparse = sample_n_of_m([m, k], 1, 8);
        let half = sample_n_of_m([m, k], 2, 4);
        let [_, _, _, two_of_four, _] = PATTERNS;
        let mut trials = vec![
            Trial::new(&sparse, PATTERNS[0], isa, batch)?,
            Trial::new(&half, two_of_four, isa, batch)?,
        ];
        for (format, n) in runs {
            trials.push(Trial::new(&few, format, isa, n)?);
            trials.push(Trial::new(&many, format, isa, n)?);
        }
        // In turns, so that a busy spell of the machine does not fall on one format alone.
        for _ in 0..ROUNDS {
            for trial in &mut trials {
                trial.run()?;
            }
        }
        let (patterns, trials) = trials.split_at(2);
        let equation = |format, csr: &Csr, trial: &Trial| {
            let (weights, visits) = model.work(format, [m, k], csr.nnz(), 0, batch);
            (weights, visits, trial.least * 1e9)
        };
        let sparse = equation(PATTERNS[0], &sparse, &patterns[0]);
        let half = equation(two_of_four, &half, &patterns[1]);
        let pairs = solve(sparse, half, model.pairs, 0.0);
        for ((format, n), pair) in runs.into_iter().zip(trials.chunks_exact(2)) {
            let equation = |csr: &Csr, trial: &Trial| {
                let (weights, visits) = model.work(format, [m, k], csr.nnz(), count_strips(csr), n);
                (weights, visits, trial.least * 1e9)
            };
            let (few, many) = (equation(&few, &pair[0]), equation(&many, &pair[1]));
            // A sparse weight costs at least the multiply-add of a dense one.
            let floor = match format {
                Format::Dense | Format::Bitmap => 0.0,
                _ => model.rate(Format::Dense, n).weight,
            };
            let rate = model.rate_mut(format, n);
            *rate = solve(few, many, *rate, floor);
        }
        model.pairs = Rate {
            weight: pairs.weight.max(model.dense.weight),
            ..pairs
        };
        Ok(model)
    }

    /// Seconds that one product of a matrix with `nnz` unstructured weights takes.
    #[must_use]
    pub fn predict(&self, format: Format, shape: [usize; 2], nnz: usize, n: usize) -> f64 {
        self.seconds(format, shape, nnz, nnz, n)
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

    /// The format with the least predicted time for `csr` and `n` columns.
    #[must_use]
    pub fn choose(&self, csr: &Csr, n: usize) -> Choice {
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
            .map(|format| (format, self.seconds(format, shape, csr.nnz(), strips, n)))
            .collect();
        // Stable, dense first: a sparse format has to be faster, not equal.
        predictions.sort_by(|a, b| a.1.total_cmp(&b.1));
        Choice {
            shape,
            sparsity: csr.sparsity(),
            columns: n,
            break_even: self.break_even(shape, n),
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
    ) -> f64 {
        let (weights, visits) = self.work(format, shape, nnz, strips, n);
        let rate = self.rate(format, n);
        let passes = if vector_at_a_time(format, n) { n } else { 1 } as f64;
        let compute = passes * (weights * rate.weight + visits * rate.visit);
        let elements = shape[0] as f64 * shape[1] as f64;
        let bytes = match format {
            Format::Dense => 4.0 * elements,
            Format::Csr => 8.0 * nnz as f64,
            Format::Lookup => 5.8 * nnz as f64,
            Format::Bitmap => 4.0 * nnz as f64 + elements / 8.0,
            Format::Blocks { .. } => 20.0 * strips as f64,
            Format::NofM { keep, of } => 5.0 * places(shape, keep, of),
            _ => 5.2 * nnz as f64,
        };
        let level = if bytes < 1e6 {
            0
        } else if bytes < 3e7 {
            1
        } else {
            2
        };
        compute.max(passes * bytes / self.bandwidth[level]) * 1e-9
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
        // A narrow tile is not as much faster as it is narrower: a sum has to wait for itself.
        let least = if format == Format::Dense { 1.6 } else { 2.5 };
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
        let mut model = self.clone();
        *model.rate_mut(format, n)
    }

    fn rate_mut(&mut self, format: Format, n: usize) -> &mut Rate {
        let vector = vector_at_a_time(format, n);
        match format {
            Format::Dense if vector => &mut self.dense_vector,
            Format::Csr if vector => &mut self.csr_vector,
            Format::Dense => &mut self.dense,
            Format::Csr => &mut self.csr,
            Format::Panels => &mut self.panels,
            Format::RowLists => &mut self.lists,
            Format::Lookup => &mut self.lookup,
            Format::Bitmap => &mut self.bitmap,
            Format::Blocks { .. } => &mut self.strips,
            Format::NofM { .. } => &mut self.pairs,
        }
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
    } else if n <= FEW {
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

/// Rates from two measurements `(weights, visits, time)`, the sparser first. Noise leaves neither
/// below a fifth of the table's, nor a visit above five times it, nor a weight below `floor`.
fn solve(few: (f64, f64, f64), many: (f64, f64, f64), table: Rate, floor: f64) -> Rate {
    let determinant = few.0 * many.1 - many.0 * few.1;
    if determinant.abs() < 1e-9 * few.0 * many.1 {
        // The same work twice (the dense product): one factor for both rates.
        let scale = few.2.min(many.2) / (few.0 * table.weight + few.1 * table.visit);
        return Rate {
            weight: table.weight * scale,
            visit: table.visit * scale,
        };
    }
    let weight = (few.2 * many.1 - many.2 * few.1) / determinant;
    let most = many.2 / many.0;
    let weight = weight
        .max(0.2 * table.weight)
        .max(floor)
        .min(most.max(floor));
    let visit = (few.2 - few.0 * weight) / few.1;
    let visit = visit.max(0.2 * table.visit).min(5.0 * table.visit);
    let weight = ((few.2 - few.1 * visit) / few.0)
        .max(floor)
        .max(0.2 * table.weight);
    Rate { weight, visit }
}

/// Numbers from 0 to 1, the same on every call.
fn uniform() -> impl FnMut() -> f64 {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// Unstructured weights, the same on every call.
fn sample([m, k]: [usize; 2], sparsity: f64) -> Csr {
    let mut next = uniform();
    sampled([m, k], |_, _| next() >= sparsity)
}

/// Weights that keep `keep` of every `of` columns, the same on every call.
fn sample_n_of_m([m, k]: [usize; 2], keep: usize, of: usize) -> Csr {
    let mut next = uniform();
    let mut wanted = 0;
    sampled([m, k], |_, column| {
        let place = column % of;
        if place == 0 {
            wanted = keep;
        }
        let kept = next() * ((of - place) as f64) < wanted as f64;
        wanted -= usize::from(kept);
        kept
    })
}

fn sampled([m, k]: [usize; 2], mut keep: impl FnMut(usize, usize) -> bool) -> Csr {
    let (mut starts, mut indices) = (vec![0], Vec::new());
    for row in 0..m {
        indices.extend((0..k as u32).filter(|&column| keep(row, column as usize)));
        starts.push(indices.len());
    }
    let values = vec![0.5; indices.len()];
    Csr::from_parts([m, k], starts, indices, values)
}

/// A product that is timed several times.
struct Trial {
    packed: SparseMatrix,
    n: usize,
    x: Vec<f32>,
    y: Vec<f32>,
    scratch: Scratch,
    /// Least seconds so far.
    least: f64,
}

impl Trial {
    fn new(csr: &Csr, format: Format, isa: Isa, n: usize) -> Result<Self, KernelError> {
        let [m, k] = csr.shape();
        Ok(Self {
            packed: SparseMatrix::pack_as(csr, format)?.with_isa(isa)?,
            n,
            x: vec![0.5; k * n],
            y: vec![0.0; m * n],
            scratch: Scratch::new(),
            least: f64::INFINITY,
        })
    }

    fn run(&mut self) -> Result<(), KernelError> {
        // Once to bring the matrix into the caches that it fits.
        for _ in 0..2 {
            let start = Instant::now();
            let none = Epilogue::none();
            self.packed
                .matmul(&self.x, self.n, &mut self.y, none, &mut self.scratch)?;
            self.least = self.least.min(start.elapsed().as_secs_f64());
        }
        Ok(())
    }
}

/// A choice of format and what speaks for it.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice {
    shape: [usize; 2],
    sparsity: f64,
    columns: usize,
    break_even: f64,
    /// Fastest first.
    predictions: Vec<(Format, f64)>,
}

impl Choice {
    /// The format chosen.
    #[must_use]
    pub fn format(&self) -> Format {
        self.predictions
            .first()
            .map_or(Format::Dense, |first| first.0)
    }

    /// Each format considered with its predicted seconds, fastest first.
    #[must_use]
    pub fn predictions(&self) -> &[(Format, f64)] {
        &self.predictions
    }

    /// Predicted seconds of the dense product.
    #[must_use]
    pub fn dense_seconds(&self) -> f64 {
        self.predictions
            .iter()
            .find(|(format, _)| *format == Format::Dense)
            .map_or(f64::INFINITY, |(_, seconds)| *seconds)
    }

    /// Sparsity from which this shape is faster sparse, for unstructured weights.
    #[must_use]
    pub fn break_even(&self) -> f64 {
        self.break_even
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [m, k] = self.shape;
        writeln!(
            f,
            "{m}x{k}, {:.1} % sparse, {} columns: {} (sparse pays from {:.0} %)",
            100.0 * self.sparsity,
            self.columns,
            self.format(),
            100.0 * self.break_even,
        )?;
        let dense = self.dense_seconds();
        for (format, seconds) in &self.predictions {
            writeln!(
                f,
                "  {format}: {:.4} ms, {:.2} x dense",
                seconds * 1e3,
                dense / seconds
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
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
    fn a_measured_model_agrees_that_zeros_pay() {
        let model = CostModel::measure(Isa::widest()).unwrap();
        let choice = model.choose(&sample([512, 512], 0.97), 64);
        assert_ne!(choice.format(), Format::Dense, "{choice}");
    }
}
