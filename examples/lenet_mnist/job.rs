//! One process's work: a data set, a net, a seed, and methods of one family.

use std::fmt;
use std::str::FromStr;

use secateur_examples::ExampleError;
use secateur_examples::data::DatasetName;

use crate::args::Args;
use crate::method::Method;

/// The nets, by the names they have in tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Net {
    LeNet300,
    LeNet5,
}

impl Net {
    /// Epochs of a full training.
    pub(crate) fn epochs(self) -> usize {
        match self {
            Self::LeNet300 => 10,
            Self::LeNet5 => 5,
        }
    }

    /// As the literature writes it.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::LeNet300 => "LeNet-300-100",
            Self::LeNet5 => "LeNet-5",
        }
    }

    /// Whether `method` is run with this net on this data set.
    fn runs(self, method: Method, dataset: DatasetName) -> bool {
        use Method::{Agp, Dense, HanOneshot, RandomUniform, Snip};
        match self {
            Self::LeNet300 => true,
            Self::LeNet5 => {
                dataset == DatasetName::Mnist
                    && matches!(method, Dense | HanOneshot | Agp | Snip | RandomUniform)
            }
        }
    }
}

impl fmt::Display for Net {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::LeNet300 => "lenet-300-100",
            Self::LeNet5 => "lenet-5",
        })
    }
}

impl FromStr for Net {
    type Err = ExampleError;

    fn from_str(name: &str) -> Result<Self, ExampleError> {
        match name {
            "lenet-300-100" => Ok(Self::LeNet300),
            "lenet-5" => Ok(Self::LeNet5),
            _ => Err(ExampleError::Usage(format!(
                "there is no net `{name}`, only lenet-300-100 and lenet-5"
            ))),
        }
    }
}

/// What one process does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Job {
    pub dataset: DatasetName,
    pub net: Net,
    pub seed: u64,
    /// Of one family, so that what they share is computed once.
    pub methods: Vec<Method>,
    /// Epochs of a full training.
    pub epochs: usize,
    pub data: Option<std::path::PathBuf>,
    /// Whether a third of the images is enough.
    pub smoke: bool,
}

impl Job {
    /// The methods by name, with commas.
    pub(crate) fn method_names(&self) -> String {
        let names: Vec<_> = self.methods.iter().map(|method| method.name()).collect();
        names.join(",")
    }
}

impl fmt::Display for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let methods = self.method_names();
        write!(
            f,
            "{} {} {methods} seed {}",
            self.dataset, self.net, self.seed
        )
    }
}

/// All that `args` asks for, in the order of the table; the seeds of one line stand together.
pub(crate) fn jobs(args: &Args) -> Vec<Job> {
    let mut jobs: Vec<Job> = Vec::new();
    for &net in &args.nets {
        for &dataset in &args.datasets {
            let wanted = args.methods.iter().copied();
            let methods: Vec<_> = wanted.filter(|&m| net.runs(m, dataset)).collect();
            for family in methods.chunk_by(|a, b| a.family() == b.family()) {
                jobs.extend((1..=args.seeds).map(|seed| Job {
                    dataset,
                    net,
                    seed,
                    methods: family.to_vec(),
                    epochs: args.epochs.unwrap_or(net.epochs()),
                    data: args.data.clone(),
                    smoke: args.smoke,
                }));
            }
        }
    }
    jobs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_is_one_job_per_seed() {
        let args = Args {
            seeds: 3,
            datasets: vec![DatasetName::Mnist, DatasetName::FashionMnist],
            nets: vec![Net::LeNet300],
            methods: vec![Method::Dense, Method::Snip, Method::SnipShuffled],
            ..Args::default()
        };
        let jobs = jobs(&args);
        assert_eq!(jobs.len(), 2 * 2 * 3);
        assert_eq!(
            jobs[3].to_string(),
            "mnist lenet-300-100 snip,snip-shuffled seed 1"
        );
        assert_eq!(jobs[3].epochs, 10);
    }

    #[test]
    fn lenet5_runs_on_mnist_only_and_with_five_methods() {
        let args = Args {
            seeds: 1,
            nets: vec![Net::LeNet5],
            ..Args::default()
        };
        let jobs = jobs(&args);
        let methods: Vec<_> = jobs.iter().map(Job::method_names).collect();
        assert_eq!(
            methods,
            ["dense", "han-oneshot", "agp", "snip", "random-uniform"]
        );
        assert!(
            jobs.iter()
                .all(|job| job.dataset == DatasetName::Mnist && job.epochs == 5)
        );
    }
}
