//! Running a loop with the vector instructions that the kernels use.

use pulp::{Simd, WithSimd};
use secateur_kernels::Isa;

/// Runs `op` compiled for `isa`, as the kernels would.
pub(crate) fn with_vectors<Op: WithSimd>(isa: Isa, op: Op) -> Op::Output {
    match isa {
        Isa::Scalar => pulp::Scalar::new().vectorize(op),
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => match pulp::x86::V3::try_new() {
            Some(simd) => Simd::vectorize(simd, op),
            None => pulp::Scalar::new().vectorize(op),
        },
        // The widest of the processor, which is what remains.
        _ => pulp::Arch::new().dispatch(op),
    }
}
