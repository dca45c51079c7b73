//! Nets with filters taken out for real: which filters matter, and whether the trained weights that
//! are left matter at all.
//!
//! `cargo run --release --example filter_pruning` (`--net vgg|resnet20|mlp` for larger ones)
//!
//! A net is cut to half of its multiply-adds by several scores and trained on for a little. Beside
//! them stands the smaller net trained from scratch, for as many epochs as the net of full size and
//! for as many products ("Rethinking the value of network pruning", Liu et al. 2019).
//!
//! | file | what it shows |
//! | --- | --- |
//! | `study.rs` | coupling, scores, a plan under a budget, a smaller net |
//! | `score.rs` | scores of filters, of weights, gradients and norms |
//! | `mlp.rs` | network slimming's net, a share of each layer or of all |
//! | `grey.rs`, `resnet.rs` | the nets and how they are trained |

mod args;
mod grey;
mod mlp;
mod resnet;
mod score;
mod study;
mod subject;
mod table;

use std::process::ExitCode;

use secateur_examples::command_line;
use secateur_examples::{ExampleError, Result};

use args::{Args, Net};
use grey::Grey;
use mlp::Slimmed;
use resnet::Pretrained;
use subject::Subject;
use table::Table;

fn main() -> ExitCode {
    command_line::exit(run())
}

fn run() -> Result<()> {
    let Some(args) = args::parse(std::env::args().skip(1))? else {
        print!("{}", args::HELP);
        return Ok(());
    };
    match args.net {
        Some(net) => println!("{}", of(net, &args)?),
        None if args.smoke => {
            for net in Net::ALL {
                match of(net, &args) {
                    Ok(text) => println!("{text}\n"),
                    Err(error @ ExampleError::NoData { .. }) => println!("skipped: {error}\n"),
                    Err(error) => return Err(error),
                }
            }
        }
        None => println!("{}", of(Net::Starter, &args)?),
    }
    Ok(())
}

/// The tables of one net.
fn of(net: Net, args: &Args) -> Result<String> {
    let dir = args.data.as_deref();
    match net {
        Net::Starter => {
            let table = studied(&Grey::starter(args.smoke)?, args)?;
            Ok(format!(
                "{table} Starter set, not comparable with published figures."
            ))
        }
        Net::Vgg => studied(&Grey::vgg(dir, args.smoke)?, args),
        Net::ResNet20 => studied(&Pretrained::resnet20(dir, args.smoke)?, args),
        Net::Mlp => {
            let subject = Grey::mlp(dir, args.smoke)?;
            let mut slimmed = Slimmed::new(&subject);
            for seed in 1..=args.seeds {
                slimmed.one_seed(&subject, seed)?;
            }
            Ok(slimmed.to_string())
        }
    }
}

fn studied<S: Subject>(subject: &S, args: &Args) -> Result<String> {
    let mut table = Table::new(subject.title());
    for seed in 1..=args.seeds {
        study::one_seed(subject, args.distil, seed, &mut table)?;
    }
    Ok(table.to_string())
}
