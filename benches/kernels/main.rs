//! The sparse kernels beside dense and sparse rivals: the table of `docs/src/performance.md`.
//!
//! `cargo run --release -p secateur-benches --bin kernels -- --help`

mod args;
mod burn_flex;
mod cell;
mod contestants;
mod dense_reference;
mod error;
mod goals;
mod machine;
mod probes;
mod real;
mod rival_rows;
mod rounds;
mod row;
mod section;
mod table;
mod vectors;
mod work;

use std::process::ExitCode;

use secateur_benches::matrices::pruned;
use secateur_kernels::Isa;

use args::{Args, Command, HELP};
use cell::{Cell, Setup, measure};
use error::{BenchError, Result};
use rival_rows::RivalRows;
use rounds::Effort;
use row::RowFile;
use secateur_benches::second_program::{HOW_TO_BUILD, SecondProgram};
use section::{Section, heading};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let args = match args::parse(std::env::args().skip(1))? {
        Command::Help => {
            println!("{HELP}");
            return Ok(());
        }
        Command::Measure(args) => args,
    };
    let setup = Setup {
        isa: Isa::from_env()?,
        threads: args.threads,
        effort: Effort::new(args.quick),
    };
    // Everything uses this pool, Burn's Flex as well.
    rayon::ThreadPoolBuilder::new()
        .num_threads(args.threads)
        .build_global()?;
    // In the pool, so that no call has to wake it first.
    rayon::scope(|_| Run::begin(&args, setup)?.everything())
}

/// One run of the program.
struct Run<'a> {
    args: &'a Args,
    setup: Setup,
    program: Option<SecondProgram>,
    rows: RowFile,
    rivals: RivalRows,
    cells: Vec<(Section, Cell)>,
}

impl<'a> Run<'a> {
    fn begin(args: &'a Args, setup: Setup) -> Result<Self> {
        let rows = RowFile::create(args.json.as_deref())?;
        let rivals = RivalRows::read(args.rivals.as_deref())?;
        println!("{}", machine::describe(setup)?);
        let program = match SecondProgram::find() {
            Some(executable) => Some(
                SecondProgram::start(&executable, args.threads)
                    .map_err(BenchError::SecondProgram)?,
            ),
            None => {
                println!("flex-x86-v4 is left out; to build it:\n  {HOW_TO_BUILD}");
                None
            }
        };
        println!("{}", machine::rules(setup));
        Ok(Self {
            args,
            setup,
            program,
            rows,
            rivals,
            cells: Vec::new(),
        })
    }

    fn everything(mut self) -> Result<()> {
        for &section in &self.args.sections {
            if section == Section::Real {
                self.real()?;
            } else {
                self.section(section)?;
            }
        }
        if !self.cells.is_empty() {
            let wide = self.setup.isa >= Isa::Avx512;
            println!("\n{}", table::summary(&self.cells, wide));
        }
        Ok(())
    }

    fn section(&mut self, section: Section) -> Result<()> {
        for work in section.works(self.args.quick) {
            println!("\n{}\n{}", heading(section, work), table::columns());
            let [m, k, _] = work.size();
            let first = self.cells.len();
            for &sparsity in section.sparsities(self.args.quick) {
                let weights = pruned([m, k], sparsity, section.pattern())?;
                let mut cell = measure(work, weights, self.setup, self.program.as_mut())?;
                // What was asked for: the mask is as near to it as a whole number of weights is.
                cell.sparsity = sparsity;
                println!("{}", table::line(section, &cell));
                let rows = cell.rows(section.case(), self.setup.threads);
                for line in self.rivals.beside(&rows[0]) {
                    println!("{line}");
                }
                self.rows.write(&rows)?;
                self.cells.push((section, cell));
            }
            let cells: Vec<_> = self.cells[first..]
                .iter()
                .map(|(_, cell)| cell.clone())
                .collect();
            println!("{}", table::bounds(&cells));
            if section == Section::Conv3x3 && !self.rivals.has_winograd() {
                println!("  Winograd: not measured; nothing here in Rust runs it, see --rivals");
            }
        }
        Ok(())
    }

    fn real(&mut self) -> Result<()> {
        let layers = real::layers(self.args.real.as_deref(), self.args.quick)?;
        if layers.is_empty() {
            return Ok(());
        }
        println!(
            "\nreal masks beside random ones with as many weights\n{}",
            real::columns()
        );
        for layer in &layers {
            for comparison in real::compare(layer, self.setup)? {
                println!("{}", comparison.line());
                self.rows.write(&comparison.rows(self.setup.threads))?;
            }
        }
        Ok(())
    }
}
