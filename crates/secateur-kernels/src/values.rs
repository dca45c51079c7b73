//! Stored weights: in single precision or in half of it, read as floats.
//!
//! A packed matrix is a structure, which says where each weight belongs, and the weights
//! themselves in the order of that structure. Every sum is one of floats.
//!
//! Kernels for a batch know floats only: weights of half precision are widened, exactly, a part of
//! a band at a time into memory that stays in the first-level cache. That is one instruction for
//! eight or sixteen weights, each of which is then used for every column. Against a single column,
//! where reading the matrix is most of the work, the detour through memory would cost what the
//! fewer bytes save; there kernels are generic over what is stored and widen in registers.

use std::fmt;
use std::ops::Range;

use half::{bf16, f16};
use pulp::{Simd, WithSimd};

use crate::csr::Csr;
use crate::error::KernelError;
use crate::isa::Isa;
use crate::scratch::LINE;
use crate::slots::PADDING;
use crate::vector::{load, store};

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

    /// All weights as they are stored.
    pub(crate) fn stored(&self) -> &'a Values {
        self.values
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
        with_stored!(self.values, stored => self.isa.dispatch(Widen {
            from: &stored[slots],
            to: &mut *room,
        }));
        room
    }
}

/// Evaluates `$body` with `$stored` the slice of stored weights, whatever their type.
macro_rules! with_stored {
    ($values:expr, $stored:ident => $body:expr) => {
        match $values {
            $crate::values::Values::F32($stored) => $body,
            $crate::values::Values::F16($stored) => $body,
            $crate::values::Values::Bf16($stored) => $body,
        }
    };
}
pub(crate) use with_stored;

/// A weight as it is stored.
pub(crate) trait Stored: Copy {
    /// Itself as a float, exactly.
    fn widen(self) -> f32;

    /// Sixteen neighbours as floats.
    ///
    /// # Safety
    ///
    /// AVX-512F, and sixteen weights at `at`, which need not be aligned.
    #[cfg(target_arch = "x86_64")]
    unsafe fn load_16(at: *const Self) -> std::arch::x86_64::__m512;

    /// Eight neighbours as floats.
    ///
    /// # Safety
    ///
    /// AVX2, and eight weights at `at`, which need not be aligned.
    #[cfg(target_arch = "x86_64")]
    unsafe fn load_8(at: *const Self) -> std::arch::x86_64::__m256;

    /// A vector of neighbours as floats.
    ///
    /// # Safety
    ///
    /// `at` points to a vector's worth of weights, and need not be aligned.
    #[inline(always)]
    unsafe fn load<S: Simd>(simd: S, at: *const Self) -> S::f32s {
        let _ = simd;
        // SAFETY: sixteen lanes of 32 bits mean that `S` is the AVX-512 token and eight that it is
        // the one of AVX2, so that the processor has them and the vectors are of one size; the
        // array has room for any vector, and all of it is initialised.
        unsafe {
            #[cfg(target_arch = "x86_64")]
            if S::F32_LANES == 16 {
                return std::mem::transmute_copy(&Self::load_16(at));
            } else if S::F32_LANES == 8 {
                return std::mem::transmute_copy(&Self::load_8(at));
            }
            let mut lanes = [0.0; LINE];
            for lane in 0..S::F32_LANES {
                lanes[lane] = at.add(lane).read_unaligned().widen();
            }
            load::<S>(lanes.as_ptr())
        }
    }
}

impl Stored for f32 {
    #[inline(always)]
    fn widen(self) -> f32 {
        self
    }

    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    unsafe fn load_16(at: *const Self) -> std::arch::x86_64::__m512 {
        // SAFETY: the caller's promise.
        unsafe { std::arch::x86_64::_mm512_loadu_ps(at) }
    }

    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    unsafe fn load_8(at: *const Self) -> std::arch::x86_64::__m256 {
        // SAFETY: the caller's promise.
        unsafe { std::arch::x86_64::_mm256_loadu_ps(at) }
    }

    #[inline(always)]
    unsafe fn load<S: Simd>(_: S, at: *const Self) -> S::f32s {
        // SAFETY: the caller's promise.
        unsafe { load::<S>(at) }
    }
}

