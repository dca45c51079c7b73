//! Taking turns: every contestant once a round, so that a slow spell of the machine hits all.

use std::convert::Infallible;
use std::time::Instant;

use secateur::sparse::SparseEngine;
use secateur_benches::median::median;
use secateur_benches::second_program::SecondProgram;
use secateur_benches::stopwatch::{Clock, Stopwatch};

use crate::Result;
use crate::nets::Input;

/// How long a row is measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Effort {
    seconds: f64,
    least_rounds: usize,
}

impl Effort {
    pub(crate) fn new(quick: bool) -> Self {
        Self {
            seconds: if quick { 0.2 } else { 2.0 },
            least_rounds: if quick { 3 } else { 11 },
        }
    }
}

enum Runner<'a> {
    Here(Box<dyn FnMut() + 'a>, Stopwatch),
    There(&'a mut SecondProgram),
}

/// Contestants and when they are timed.
pub(crate) struct Contest<'a> {
    clock: Clock,
    entrants: Vec<(&'static str, Runner<'a>, Vec<f64>)>,
}

impl<'a> Contest<'a> {
    pub(crate) fn new(clock: Clock) -> Self {
        Self {
            clock,
            entrants: Vec::new(),
        }
    }

    /// The engine, on slices.
    pub(crate) fn enter_engine(
        &mut self,
        engine: &'a SparseEngine,
        batch: usize,
        x: &Input,
    ) -> Result<()> {
        let data = match x.clone() {
            Input::Rows(x) => x.into_data(),
            Input::Images(x) => x.into_data(),
            Input::Tokens(x) => x.into_data(),
        };
        let x: Vec<f32> = data.iter::<f32>().collect();
        let y: burn::tensor::TensorData = engine.run_data(vec![data])?.remove(0);
        let mut y = vec![0.0; y.num_elements()];
        // It ran a moment ago on the same shapes.
        engine.run_into(batch, &[&x], &mut [&mut y])?;
        self.enter(
            "secateur",
            Box::new(move || {
                let _ = engine.run_into(batch, &[&x], &mut [&mut y]);
            }),
        );
        Ok(())
    }

    /// A contestant in this program.
    pub(crate) fn enter(&mut self, name: &'static str, mut run: Box<dyn FnMut() + 'a>) {
        let Ok(stopwatch) = Stopwatch::fitting(self.clock, calling(&mut run));
        self.entrants
            .push((name, Runner::Here(run, stopwatch), Vec::new()));
    }

    /// One in the second program, which has been given its model.
    pub(crate) fn enter_program(&mut self, name: &'static str, program: &'a mut SecondProgram) {
        self.entrants
            .push((name, Runner::There(program), Vec::new()));
    }

    /// The median milliseconds of each.
    pub(crate) fn medians(&mut self, effort: Effort) -> Result<Vec<(&'static str, f64)>> {
        let begin = Instant::now();
        let mut rounds = 0;
        while rounds < effort.least_rounds || begin.elapsed().as_secs_f64() < effort.seconds {
            for (_, runner, samples) in &mut self.entrants {
                let ms = match runner {
                    Runner::Here(run, stopwatch) => {
                        let Ok(ms) = stopwatch.sample(calling(run));
                        ms
                    }
                    Runner::There(program) => program.sample()?,
                };
                samples.push(ms);
            }
            rounds += 1;
        }
        let entrants = self.entrants.iter();
        Ok(entrants
            .map(|(name, _, samples)| (*name, median(samples)))
            .collect())
    }
}

fn calling<'r>(
    run: &'r mut (dyn FnMut() + '_),
) -> impl FnMut() -> std::result::Result<(), Infallible> + 'r {
    move || {
        run();
        Ok(())
    }
}
