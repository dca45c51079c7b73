//! Products that are timed on this machine.

use std::time::{Duration, Instant};

use crate::epilogue::Epilogue;
use crate::error::KernelError;
use crate::matrix::SparseMatrix;
use crate::scratch::Scratch;

/// Rounds after which a comparison may end for lack of time.
const LEAST_ROUNDS: usize = 3;

/// Least seconds of each trial, of at most `rounds` rounds and of fewer once `budget` is spent.
///
/// The trials take turns, so that a busy spell of the machine does not fall on one alone. Each
/// runs twice in a round: once to bring into the caches what they can hold.
pub(crate) fn least_seconds<T>(
    trials: &mut [T],
    rounds: usize,
    budget: Duration,
    mut run: impl FnMut(&mut T) -> Result<(), KernelError>,
) -> Result<Vec<f64>, KernelError> {
    let mut least = vec![f64::INFINITY; trials.len()];
    let begin = Instant::now();
    for round in 0..rounds {
        if round >= LEAST_ROUNDS && begin.elapsed() > budget {
            break;
        }
        for (trial, least) in trials.iter_mut().zip(&mut least) {
            for _ in 0..2 {
                let start = Instant::now();
                run(trial)?;
                *least = least.min(start.elapsed().as_secs_f64());
            }
        }
    }
    Ok(least)
}

/// A product with activations of no interest.
#[derive(Debug)]
pub(crate) struct Trial {
    packed: SparseMatrix,
    n: usize,
    x: Vec<f32>,
    y: Vec<f32>,
    scratch: Scratch,
}

impl Trial {
    pub(crate) fn new(packed: SparseMatrix, n: usize) -> Self {
        let [m, k] = packed.shape();
        Self {
            packed,
            n,
            x: vec![0.5; k * n],
            y: vec![0.0; m * n],
            scratch: Scratch::new(),
        }
    }

    pub(crate) fn run(&mut self) -> Result<(), KernelError> {
        let none = Epilogue::none();
        self.packed
            .matmul(&self.x, self.n, &mut self.y, none, &mut self.scratch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slow_trial_is_told_and_time_ends_the_rounds() {
        let mut trials = [(2_u64, 0), (0, 0)];
        let mut run = |trial: &mut (u64, usize)| {
            trial.1 += 1;
            std::thread::sleep(Duration::from_millis(trial.0));
            Ok(())
        };
        let seconds = least_seconds(&mut trials, 9, Duration::ZERO, &mut run).unwrap();
        assert!(seconds[0] >= 2e-3 && seconds[1] < seconds[0], "{seconds:?}");
        assert_eq!(trials.map(|trial| trial.1), [2 * LEAST_ROUNDS; 2]);
        least_seconds(&mut trials, 4, Duration::MAX, run).unwrap();
        assert_eq!(trials[1].1, 2 * LEAST_ROUNDS + 8);
    }

    #[test]
    fn an_error_ends_the_trials() {
        let refused = |(): &mut ()| Err(KernelError::Overflow { what: "x" });
        assert!(least_seconds(&mut [()], 1, Duration::MAX, refused).is_err());
    }
}
