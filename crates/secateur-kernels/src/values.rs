//! Stored weights: in single precision or in half of it, read as floats.
//!
//! A packed matrix is a structure, which says where each weight belongs, and the weights
//! themselves in the order of that structure. Kernels know floats only: weights of half precision
//! are widened, exactly, a part of a band at a time into memory that stays in the first-level
//! cache, and every sum is one of floats.

use std::fmt;
use std::ops::Range;

use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};

use crate::csr::Csr;
use crate::error::KernelError;
use crate::isa::Isa;
use crate::slots::PADDING;

/// How the weights of a packed matrix are stored. Activations and sums are `f32` with each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[non_exhaustive]
pub enum Precision {
    /// As they are given: 24 significant bits, up to 3.4e38; 4 bytes.
    #[default]
    F32,
    /// IEEE half: 11 significant bits, up to 65504, below 6.1e-5 fewer bits; 2 bytes.
    F16,
    /// The upper half of an `f32`: 8 significant bits, up to 3.4e38; 2 bytes.
    Bf16,
}

impl Precision {
    /// Every precision, the widest first.
    pub const ALL: [Self; 3] = [Self::F32, Self::F16, Self::Bf16];

    /// Bytes of a stored weight.
    #[must_use]
    pub const fn bytes(self) -> usize {
        match self {
            Self::F32 => size_of::<f32>(),
            Self::F16 => size_of::<f16>(),
            Self::Bf16 => size_of::<bf16>(),
        }
    }

    /// The nearest value that it can store; of two equally near, that with an even last bit. What
    /// lies beyond its largest value becomes infinite here, where packing refuses it.
    #[must_use]
    pub fn round(self, value: f32) -> f32 {
        match self {
            Self::F32 => value,
            Self::F16 => f16::from_f32(value).to_f32(),
            Self::Bf16 => bf16::from_f32(value).to_f32(),
        }
    }

    /// Its largest value.
    #[must_use]
    pub fn max(self) -> f32 {
        match self {
            Self::F32 => f32::MAX,
            Self::F16 => f16::MAX.to_f32(),
            Self::Bf16 => bf16::MAX.to_f32(),
        }
    }

    /// Whether a finite `value` would become infinite.
    fn overflows(self, value: f32) -> bool {
        value.is_finite() && !self.round(value).is_finite()
    }

    /// Refuses weights that would become infinite.
    pub(crate) fn check(self, csr: &Csr) -> Result<(), KernelError> {
        if self == Self::F32 || !csr.values().iter().any(|&value| self.overflows(value)) {
            return Ok(());
        }
        let beyond = (0..csr.shape()[0])
            .flat_map(|row| {
                csr.row(row)
                    .map(move |(column, value)| (row, column, value))
            })
            .find(|&(_, _, value)| self.overflows(value));
        match beyond {
            Some((row, column, value)) => Err(KernelError::OutOfRange {
                row,
                column,
                value,
                precision: self,
                max: self.max(),
            }),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
        })
    }
}

/// The weights of a packed matrix, slot by slot.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Values {
    F32(Vec<f32>),
    F16(Vec<f16>),
    Bf16(Vec<bf16>),
}

impl Values {
    /// For each slot the value of its entry, rounded; zero in padding.
    pub(crate) fn gather(precision: Precision, entries: &[u32], values: &[f32]) -> Self {
        let mut gathered = match precision {
            Precision::F32 => Self::F32(vec![0.0; entries.len()]),
            Precision::F16 => Self::F16(vec![f16::ZERO; entries.len()]),
            Precision::Bf16 => Self::Bf16(vec![bf16::ZERO; entries.len()]),
        };
        gathered.fill(entries, values);
        gathered
    }

    /// Puts the value of each slot's entry into it; padding stays as it is.
    pub(crate) fn fill(&mut self, entries: &[u32], values: &[f32]) {
        fn fill<V>(stored: &mut [V], entries: &[u32], values: &[f32], round: impl Fn(f32) -> V) {
            for (stored, &entry) in stored.iter_mut().zip(entries) {
                if entry != PADDING {
                    *stored = round(values[entry as usize]);
                }
            }
        }
        match self {
            Self::F32(stored) => fill(stored, entries, values, |value| value),
            Self::F16(stored) => fill(stored, entries, values, f16::from_f32),
            Self::Bf16(stored) => fill(stored, entries, values, bf16::from_f32),
        }
    }

