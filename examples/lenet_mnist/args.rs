//! The command line.

use std::path::PathBuf;
use std::str::FromStr;

use secateur_examples::command_line::Words;
use secateur_examples::data::DatasetName;
use secateur_examples::{ExampleError, Result};

use crate::job::{Job, Net};
use crate::method::Method;

pub(crate) const HELP: &str = "\
Pruning methods of the literature on LeNets, three seeds each.

  cargo run --release --example lenet_mnist -- [options]

  --data DIR       folder that holds `mnist` and `fashion-mnist`
                   (default: $SECATEUR_DATA, ../shared/data, /usr/share/datasets)
  --dataset NAME   mnist, fashion or both (default: both)
  --net NAME       lenet-300-100, lenet-5 or both (default: both; lenet-5 on mnist only)
  --only METHODS   only these, with commas: dense han-oneshot han-iterative han-random agp snip
                   snip-shuffled random-uniform random-erk rigl set static ticket ticket-fresh
  --seeds N        seeds per method (default: 3)
  --epochs N       shorten every training, to see whether it runs; the numbers mean nothing then
  --smoke          one epoch of everything on a third of the images, LeNet-300-100 on MNIST, one
                   seed: whether it runs;
                   skips itself where there is no data
  --processes N    processes at a time, one thread each (default: 2)
  --json FILE      also write one JSON object per result and line:
                   dataset, net, method, sparsity (share of zeros asked for), kept and total
                   (weights, without biases), epochs, seed, error (percent of the test images);
                   results that FILE holds already are kept and not run again
  --fresh          empty FILE first and run everything
  --help           this text";

/// What the user wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Args {
    pub data: Option<PathBuf>,
    pub datasets: Vec<DatasetName>,
    pub nets: Vec<Net>,
    pub methods: Vec<Method>,
    pub seeds: u64,
    pub epochs: Option<usize>,
    pub processes: usize,
    pub json: Option<PathBuf>,
    /// What the file of `json` holds is thrown away.
    pub fresh: bool,
    /// A missing data set ends the program well.
    pub smoke: bool,
}

impl Default for Args {
    fn default() -> Self {
        Self {
            data: None,
            datasets: vec![DatasetName::Mnist, DatasetName::FashionMnist],
            nets: vec![Net::LeNet300, Net::LeNet5],
            methods: Method::ALL.to_vec(),
            seeds: 3,
            epochs: None,
            processes: 2,
            json: None,
            fresh: false,
            smoke: false,
        }
    }
}

/// What this process is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Help,
    /// The process that a user starts: it starts the others.
    Parent(Args),
    /// A process that the parent starts: one job, its rows on standard output.
    Child(Job),
}

/// Reads the arguments after the program's name.
pub(crate) fn parse(words: impl IntoIterator<Item = String>) -> Result<Command> {
    let mut args = Args::default();
    let mut child_seed = None;
    let mut words = Words::new(words);
    while let Some(option) = words.option() {
        match option.as_str() {
            "--help" | "-h" => return Ok(Command::Help),
            "--fresh" => args.fresh = true,
            "--smoke" => {
                args = Args {
                    datasets: vec![DatasetName::Mnist],
                    nets: vec![Net::LeNet300],
                    seeds: 1,
                    epochs: Some(1),
                    smoke: true,
                    ..args
                }
            }
            "--data" => args.data = Some(words.value()?.into()),
            "--json" => args.json = Some(words.value()?.into()),
            "--dataset" => {
                args.datasets = match words.value()?.as_str() {
                    "both" => Args::default().datasets,
                    name => vec![name.parse()?],
                }
            }
            "--net" => {
                args.nets = match words.value()?.as_str() {
                    "both" => Args::default().nets,
                    name => vec![name.parse()?],
                }
            }
            "--only" => args.methods = methods(&words.value()?)?,
            "--seeds" => args.seeds = words.number(1)?,
            "--epochs" => args.epochs = Some(words.number(1)?),
            "--processes" => args.processes = words.number(1)?,
            // Not in the help: how the parent speaks to its children.
            "--child-seed" => child_seed = Some(words.number(1)?),
            _ => return Err(words.unknown()),
        }
    }
    if args.fresh && args.json.is_none() {
        let why = "`--fresh` empties the file of `--json`, which is not given";
        return Err(ExampleError::Usage(why.into()));
    }
    match child_seed {
        None => Ok(Command::Parent(args)),
        Some(seed) => child(args, seed).map(Command::Child),
    }
}

