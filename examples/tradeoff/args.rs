//! The command line.

use std::path::PathBuf;

use secateur_examples::{ExampleError, Result};

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
pub(crate) fn parse(mut words: impl Iterator<Item = String>) -> Result<Option<Args>> {
    let mut args = Args {
        seeds: 3,
        sparsities: vec![0.5, 0.75, 0.9, 0.95, 0.98],
        out: "target/tradeoff".into(),
        smoke: false,
    };
    while let Some(word) = words.next() {
        let mut value = || {
            let value = words.next();
            value.ok_or_else(|| usage(&format!("{word} wants a value")))
        };
        match word.as_str() {
            "--help" => return Ok(None),
            "--out" => args.out = value()?.into(),
            "--seeds" => {
                let seeds = value()?.parse().ok().filter(|seeds| *seeds > 0);
                args.seeds = seeds.ok_or_else(|| usage("--seeds wants a number from 1 on"))?;
            }
            "--sparsities" => {
                let text = value()?;
                let parts = text.split(',').map(|part| part.trim().parse().ok());
                let percents: Option<Vec<f64>> = parts.collect();
                let percents = percents.filter(|all| all.iter().all(|p| *p > 0.0 && *p < 100.0));
                let percents = percents
                    .ok_or_else(|| usage("--sparsities wants percents between 0 and 100"))?;
                args.sparsities = percents.iter().map(|percent| percent / 100.0).collect();
            }
            "--smoke" => args.smoke = true,
            other => return Err(usage(&format!("there is no `{other}`"))),
        }
    }
    if args.smoke {
        args.seeds = 1;
        args.sparsities = vec![0.9];
    }
    Ok(Some(args))
}

fn usage(why: &str) -> ExampleError {
    ExampleError::Usage(format!("{why}\n\n{HELP}"))
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