    /// The same values in another precision, rounded where it is narrower.
    pub(crate) fn with_precision(&self, precision: Precision) -> Self {
        let values = (0..self.len()).map(|slot| self.get(slot));
        match precision {
            Precision::F32 => Self::F32(values.collect()),
            Precision::F16 => Self::F16(values.map(f16::from_f32).collect()),
            Precision::Bf16 => Self::Bf16(values.map(bf16::from_f32).collect()),
        }
    }

    pub(crate) fn precision(&self) -> Precision {
        match self {
            Self::F32(_) => Precision::F32,
            Self::F16(_) => Precision::F16,
            Self::Bf16(_) => Precision::Bf16,
        }
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::F32(values) => values.len(),
            Self::F16(values) => values.len(),
            Self::Bf16(values) => values.len(),
        }
    }

    pub(crate) fn get(&self, slot: usize) -> f32 {
        match self {
            Self::F32(values) => values[slot],
            Self::F16(values) => values[slot].to_f32(),
            Self::Bf16(values) => values[slot].to_f32(),
        }
    }

    /// Bytes that they take.
    pub(crate) fn bytes(&self) -> usize {
        self.len() * self.precision().bytes()
    }
}

/// The weights of a matrix as a kernel reads them: floats, a part at a time.
#[derive(Debug)]
pub(crate) struct Weights<'a> {
    values: &'a Values,
    isa: Isa,
    /// Where parts of half precision are widened.
    room: &'a mut [f32],
}

impl<'a> Weights<'a> {
    /// Floats wanted as `room` for parts of at most `longest` slots.
    pub(crate) fn room(values: &Values, longest: impl FnOnce() -> usize) -> usize {
        match values {
            Values::F32(_) => 0,
            Values::F16(_) | Values::Bf16(_) => longest(),
        }
    }

    /// `room` is as long as [`room`](Self::room) says.
    pub(crate) fn new(values: &'a Values, isa: Isa, room: &'a mut [f32]) -> Self {
        Self { values, isa, room }
    }

    /// The weights of some slots.
    #[inline(always)]
    pub(crate) fn of(&mut self, slots: Range<usize>) -> &[f32] {
        match self.values {
            Values::F32(values) => &values[slots],
            _ => self.widened(slots),
        }
    }

    #[inline(never)]
    fn widened(&mut self, slots: Range<usize>) -> &[f32] {
        let room = &mut self.room[..slots.len()];
        match self.values {
            Values::F32(values) => room.copy_from_slice(&values[slots]),
            Values::F16(values) => widen_f16(self.isa, &values[slots], room),
            Values::Bf16(values) => widen_bf16(self.isa, &values[slots], room),
        }
        room
    }
}

/// `to = from`, of the same length.
fn widen_f16(isa: Isa, from: &[f16], to: &mut [f32]) {
    #[cfg(target_arch = "x86_64")]
    match isa {
        Isa::Avx512 | Isa::Avx512Vbmi if isa.is_available() => {
            // SAFETY: the processor has been asked.
            return unsafe { x86::widen_f16_by_16(from, to) };
        }
        Isa::Avx2 if std::is_x86_feature_detected!("f16c") && isa.is_available() => {
            // SAFETY: the processor has been asked.
            return unsafe { x86::widen_f16_by_8(from, to) };
        }
        _ => {}
    }
    let _ = isa;
    from.convert_to_f32_slice(to);
}

