//! The command line.

use std::path::PathBuf;

use secateur_examples::Result;
use secateur_examples::command_line::Words;

pub(crate) const HELP: &str = "\
Who pays for pruning: populations of LeNet-300-100 on Fashion-MNIST, dense, dense again as a control,
and pruned to 50, 90, 95, 98 and 99 %.

  cargo run --release --example selective_brain_damage -- [options]

  --models N         models of each level (default: 30)
  --epochs N         epochs of each training (default: 4; 12 on the starter set)
  --sparsities LIST  levels in percent, with commas (default: 50,90,95,98,99)
  --severities LIST  severities of the corruptions, 1 to 5, with commas (default: 3)
  --data DIR         folder that holds `fashion-mnist` (default: $SECATEUR_DATA, ../shared/data,
                     /usr/share/datasets); without it the starter set of this package is taken
  --starter          take the starter set in any case
  --out DIR          where models' answers, report, pictures and tables go
                     (default: target/selective_brain_damage)
  --processes N      processes at a time, one thread each (default: 2)
  --report           only the report, of the models that are there
  --smoke            two models of three levels, few images: only to see that it runs
  --help             this text

A run that was stopped goes on where it was when the same command is given again; several machines
share a run by `--share I/N` each and folders copied together.
  --share I/N        train every N-th model, from the I-th on (0/1: all)
";

/// What is to be run.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Args {
    pub models: usize,
    pub epochs: Option<usize>,
    /// Shares of zeros.
    pub sparsities: Vec<f64>,
    pub severities: Vec<u8>,
    pub data: Option<PathBuf>,
    pub starter: bool,
    pub out: PathBuf,
    pub processes: usize,
    pub report: bool,
    pub smoke: bool,
    pub share: (usize, usize),
    /// Whether this process trains its share and does nothing else.
    pub worker: bool,
}

impl Default for Args {
    fn default() -> Self {
        Self {
            models: 30,
            epochs: None,
            sparsities: vec![0.5, 0.9, 0.95, 0.98, 0.99],
            severities: vec![3],
            data: None,
            starter: false,
            out: "target/selective_brain_damage".into(),
            processes: 2,
            report: false,
            smoke: false,
            share: (0, 1),
            worker: false,
        }
    }
}

/// Reads the command line; `None` where help is asked for.
pub(crate) fn parse(words: impl Iterator<Item = String>) -> Result<Option<Args>> {
    let mut args = Args::default();
    let mut words = Words::new(words);
    while let Some(option) = words.option() {
        match option.as_str() {
            "--help" => return Ok(None),
            "--starter" => args.starter = true,
            "--report" => args.report = true,
            "--smoke" => args.smoke = true,
            "--worker" => args.worker = true,
            "--data" => args.data = Some(words.value()?.into()),
            "--out" => args.out = words.value()?.into(),
            "--models" => args.models = words.number(2)?,
            "--epochs" => args.epochs = Some(words.number(1)?),
            "--processes" => args.processes = words.number(1)?,
            "--sparsities" => args.sparsities = words.percents()?,
            "--severities" => {
                let fits = |severity: &u8| (1..=5).contains(severity);
                args.severities = words.list("numbers from 1 to 5", fits)?;
            }
            "--share" => {
                let text = words.value()?;
                let parts = text.split_once('/');
                let parts = parts.and_then(|(i, n)| Some((i.parse().ok()?, n.parse().ok()?)));
                args.share = parts
                    .filter(|(i, n)| i < n)
                    .ok_or_else(|| words.wants("I/N with I below N, such as 0/2"))?;
            }
            _ => return Err(words.unknown()),
        }
    }
    if args.smoke {
        args.models = 2;
        args.epochs = Some(1);
        args.sparsities = vec![0.9];
        args.starter = true;
    }
    Ok(Some(args))
}

/// What a worker is called with: the same, and which share is its own.
pub(crate) fn worker_words(args: &Args, index: usize) -> Vec<String> {
    let (share, of) = args.share;
    let joined = |values: Vec<String>| values.join(",");
    let percents = args.sparsities.iter().map(|sparsity| {
        // Rounded, for 0.55 * 100 is 55.00000000000001.
        ((sparsity * 1e8).round() / 1e6).to_string()
    });
    let severities = args.severities.iter().map(u8::to_string);
    let mut words = vec![
        "--models".into(),
        args.models.to_string(),
        "--sparsities".into(),
        joined(percents.collect()),
        "--severities".into(),
        joined(severities.collect()),
        "--out".into(),
        args.out.display().to_string(),
        "--share".into(),
        // Every worker takes every so manieth of what this process was to do.
        format!("{}/{}", share + of * index, of * args.processes),
        "--worker".into(),
    ];
    if let Some(epochs) = args.epochs {
        words.extend(["--epochs".into(), epochs.to_string()]);
    }
    if let Some(data) = &args.data {
        words.extend(["--data".into(), data.display().to_string()]);
    }
    words.extend(args.starter.then(|| "--starter".into()));
    // Last, for it sets some of the others.
    words.extend(args.smoke.then(|| "--smoke".into()));
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Option<Args>> {
        parse(line.split_whitespace().map(String::from))
    }

    #[test]
    fn a_worker_reads_what_its_parent_read() {
        let line = "--models 5 --epochs 2 --sparsities 55,99.5 --severities 1,5 --data d --out o \
                    --processes 3 --share 1/2 --starter";
        let parent = parsed(line).unwrap().unwrap();
        assert_eq!(parent.sparsities, [0.55, 0.995]);
        let words = worker_words(&parent, 2).into_iter();
        let worker = parse(words).unwrap().unwrap();
        let wanted = Args {
            share: (5, 6),
            worker: true,
            processes: 2,
            ..parent
        };
        assert_eq!(worker, wanted);
    }

    #[test]
    fn workers_share_everything_once() {
        let parent = Args {
            processes: 2,
            share: (1, 3),
            ..Args::default()
        };
        let mine = |(index, of): (usize, usize)| (0..100).filter(move |at| at % of == index);
        let shares = (0..2).map(|index| {
            let words = worker_words(&parent, index).into_iter();
            parse(words).unwrap().unwrap().share
        });
        let mut all: Vec<usize> = shares.flat_map(mine).collect();
        all.sort_unstable();
        assert_eq!(all, mine((1, 3)).collect::<Vec<_>>());
    }

    #[test]
    fn mistakes_are_named() {
        for (line, word) in [
            ("--models 1", "--models"),
            ("--sparsities 0,90", "--sparsities"),
            ("--severities 6", "--severities"),
            ("--share 2/2", "--share"),
            ("--out", "--out"),
            ("--fast", "--fast"),
        ] {
            let error = parsed(line).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
        assert_eq!(parsed("--models 5 --help").unwrap(), None);
    }
}
