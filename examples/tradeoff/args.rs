//! The command line.

use std::path::PathBuf;

use secateur_examples::Result;
use secateur_examples::command_line::Words;

pub(crate) const HELP: &str = "\
Accuracy against cost for magnitude, random, SNIP, Taylor and L1 filters on the quickstart's net and
the starter set.

  cargo run --release --example tradeoff -- [options]

  --seeds N          starting weights (default: 3)
  --sparsities LIST  in percent, with commas (default: 50,75,90,95,98)
  --out DIR          where curves, tables and numbers go (default: target/tradeoff)
  --smoke            one seed, one sparsity, few images: only to see that it runs
  --help             this text
";

/// What is to be run.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Args {
    pub seeds: u64,
    /// Shares of zeros.
    pub sparsities: Vec<f64>,
    pub out: PathBuf,
    pub smoke: bool,
}

/// Reads the command line; `None` where help is asked for.
pub(crate) fn parse(words: impl Iterator<Item = String>) -> Result<Option<Args>> {
    let mut args = Args {
        seeds: 3,
        sparsities: vec![0.5, 0.75, 0.9, 0.95, 0.98],
        out: "target/tradeoff".into(),
        smoke: false,
    };
    let mut words = Words::new(words);
    while let Some(option) = words.option() {
        match option.as_str() {
            "--help" => return Ok(None),
            "--out" => args.out = words.value()?.into(),
            "--seeds" => args.seeds = words.number(1)?,
            "--sparsities" => args.sparsities = words.percents()?,
            "--smoke" => args.smoke = true,
            _ => return Err(words.unknown()),
        }
    }
    if args.smoke {
        args.seeds = 1;
        args.sparsities = vec![0.9];
    }
    Ok(Some(args))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Option<Args>> {
        parse(line.split_whitespace().map(String::from))
    }

    #[test]
    fn options_are_read() {
        let args = parsed("--seeds 2 --sparsities 50,97.5 --out o")
            .unwrap()
            .unwrap();
        let wanted = Args {
            seeds: 2,
            sparsities: vec![0.5, 0.975],
            out: "o".into(),
            smoke: false,
        };
        assert_eq!(args, wanted);
        assert_eq!(parsed("--help").unwrap(), None);
        for line in ["--seeds 0", "--sparsities 100", "--out", "--fast"] {
            assert!(parsed(line).is_err(), "{line}");
        }
    }
}