/// `to = from`, of the same length.
fn widen_bf16(isa: Isa, from: &[bf16], to: &mut [f32]) {
    #[cfg(target_arch = "x86_64")]
    match isa {
        Isa::Avx512 | Isa::Avx512Vbmi if isa.is_available() => {
            // SAFETY: the processor has been asked.
            return unsafe { x86::widen_bf16_by_16(from, to) };
        }
        Isa::Avx2 if isa.is_available() => {
            // SAFETY: the processor has been asked.
            return unsafe { x86::widen_bf16_by_8(from, to) };
        }
        _ => {}
    }
    let _ = isa;
    from.convert_to_f32_slice(to);
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use half::{bf16, f16};

    macro_rules! widen {
        ($name:ident, $half:ty, $feature:literal, $lanes:literal, $load:expr, $store:expr, $widen:expr) => {
            #[target_feature(enable = $feature)]
            pub(super) fn $name(from: &[$half], to: &mut [f32]) {
                let (from, rest) = from.as_chunks::<$lanes>();
                let (whole, end) = to[..from.len() * $lanes + rest.len()].as_chunks_mut::<$lanes>();
                for (from, to) in from.iter().zip(whole) {
                    // SAFETY: both are a whole vector long, and need not be aligned.
                    unsafe { $store(to.as_mut_ptr(), $widen($load(from.as_ptr().cast()))) };
                }
                for (from, to) in rest.iter().zip(end) {
                    *to = from.to_f32();
                }
            }
        };
    }

    widen!(
        widen_f16_by_16,
        f16,
        "avx512f",
        16,
        _mm256_loadu_si256,
        _mm512_storeu_ps,
        |half| _mm512_cvtph_ps(half)
    );
    widen!(
        widen_f16_by_8,
        f16,
        "avx2,f16c",
        8,
        _mm_loadu_si128,
        _mm256_storeu_ps,
        |half| _mm256_cvtph_ps(half)
    );
    widen!(
        widen_bf16_by_16,
        bf16,
        "avx512f",
        16,
        _mm256_loadu_si256,
        _mm512_storeu_ps,
        |half| _mm512_castsi512_ps(_mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(half)))
    );
    widen!(
        widen_bf16_by_8,
        bf16,
        "avx2",
        8,
        _mm_loadu_si128,
        _mm256_storeu_ps,
        |half| _mm256_castsi256_ps(_mm256_slli_epi32::<16>(_mm256_cvtepu16_epi32(half)))
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_half_is_widened_exactly_on_every_isa() {
        let step = if cfg!(miri) { 97 } else { 1 };
        let bits: Vec<u16> = (0..=u16::MAX).step_by(step).collect();
        let halves: Vec<f16> = bits.iter().copied().map(f16::from_bits).collect();
        let upper: Vec<bf16> = bits.iter().copied().map(bf16::from_bits).collect();
        for isa in Isa::available() {
            for len in [bits.len(), bits.len().min(100) - 1, 7, 0] {
                let mut to = vec![0.0; len];
                widen_f16(isa, &halves[..len], &mut to);
                assert!(
                    to.iter().zip(&halves).all(|(a, b)| same(*a, b.to_f32())),
                    "{isa}"
                );
                widen_bf16(isa, &upper[..len], &mut to);
                assert!(
                    to.iter().zip(&upper).all(|(a, b)| same(*a, b.to_f32())),
                    "{isa}"
                );
            }
        }
    }

    fn same(a: f32, b: f32) -> bool {
        a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan())
    }

    #[test]
    fn rounding_is_to_nearest_even() {
        // f16 has steps of 2 from 2048 on, bf16 of 2 from 256 on.
        for (value, half, upper) in [
            (2049.0, 2048.0, 2048.0),
            (2051.0, 2052.0, 2048.0),
            (257.0, 257.0, 256.0),
            (259.0, 259.0, 260.0),
            (65519.0, 65504.0, 65536.0),
            (1e-8, 0.0, Precision::Bf16.round(1e-8)),
        ] {
            assert_eq!(Precision::F16.round(value), half);
            assert_eq!(Precision::Bf16.round(value), upper);
        }
        assert!(Precision::F16.overflows(65520.0) && !Precision::F16.overflows(f32::INFINITY));
        assert!(Precision::Bf16.overflows(f32::MAX) && !Precision::Bf16.overflows(f32::NAN));
    }
}
