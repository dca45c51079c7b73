//! What this machine can do at most, measured among the contestants.
//!
//! A virtual machine changes its speed from minute to minute, so a bound that was measured once is
//! no bound.

use pulp::{Simd, WithSimd};
use secateur_benches::aligned::Aligned;
use secateur_benches::matrices::activations;
use secateur_kernels::Isa;

use crate::contestants::Contestant;
use crate::error::Result;
use crate::vectors::with_vectors;

/// Multiply-adds on registers alone, on every thread.
#[derive(Debug)]
pub(crate) struct MultiplyAdds {
    isa: Isa,
    threads: usize,
}

impl MultiplyAdds {
    pub(crate) fn new(isa: Isa, threads: usize) -> Self {
        Self { isa, threads }
    }

    /// Operations of a run, two a multiply-add.
    pub(crate) fn flops(&self) -> f64 {
        (2 * self.threads * self.isa.lanes() * Chains::LENGTH * Chains::COUNT) as f64
    }
}

impl Contestant for MultiplyAdds {
    fn run(&mut self) -> Result<()> {
        let isa = self.isa;
        everywhere(self.threads, |_| with_vectors(isa, Chains));
        Ok(())
    }
}

struct Chains;

impl Chains {
    /// More than the latency of a multiply-add times the number that start in a cycle.
    const COUNT: usize = 12;
    const LENGTH: usize = 20_000;
}

impl WithSimd for Chains {
    type Output = f32;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f32 {
        // The sums stay near 1: neither infinite nor subnormal.
        let (factor, term) = std::hint::black_box((0.999_9, 1e-4));
        let (factor, term) = (simd.splat_f32s(factor), simd.splat_f32s(term));
        let mut sums = [simd.splat_f32s(1.0); Self::COUNT];
        for _ in 0..Self::LENGTH {
            for sum in &mut sums {
                *sum = simd.mul_add_e_f32s(*sum, factor, term);
            }
        }
        std::hint::black_box(sums.map(|sum| simd.reduce_sum_f32s(sum)).iter().sum())
    }
}

/// Reading some memory from end to end, shared between the threads.
#[derive(Debug)]
pub(crate) struct Reads {
    isa: Isa,
    threads: usize,
    memory: Aligned,
}

impl Reads {
    pub(crate) fn new(isa: Isa, threads: usize, bytes: usize) -> Self {
        // At least what is worth a loop.
        let floats = (bytes / size_of::<f32>()).max(256);
        Self {
            isa,
            threads,
            memory: Aligned::new(&activations(floats, "memory")),
        }
    }

    /// Bytes of a run.
    pub(crate) fn bytes(&self) -> f64 {
        size_of_val(self.memory.get()) as f64
    }
}

impl Contestant for Reads {
    fn run(&mut self) -> Result<()> {
        let (isa, floats) = (self.isa, self.memory.get());
        // Whole cache lines, so that no two threads read the same.
        let share = floats.len().div_ceil(self.threads).next_multiple_of(16);
        everywhere(self.threads, |thread| {
            let start = (thread * share).min(floats.len());
            let end = (start + share).min(floats.len());
            with_vectors(isa, Sum(&floats[start..end]))
        });
        Ok(())
    }
}

struct Sum<'a>(&'a [f32]);

impl WithSimd for Sum<'_> {
    type Output = f32;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f32 {
        let (vectors, rest) = S::as_simd_f32s(self.0);
        let mut sums = [simd.splat_f32s(0.0); 8];
        let mut chunks = vectors.chunks_exact(sums.len());
        for chunk in &mut chunks {
            for (sum, &vector) in sums.iter_mut().zip(chunk) {
                *sum = simd.add_f32s(*sum, vector);
            }
        }
        for &vector in chunks.remainder() {
            sums[0] = simd.add_f32s(sums[0], vector);
        }
        let total: f32 = sums.map(|sum| simd.reduce_sum_f32s(sum)).iter().sum();
        std::hint::black_box(total + rest.iter().sum::<f32>())
    }
}

/// `part` on each of `threads` threads of the pool at the same time.
fn everywhere(threads: usize, part: impl Fn(usize) -> f32 + Sync) {
    if threads == 1 {
        part(0);
    } else {
        rayon::broadcast(|context| part(context.index()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probes_run_on_every_instruction_set() {
        for isa in Isa::available() {
            let mut adds = MultiplyAdds::new(isa, 1);
            adds.run().unwrap();
            assert_eq!(adds.flops(), (2 * 12 * 20_000 * isa.lanes()) as f64);
            let mut reads = Reads::new(isa, 1, 4_100);
            reads.run().unwrap();
            assert_eq!(reads.bytes(), 4_100.0);
        }
    }

    #[test]
    fn a_sum_reads_everything_once() {
        let floats: Vec<f32> = (0..1003).map(|at| at as f32).collect();
        for isa in Isa::available() {
            let sum = with_vectors(isa, Sum(&floats));
            assert!((sum - 502_503.0).abs() < 1.0, "{isa}: {sum}");
        }
    }
}