impl Stored for f16 {
    #[inline(always)]
    fn widen(self) -> f32 {
        // By shifts and masks: asking the processor each time would cost more.
        self.to_f32_const()
    }

    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    unsafe fn load_16(at: *const Self) -> std::arch::x86_64::__m512 {
        // SAFETY: the caller's promise.
        unsafe { x86::f16_by_16(at) }
    }

    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    unsafe fn load_8(at: *const Self) -> std::arch::x86_64::__m256 {
        // SAFETY: the caller's promise.
        unsafe { x86::f16_by_8(at) }
    }
}

impl Stored for bf16 {
    #[inline(always)]
    fn widen(self) -> f32 {
        f32::from_bits(u32::from(self.to_bits()) << 16)
    }

    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    unsafe fn load_16(at: *const Self) -> std::arch::x86_64::__m512 {
        // SAFETY: the caller's promise.
        unsafe { x86::bf16_by_16(at) }
    }

    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    unsafe fn load_8(at: *const Self) -> std::arch::x86_64::__m256 {
        // SAFETY: the caller's promise.
        unsafe { x86::bf16_by_8(at) }
    }
}

/// `to = from`, of the same length.
struct Widen<'a, W> {
    from: &'a [W],
    to: &'a mut [f32],
}

impl<W: Stored> WithSimd for Widen<'_, W> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        assert!(self.from.len() == self.to.len());
        let whole = self.from.len() / S::F32_LANES * S::F32_LANES;
        for at in (0..whole).step_by(S::F32_LANES) {
            // SAFETY: both have a whole vector from `at` on.
            unsafe {
                let v = W::load(simd, self.from.as_ptr().add(at));
                store::<S>(self.to.as_mut_ptr().add(at), v);
            }
        }
        for (from, to) in self.from.iter().zip(self.to).skip(whole) {
            *to = from.widen();
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use half::{bf16, f16};

    /// # Safety
    ///
    /// AVX-512F, and sixteen weights.
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) unsafe fn f16_by_16(at: *const f16) -> __m512 {
        // SAFETY: the caller's promise.
        _mm512_cvtph_ps(unsafe { _mm256_loadu_si256(at.cast()) })
    }

    /// # Safety
    ///
    /// AVX-512F, and sixteen weights.
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) unsafe fn bf16_by_16(at: *const bf16) -> __m512 {
        // SAFETY: the caller's promise.
        let bits = unsafe { _mm256_loadu_si256(at.cast()) };
        _mm512_castsi512_ps(_mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(bits)))
    }

    /// By AVX2 alone, for its kernels are compiled without the conversions of F16C: the exponent
    /// and fraction are moved to where a float has them, and a product with 2^112 makes up for the
    /// other bias, which is exact for subnormals as well; infinities and NaN get their exponent
    /// back.
    ///
    /// # Safety
    ///
    /// AVX2, and eight weights.
    #[inline]
    #[target_feature(enable = "avx2")]
    pub(super) unsafe fn f16_by_8(at: *const f16) -> __m256 {
        // SAFETY: the caller's promise.
        let bits = _mm256_cvtepu16_epi32(unsafe { _mm_loadu_si128(at.cast()) });
        let magnitude = _mm256_and_si256(bits, _mm256_set1_epi32(0x7fff));
        let sign = _mm256_slli_epi32::<16>(_mm256_xor_si256(bits, magnitude));
        let bias = _mm256_set1_ps(f32::from_bits((127 + 112) << 23));
        let moved = _mm256_castsi256_ps(_mm256_slli_epi32::<13>(magnitude));
        let special = _mm256_cmpgt_epi32(magnitude, _mm256_set1_epi32(0x7bff));
        let exponent = _mm256_and_si256(special, _mm256_set1_epi32(0x7f80_0000));
        let rest = _mm256_castsi256_ps(_mm256_or_si256(sign, exponent));
        _mm256_or_ps(_mm256_mul_ps(moved, bias), rest)
    }

    /// # Safety
    ///
    /// AVX2, and eight weights.
    #[inline]
    #[target_feature(enable = "avx2")]
    pub(super) unsafe fn bf16_by_8(at: *const bf16) -> __m256 {
        // SAFETY: the caller's promise.
        let bits = _mm256_cvtepu16_epi32(unsafe { _mm_loadu_si128(at.cast()) });
        _mm256_castsi256_ps(_mm256_slli_epi32::<16>(bits))
    }
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
                isa.dispatch(Widen {
                    from: &halves[..len],
                    to: &mut to,
                });
                assert!(
                    to.iter().zip(&halves).all(|(a, b)| same(*a, b.to_f32())),
                    "{isa}"
                );
                isa.dispatch(Widen {
                    from: &upper[..len],
                    to: &mut to,
                });
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
