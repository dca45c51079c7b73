//! Which vector instructions the kernels use, decided at run time.

use std::fmt;
use std::str::FromStr;
use std::sync::OnceLock;

use crate::error::KernelError;

/// Name of the environment variable that forces an instruction set.
pub const ISA_VARIABLE: &str = "SECATEUR_ISA";

/// A family of vector instructions, from the plainest to the widest.
///
/// Every kernel gives the same answer on each, up to the rounding of fused multiply-adds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Isa {
    /// No vector instructions; runs anywhere, and under Miri.
    Scalar,
    /// WASM `simd128`, four floats a vector.
    Wasm,
    /// Arm NEON, four floats a vector.
    Neon,
    /// x86-64 AVX2 with FMA, eight floats a vector.
    Avx2,
    /// x86-64 AVX-512 (F, BW, CD, DQ, VL), sixteen floats a vector.
    Avx512,
    /// AVX-512 with VBMI, whose byte permutes look up 128 activations without touching memory.
    Avx512Vbmi,
}

impl Isa {
    /// Every instruction set the crate has kernels for, plainest first.
    pub const ALL: [Self; 6] = [
        Self::Scalar,
        Self::Wasm,
        Self::Neon,
        Self::Avx2,
        Self::Avx512,
        Self::Avx512Vbmi,
    ];

    /// The widest instruction set of this processor.
    #[must_use]
    pub fn widest() -> Self {
        static WIDEST: OnceLock<Isa> = OnceLock::new();
        *WIDEST.get_or_init(|| {
            Self::ALL
                .into_iter()
                .rev()
                .find(|isa| isa.is_available())
                .unwrap_or(Self::Scalar)
        })
    }

    /// The instruction set to use: the one named by `SECATEUR_ISA` where it is set, otherwise the
    /// widest of this processor. The variable is read once.
    ///
    /// # Errors
    ///
    /// [`KernelError::UnknownIsa`] where the variable names nothing known, and
    /// [`KernelError::UnavailableIsa`] where this processor lacks what it names.
    pub fn from_env() -> Result<Self, KernelError> {
        static CHOICE: OnceLock<Result<Isa, KernelError>> = OnceLock::new();
        CHOICE
            .get_or_init(|| match std::env::var(ISA_VARIABLE) {
                Ok(name) => name.parse::<Self>()?.checked(),
                Err(_) => Ok(Self::widest()),
            })
            .clone()
    }

    /// Whether this processor can run it.
    #[must_use]
    pub fn is_available(self) -> bool {
        match self {
            Self::Scalar => true,
            // Miri asks no processor, and knows few vector instructions.
            _ if cfg!(miri) => false,
            #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
            Self::Avx2 => pulp::x86::V3::try_new().is_some(),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => pulp::x86::V4::try_new().is_some(),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Vbmi => {
                pulp::x86::V4::try_new().is_some() && std::is_x86_feature_detected!("avx512vbmi")
            }
            #[cfg(target_arch = "aarch64")]
            Self::Neon => pulp::aarch64::Neon::try_new().is_some(),
            #[cfg(target_arch = "wasm32")]
            Self::Wasm => pulp::wasm::Simd128::try_new().is_some(),
            #[allow(unreachable_patterns)]
            _ => false,
        }
    }

    /// Itself, where this processor can run it.
    ///
    /// # Errors
    ///
    /// [`KernelError::UnavailableIsa`] otherwise.
    pub fn checked(self) -> Result<Self, KernelError> {
        if self.is_available() {
            Ok(self)
        } else {
            Err(KernelError::UnavailableIsa {
                isa: self,
                widest: Self::widest(),
            })
        }
    }

    /// The instruction sets this processor can run, plainest first.
    #[must_use]
    pub fn available() -> Vec<Self> {
        Self::ALL
            .into_iter()
            .filter(|isa| isa.is_available())
            .collect()
    }

    /// Floats in one vector.
    #[must_use]
    pub fn lanes(self) -> usize {
        match self {
            Self::Scalar => 1,
            Self::Wasm | Self::Neon => 4,
            Self::Avx2 => 8,
            Self::Avx512 | Self::Avx512Vbmi => 16,
        }
    }

    /// Its name, as `SECATEUR_ISA` spells it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Wasm => "wasm",
            Self::Neon => "neon",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
            Self::Avx512Vbmi => "avx512vbmi",
        }
    }

    /// Runs `op` compiled for this instruction set; scalar where the processor lacks it.
    #[inline]
    pub(crate) fn dispatch<Op: pulp::WithSimd>(self, op: Op) -> Op::Output {
        use pulp::Simd;
        match self {
            #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
            Self::Avx2 => {
                if let Some(simd) = pulp::x86::V3::try_new() {
                    return Simd::vectorize(simd, op);
                }
            }
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 | Self::Avx512Vbmi => {
                if let Some(simd) = pulp::x86::V4::try_new() {
                    return Simd::vectorize(simd, op);
                }
            }
            #[cfg(target_arch = "aarch64")]
            Self::Neon => {
                if let Some(simd) = pulp::aarch64::Neon::try_new() {
                    return Simd::vectorize(simd, op);
                }
            }
            #[cfg(target_arch = "wasm32")]
            Self::Wasm => {
                if let Some(simd) = pulp::wasm::Simd128::try_new() {
                    return Simd::vectorize(simd, op);
                }
            }
            _ => {}
        }
        pulp::Scalar::new().vectorize(op)
    }
}

impl fmt::Display for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Isa {
    type Err = KernelError;

    fn from_str(name: &str) -> Result<Self, KernelError> {
        Self::ALL
            .into_iter()
            .find(|isa| isa.name() == name)
            .ok_or_else(|| KernelError::UnknownIsa {
                name: name.to_owned(),
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for isa in Isa::ALL {
            assert_eq!(isa.name().parse::<Isa>(), Ok(isa));
        }
        assert!(matches!(
            "avx1024".parse::<Isa>(),
            Err(KernelError::UnknownIsa { .. })
        ));
    }

    #[test]
    fn scalar_is_everywhere() {
        assert!(Isa::available().contains(&Isa::Scalar));
        assert!(Isa::widest().is_available());
    }
}
