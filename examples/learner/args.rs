//! The command line.

use std::fmt;
use std::path::PathBuf;

use secateur_examples::command_line::Words;
use secateur_examples::{ExampleError, Result};

pub(crate) const HELP: &str = "\
Prunes a small net to a tenth of its weights while Burn's Learner trains it.

  cargo run --release --example learner -- [options]

  --epochs N          epochs from the first to the last (default: 6; with --smoke 2)
  --stop-after EPOCH  end the run early, to resume it later
  --resume EPOCH      go on after this epoch; give the other options as in the first run
  --dir DIR           where checkpoints and logs go (default: target/learner)
  --smoke             300 images, no dashboard: shows that it runs, the numbers mean nothing
  --help              this text";

/// What the user wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Args {
    /// Epochs of the whole training, over all runs.
    pub epochs: usize,
    /// The last epoch of this run, if that is not the last of all.
    pub stop_after: Option<usize>,
    /// The epoch after which this run goes on.
    pub resume: Option<usize>,
    pub dir: PathBuf,
    pub smoke: bool,
}

impl Args {
    /// The first epoch of this run, counted from 1 as Burn does.
    pub(crate) fn first_epoch(&self) -> usize {
        self.resume.unwrap_or(0) + 1
    }

    /// The last epoch of this run.
    pub(crate) fn last_epoch(&self) -> usize {
        self.stop_after.unwrap_or(self.epochs)
    }
}

/// The options, as one types them.
impl fmt::Display for Args {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "--epochs {} --dir {}", self.epochs, self.dir.display())?;
        if let Some(epoch) = self.stop_after {
            write!(f, " --stop-after {epoch}")?;
        }
        if let Some(epoch) = self.resume {
            write!(f, " --resume {epoch}")?;
        }
        if self.smoke {
            write!(f, " --smoke")?;
        }
        Ok(())
    }
}

/// What this program is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Help,
    Train(Args),
}

/// Reads the arguments after the program's name.
pub(crate) fn parse(words: impl IntoIterator<Item = String>) -> Result<Command> {
    let mut epochs = None;
    let mut args = Args {
        epochs: 6,
        stop_after: None,
        resume: None,
        dir: "target/learner".into(),
        smoke: false,
    };
    let mut words = Words::new(words);
    while let Some(option) = words.option() {
        match option.as_str() {
            "--help" | "-h" => return Ok(Command::Help),
            "--smoke" => args.smoke = true,
            "--epochs" => epochs = Some(words.number(1)?),
            "--stop-after" => args.stop_after = Some(words.number(1)?),
            "--resume" => args.resume = Some(words.number(1)?),
            "--dir" => args.dir = words.value()?.into(),
            _ => return Err(words.unknown()),
        }
    }
    args.epochs = epochs.unwrap_or(if args.smoke { 2 } else { args.epochs });
    check(args).map(Command::Train)
}

fn check(args: Args) -> Result<Args> {
    let (first, last) = (args.first_epoch(), args.last_epoch());
    let wrong = if last > args.epochs {
        format!(
            "`--stop-after {last}` lies behind the last of {} epochs",
            args.epochs
        )
    } else if first > last {
        format!(
            "after epoch {} nothing is left to do up to epoch {last}",
            first - 1
        )
    } else {
        return Ok(args);
    };
    Err(ExampleError::Usage(wrong))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Result<Command> {
        parse(line.split_whitespace().map(String::from))
    }

    fn args(line: &str) -> Args {
        match words(line).unwrap() {
            Command::Train(args) => args,
            Command::Help => panic!("{line}"),
        }
    }

    #[test]
    fn a_smoke_run_is_short_unless_told_otherwise() {
        assert_eq!(args("").epochs, 6);
        assert_eq!(args("--smoke").epochs, 2);
        assert_eq!(args("--epochs 3 --smoke").epochs, 3);
        assert_eq!(words("--smoke --help").unwrap(), Command::Help);
    }

    #[test]
    fn options_print_as_they_are_typed() {
        let line = "--epochs 5 --dir d --stop-after 4 --resume 2 --smoke";
        let args = args(line);
        assert_eq!((args.first_epoch(), args.last_epoch()), (3, 4));
        assert_eq!(args.to_string(), line);
    }

    #[test]
    fn mistakes_are_named() {
        let cases = [
            ("--epochs", "`--epochs` wants a value"),
            ("--epochs 0", "from 1, not `0`"),
            ("--resume two", "from 1, not `two`"),
            ("--resume 6", "nothing is left to do"),
            ("--resume 3 --stop-after 3", "nothing is left to do"),
            ("--stop-after 7", "behind the last of 6"),
            ("--frob", "no option `--frob`"),
        ];
        for (line, expected) in cases {
            let message = words(line).unwrap_err().to_string();
            assert!(message.contains(expected), "{line}: {message}");
        }
    }
}
