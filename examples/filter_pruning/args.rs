//! The command line.

use std::path::PathBuf;

use secateur_examples::Result;
use secateur_examples::command_line::Words;

pub(crate) const HELP: &str = "\
Nets with filters taken out for real, half of their multiply-adds left.

  cargo run --release --example filter_pruning -- [options]

  --net NAME  starter   the quickstart's net on the starter set, which is part of this package (default)
              vgg       six convolutions with batch norms on Fashion-MNIST
              resnet20  the pretrained net on CIFAR-10, JPEG quality 75
              mlp       784-500-300-10 on MNIST, as network slimming has it
  --data DIR  folder that holds `fashion-mnist`, `mnist`, `cifar10-jpeg` and `cifar10-resnet`
              (default: $SECATEUR_DATA, ../shared/data, /usr/share/datasets)
  --seeds N   trainings of each kind (default: 3)
  --distil    smaller nets are tuned by the dense net's soft targets beside the labels
  --smoke     one seed, few images, one epoch: only to see that it runs; nets whose data are not
              there are skipped
  --help      this text
";

/// The nets, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Net {
    Starter,
    Vgg,
    ResNet20,
    Mlp,
}

impl Net {
    pub(crate) const ALL: [Self; 4] = [Self::Starter, Self::Vgg, Self::ResNet20, Self::Mlp];

    fn name(self) -> &'static str {
        match self {
            Self::Starter => "starter",
            Self::Vgg => "vgg",
            Self::ResNet20 => "resnet20",
            Self::Mlp => "mlp",
        }
    }
}

/// What is to be run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Args {
    /// `None` is the starter's net, in a smoke run all of them.
    pub net: Option<Net>,
    pub data: Option<PathBuf>,
    pub seeds: u64,
    pub distil: bool,
    pub smoke: bool,
}

/// Reads the command line; `None` where help is asked for.
pub(crate) fn parse(words: impl Iterator<Item = String>) -> Result<Option<Args>> {
    let mut args = Args {
        net: None,
        data: None,
        seeds: 3,
        distil: false,
        smoke: false,
    };
    let mut words = Words::new(words);
    while let Some(option) = words.option() {
        match option.as_str() {
            "--help" => return Ok(None),
            "--smoke" => args.smoke = true,
            "--distil" => args.distil = true,
            "--data" => args.data = Some(words.value()?.into()),
            "--seeds" => args.seeds = words.number(1)?,
            "--net" => {
                let name = words.value()?;
                let net = Net::ALL.into_iter().find(|net| net.name() == name);
                let known = Net::ALL.map(Net::name).join(", ");
                let wants = || words.wants(&format!("one of {known}, not `{name}`"));
                args.net = Some(net.ok_or_else(wants)?);
            }
            _ => return Err(words.unknown()),
        }
    }
    if args.smoke {
        args.seeds = 1;
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
        let args = parsed("--net vgg --data d --distil --seeds 2")
            .unwrap()
            .unwrap();
        let wanted = Args {
            net: Some(Net::Vgg),
            data: Some("d".into()),
            seeds: 2,
            distil: true,
            smoke: false,
        };
        assert_eq!(args, wanted);
        assert_eq!(parsed("--seeds 5 --smoke").unwrap().unwrap().seeds, 1);
        assert_eq!(parsed("--net vgg --help").unwrap(), None);
    }

    #[test]
    fn mistakes_are_named() {
        for (line, word) in [
            ("--net alexnet", "alexnet"),
            ("--seeds 0", "--seeds"),
            ("--data", "--data"),
            ("--fast", "--fast"),
        ] {
            let error = parsed(line).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
    }
}
