//! The command line.

use std::path::PathBuf;

use crate::error::{BenchError, Result};
use crate::section::Section;

pub(crate) const HELP: &str = "\
The sparse kernels beside dense and sparse rivals, as ratios of time within one run.

  cargo run --release -p secateur-benches --bin kernels -- [options]

  --only CASES     only these, with commas: unstructured, block4x1, two-of-four, batch1, conv3x3,
                   train-step, real
  --quick          two sparsities, one size a case and little time: whether it runs
  --threads N      threads (default: 1). One thread is measured in process time; more in time on
                   the wall, which wants a quiet machine
  --json FILE      also write one JSON object per measurement and line: case, m, k, n, sparsity,
                   threads, contestant, ms. dense-best is the fastest dense contestant,
                   dense-reference the time that ratios are taken against
  --rivals FILE    rows of benches/rivals.py, to be printed beside the same cases
  --real DIR       folder that holds `cifar10-resnet` and `mnist`, for the masks of trained nets
                   (default: $SECATEUR_DATA, ../shared/data); without one they are left out
  --help           this text

  SECATEUR_ISA=avx2 cargo run ..      the same table in AVX2, at its own peak
  SECATEUR_FLEX_X86_V4=FILE           Burn's Flex built for AVX-512, a program of its own:
      cargo build --release --locked --manifest-path benches/flex-x86-v4/Cargo.toml";

/// What the user wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Args {
    pub sections: Vec<Section>,
    pub quick: bool,
    pub threads: usize,
    pub json: Option<PathBuf>,
    pub rivals: Option<PathBuf>,
    pub real: Option<PathBuf>,
}

impl Default for Args {
    fn default() -> Self {
        Self {
            sections: Section::ALL.to_vec(),
            quick: false,
            threads: 1,
            json: None,
            rivals: None,
            real: None,
        }
    }
}

/// What this program is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Help,
    Measure(Args),
}

/// Reads the arguments after the program's name.
pub(crate) fn parse(words: impl IntoIterator<Item = String>) -> Result<Command> {
    let mut args = Args::default();
    let mut words = words.into_iter();
    while let Some(option) = words.next() {
        match option.as_str() {
            "--help" | "-h" => return Ok(Command::Help),
            "--quick" => {
                args.quick = true;
                continue;
            }
            "--only" | "--threads" | "--json" | "--rivals" | "--real" => {}
            _ => {
                return Err(BenchError::Usage(format!("there is no option `{option}`")));
            }
        }
        let value = words
            .next()
            .filter(|value| !value.starts_with("--"))
            .ok_or_else(|| BenchError::Usage(format!("`{option}` wants a value")))?;
        match option.as_str() {
            "--only" => args.sections = sections(&value)?,
            "--threads" => args.threads = threads(&value)?,
            "--json" => args.json = Some(value.into()),
            "--rivals" => args.rivals = Some(value.into()),
            _ => args.real = Some(value.into()),
        }
    }
    Ok(Command::Measure(args))
}

/// In the order of the table, whatever the order on the command line.
fn sections(names: &str) -> Result<Vec<Section>> {
    let mut sections = names
        .split(',')
        .map(str::parse)
        .collect::<Result<Vec<_>>>()?;
    sections.sort_unstable();
    sections.dedup();
    Ok(sections)
}

/// A pool of more threads than this is a mistake.
const MOST_THREADS: usize = 1024;

fn threads(value: &str) -> Result<usize> {
    let number = value.parse().ok();
    number
        .filter(|number| (1..=MOST_THREADS).contains(number))
        .ok_or_else(|| {
            BenchError::Usage(format!(
                "`--threads` wants a whole number from 1 to {MOST_THREADS}, not `{value}`"
            ))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Result<Command> {
        parse(line.split_whitespace().map(String::from))
    }

    #[test]
    fn everything_is_measured_unless_told_otherwise() {
        assert_eq!(words("").unwrap(), Command::Measure(Args::default()));
        assert_eq!(words("--json x --help").unwrap(), Command::Help);
        assert_eq!(words("-h").unwrap(), Command::Help);
    }

    #[test]
    fn options_are_read() {
        let line = "--json f --quick --only conv3x3,batch1,conv3x3 --threads 2 --real d \
                    --rivals r";
        let expected = Args {
            sections: vec![Section::Batch1, Section::Conv3x3],
            quick: true,
            threads: 2,
            json: Some("f".into()),
            rivals: Some("r".into()),
            real: Some("d".into()),
        };
        assert_eq!(words(line).unwrap(), Command::Measure(expected));
    }

    #[test]
    fn mistakes_are_named() {
        let cases = [
            ("--threads", "`--threads` wants a value"),
            ("--threads 0", "from 1 to 1024, not `0`"),
            ("--threads 1e9", "not `1e9`"),
            ("--json --quick", "`--json` wants a value"),
            ("--only gemm", "no case `gemm`"),
            ("--only ", "`--only` wants a value"),
            ("--frob 1", "no option `--frob`"),
            ("kernels", "no option `kernels`"),
        ];
        for (line, expected) in cases {
            let message = words(line).unwrap_err().to_string();
            assert!(message.contains(expected), "{line}: {message}");
            assert!(message.ends_with("see --help"), "{line}: {message}");
        }
    }

    #[test]
    fn the_help_names_every_case() {
        for section in Section::ALL {
            assert!(HELP.contains(&section.to_string()), "{section}");
        }
    }
}
