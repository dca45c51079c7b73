//! A packed vector of bits, the storage of masks and of sets of units.

use serde::{Deserialize, Serialize};

/// A fixed number of bits, 64 to a word, lowest bit first.
///
/// Bits past the length are always zero, so that equal bit vectors have equal words.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "RawBits")]
pub struct Bits {
    len: usize,
    words: Vec<u64>,
}

/// Bits as they come from outside, not yet checked.
#[derive(Deserialize)]
struct RawBits {
    len: usize,
    words: Vec<u64>,
}

impl TryFrom<RawBits> for Bits {
    type Error = String;

    fn try_from(raw: RawBits) -> Result<Self, String> {
        let words = raw.words.len();
        Self::from_words(raw.len, raw.words)
            .ok_or_else(|| format!("{words} words do not hold {} bits", raw.len))
    }
}

impl Bits {
    /// `len` zeros.
    pub fn zeros(len: usize) -> Self {
        Self {
            len,
            words: vec![0; len.div_ceil(64)],
        }
    }

    /// `len` ones.
    pub fn ones(len: usize) -> Self {
        let mut bits = Self {
            len,
            words: vec![!0; len.div_ceil(64)],
        };
        bits.clear_tail();
        bits
    }

    /// One bit for each index below `len`.
    pub fn from_fn(len: usize, mut bit: impl FnMut(usize) -> bool) -> Self {
        let words = (0..len.div_ceil(64))
            .map(|w| {
                let start = w * 64;
                (start..len.min(start + 64))
                    .fold(0, |word, i| word | (u64::from(bit(i)) << (i - start)))
            })
            .collect();
        Self { len, words }
    }

    /// One bit for each `bool`.
    pub fn from_bools(bools: &[bool]) -> Self {
        Self {
            len: bools.len(),
            words: bools.chunks(64).map(packed).collect(),
        }
    }

    /// One `bool` for each bit.
    pub fn to_bools(&self) -> Vec<bool> {
        let mut bools = Vec::with_capacity(self.words.len() * 64);
        for &word in &self.words {
            let bits: [bool; 64] = std::array::from_fn(|at| word >> at & 1 == 1);
            bools.extend_from_slice(&bits);
        }
        bools.truncate(self.len);
        bools
    }

    /// Bits from words as [`words`](Self::words) gives them; `None` if the number of words does
    /// not fit `len` or a bit past `len` is set.
    pub fn from_words(len: usize, words: Vec<u64>) -> Option<Self> {
        let mut bits = Self { len, words };
        if bits.words.len() != len.div_ceil(64) {
            return None;
        }
        let last = bits.words.last().copied();
        bits.clear_tail();
        (bits.words.last().copied() == last).then_some(bits)
    }

    /// Number of bits.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no bits.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The bit at `index`; false past the end.
    pub fn get(&self, index: usize) -> bool {
        self.words
            .get(index / 64)
            .is_some_and(|word| word >> (index % 64) & 1 == 1)
    }

    /// Sets the bit at `index`; an index past the end is ignored.
    pub fn set(&mut self, index: usize, bit: bool) {
        if index >= self.len {
            return;
        }
        let flag = 1 << (index % 64);
        if bit {
            self.words[index / 64] |= flag;
        } else {
            self.words[index / 64] &= !flag;
        }
    }

    /// Number of ones.
    pub fn count_ones(&self) -> usize {
        self.words.iter().map(|w| w.count_ones() as usize).sum()
    }

    /// Number of zeros.
    pub fn count_zeros(&self) -> usize {
        self.len - self.count_ones()
    }

    /// The packed words, lowest bit first; unused bits of the last word are zero.
    pub fn words(&self) -> &[u64] {
        &self.words
    }

