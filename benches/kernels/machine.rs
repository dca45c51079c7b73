//! What the run stands on: the machine's bounds and the rules of the ratios.

use secateur_kernels::Isa;

use crate::cell::Setup;
use crate::contestants::Contestant;
use crate::dense_reference::{CONVOLUTION_SHARE, PRODUCT_SHARE, VECTOR_MS};
use crate::error::Result;
use crate::probes::{MultiplyAdds, Reads};
use crate::rounds::{Effort, Entrant, medians};
use secateur_benches::stopwatch::Clock;

/// Megabytes that are read: of the caches of most processors, and more than any has.
const SIZES: [usize; 5] = [1, 4, 16, 64, 256];

/// Instruction set, threads and clock, the multiply-add peak and the read bandwidth.
pub(crate) fn describe(setup: Setup) -> Result<String> {
    let clock = match setup.clock() {
        Clock::Process => "process time",
        Clock::Wall => "time on the wall",
    };
    let (isa, threads) = (setup.isa, setup.threads);
    let mut adds = MultiplyAdds::new(isa, threads);
    let flops = adds.flops();
    let mut reads = SIZES.map(|megabytes| Reads::new(isa, threads, megabytes << 20));
    let bytes = reads.each_ref().map(Reads::bytes);
    let mut entrants = vec![Entrant::here("multiply-adds", &mut adds, setup.clock())?];
    for probe in &mut reads {
        entrants.push(Entrant::here(
            "reads",
            probe as &mut dyn Contestant,
            setup.clock(),
        )?);
    }
    let effort = Effort {
        seconds: 1.0,
        ..setup.effort
    };
    let ms = medians(&mut entrants, effort)?;
    let speeds: Vec<_> = SIZES
        .iter()
        .zip(bytes)
        .zip(&ms[1..])
        .map(|((megabytes, bytes), ms)| format!("{megabytes} MiB {:.0}", bytes / ms * 1e-6))
        .collect();
    Ok(format!(
        "{isa}, {threads} {}, medians of {clock}\n\
         multiply-add peak {:.0} GFLOP/s; reads, GB/s: {}",
        if threads == 1 { "thread" } else { "threads" },
        flops / ms[0] * 1e-6,
        speeds.join(", ")
    ))
}

/// How to read the table.
pub(crate) fn rules(setup: Setup) -> String {
    let mut text = format!(
        "\n\
         bound   share that the kernels reach of their bound: operations on kept weights of the\n\
         \x20       peak; with one column, packed bytes of the speed of reading as many\n\
         dense   the fastest dense contestant, its share of the peak, and how many times as long\n\
         \x20       it takes\n\
         counts  the dense time that the ratio is taken against. The fastest counts only if it\n\
         \x20       reaches {PRODUCT_SHARE} of the peak (n = 64), {CONVOLUTION_SHARE} (convolutions) \
         or {VECTOR_MS} ms (1024x1024,\n\
         \x20       one column); elsewhere, marked *, that rate counts\n\
         ratio   how many times as long the dense time that counts is, which the goals are about;\n\
         \x20       then how many times as long Flex as shipped and the others take\n\
         The peak is measured within each case, contestants take turns, results are checked.\n\
         In train-step, secateur-dense computes its forward product twice, in place of dW."
    );
    if setup.isa.lanes() < Isa::widest().lanes() {
        text.push_str(
            "\nfaer, flex-x86-v4 and, below AVX2, flex use wider vectors than SECATEUR_ISA allows: \
             they do not count as dense.",
        );
    }
    if setup.isa == Isa::Scalar {
        text.push_str(
            "\nThe compiler makes vectors of scalar loops: the peak is no bound of theirs.",
        );
    }
    if setup.threads > 1 {
        text.push_str("\nfaer, sprs and faer-sparse are built for one thread and left out.");
    }
    text
}
