//! The command line.

use std::path::PathBuf;

use secateur_examples::Result;
use secateur_examples::command_line::Words;

use crate::method::Method;

pub(crate) const HELP: &str = "\
One-shot pruning of a pretrained ResNet by magnitude, Wanda and SparseGPT.

  cargo run --release --example wanda_calibration -- [options]

  --data DIR        folder that holds `cifar10-jpeg` and `cifar10-resnet`
                    (default: $SECATEUR_DATA, ../shared/data, /usr/share/datasets)
  --depth N         layers of the net: 20, 32 or 44 (default: 20)
  --images N        test images (default: 2000)
  --calibration N   training images to calibrate with, 64 at a time (default: 128)
  --only METHODS    only these, with commas: magnitude wanda wanda-layer sparsegpt
  --sparsity LIST   shares of zeros in percent, with commas (default: 50,60,70,80,90)
  --smoke           few images, one sparsity: whether it runs, the numbers mean nothing;
                    skips itself where there is no data
  --help            this text";

/// What the user wants.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Args {
    pub data: Option<PathBuf>,
    pub depth: usize,
    pub images: usize,
    pub calibration: usize,
    pub methods: Vec<Method>,
    pub sparsities: Vec<f64>,
    /// A missing data set ends the program well.
    pub smoke: bool,
}

/// What this program is to do.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Command {
    Help,
    Compare(Args),
}

/// Reads the arguments after the program's name.
pub(crate) fn parse(words: impl IntoIterator<Item = String>) -> Result<Command> {
    let mut args = Args {
        data: None,
        depth: 20,
        images: 2_000,
        calibration: 128,
        methods: Method::ALL.to_vec(),
        sparsities: [50, 60, 70, 80, 90].map(|s| f64::from(s) / 100.0).to_vec(),
        smoke: false,
    };
    let mut words = Words::new(words);
    while let Some(option) = words.option() {
        match option.as_str() {
            "--help" | "-h" => return Ok(Command::Help),
            "--smoke" => {
                args = Args {
                    images: 20,
                    calibration: 10,
                    sparsities: vec![0.5],
                    smoke: true,
                    ..args
                }
            }
            "--data" => args.data = Some(words.value()?.into()),
            "--depth" => args.depth = words.number(1)?,
            "--images" => args.images = words.number(1)?,
            "--calibration" => args.calibration = words.number(1)?,
            "--only" => {
                let names = words.value()?;
                args.methods = names.split(',').map(str::parse).collect::<Result<_>>()?;
            }
            "--sparsity" => args.sparsities = words.percents()?,
            _ => return Err(words.unknown()),
        }
    }
    Ok(Command::Compare(args))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Result<Command> {
        parse(line.split_whitespace().map(String::from))
    }

    #[test]
    fn options_are_read() {
        let line =
            "--depth 32 --images 10 --calibration 20 --sparsity 50,87.5 --only wanda,sparsegpt";
        let Command::Compare(args) = words(line).unwrap() else {
            panic!("{line}");
        };
        assert_eq!((args.depth, args.images, args.calibration), (32, 10, 20));
        assert_eq!(args.sparsities, [0.5, 0.875]);
        assert_eq!(args.methods, [Method::Wanda, Method::SparseGpt]);
        assert_eq!(words("--smoke --help").unwrap(), Command::Help);
    }

    #[test]
    fn mistakes_are_named() {
        let cases = [
            ("--images", "`--images` wants a value"),
            ("--images 0", "from 1, not `0`"),
            ("--sparsity 100", "less than 100"),
            ("--sparsity 5,x", "not `5,x`"),
            ("--only wonda", "no method `wonda`"),
            ("--frob", "no option `--frob`"),
        ];
        for (line, expected) in cases {
            let message = words(line).unwrap_err().to_string();
            assert!(message.contains(expected), "{line}: {message}");
        }
    }
}