    /// All bits in order.
    pub fn iter(&self) -> impl Iterator<Item = bool> + '_ {
        (0..self.len).map(|i| self.words[i / 64] >> (i % 64) & 1 == 1)
    }

    /// Indices of the ones, ascending.
    pub fn iter_ones(&self) -> impl Iterator<Item = usize> + '_ {
        self.words.iter().enumerate().flat_map(|(w, &word)| {
            let mut rest = word;
            std::iter::from_fn(move || {
                (rest != 0).then(|| {
                    let bit = rest.trailing_zeros() as usize;
                    rest &= rest - 1;
                    w * 64 + bit
                })
            })
        })
    }

    /// Combines two bit vectors of one length word by word; `None` if the lengths differ.
    pub fn zip_words(&self, other: &Self, op: impl Fn(u64, u64) -> u64) -> Option<Self> {
        (self.len == other.len).then(|| {
            let words = self.words.iter().zip(&other.words);
            let mut bits = Self {
                len: self.len,
                words: words.map(|(&a, &b)| op(a, b)).collect(),
            };
            bits.clear_tail();
            bits
        })
    }

    /// Every bit flipped.
    pub fn not(&self) -> Self {
        let mut bits = Self {
            len: self.len,
            words: self.words.iter().map(|w| !w).collect(),
        };
        bits.clear_tail();
        bits
    }

    fn clear_tail(&mut self) {
        let used = self.len % 64;
        if used != 0
            && let Some(last) = self.words.last_mut()
        {
            *last &= (1 << used) - 1;
        }
    }
}

/// Up to 64 bits in a word, the first lowest.
pub(crate) fn packed(bools: &[bool]) -> u64 {
    /// Gathers the lowest bits of eight bytes in the highest byte.
    const GATHER: u64 = 0x0102_0408_1020_4080;
    let (eights, rest) = bools.as_chunks::<8>();
    let mut word = 0;
    for (at, eight) in eights.iter().enumerate() {
        let bytes = u64::from_le_bytes(eight.map(u8::from));
        word |= (bytes.wrapping_mul(GATHER) >> 56) << (8 * at);
    }
    for (at, &bit) in rest.iter().enumerate() {
        word |= u64::from(bit) << (8 * eights.len() + at);
    }
    word
}

impl FromIterator<bool> for Bits {
    fn from_iter<I: IntoIterator<Item = bool>>(iter: I) -> Self {
        let mut len = 0;
        let mut words = Vec::new();
        for bit in iter {
            if len % 64 == 0 {
                words.push(0);
            }
            words[len / 64] |= u64::from(bit) << (len % 64);
            len += 1;
        }
        Self { len, words }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn agrees_with_a_vector_of_bools(v in proptest::collection::vec(any::<bool>(), 0..200)) {
            let bits: Bits = v.iter().copied().collect();
            prop_assert_eq!(&bits, &Bits::from_fn(v.len(), |i| v[i]));
            prop_assert_eq!(bits.iter().collect::<Vec<_>>(), v.clone());
            prop_assert_eq!(bits.count_ones(), v.iter().filter(|b| **b).count());
            prop_assert_eq!(bits.count_zeros(), v.iter().filter(|b| !**b).count());
            let ones: Vec<_> = (0..v.len()).filter(|&i| v[i]).collect();
            prop_assert_eq!(bits.iter_ones().collect::<Vec<_>>(), ones);
            prop_assert_eq!(bits.not().not(), bits.clone());
            prop_assert_eq!(Bits::from_words(v.len(), bits.words().to_vec()), Some(bits));
        }
    }

    #[test]
    fn made_up_bits_are_refused() {
        let good = serde_json::to_string(&Bits::ones(70)).unwrap();
        assert_eq!(serde_json::from_str::<Bits>(&good).unwrap(), Bits::ones(70));
        assert!(serde_json::from_str::<Bits>(r#"{"len":100,"words":[]}"#).is_err());
    }

    #[test]
    fn words_with_stray_bits_are_refused() {
        assert!(Bits::from_words(3, vec![0b1000]).is_none());
        assert!(Bits::from_words(3, vec![]).is_none());
        assert!(Bits::from_words(0, vec![]).is_some());
        assert_eq!(Bits::ones(70).count_ones(), 70);
        assert!(!Bits::ones(70).get(70));
    }
}
