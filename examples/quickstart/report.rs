//! The same as a page: classes, layers, and how the weights are spread.

use std::path::{Path, PathBuf};

use secateur::eval::report::{Page, Table};
use secateur::eval::weights::{Histogram, LayerCount, layer_table};
use secateur::weights::Weights;
use secateur_examples::Result;
use secateur_examples::data::{Data, FASHION_CLASSES, Starter};

use crate::SEED;
use crate::outcome::Outcome;
use crate::paired_test::Paired;

/// Bins of a histogram.
const BINS: usize = 40;

/// Writes the page into a folder and tells where it lies.
pub(crate) fn write(
    [dense, pruned, random]: &[Outcome; 3],
    data: &Data<Starter>,
    folder: &Path,
) -> Result<PathBuf> {
    let test = format!("{}, {} test images", data.name, data.test.len());
    let Paired { lost, won, .. } = Paired::new(&dense.verdicts, &pruned.verdicts);
    let layers: Vec<LayerCount> = pruned
        .layers
        .iter()
        .map(|layer| LayerCount {
            name: layer.path.clone(),
            kept: layer.kept,
            total: layer.total,
            dead: None,
        })
        .collect();
    let (before, after) = (weights(dense), weights(pruned));
    let ends = ends(&before, &after);
    let shown = [
        (
            "dense".to_string(),
            Histogram::between(&before, BINS, ends)?,
        ),
        (
            "pruned".to_string(),
            Histogram::between(&after, BINS, ends)?,
        ),
    ];
    let folder = folder.join("report");
    Page::new(
        "Quickstart: what is left",
        format!("{test}, seed {SEED}, one net of each kind"),
    )
    .with_sentence(format!(
        "Right: dense {:.1} %, pruned {:.1} %, as many weights by lot {:.1} %.",
        dense.accuracy(),
        pruned.accuracy(),
        random.accuracy()
    ))
    .with_sentence(format!(
        "Pruning lost {lost} images that were right before and won {won} that were wrong."
    ))
    .with_sentence(
        "One net of each kind, and the starter set: nothing here compares with published figures, \
         and who pays is a question for populations (the example selective_brain_damage).",
    )
    .with_table(by_class([dense, pruned, random], data))
    .with_table(layer_table(&layers))
    .with_histograms(
        "all layers",
        &shown,
        &format!("All weights of layers. {test}, seed {SEED}."),
    )
    .write(&folder)?;
    Ok(folder.join("report.html"))
}

/// Percent right, class by class.
fn by_class(outcomes: [&Outcome; 3], data: &Data<Starter>) -> Table {
    let mut table = Table::new(
        "Right, class by class",
        &["<class", "images", "dense %", "pruned %", "random %"],
    );
    for class in 0..10_u8 {
        let members = || {
            let labels = data.test.labels().iter().enumerate();
            labels
                .filter(move |(_, label)| **label == class)
                .map(|(at, _)| at)
        };
        let right = |outcome: &Outcome| {
            let right = members().filter(|&at| outcome.verdicts[at]).count();
            format!(
                "{:.1}",
                100.0 * right as f64 / members().count().max(1) as f64
            )
        };
        let [dense, pruned, random] = outcomes.map(right);
        table.row([
            FASHION_CLASSES[usize::from(class)].into(),
            members().count().to_string(),
            dense,
            pruned,
            random,
        ]);
    }
    table.caption = "One net of each kind: differences of a few points are chance.".into();
    table
}

/// All weights of layers.
fn weights(outcome: &Outcome) -> Vec<f32> {
    let all = Weights::of(outcome.student.model());
    let layers = outcome
        .layers
        .iter()
        .filter_map(|layer| all.get(&layer.path));
    let values = layers.flat_map(|data| data.iter::<f32>().collect::<Vec<_>>());
    values.collect()
}

fn ends(a: &[f32], b: &[f32]) -> [f64; 2] {
    let all = || a.iter().chain(b).copied().map(f64::from);
    [all().fold(0.0, f64::min), all().fold(0.0, f64::max)]
}
