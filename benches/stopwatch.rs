//! The time of one call.

use std::time::Instant;

use cpu_time::ProcessTime;

/// Which time counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// That of all threads of this process on a processor: other programs hardly count. Right for
    /// one thread; with more it would be their sum.
    Process,
    /// That on the wall, for several threads. It wants a quiet machine.
    Wall,
}

impl Clock {
    /// The one that is right for a number of threads.
    #[must_use]
    pub fn of_threads(threads: usize) -> Self {
        if threads > 1 {
            Self::Wall
        } else {
            Self::Process
        }
    }
}

/// Times samples of several calls, so that reading the clock does not count.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch {
    clock: Clock,
    calls: usize,
}

impl Stopwatch {
    /// Milliseconds that a sample should take at least.
    const SAMPLE: f64 = 0.2;

    /// A stopwatch for `run`, whose duration is found by running it a few times.
    ///
    /// # Errors
    ///
    /// Those of `run`.
    pub fn fitting<E>(clock: Clock, mut run: impl FnMut() -> Result<(), E>) -> Result<Self, E> {
        let once = Self { clock, calls: 1 };
        // The first call may allocate and page in.
        once.sample(&mut run)?;
        let ms = once.sample(&mut run)?.min(once.sample(&mut run)?);
        let calls = (Self::SAMPLE / ms.max(1e-6)).ceil().clamp(1.0, 2000.0) as usize;
        Ok(Self { clock, calls })
    }

    /// Milliseconds of a call of `run`, after one that brings its data back to the caches.
    ///
    /// # Errors
    ///
    /// Those of `run`.
    pub fn sample<E>(self, mut run: impl FnMut() -> Result<(), E>) -> Result<f64, E> {
        run()?;
        let seconds = match self.clock {
            Clock::Process => {
                let start = ProcessTime::now();
                self.repeat(&mut run)?;
                start.elapsed().as_secs_f64()
            }
            Clock::Wall => {
                let start = Instant::now();
                self.repeat(&mut run)?;
                start.elapsed().as_secs_f64()
            }
        };
        Ok(1e3 * seconds / self.calls as f64)
    }

    fn repeat<E>(self, run: &mut impl FnMut() -> Result<(), E>) -> Result<(), E> {
        (0..self.calls).try_for_each(|_| run())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_short_call_is_repeated_and_a_long_one_is_not() {
        for clock in [Clock::Process, Clock::Wall] {
            let mut count = 0;
            let mut short = || -> Result<(), ()> {
                count += 1;
                Ok(())
            };
            let stopwatch = Stopwatch::fitting(clock, &mut short).unwrap();
            assert!(stopwatch.calls > 10);
            assert!(stopwatch.sample(&mut short).unwrap() < 0.1);
            assert!(count > stopwatch.calls);
        }
        let long = || -> Result<(), ()> {
            std::thread::sleep(Duration::from_millis(2));
            Ok(())
        };
        let stopwatch = Stopwatch::fitting(Clock::Wall, long).unwrap();
        assert_eq!(stopwatch.calls, 1);
        assert!(stopwatch.sample(long).unwrap() >= 2.0);
    }

    #[test]
    fn process_time_does_not_count_sleep() {
        let sleep = || -> Result<(), ()> {
            std::thread::sleep(Duration::from_millis(20));
            Ok(())
        };
        let stopwatch = Stopwatch {
            clock: Clock::of_threads(2),
            calls: 1,
        };
        assert!(stopwatch.sample(sleep).unwrap() >= 20.0);
        assert_eq!(Clock::of_threads(1), Clock::Process);
    }

    #[test]
    fn an_error_ends_the_sample() {
        assert_eq!(
            Stopwatch::fitting(Clock::Wall, || Err::<(), _>("no")).err(),
            Some("no")
        );
    }
}
