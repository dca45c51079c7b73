//! The screen that a newcomer sees.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use secateur_examples::nets::LayerWeights;
use secateur_examples::speed::Speed;
use secateur_examples::{ExampleError, Result};

use crate::curve::sparkline;
use crate::outcome::Outcome;
use crate::paired_test::Paired;
use crate::pruning::Plan;

/// Everything that the example has found out.
#[derive(Debug)]
pub(crate) struct Screen {
    outcomes: [Outcome; 3],
    /// The dense net, the pruned one, and the pruned one compiled.
    files: [(PathBuf, u64); 3],
    /// The same as a page.
    page: PathBuf,
    speed: Speed,
    took: Duration,
}

impl Screen {
    pub(crate) fn new(
        outcomes: [Outcome; 3],
        files: [PathBuf; 3],
        page: PathBuf,
        speed: Speed,
        took: Duration,
    ) -> Result<Self> {
        let [dense, pruned, engine] = files.map(|file| {
            let meta = std::fs::metadata(&file).map_err(ExampleError::io("look at", &file))?;
            Ok::<_, ExampleError>((file, meta.len()))
        });
        Ok(Self {
            outcomes,
            files: [dense?, pruned?, engine?],
            page,
            speed,
            took,
        })
    }
}

impl fmt::Display for Screen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [dense, pruned, _] = &self.outcomes;
        let weights = LayerWeights::all(&pruned.layers);
        writeln!(
            f,
            "\nThe same net, trained three times from the same start on the same images\n\
             (starter set of 8,000 + 2,000 images: not comparable with published figures)\n"
        )?;
        self.accuracies(f)?;
        write_paired(
            f,
            &Paired::new(&dense.verdicts, &pruned.verdicts),
            dense.verdicts.len(),
        )?;

        writeln!(f, "\nWhat is left of the pruned net")?;
        writeln!(
            f,
            "  {:14} {:>9} {:>9} {:>10}",
            "layer", "weights", "kept", "sparsity"
        )?;
        for layer in pruned.layers.iter().chain([&weights]) {
            let LayerWeights { path, kept, total } = layer;
            let sparsity = layer.sparsity();
            writeln!(f, "  {path:14} {total:>9} {kept:>9} {sparsity:>8.1} %")?;
        }
        self.files(f)?;
        writeln!(
            f,
            "\nNext\n  \
             cargo run --release --example lenet_mnist -- --help   methods of the literature, full MNIST\n  \
             cargo run --release --example selective_brain_damage  who pays for it: classes, images\n  \
             cargo run --release --example custom_scorer           a rule of your own for what goes\n  \
             cargo run --release --example sparse_inference        what the engine does, layer by layer\n\
             \n({:.0} seconds)",
            self.took.as_secs_f64()
        )
    }
}

impl Screen {
    fn accuracies(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = || self.outcomes.iter().flat_map(|outcome| &outcome.curve);
        let high = all().copied().fold(f64::MIN, f64::max);
        // Most of the first climb would flatten the rest, so the scale starts 20 points below.
        let low = high - 20.0;
        let scale = format!("over the steps, {low:.0} to {high:.0} %");
        writeln!(f, "  {:38} {:>8}   {scale}", "", "accuracy")?;
        for outcome in &self.outcomes {
            let weights = LayerWeights::all(&outcome.layers);
            let kept = 100.0 - weights.sparsity();
            let name = match outcome.plan {
                Plan::Dense => "dense: all weights".to_string(),
                Plan::Gradual => format!("pruned: the best {kept:.0} % of the weights"),
                Plan::Random => format!("random: {kept:.0} % chosen by lot"),
            };
            let line = sparkline(&outcome.curve, low, high);
            writeln!(f, "  {name:38} {:>6.1} %   {line}", outcome.accuracy())?;
        }
        Ok(())
    }

    fn files(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [(dense, before), (pruned, after), (engine, compiled)] = &self.files;
        let share = |bytes: u64| 100.0 * bytes as f64 / (*before).max(1) as f64;
        writeln!(f, "\nFiles")?;
        writeln!(
            f,
            "  dense   {:>8.1} kB  {}",
            kilobytes(*before),
            dense.display()
        )?;
        writeln!(
            f,
            "  pruned  {:>8.1} kB  {}  ({:.0} %)",
            kilobytes(*after),
            pruned.display(),
            share(*after)
        )?;
        writeln!(
            f,
            "  engine  {:>8.1} kB  {}  ({:.0} %)",
            kilobytes(*compiled),
            engine.display(),
            share(*compiled)
        )?;
        writeln!(f, "  report               {}", self.page.display())?;
        let Speed {
            burn,
            engine: compiled,
        } = self.speed;
        writeln!(
            f,
            "\nOne image takes {burn:.0} us in Burn, which multiplies the zeros as well,\n\
             and {compiled:.0} us in the engine: {:.1} times as fast.",
            self.speed.ratio()
        )
    }
}

fn write_paired(f: &mut fmt::Formatter<'_>, paired: &Paired, images: usize) -> fmt::Result {
    let Paired { lost, won, p } = paired;
    writeln!(
        f,
        "\nOf {images} test images, pruning lost {lost} that were right before and won {won} that were wrong."
    )?;
    let verdict = match (paired.is_shown(), lost > won) {
        (false, _) => "too few to tell the two nets apart",
        (true, true) => "the pruned net is worse, and not by chance",
        (true, false) => "the pruned net is better, and not by chance",
    };
    let p = match *p {
        tiny if tiny < 0.001 => "below 0.001".to_string(),
        p => format!("{p:.3}"),
    };
    writeln!(f, "Paired test (McNemar, mid-p), p {p}: {verdict}.")
}

fn kilobytes(bytes: u64) -> f64 {
    bytes as f64 / 1_000.0
}
