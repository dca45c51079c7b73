//! The rates of this machine, measured.

use std::sync::OnceLock;
use std::time::Duration;

use super::{CostModel, PATTERNS, Rate, STRIP, count_strips, vector_at_a_time};
use crate::csr::Csr;
use crate::dense;
use crate::error::KernelError;
use crate::format::Format;
use crate::isa::Isa;
use crate::matrix::SparseMatrix;
use crate::trial::{Trial, least_seconds};

/// Rounds of a calibration.
const ROUNDS: usize = 8;

impl CostModel {
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
        let mut runs = vec![
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
        if dense::few(isa) > 1 {
            runs.push((Format::Dense, dense::few(isa).min(8)));
        }
        let sparse = sample_n_of_m([m, k], 1, 8);
        let half = sample_n_of_m([m, k], 2, 4);
        let [_, _, _, two_of_four, _] = PATTERNS;
        let pack = |csr, format| SparseMatrix::pack_as(csr, format)?.with_isa(isa);
        let mut trials = vec![
            Trial::new(pack(&sparse, PATTERNS[0])?, batch),
            Trial::new(pack(&half, two_of_four)?, batch),
        ];
        for &(format, n) in &runs {
            for csr in [&few, &many] {
                trials.push(Trial::new(pack(csr, format)?, n));
            }
        }
        let seconds = least_seconds(&mut trials, ROUNDS, Duration::MAX, Trial::run)?;
        let (patterns, pairs) = seconds.split_at(2);
        let equation = |format, csr: &Csr, seconds: f64| {
            let (weights, visits) = model.work(format, [m, k], csr.nnz(), 0, batch);
            (weights, visits, seconds * 1e9)
        };
        let sparse = equation(PATTERNS[0], &sparse, patterns[0]);
        let half = equation(two_of_four, &half, patterns[1]);
        let n_of_m = solve(sparse, half, model.pairs, 0.0);
        for ((format, n), pair) in runs.into_iter().zip(pairs.chunks_exact(2)) {
            let equation = |csr: &Csr, seconds: f64| {
                let (weights, visits) = model.work(format, [m, k], csr.nnz(), count_strips(csr), n);
                (weights, visits, seconds * 1e9)
            };
            let (few, many) = (equation(&few, pair[0]), equation(&many, pair[1]));
            // A sparse weight costs at least the multiply-add of a dense one.
            let floor = match format {
                Format::Dense | Format::Bitmap => 0.0,
                _ => model.rate(Format::Dense, n).weight,
            };
            let rate = model.rate_mut(format, n);
            *rate = solve(few, many, *rate, floor);
        }
        model.pairs = Rate {
            weight: n_of_m.weight.max(model.dense.weight),
            ..n_of_m
        };
        Ok(model)
    }

    fn rate_mut(&mut self, format: Format, n: usize) -> &mut Rate {
        let vector = vector_at_a_time(format, n);
        match format {
            Format::Dense if vector => &mut self.dense_vector,
            Format::Csr if vector => &mut self.csr_vector,
            Format::Dense if self.takes_few(format, n) => &mut self.dense_few,
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
pub(super) fn sample([m, k]: [usize; 2], sparsity: f64) -> Csr {
    let mut next = uniform();
    sampled([m, k], |_, _| next() >= sparsity)
}

/// Weights that keep `keep` of every `of` columns, the same on every call.
pub(super) fn sample_n_of_m([m, k]: [usize; 2], keep: usize, of: usize) -> Csr {
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
