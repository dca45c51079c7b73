//! Taking turns: every contestant once a round, so that a slow spell of the machine hits all.

use std::time::Instant;

use secateur_benches::median::median;

use crate::contestants::Contestant;
use crate::error::{BenchError, Result};
use secateur_benches::second_program::SecondProgram;
use secateur_benches::stopwatch::{Clock, Stopwatch};

/// How long a case is measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Effort {
    pub seconds: f64,
    pub least_rounds: usize,
    pub most_rounds: usize,
}

impl Effort {
    pub(crate) fn new(quick: bool) -> Self {
        Self {
            seconds: if quick { 0.3 } else { 2.0 },
            least_rounds: if quick { 5 } else { 15 },
            most_rounds: 400,
        }
    }

    fn is_spent(self, begin: Instant, rounds: usize) -> bool {
        rounds >= self.most_rounds
            || (rounds >= self.least_rounds && begin.elapsed().as_secs_f64() >= self.seconds)
    }
}

/// A contestant and the times of its samples.
pub(crate) struct Entrant<'a> {
    pub name: &'static str,
    runner: Runner<'a>,
    samples: Vec<f64>,
}

enum Runner<'a> {
    Here(&'a mut dyn Contestant, Stopwatch),
    There(&'a mut SecondProgram),
}

impl<'a> Entrant<'a> {
    /// In this program.
    pub(crate) fn here(
        name: &'static str,
        contestant: &'a mut dyn Contestant,
        clock: Clock,
    ) -> Result<Self> {
        let stopwatch = Stopwatch::fitting(clock, || contestant.run())?;
        Ok(Self {
            name,
            runner: Runner::Here(contestant, stopwatch),
            samples: Vec::new(),
        })
    }

    /// In the second program, which has been given its work.
    pub(crate) fn there(name: &'static str, program: &'a mut SecondProgram) -> Self {
        Self {
            name,
            runner: Runner::There(program),
            samples: Vec::new(),
        }
    }

    fn sample(&mut self) -> Result<()> {
        let ms = match &mut self.runner {
            Runner::Here(contestant, stopwatch) => stopwatch.sample(|| contestant.run())?,
            Runner::There(program) => program.sample().map_err(BenchError::SecondProgram)?,
        };
        self.samples.push(ms);
        Ok(())
    }
}

/// The median milliseconds of each entrant, in their order.
pub(crate) fn medians(entrants: &mut [Entrant<'_>], effort: Effort) -> Result<Vec<f64>> {
    let begin = Instant::now();
    let mut rounds = 0;
    while !effort.is_spent(begin, rounds) {
        for entrant in entrants.iter_mut() {
            entrant.sample()?;
        }
        rounds += 1;
    }
    Ok(entrants
        .iter()
        .map(|entrant| median(&entrant.samples))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Turns<'a>(char, &'a std::cell::RefCell<String>);

    impl Contestant for Turns<'_> {
        fn run(&mut self) -> Result<()> {
            let mut turns = self.1.borrow_mut();
            if !turns.ends_with(self.0) {
                turns.push(self.0);
            }
            Ok(())
        }
    }

    #[test]
    fn contestants_take_turns() {
        let turns = std::cell::RefCell::default();
        let (mut a, mut b) = (Turns('a', &turns), Turns('b', &turns));
        let mut entrants = [
            Entrant::here("a", &mut a, Clock::Process).unwrap(),
            Entrant::here("b", &mut b, Clock::Process).unwrap(),
        ];
        turns.borrow_mut().clear();
        let effort = Effort {
            seconds: 0.0,
            least_rounds: 3,
            most_rounds: 9,
        };
        let medians = medians(&mut entrants, effort).unwrap();
        assert_eq!(medians.len(), 2);
        assert!(medians.iter().all(|&ms| ms > 0.0));
        assert_eq!(*turns.borrow(), "ababab");
    }

    #[test]
    fn rounds_have_bounds() {
        let effort = Effort::new(true);
        let now = Instant::now();
        assert!(!effort.is_spent(now, effort.least_rounds - 1));
        assert!(effort.is_spent(now, effort.most_rounds));
        assert!(Effort::new(false).seconds > effort.seconds);
    }
}
