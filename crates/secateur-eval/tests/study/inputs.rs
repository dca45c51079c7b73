//! Inputs that make no sense.

use secateur_eval::{EvalError, Grouping, Level, ModelResult, Predictions, Study, TestSet};

use crate::synthetic::{models, test_set};

const NONE: [f32; 5] = [0.0; 5];

fn all(set: &TestSet, n: u64) -> Vec<ModelResult> {
    let levels = [
        Level::dense(),
        Level::control(),
        Level::pruned(0.9).unwrap(),
    ];
    let each = levels
        .iter()
        .zip(0..)
        .map(|(level, at)| models(set, level, at * n..(at + 1) * n, &NONE));
    each.flatten().collect()
}

#[test]
fn populations_that_make_no_study() {
    let set = test_set(40);
    let models = all(&set, 2);
    let without = |kind: &str| -> Vec<ModelResult> {
        models
            .iter()
            .filter(|model| model.level().name() != kind)
            .cloned()
            .collect()
    };
    for (level, kind) in [("dense", "dense"), ("A/A", "control"), ("90 %", "pruned")] {
        let error = Study::new(&set, without(level)).unwrap_err();
        assert!(
            matches!(error, EvalError::NoPopulation { kind: k, .. } if k == kind),
            "{error}"
        );
    }
    assert!(matches!(
        Study::new(&set, vec![]),
        Err(EvalError::NoPopulation { .. })
    ));
    let one = models[1..].to_vec();
    assert!(matches!(
        Study::new(&set, one),
        Err(EvalError::TooFewModels { found: 1, .. })
    ));
    let mut twice = models.clone();
    twice.push(models[0].clone());
    assert!(matches!(
        Study::new(&set, twice),
        Err(EvalError::Duplicate { seed: 0, .. })
    ));
    let mut other = models.clone();
    let level = Level::named("90 %", 0.95).unwrap();
    other.push(ModelResult::new(level, 77, models[0].clean().clone()));
    assert!(matches!(
        Study::new(&set, other),
        Err(EvalError::LevelConflict { .. })
    ));
    let error = Study::new(&test_set(41), models.clone()).unwrap_err();
    assert!(
        matches!(error, EvalError::UnequalTestSets { .. }),
        "{error}"
    );
    // The control shares a seed with the dense population.
    let mut shared = models;
    shared[2] = ModelResult::new(Level::control(), 0, shared[2].clean().clone());
    assert!(matches!(
        Study::new(&set, shared),
        Err(EvalError::MixedSeeds { .. })
    ));
}

#[test]
fn a_class_without_examples_is_said() {
    let labels: Vec<u32> = (0..60).map(|i| i % 4).collect();
    let set = TestSet::new("gap", ["a", "b", "c", "d", "ghost"], labels).unwrap();
    let analysis = Study::new(&set, all(&set, 3)).unwrap().run().unwrap();
    assert!(analysis.notes.iter().any(|note| note.contains("ghost")));
    let ghost = analysis.groupings[0]
        .changes
        .iter()
        .find(|change| change.class == "ghost")
        .unwrap();
    assert_eq!(
        (ghost.change, ghost.raw.outcome.p(), ghost.detectable),
        (None, None, None)
    );
    assert_eq!(analysis.groupings[0].family, 4);
    assert!(analysis.to_string().contains("not testable"));
}

#[test]
fn no_variance_is_said_and_nothing_is_zero_by_accident() {
    // Dense models are always right, pruned ones always wrong on class 1.
    let labels: Vec<u32> = (0..20).map(|i| i % 2).collect();
    let set = TestSet::new("flat", ["a", "b"], labels.clone()).unwrap();
    let answer = |wrong: bool| {
        let rows = labels.iter().flat_map(|&label| {
            let first = if label == 0 || wrong { 1.0 } else { 0.0 };
            [first, 1.0 - first]
        });
        Predictions::from_probabilities(&set, &rows.collect::<Vec<f32>>()).unwrap()
    };
    let levels = [
        Level::dense(),
        Level::control(),
        Level::pruned(0.9).unwrap(),
    ];
    let mut models = Vec::new();
    for (level, first) in levels.into_iter().zip([0, 10, 20]) {
        for seed in first..first + 10 {
            models.push(ModelResult::new(level.clone(), seed, answer(first == 20)));
        }
    }
    let analysis = Study::new(&set, models).unwrap().run().unwrap();
    assert!(
        analysis
            .notes
            .iter()
            .any(|note| note.contains("neither population varies")),
        "{:?}",
        analysis.notes
    );
    let change = &analysis.groupings[0].changes[3];
    assert_eq!(
        (
            change.class.as_str(),
            change.raw.change,
            change.raw.outcome.p()
        ),
        ("b", -1.0, None)
    );
    // The PIEs see it: all ten examples of class b, undisputed.
    assert_eq!(analysis.pies[1].count, 10);
    assert_eq!(analysis.pies[0].count, 0);
}

#[test]
fn other_groupings_are_analysed_alike() {
    let set = test_set(200);
    let of = (0..200).map(|i| u32::from(i >= 150)).collect();
    let groups = vec!["day".into(), "night".into()];
    let set = set
        .with_grouping(Grouping {
            name: "light".into(),
            groups,
            of,
        })
        .unwrap();
    let analysis = Study::new(&set, all(&set, 3)).unwrap().run().unwrap();
    let light = &analysis.groupings[1];
    assert_eq!(
        (light.grouping.as_str(), light.family, light.changes.len()),
        ("light", 2, 4)
    );
    assert_eq!(
        light
            .changes
            .iter()
            .map(|change| change.examples)
            .collect::<Vec<_>>(),
        [150, 50, 150, 50]
    );
}

#[test]
fn corruptions_must_be_the_same_for_all() {
    let set = test_set(40);
    let mut models = all(&set, 2);
    let answers = models[0].clean().clone();
    models[0] = models[0]
        .clone()
        .with_corrupted("fog", 1, &answers)
        .unwrap();
    let error = Study::new(&set, models.clone()).unwrap().run().unwrap_err();
    assert!(
        matches!(error, EvalError::MissingCondition { .. }),
        "{error}"
    );
    assert!(
        models[0]
            .clone()
            .with_corrupted("fog", 6, &answers)
            .is_err()
    );
    // The same answers under corruption: nothing is lost.
    let fogged: Vec<ModelResult> = models
        .into_iter()
        .map(|model| {
            let clean = model.clean().clone();
            model
                .with_corrupted("fog", 1, &clean)
                .unwrap()
                .with_corrupted("fog", 2, &clean)
                .unwrap()
        })
        .collect();
    let analysis = Study::new(&set, fogged).unwrap().run().unwrap();
    assert_eq!(analysis.robustness.len(), 9);
    assert!(analysis.robustness.iter().all(|row| row.drop.value == 0.0));
}
