//! One case at one sparsity: who was how fast.

use secateur_kernels::{Csr, Isa};

use crate::contestants::{
    Contestant, DenseKernels, FaerDense, FaerSparse, Inputs, SparseKernels, SprsRows, first_wrong,
    flex,
};
use crate::dense_reference::DenseReference;
use crate::error::{BenchError, Result};
use crate::probes::{MultiplyAdds, Reads};
use crate::rounds::{Effort, Entrant, medians};
use crate::row::Row;
use crate::work::Work;
use secateur_benches::second_program::SecondProgram;
use secateur_benches::stopwatch::Clock;

/// Names of contestants in rows.
pub(crate) const SECATEUR: &str = "secateur";
pub(crate) const DENSE_BEST: &str = "dense-best";
pub(crate) const DENSE_REFERENCE: &str = "dense-reference";
pub(crate) const SECATEUR_DENSE: &str = "secateur-dense";
pub(crate) const FLEX: &str = "flex";
pub(crate) const FLEX_X86_V4: &str = "flex-x86-v4";
pub(crate) const FAER: &str = "faer";
pub(crate) const SPRS: &str = "sprs";
pub(crate) const FAER_SPARSE: &str = "faer-sparse";
const MULTIPLY_ADDS: &str = "multiply-adds";
const READS: &str = "reads";

/// Floats in the widest vectors that Flex uses as Burn ships it, whatever the processor has.
const FLEX_LANES: usize = 8;

/// How a run measures.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setup {
    pub isa: Isa,
    pub threads: usize,
    pub effort: Effort,
}

impl Setup {
    pub(crate) fn clock(&self) -> Clock {
        Clock::of_threads(self.threads)
    }

    /// Whether a contestant is a dense one to be compared with. `SECATEUR_ISA` says nothing to
    /// rivals: one that uses wider vectors than it allows does not count.
    fn counts_as_dense(&self, contestant: &str) -> bool {
        let widest = Isa::widest().lanes();
        match contestant {
            SECATEUR_DENSE => true,
            FLEX => self.isa.lanes() >= widest.min(FLEX_LANES),
            FLEX_X86_V4 | FAER => self.isa.lanes() >= widest,
            _ => false,
        }
    }
}

