//! Masks between the order of a view and that of storage, 64 by 64 bits at a time.

use crate::bits::Bits;

/// The transpose of a `rows` by `cols` matrix of bits, both row after row.
///
/// `bits` holds `rows * cols` bits.
pub(crate) fn transposed(bits: &Bits, rows: usize, cols: usize) -> Bits {
    debug_assert_eq!(bits.len(), rows * cols);
    let source = bits.words();
    let mut target = vec![0; source.len()];
    for top in (0..rows).step_by(64) {
        let height = (rows - top).min(64);
        for left in (0..cols).step_by(64) {
            let width = (cols - left).min(64);
            let mut block = [0; 64];
            for (row, word) in block[..height].iter_mut().enumerate() {
                *word = read(source, (top + row) * cols + left, width);
            }
            transpose_block(&mut block);
            for (col, &word) in block[..width].iter().enumerate() {
                write(&mut target, (left + col) * rows + top, word);
            }
        }
    }
    Bits::from_words(bits.len(), target).unwrap_or_else(|| Bits::zeros(bits.len()))
}

/// The `count` (1 to 64) bits that start at bit `from`.
fn read(words: &[u64], from: usize, count: usize) -> u64 {
    let (word, shift) = (from / 64, from % 64);
    let mut bits = words[word] >> shift;
    if shift + count > 64 {
        bits |= words[word + 1] << (64 - shift);
    }
    bits & (!0 >> (64 - count))
}

/// Adds bits to zeros, the lowest at bit `from`; what is past the end must be zero.
fn write(words: &mut [u64], from: usize, bits: u64) {
    let (word, shift) = (from / 64, from % 64);
    words[word] |= bits << shift;
    if shift > 0
        && let Some(next) = words.get_mut(word + 1)
    {
        *next |= bits >> (64 - shift);
    }
}

/// Bit `c` of word `r` becomes bit `r` of word `c`: quarters change places, then quarters of
/// quarters (Warren, Hacker's Delight, 7-3).
fn transpose_block(block: &mut [u64; 64]) {
    let mut half = 32;
    let mut low = !0 >> half;
    while half > 0 {
        for start in (0..64).step_by(2 * half) {
            for row in start..start + half {
                let swap = (block[row] >> half ^ block[row + half]) & low;
                block[row] ^= swap << half;
                block[row + half] ^= swap;
            }
        }
        half /= 2;
        low ^= low << half;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn row_and_column_change_places(
            rows in 1usize..150,
            cols in 1usize..150,
            seed in any::<u64>(),
        ) {
            let mut stream = crate::random::Stream::new(seed, "bits", 0);
            let bits = Bits::from_fn(rows * cols, |_| stream.below(2) == 1);
            let slow = Bits::from_fn(rows * cols, |i| bits.get(i % rows * cols + i / rows));
            prop_assert_eq!(transposed(&bits, rows, cols), slow);
        }
    }

    #[test]
    fn two_by_three_by_hand() {
        // 1 0 1 / 0 0 1 becomes 1 0 / 0 0 / 1 1.
        let bits: Bits = [true, false, true, false, false, true]
            .into_iter()
            .collect();
        let turned: Vec<bool> = transposed(&bits, 2, 3).iter().collect();
        assert_eq!(turned, [true, false, false, false, true, true]);
    }

    #[test]
    fn nothing_stays_nothing() {
        assert!(transposed(&Bits::zeros(0), 0, 7).is_empty());
    }
}
