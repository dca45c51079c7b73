//! SparseGPT and Wanda against numpy: `golden.py` writes `golden.txt`.

use secateur::methods::{SparseGpt, sparse_gpt, wanda};
use secateur::prelude::*;

use crate::models::{Matrix, assert_close};

const GOLDEN: &str = include_str!("golden.txt");

/// A case of the file.
#[derive(Debug, Default)]
struct Case {
    name: String,
    columns: usize,
    block: usize,
    weight: Vec<f32>,
    input: Vec<f32>,
    sparsegpt: Vec<f32>,
    wanda: Vec<f32>,
}

fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for line in GOLDEN.lines() {
        let (key, rest) = line.split_once(' ').unwrap();
        if key == "case" {
            let words: Vec<&str> = rest.split(' ').collect();
            cases.push(Case {
                name: words[0].into(),
                columns: words[2].parse().unwrap(),
                block: words[4].parse().unwrap(),
                ..Case::default()
            });
            continue;
        }
        let case = cases.last_mut().unwrap();
        let numbers = rest.split(' ').map(|word| word.parse().unwrap()).collect();
        match key {
            "weight" => case.weight = numbers,
            "input" => case.input = numbers,
            "sparsegpt" => case.sparsegpt = numbers,
            "wanda" => case.wanda = numbers,
            _ => panic!("{key}"),
        }
    }
    cases
}

fn share(case: &Case) -> f64 {
    match case.name.as_str() {
        "ninety" => 0.9,
        "fewexamples" => 0.4,
        _ => 0.5,
    }
}

#[test]
fn sparsegpt_is_numpys() {
    let cases = cases();
    assert_eq!(cases.len(), 5);
    for case in cases {
        let model = Matrix::new(&case.weight, case.columns);
        let selector = SparseGpt::new().with_block(case.block);
        let mut config = sparse_gpt(share(&case)).with_selector(selector);
        if case.name == "twooffour" {
            config = config.with_pattern(NofM::keep(2).of(4).unwrap());
        }
        let got = model.pruned(config, &case.input).unwrap();
        let zeros = |values: &[f32]| -> Vec<bool> { values.iter().map(|&w| w == 0.0).collect() };
        assert_eq!(zeros(&got), zeros(&case.sparsegpt), "{}", case.name);
        assert_close(&got, &case.sparsegpt);
    }
}

#[test]
fn wanda_is_numpys() {
    for case in cases().iter().filter(|case| !case.wanda.is_empty()) {
        let model = Matrix::new(&case.weight, case.columns);
        let got = model.pruned(wanda(share(case)), &case.input).unwrap();
        assert_eq!(got, case.wanda, "{}", case.name);
    }
}