/// What one case came to.
#[derive(Clone, Debug)]
pub(crate) struct Cell {
    pub work: Work,
    pub sparsity: f64,
    pub format: String,
    /// Weights kept.
    pub nnz: usize,
    /// Each contestant with its median milliseconds.
    pub times: Vec<(&'static str, f64)>,
    /// The fastest dense contestant that may count, and its milliseconds.
    pub dense_best: (&'static str, f64),
    pub reference: DenseReference,
    /// Multiply-add peak, GFLOP/s.
    pub peak: f64,
    /// With one column: bytes of the packed weights, and GB/s at which that many can be read.
    pub reads: Option<(usize, f64)>,
}

impl Cell {
    /// Milliseconds of a contestant.
    pub(crate) fn ms(&self, contestant: &str) -> Option<f64> {
        self.times
            .iter()
            .find(|(name, _)| *name == contestant)
            .map(|&(_, ms)| ms)
    }

    /// Milliseconds of the sparse kernels.
    pub(crate) fn sparse_ms(&self) -> f64 {
        self.ms(SECATEUR).unwrap_or(f64::NAN)
    }

    /// How many times faster the sparse kernels are than a contestant.
    pub(crate) fn ratio(&self, contestant: &str) -> Option<f64> {
        Some(self.ms(contestant)? / self.sparse_ms())
    }

    /// The ratio that the goals are about.
    pub(crate) fn ratio_to_dense(&self) -> f64 {
        self.reference.ms / self.sparse_ms()
    }

    /// What the sparse kernels reach of their bound: of the peak in operations on kept weights,
    /// with one column of the speed at which as many bytes as theirs can be read.
    pub(crate) fn share_of_bound(&self) -> f64 {
        match self.reads {
            Some((bytes, speed)) => bytes as f64 / self.sparse_ms() * 1e-6 / speed,
            None => {
                let flops = self.nnz as f64 * self.work.flops_per_weight();
                flops / self.sparse_ms() * 1e-6 / self.peak
            }
        }
    }

    /// What the fastest dense contestant reaches of the multiply-add peak.
    pub(crate) fn dense_share_of_peak(&self) -> f64 {
        self.work.dense_flops() / self.dense_best.1 * 1e-6 / self.peak
    }

    /// For `--json`.
    pub(crate) fn rows(&self, case: &str, threads: usize) -> Vec<Row> {
        let derived = [
            (DENSE_BEST, self.dense_best.1),
            (DENSE_REFERENCE, self.reference.ms),
        ];
        let row =
            |&(name, ms): &(&str, f64)| Row::new(case, self.work, self.sparsity, threads, name, ms);
        self.times.iter().chain(&derived).map(row).collect()
    }
}

/// Measures everyone who takes part in `work` with these weights.
pub(crate) fn measure(
    work: Work,
    weights: Csr,
    setup: Setup,
    program: Option<&mut SecondProgram>,
) -> Result<Cell> {
    let (sparsity, nnz) = (weights.sparsity(), weights.nnz());
    let inputs = Inputs::new(work, weights);
    let clock = setup.clock();
    let mut sparse = SparseKernels::new(&inputs, setup.threads)?;
    let (format, bytes) = (sparse.format(), sparse.bytes());
    let mut dense = DenseKernels::new(&inputs, setup.threads)?;
    let mut burn = flex::new(&inputs);
    // These are built for one thread.
    let alone = setup.threads == 1;
    let mut faer = FaerDense::new(&inputs).filter(|_| alone);
    let mut sprs = SprsRows::new(&inputs)?.filter(|_| alone);
    let mut faer_sparse = FaerSparse::new(&inputs).filter(|_| alone);
    let mut peak = MultiplyAdds::new(setup.isa, setup.threads);
    let flops = peak.flops();
    let [_, _, n] = work.size();
    let mut reads = bytes
        .filter(|_| n == 1)
        .map(|bytes| Reads::new(setup.isa, setup.threads, bytes));
    let read = reads.as_ref().map(Reads::bytes);

    let mut field: Vec<(&'static str, &mut dyn Contestant)> = vec![
        (SECATEUR, &mut sparse),
        (SECATEUR_DENSE, &mut dense),
        (FLEX, &mut burn),
    ];
    field.extend(faer.as_mut().map(|faer| (FAER, faer as _)));
    field.extend(sprs.as_mut().map(|sprs| (SPRS, sprs as _)));
    field.extend(faer_sparse.as_mut().map(|faer| (FAER_SPARSE, faer as _)));
    check(&mut field, &inputs)?;
    field.push((MULTIPLY_ADDS, &mut peak));
    field.extend(reads.as_mut().map(|reads| (READS, reads as _)));

    let mut entrants = field
        .into_iter()
        .map(|(name, contestant)| Entrant::here(name, contestant, clock))
        .collect::<Result<Vec<_>>>()?;
    if let Some(program) = program {
        program
            .prepare(format_args!("work {work}"))
            .map_err(BenchError::SecondProgram)?;
        entrants.push(Entrant::there(FLEX_X86_V4, program));
    }
    let medians = medians(&mut entrants, setup.effort)?;
    let mut times: Vec<_> = entrants
        .iter()
        .map(|entrant| entrant.name)
        .zip(medians)
        .collect();
    let mut take = |probe| {
        let at = times.iter().position(|(name, _)| *name == probe)?;
        Some(times.remove(at).1)
    };
    let peak = take(MULTIPLY_ADDS).map_or(f64::NAN, |ms| flops / ms * 1e-6);
    let speed = take(READS).zip(read).map(|(ms, read)| read / ms * 1e-6);
    let dense_best = fastest_dense(&times, setup);
    Ok(Cell {
        work,
        sparsity,
        format,
        nnz,
        dense_best,
        reference: DenseReference::new(work, dense_best.1, peak),
        times,
        peak,
        reads: bytes.zip(speed),
    })
}

fn fastest_dense(times: &[(&'static str, f64)], setup: Setup) -> (&'static str, f64) {
    times
        .iter()
        .filter(|(name, _)| setup.counts_as_dense(name))
        .copied()
        .min_by(|a, b| a.1.total_cmp(&b.1))
        .unwrap_or((SECATEUR_DENSE, f64::NAN))
}

/// Refuses a time whose result is wrong.
fn check(field: &mut [(&'static str, &mut dyn Contestant)], inputs: &Inputs) -> Result<()> {
    let expected = inputs.expected()?;
    for (name, contestant) in field {
        contestant.run()?;
        if let Some((at, got, expected)) = first_wrong(&contestant.outputs(), &expected) {
            return Err(BenchError::WrongResult {
                contestant: (*name).to_owned(),
                work: inputs.work.to_string(),
                at,
                got,
                expected,
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use secateur_benches::matrices::{Pattern, pruned};

    use super::*;

    fn setup() -> Setup {
        Setup {
            isa: Isa::from_env().unwrap(),
            threads: 1,
            effort: Effort {
                seconds: 0.0,
                least_rounds: 2,
                most_rounds: 2,
            },
        }
    }

    #[test]
    fn a_case_has_everyone_and_makes_rows() {
        let (m, k, n) = (32, 48, 1);
        let work = Work::Product { m, k, n };
        let weights = pruned([m, k], 0.75, Pattern::Unstructured).unwrap();
        let cell = measure(work, weights, setup(), None).unwrap();
        let names: Vec<_> = cell.times.iter().map(|(name, _)| *name).collect();
        assert_eq!(
            names,
            [SECATEUR, SECATEUR_DENSE, FLEX, FAER, SPRS, FAER_SPARSE]
        );
        assert!(cell.times.iter().all(|(_, ms)| *ms > 0.0));
        assert!(cell.peak > 0.0 && cell.share_of_bound() > 0.0);
        assert!(cell.reads.is_some());
        let rows = cell.rows("unstructured", 1);
        assert_eq!(rows.len(), names.len() + 2);
        assert!(rows.iter().all(|row| row.sparsity == 0.75));
        assert_eq!(rows[0].contestant, SECATEUR);
        assert_eq!(rows[names.len()].contestant, DENSE_BEST);
    }

    #[test]
    fn convolutions_have_no_rivals_but_flex() {
        let work = Work::Convolution {
            out: 8,
            input: 8,
            kernel: 3,
            image: [6, 6],
        };
        let weights = pruned([8, 72], 0.5, Pattern::Unstructured).unwrap();
        let cell = measure(work, weights, setup(), None).unwrap();
        assert_eq!(cell.times.len(), 3);
        assert!(cell.reads.is_none() && cell.ratio(FAER).is_none());
    }

    #[test]
    fn wider_vectors_than_allowed_do_not_count() {
        let times = [
            (SECATEUR, 0.1),
            (SECATEUR_DENSE, 3.0),
            (FLEX, 2.0),
            (FAER, 1.0),
            (SPRS, 0.5),
        ];
        let fastest = |isa| fastest_dense(&times, Setup { isa, ..setup() }).0;
        assert_eq!(fastest(Isa::widest()), FAER);
        if Isa::widest() >= Isa::Avx512 {
            assert_eq!(fastest(Isa::Avx2), FLEX);
            assert_eq!(fastest(Isa::Scalar), SECATEUR_DENSE);
        }
    }

    #[test]
    fn shares_are_of_the_bound() {
        let work = Work::Product { m: 10, k: 10, n: 5 };
        let mut cell = Cell {
            work,
            sparsity: 0.5,
            format: String::new(),
            nnz: 50,
            times: vec![(SECATEUR, 2.0), (FLEX, 5.0)],
            dense_best: (FLEX, 5.0),
            reference: DenseReference {
                ms: 4.0,
                expected: true,
            },
            peak: 1e-3,
            reads: None,
        };
        // 500 operations in 2 ms are 2.5e-4 GFLOP/s.
        assert!((cell.share_of_bound() - 0.25).abs() < 1e-12);
        assert!((cell.dense_share_of_peak() - 0.2).abs() < 1e-12);
        assert_eq!((cell.ratio_to_dense(), cell.ratio(FLEX)), (2.0, Some(2.5)));
        cell.reads = Some((1000, 1e-3));
        assert!((cell.share_of_bound() - 0.5).abs() < 1e-12);
    }
}
