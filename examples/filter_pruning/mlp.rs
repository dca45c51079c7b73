//! Network slimming's fully connected net: four fifths of its hidden neurons go.

use std::fmt;

use secateur::structure::choice::ChannelPruning;
use secateur::structure::coupling::Coupling;
use secateur_examples::Result;
use secateur_examples::data::Official;
use secateur_examples::nets::NormedMlp;

use crate::grey::Grey;
use crate::score::Score;
use crate::subject::Subject;

/// Share of the hidden neurons that goes.
const SHARE: f64 = 0.8;

/// How they are spread over the two hidden layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spread {
    None,
    /// The same share of each layer: 784-100-60-10.
    Uniform,
    /// One threshold for both, as the paper has it.
    Global,
}

/// Errors in percent.
#[derive(Clone, Debug)]
struct Row {
    spread: Spread,
    hidden: [usize; 2],
    cut: f64,
    tuned: f64,
}

/// All rows of all seeds.
#[derive(Debug)]
pub(crate) struct Slimmed {
    title: String,
    rows: Vec<Row>,
}

impl Slimmed {
    pub(crate) fn new(subject: &Grey<NormedMlp, Official>) -> Self {
        Self {
            title: subject.title(),
            rows: Vec::new(),
        }
    }

    pub(crate) fn one_seed(
        &mut self,
        subject: &Grey<NormedMlp, Official>,
        seed: u64,
    ) -> Result<()> {
        let net = subject.dense(seed, subject.lambda())?;
        self.add(subject, Spread::None, &net, &net);
        let example = subject.example(4);
        let forward = Grey::<NormedMlp, Official>::forward;
        let coupling = Coupling::of_model(&net, example.clone(), forward)?;
        let scores = Score::Scale.of(subject, &coupling, &net, seed)?;
        let choices = [
            (Spread::Uniform, ChannelPruning::uniform(SHARE)),
            (Spread::Global, ChannelPruning::global(SHARE)),
        ];
        for (spread, choice) in choices {
            let plan = choice.plan(&coupling, &scores)?;
            let (smaller, _) = plan.apply(&net, example.clone(), forward)?;
            let tuned = subject.tuned(smaller.clone(), None, seed)?;
            self.add(subject, spread, &smaller, &tuned);
        }
        Ok(())
    }

    fn add(
        &mut self,
        subject: &Grey<NormedMlp, Official>,
        spread: Spread,
        cut: &NormedMlp,
        tuned: &NormedMlp,
    ) {
        let [_, first] = tuned.fc1.weight.dims();
        let [_, second] = tuned.fc2.weight.dims();
        let row = Row {
            spread,
            hidden: [first, second],
            cut: 100.0 - subject.right(cut),
            tuned: 100.0 - subject.right(tuned),
        };
        eprintln!("{row:?}");
        self.rows.push(row);
    }
}

impl fmt::Display for Slimmed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "### {}\n\n| neurons gone | net of each seed | weights | error after the cut, % | \
             after training, % |\n| --- | --- | --- | --- | --- |",
            self.title
        )?;
        for (spread, name) in [
            (Spread::None, "none"),
            (Spread::Uniform, "80 % of each layer"),
            (Spread::Global, "80 % of all, by one threshold"),
        ] {
            let rows: Vec<&Row> = self.rows.iter().filter(|r| r.spread == spread).collect();
            let mut shapes: Vec<String> = Vec::new();
            for [first, second] in rows.iter().map(|row| row.hidden) {
                shapes.push(format!("784-{first}-{second}-10"));
            }
            shapes.dedup();
            let mean = |of: &dyn Fn(&Row) -> f64| {
                rows.iter().map(|row| of(row)).sum::<f64>() / rows.len().max(1) as f64
            };
            let weights = mean(&|row| {
                let [first, second] = row.hidden;
                (784 * first + first * second + second * 10) as f64
            });
            writeln!(
                f,
                "| {name} | {} | {weights:.0} | {:.2} | {:.2} |",
                shapes.join(", "),
                mean(&|row| row.cut),
                mean(&|row| row.tuned)
            )?;
        }
        let seeds = self
            .rows
            .iter()
            .filter(|r| r.spread == Spread::None)
            .count();
        write!(f, "\nMeans of {seeds} seeds.")
    }
}