/// The words that make a child do `job`; the inverse of [`parse`].
pub(crate) fn child_words(job: &Job) -> Vec<String> {
    // First, for it sets some of the others.
    let mut words: Vec<String> = Vec::from_iter(job.smoke.then(|| "--smoke".into()));
    words.extend([
        "--child-seed".into(),
        job.seed.to_string(),
        "--dataset".into(),
        job.dataset.to_string(),
        "--net".into(),
        job.net.to_string(),
        "--only".into(),
        job.method_names(),
        "--epochs".into(),
        job.epochs.to_string(),
    ]);
    if let Some(data) = &job.data {
        words.extend(["--data".into(), data.display().to_string()]);
    }
    words
}

fn child(args: Args, seed: u64) -> Result<Job> {
    match (args.datasets.as_slice(), args.nets.as_slice(), args.epochs) {
        (&[dataset], &[net], Some(epochs)) => Ok(Job {
            dataset,
            net,
            seed,
            methods: args.methods,
            epochs,
            data: args.data,
            smoke: args.smoke,
        }),
        _ => Err(ExampleError::Usage(
            "a child needs one --dataset, one --net and --epochs".into(),
        )),
    }
}

/// In the order of the table, whatever the order on the command line.
fn methods(names: &str) -> Result<Vec<Method>> {
    let mut methods = names
        .split(',')
        .map(Method::from_str)
        .collect::<Result<Vec<_>>>()?;
    methods.sort_unstable();
    methods.dedup();
    Ok(methods)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Result<Command> {
        parse(line.split_whitespace().map(String::from))
    }

    #[test]
    fn everything_is_run_unless_told_otherwise() {
        assert_eq!(words("").unwrap(), Command::Parent(Args::default()));
        assert_eq!(words("--json x --help").unwrap(), Command::Help);
    }

    #[test]
    fn options_are_read() {
        let line = "--data d --json f --only snip,dense --seeds 2 --dataset fashion --net lenet-5 \
                    --epochs 1 --processes 4 --fresh";
        let expected = Args {
            data: Some("d".into()),
            datasets: vec![DatasetName::FashionMnist],
            nets: vec![Net::LeNet5],
            methods: vec![Method::Dense, Method::Snip],
            seeds: 2,
            epochs: Some(1),
            processes: 4,
            json: Some("f".into()),
            fresh: true,
            smoke: false,
        };
        assert_eq!(words(line).unwrap(), Command::Parent(expected));
    }

    #[test]
    fn a_smoke_run_is_short() {
        let Command::Parent(args) = words("--smoke --only agp").unwrap() else {
            panic!("no parent");
        };
        assert_eq!((args.seeds, args.epochs, args.smoke), (1, Some(1), true));
        assert_eq!((args.nets.len(), args.datasets.len()), (1, 1));
        assert_eq!(args.methods, [Method::Agp]);
    }

    #[test]
    fn mistakes_are_named() {
        let cases = [
            ("--seeds", "`--seeds` wants a value"),
            ("--seeds 0", "from 1, not `0`"),
            ("--only snap", "no method `snap`"),
            ("--net alexnet", "no net `alexnet`"),
            ("--dataset cifar", "no data set `cifar`"),
            ("--frob 1", "no option `--frob`"),
            ("--fresh", "`--json`, which is not given"),
            ("--child-seed 1", "a child needs"),
        ];
        for (line, expected) in cases {
            let message = words(line).unwrap_err().to_string();
            assert!(message.contains(expected), "{line}: {message}");
        }
    }

    #[test]
    fn a_child_understands_its_parent() {
        let job = Job {
            dataset: DatasetName::FashionMnist,
            net: Net::LeNet300,
            seed: 3,
            methods: vec![Method::Ticket, Method::TicketFresh],
            epochs: 10,
            data: Some("some where".into()),
            smoke: false,
        };
        for smoke in [false, true] {
            let job = Job {
                smoke,
                ..job.clone()
            };
            assert_eq!(parse(child_words(&job)).unwrap(), Command::Child(job));
        }
    }
}
