//! The command line.

use std::path::PathBuf;

use crate::nets::Model;

pub(crate) const HELP: &str = "\
Whole models, pruned and compiled, beside Burn and others, as ratios of time within one run.

  cargo run --release -p secateur-benches --bin engine -- [options]

  --only MODELS    only these, with commas: lenet-300-100, lenet-5, mlp-4x1024, resnet-20,
                   resnet-44, transformer
  --quick          little time a row: whether it runs
  --threads N      threads (default: 1). One thread is measured in process time; more in time on
                   the wall, which wants a quiet machine
  --json FILE      also write one JSON object per measurement and line: model, batch, sparsity,
                   threads, contestant, ms
  --rivals FILE    rows of benches/engine_rivals.py, to be printed beside the same models
  --data DIR       folder that holds `cifar10-resnet`, whose trained masks the residual nets get
                   (default: $SECATEUR_DATA, ../shared/data); without one, weights as drawn
  --explain        also print what the engine does for each layer at 90 %
  --help           this text

With `--features ndarray` Burn's NdArray takes part.
  SECATEUR_FLEX_X86_V4=FILE           Burn's Flex built for AVX-512, a program of its own:
      cargo build --release --locked --manifest-path benches/flex-x86-v4/Cargo.toml";

/// What the user wants measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Args {
    pub(crate) models: Vec<Model>,
    pub(crate) quick: bool,
    pub(crate) explain: bool,
    pub(crate) threads: usize,
    pub(crate) json: Option<PathBuf>,
    pub(crate) rivals: Option<PathBuf>,
    pub(crate) data: Option<PathBuf>,
}

/// Reads the words of a command line; `None` for help.
pub(crate) fn parse(words: impl Iterator<Item = String>) -> Result<Option<Args>, String> {
    let mut args = Args {
        models: Model::ALL.to_vec(),
        quick: false,
        explain: false,
        threads: 1,
        json: None,
        rivals: None,
        data: None,
    };
    let mut words = words;
    while let Some(word) = words.next() {
        let mut value = || {
            let missing = || format!("{word} wants a value; see --help");
            words.next().ok_or_else(missing)
        };
        match word.as_str() {
            "--help" => return Ok(None),
            "--quick" => args.quick = true,
            "--explain" => args.explain = true,
            "--only" => {
                let names = value()?;
                let models = names.split(',').map(str::parse);
                args.models = models.collect::<Result<_, _>>()?;
            }
            "--threads" => {
                let count = value()?;
                let parsed = count.parse().ok().filter(|&count| count > 0);
                args.threads =
                    parsed.ok_or_else(|| format!("`{count}` is no number of threads"))?;
            }
            "--json" => args.json = Some(value()?.into()),
            "--rivals" => args.rivals = Some(value()?.into()),
            "--data" => args.data = Some(value()?.into()),
            other => return Err(format!("`{other}` is no option; see --help")),
        }
    }
    Ok(Some(args))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Option<Args>, String> {
        parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn options_are_read_and_nonsense_is_refused() {
        let args = parsed("--only lenet-5,resnet-20 --quick --threads 2")
            .unwrap()
            .unwrap();
        assert_eq!(args.models, [Model::LeNet5, Model::ResNet20]);
        assert!(args.quick && args.threads == 2);
        assert_eq!(parsed("--help"), Ok(None));
        for wrong in ["--only lenet-6", "--threads 0", "--json", "fast"] {
            assert!(parsed(wrong).is_err(), "{wrong}");
        }
    }
}
