//! Populations whose truth is known.

use secateur_eval::random::{Sample, Stream};
use secateur_eval::{Level, ModelResult, Predictions, TestSet};

pub const CLASSES: [&str; 5] = ["ant", "bee", "cat", "dog", "eel"];

pub fn test_set(examples: usize) -> TestSet {
    let mut stream = Stream::new(1, "labels", 0);
    let labels: Vec<u32> = (0..examples)
        .map(|_| stream.below(CLASSES.len()) as u32)
        .collect();
    TestSet::new("synthetic", CLASSES, labels).unwrap()
}

/// Answers of one model. Every example has a difficulty of its own and every model its luck with
/// it; `loss` is taken from the logit of the true class, class by class.
pub fn answers(set: &TestSet, level: &str, seed: u64, loss: &[f32]) -> Predictions {
    let classes = set.classes().len();
    let mut luck = Stream::new(seed, level, 0);
    // A model is good or bad as a whole too.
    let quality = 0.1 * luck.normals()[0];
    let mut logits = Vec::with_capacity(set.len() * classes);
    for (example, &label) in set.labels().iter().enumerate() {
        let ease = 2.0 + 1.5 * Stream::new(7, "ease", example).normals()[0];
        for (class, loss) in loss.iter().enumerate().take(classes) {
            let mut logit = luck.normals()[0];
            if class == label as usize {
                logit += ease + quality - loss;
            }
            logits.push(logit);
        }
    }
    Predictions::from_logits(set, &logits).unwrap()
}

pub fn models(
    set: &TestSet,
    level: &Level,
    seeds: std::ops::Range<u64>,
    loss: &[f32],
) -> Vec<ModelResult> {
    seeds
        .map(|seed| ModelResult::new(level.clone(), seed, answers(set, level.name(), seed, loss)))
        .collect()
}
