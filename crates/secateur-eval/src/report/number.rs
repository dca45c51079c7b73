//! Numbers as a person reads them.

use crate::statistics::{Estimate, Interval};

/// A share in percent: "88.35".
pub(crate) fn percent(share: f64) -> String {
    format!("{:.2}", 100.0 * share)
}

/// A difference of shares in points: "+0.42", "-3.10".
pub(crate) fn points(share: f64) -> String {
    let text = format!("{:+.2}", 100.0 * share);
    // Rounded to nothing, it has no sign.
    if text == "-0.00" || text == "+0.00" {
        "0.00".into()
    } else {
        text
    }
}

/// "88.20 to 88.51".
pub(crate) fn between(interval: Interval) -> String {
    format!("{} to {}", percent(interval.low), percent(interval.high))
}

/// "-3.10 [-3.61, -2.55]".
pub(crate) fn change(estimate: Estimate) -> String {
    let Interval { low, high } = estimate.interval;
    format!(
        "{} [{}, {}]",
        points(estimate.value),
        points(low),
        points(high)
    )
}

/// "11.65 [11.20, 12.03]".
pub(crate) fn share(estimate: Estimate) -> String {
    let Interval { low, high } = estimate.interval;
    format!(
        "{} [{}, {}]",
        percent(estimate.value),
        percent(low),
        percent(high)
    )
}

/// "0.0312", "4.1e-19".
pub(crate) fn p(p: f64) -> String {
    match p {
        p if p >= 0.9995 => "1".into(),
        p if p >= 0.001 => format!("{p:.3}"),
        0.0 => "<1e-300".into(),
        p => format!("{p:.1e}"),
    }
}

/// "10,000".
pub(crate) fn count(n: usize) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// "0-29, 60".
pub(crate) fn seeds(seeds: &[u64]) -> String {
    let mut runs: Vec<(u64, u64)> = Vec::new();
    for &seed in seeds {
        match runs.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(seed) => *last = seed,
            _ => runs.push((seed, seed)),
        }
    }
    let more = runs.len() > 6;
    let mut text: Vec<String> = runs
        .iter()
        .take(6)
        .map(|(first, last)| {
            if first == last {
                first.to_string()
            } else {
                format!("{first}-{last}")
            }
        })
        .collect();
    if more {
        text.push("...".into());
    }
    text.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_as_read() {
        assert_eq!(points(-0.0310), "-3.10");
        assert_eq!(points(-0.00001), "0.00");
        assert_eq!(
            (p(0.0312), p(4.1e-19), p(1.0)),
            ("0.031".into(), "4.1e-19".into(), "1".into())
        );
        assert_eq!(
            (count(10_000), count(999), count(1_234_567)),
            ("10,000".into(), "999".into(), "1,234,567".into())
        );
        assert_eq!(seeds(&[0, 1, 2, 7, 9, 10]), "0-2, 7, 9-10");
    }
}
