//! The statistics against values of SciPy and mpmath; `goldens/student.py` made them.

use secateur_eval::statistics::{Correction, Outcome, WhyNot, student, welch};

fn numbers(text: &str) -> Vec<f64> {
    text.split(',')
        .map(|number| number.parse().unwrap())
        .collect()
}

fn lines(kind: &str) -> impl Iterator<Item = Vec<&'static str>> {
    let lines = include_str!("goldens/student.txt").lines();
    let fields: Vec<Vec<&str>> = lines.map(|line| line.split(' ').collect()).collect();
    let kind = kind.to_string();
    fields.into_iter().filter(move |fields| fields[0] == kind)
}

fn near(value: f64, expected: f64, relative: f64) -> bool {
    (value - expected).abs() <= relative * expected.abs()
}

#[test]
fn tails_are_exact_far_out() {
    let (mut checked, mut least, mut worst) = (0, 1.0_f64, 0.0_f64);
    for fields in lines("t") {
        let [t, df, p] = [1, 2, 3].map(|i| fields[i].parse::<f64>().unwrap());
        let found = student::two_tailed(t, df);
        worst = worst.max((found / p - 1.0).abs());
        assert!(
            near(found, p, 1e-9),
            "t = {t}, df = {df}: {found:e}, not {p:e}"
        );
        assert_eq!(found, student::two_tailed(-t, df));
        (checked, least) = (checked + 1, least.min(p));
    }
    println!("{checked} values down to {least:e}, largest relative error {worst:e}");
    assert!(checked > 150 && least < 1e-100);
    assert_eq!(student::two_tailed(f64::INFINITY, 10.0), 0.0);
    assert_eq!(student::two_tailed(f64::NAN, 10.0), 1.0);
}

#[test]
fn critical_values() {
    for fields in lines("critical") {
        let [alpha, df, t] = [1, 2, 3].map(|i| fields[i].parse::<f64>().unwrap());
        assert!(near(student::critical(alpha, df), t, 1e-9), "{alpha} {df}");
    }
}

#[test]
fn welch_and_paired_agree_with_scipy() {
    for (kind, test) in [
        ("welch", welch::welch as fn(&[f64], &[f64]) -> _),
        ("paired", welch::paired),
    ] {
        let mut count = 0;
        for fields in lines(kind) {
            let [t, df, p] = [3, 4, 5].map(|i| fields[i].parse::<f64>().unwrap());
            let Outcome::Tested {
                t: t1,
                df: df1,
                p: p1,
            } = test(&numbers(fields[1]), &numbers(fields[2])).unwrap()
            else {
                panic!("not tested");
            };
            assert!(
                near(t1, t, 1e-10) && near(df1, df, 1e-10) && near(p1, p, 1e-8),
                "{kind}: {p1:e} {p:e}"
            );
            count += 1;
        }
        assert!(count >= 4);
    }
}

#[test]
fn benjamini_hochberg_agrees_with_scipy() {
    for fields in lines("bh") {
        let adjusted = Correction::BenjaminiHochberg.adjust(&numbers(fields[1]));
        for (found, expected) in adjusted.iter().zip(numbers(fields[2])) {
            assert!(near(*found, expected, 1e-12));
        }
    }
}

#[test]
fn holm_by_hand() {
    // R: p.adjust(c(0.01, 0.02, 0.03, 0.04, 0.9), "holm"): 5·0.01, 4·0.02, 3·0.03, max(…, 2·0.04),
    // 0.9.
    let adjusted = Correction::Holm.adjust(&[0.01, 0.02, 0.03, 0.04, 0.9]);
    for (found, expected) in adjusted.iter().zip([0.05, 0.08, 0.09, 0.09, 0.9]) {
        assert!(near(*found, expected, 1e-12), "{adjusted:?}");
    }
}

#[test]
fn no_variance_is_told_by_name() {
    assert_eq!(welch::welch(&[0.5; 3], &[0.5; 4]), Ok(Outcome::Same));
    assert_eq!(Outcome::Same.p(), Some(1.0));
    let differ = Outcome::NotTestable(WhyNot::NoVariance);
    assert_eq!(welch::welch(&[0.5; 3], &[0.6; 4]), Ok(differ));
    assert_eq!(
        welch::paired(&[0.1, 0.2], &[0.2, 0.30000000000000004]),
        Ok(differ)
    );
    assert_eq!(welch::paired(&[0.1, 0.2], &[0.1, 0.2]), Ok(Outcome::Same));
    // One varies: the degrees of freedom are that one's.
    let Ok(Outcome::Tested { df, .. }) = welch::welch(&[1.0; 5], &[0.0, 1.0, 0.5]) else {
        panic!("not tested")
    };
    assert!(near(df, 2.0, 1e-12));
    // Constant up to rounding is constant.
    let third = 1.0 / 3.0;
    assert_eq!(
        welch::welch(&[third + 0.1 - 0.1, third], &[third; 3]),
        Ok(Outcome::Same)
    );
}

#[test]
fn senseless_samples_are_errors() {
    for (a, b) in [
        (vec![], vec![1.0, 2.0]),
        (vec![1.0], vec![1.0, 2.0]),
        (vec![1.0, f64::NAN], vec![1.0, 2.0]),
    ] {
        assert!(welch::welch(&a, &b).is_err());
        assert!(welch::paired(&a, &b).is_err());
        assert!(welch::detectable(&a, &b, 0.05, 0.8).is_err());
    }
    assert!(welch::paired(&[1.0, 2.0], &[1.0, 2.0, 3.0]).is_err());
}

#[test]
fn detectable_differences() {
    // R: power.t.test(n = 30, delta = 0.7356, sd = 1) has a power of 0.80; the formula with central
    // t comes within 1 %.
    let sample: Vec<f64> = (0..30)
        .map(|i| if i % 2 == 0 { 1.0 } else { -1.0 } * (29.0_f64 / 30.0).sqrt())
        .collect();
    let found = welch::detectable(&sample, &sample, 0.05, 0.8).unwrap();
    assert!(near(found, 0.7356, 0.01), "{found}");
}
