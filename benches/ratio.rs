//! Ratios within one run: the machine's noise hits all contenders alike.

use std::time::Duration;

use cpu_time::ProcessTime;

use crate::median::median;

/// Runs the contenders in turn, `rounds` times after a warm-up, and returns the median process
/// time of each.
///
/// Process time (of all threads) rather than wall time, so that other processes on the machine
/// count less; in turn rather than one after the other, so that a slow spell hits all alike.
pub fn interleaved<const N: usize>(
    rounds: usize,
    mut contenders: [&mut dyn FnMut(); N],
) -> [Duration; N] {
    let mut times: [Vec<Duration>; N] = std::array::from_fn(|_| Vec::with_capacity(rounds));
    for round in 0..rounds + rounds / 5 + 1 {
        for (run, times) in contenders.iter_mut().zip(&mut times) {
            let start = ProcessTime::now();
            run();
            let time = start.elapsed();
            if round > rounds / 5 {
                times.push(time);
            }
        }
    }
    times.map(|times| {
        let seconds: Vec<f64> = times.iter().map(Duration::as_secs_f64).collect();
        Duration::try_from_secs_f64(median(&seconds)).unwrap_or_default()
    })
}

/// `a` as a multiple of `b`.
pub fn ratio(a: Duration, b: Duration) -> f64 {
    a.as_secs_f64() / b.as_secs_f64().max(f64::MIN_POSITIVE)
}

/// A duration in milliseconds.
pub fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
