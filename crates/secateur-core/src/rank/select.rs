//! The selection underneath every ranking: the cut-off that keeps exactly so many scores.

use std::ops::Range;

use rayon::prelude::*;

use super::RankRow;
use super::sieve::sieve;
use crate::bits::{Bits, packed};

/// Below this many scores a copy of the keys is partitioned; above, a [sieve](super::sieve) copies
/// few of them, and two histograms of 65536 bins, whose clearing would outweigh a small row, none.
pub(super) const SMALL: usize = 1 << 15;

/// Words of 64 scores that one task looks at.
const PIECE: usize = 1 << 10;

/// An integer whose order is that of the scores, `-0.0` and `0.0` being one.
pub(super) fn key(score: f32) -> u32 {
    // Adding +0.0 turns -0.0 into 0.0 and changes nothing else.
    let bits = (score + 0.0).to_bits();
    // Negative floats order backwards as integers: flip all their bits, and the sign of the rest.
    let negative = (bits.cast_signed() >> 31).cast_unsigned();
    bits ^ (negative | 1 << 31)
}

/// A cut-off: keep every score above `key` and the first `ties` of the `equal` ones at it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Cut {
    pub(super) key: u32,
    pub(super) ties: usize,
    pub(super) equal: usize,
}

/// The part of a row that stands in a pool: all candidates, or those past a cut.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stock<'a> {
    pub(super) index: usize,
    pub(super) row: &'a RankRow<'a>,
    /// Only keys below this stand in the pool ...
    limit: u64,
    /// ... and so many with exactly this key.
    pub(super) leftover: Option<(u32, usize)>,
}

impl<'a> Stock<'a> {
    /// All candidates of the row; `index` says which row it is.
    pub(super) fn whole(index: usize, row: &'a RankRow<'a>) -> Self {
        Self {
            index,
            row,
            limit: 1 << 32,
            leftover: None,
        }
    }

    /// The candidates that `cut` does not keep.
    pub(super) fn past(index: usize, row: &'a RankRow<'a>, cut: Cut) -> Self {
        Self {
            index,
            row,
            limit: cut.key.into(),
            leftover: Some((cut.key, cut.equal - cut.ties)),
        }
    }
}

/// All candidates of all rows.
pub(super) fn whole<'a>(rows: &'a [RankRow<'a>]) -> Vec<Stock<'a>> {
    let rows = rows.iter().enumerate();
    rows.map(|(index, row)| Stock::whole(index, row)).collect()
}

/// A run of words of one row: the grain of parallel work.
#[derive(Clone, Debug)]
pub(super) struct Piece<'a> {
    pub(super) stock: Stock<'a>,
    pub(super) words: Range<usize>,
}

impl Piece<'_> {
    fn for_each_key(&self, mut visit: impl FnMut(u32)) {
        let limit = self.stock.limit;
        self.stock.row.for_each_score(self.words.clone(), |score| {
            let key = key(score);
            if u64::from(key) < limit {
                visit(key);
            }
        });
    }
}

pub(super) fn pieces<'a>(pool: &[Stock<'a>]) -> Vec<Piece<'a>> {
    let cut_up = |stock: &Stock<'a>| {
        let stock = *stock;
        let words = stock.row.words();
        (0..words).step_by(PIECE).map(move |start| Piece {
            stock,
            words: start..words.min(start + PIECE),
        })
    };
    pool.iter().flat_map(cut_up).collect()
}

fn scores_in(pool: &[Stock<'_>]) -> usize {
    pool.iter().map(|stock| stock.row.scores.len()).sum()
}

/// The cut that keeps `keep` of the pooled scores, which must hold that many and `keep` > 0.
pub(super) fn cut(pool: &[Stock<'_>], keep: usize) -> Cut {
    sieve(pool, keep).map_or_else(|| cut_by_copy_or_count(pool, keep), |sieved| sieved.cut)
}

/// As [`cut`], where a sieve finds nothing.
pub(super) fn cut_by_copy_or_count(pool: &[Stock<'_>], keep: usize) -> Cut {
    match scores_in(pool) <= SMALL {
        true => cut_by_partition(pool, keep),
        false => cut_by_histogram(pool, keep),
    }
}

/// The cut that keeps `keep` of all scores, and the tally of each row against it.
pub(super) fn cut_with_tallies(rows: &[RankRow<'_>], keep: usize) -> (Cut, Vec<Tally>) {
    let pool = whole(rows);
    match sieve(&pool, keep) {
        Some(sieved) => (sieved.cut, sieved.tallies(rows.len())),
        None => {
            let cut = cut_by_copy_or_count(&pool, keep);
            (cut, tallies(rows, cut.key))
        }
    }
}

fn cut_by_partition(pool: &[Stock<'_>], keep: usize) -> Cut {
    let mut keys = Vec::with_capacity(scores_in(pool));
    for piece in pieces(pool) {
        piece.for_each_key(|key| keys.push(key));
    }
    for (key, times) in pool.iter().filter_map(|stock| stock.leftover) {
        keys.extend(std::iter::repeat_n(key, times));
    }
    cut_among(&mut keys, keep)
}

/// The cut that keeps `keep` of these keys.
pub(super) fn cut_among(keys: &mut [u32], keep: usize) -> Cut {
    let (above, &mut key, below) = keys.select_nth_unstable_by(keep - 1, |a, b| b.cmp(a));
    let equals = |keys: &[u32]| keys.iter().filter(|&&k| k == key).count();
    let ties = equals(above) + 1;
    Cut {
        key,
        ties,
        equal: ties + equals(below),
    }
}

pub(super) fn cut_by_histogram(pool: &[Stock<'_>], keep: usize) -> Cut {
    let pieces = pieces(pool);
    let high = |key: u32| key >> 16;
    let counts = histogram(&pieces, pool, |key| Some(high(key)));
    let (top, keep, _) = descend(&counts, keep);
    let counts = histogram(&pieces, pool, |key| {
        (high(key) == top).then_some(key & 0xffff)
    });
    let (low, ties, equal) = descend(&counts, keep);
    Cut {
        key: top << 16 | low,
        ties,
        equal,
    }
}

/// How many keys have each 16-bit digit, of those that have one.
fn histogram(
    pieces: &[Piece<'_>],
    pool: &[Stock<'_>],
    digit: impl Fn(u32) -> Option<u32> + Sync,
) -> Vec<usize> {
    let empty = || vec![0usize; 1 << 16];
    // Each task clears and adds up a histogram of its own, so there should be few.
    let tasks = 4 * rayon::current_num_threads();
    let mut counts = pieces
        .par_iter()
        .with_min_len(pieces.len().div_ceil(tasks))
        .fold(empty, |mut counts, piece| {
            piece.for_each_key(|key| {
                if let Some(digit) = digit(key) {
                    counts[digit as usize & 0xffff] += 1;
                }
            });
            counts
        })
        .reduce_with(|mut a, b| {
            a.iter_mut().zip(b).for_each(|(a, b)| *a += b);
            a
        })
        .unwrap_or_else(empty);
    for (key, times) in pool.iter().filter_map(|stock| stock.leftover) {
        if let Some(digit) = digit(key) {
            counts[digit as usize] += times;
        }
    }
    counts
}

/// The bin in which the `keep`th largest lies, its rank in the bin and the bin's count.
fn descend(counts: &[usize], mut keep: usize) -> (u32, usize, usize) {
    for (bin, &count) in (0u32..1 << 16).zip(counts).rev() {
        if keep <= count {
            return (bin, keep, count);
        }
        keep -= count;
    }
    unreachable!("the pool holds at least as many scores as it is to keep")
}

/// How many candidates of a row lie above a key and at it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Tally {
    pub(super) above: usize,
    pub(super) equal: usize,
}

/// The tally of each row against `at`.
pub(super) fn tallies(rows: &[RankRow<'_>], at: u32) -> Vec<Tally> {
    let pool = whole(rows);
    let tally = |piece: &Piece<'_>| {
        let mut tally = Tally::default();
        let Range { start, end } = piece.words;
        piece.stock.row.for_each_score(start..end, |score| {
            let key = key(score);
            tally.above += usize::from(key > at);
            tally.equal += usize::from(key == at);
        });
        (piece.stock.index, tally)
    };
    let pieces = pieces(&pool);
    let parts: Vec<_> = if scores_in(&pool) <= SMALL {
        pieces.iter().map(tally).collect()
    } else {
        pieces.par_iter().map(tally).collect()
    };
    let mut tallies = vec![Tally::default(); rows.len()];
    for (index, part) in parts {
        tallies[index].above += part.above;
        tallies[index].equal += part.equal;
    }
    tallies
}

impl RankRow<'_> {
    /// Words of 64 scores.
    pub(super) fn words(&self) -> usize {
        self.scores.len().div_ceil(64)
    }

    /// The candidates among the 64 scores of a word, which are fewer in the last.
    pub(super) fn eligible_word(&self, word: usize) -> u64 {
        let present = (self.scores.len() - word * 64).min(64);
        let full = !0 >> (64 - present);
        match self.eligible {
            None => full,
            Some(bits) => full & bits.words().get(word).copied().unwrap_or(0),
        }
    }

    pub(super) fn chunk(&self, word: usize) -> &[f32] {
        &self.scores[word * 64..self.scores.len().min(word * 64 + 64)]
    }

    /// Visits the candidates' scores in order.
    fn for_each_score(&self, words: Range<usize>, mut visit: impl FnMut(f32)) {
        if self.eligible.is_none() {
            let end = self.scores.len().min(words.end * 64);
            return self.scores[words.start * 64..end]
                .iter()
                .for_each(|&score| visit(score));
        }
        for word in words {
            let chunk = self.chunk(word);
            let mut rest = self.eligible_word(word);
            if rest == !0 {
                chunk.iter().for_each(|&score| visit(score));
                continue;
            }
            while rest != 0 {
                visit(chunk[rest.trailing_zeros() as usize]);
                rest &= rest - 1;
            }
        }
    }

    /// One bit per score: whether it is a candidate and passes.
    pub(super) fn bits_where(&self, passes: impl Fn(f32) -> bool + Sync) -> Bits {
        let word = |word: usize| {
            let mut passed = [false; 64];
            for (passed, &score) in passed.iter_mut().zip(self.chunk(word)) {
                *passed = passes(score);
            }
            packed(&passed) & self.eligible_word(word)
        };
        let words = if self.scores.len() <= SMALL {
            (0..self.words()).map(word).collect()
        } else {
            (0..self.words())
                .into_par_iter()
                .with_min_len(PIECE)
                .map(word)
                .collect()
        };
        Bits::from_words(self.scores.len(), words)
            .expect("one word for 64 scores and no bit past the last score")
    }
}

#[cfg(test)]
mod tests {
    use super::super::reference::{any_score, tied_scores};
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn keys_order_as_scores_do(a in any_score(), b in any_score()) {
            prop_assert_eq!(Some(key(a).cmp(&key(b))), a.partial_cmp(&b));
        }

        #[test]
        fn both_ways_find_one_cut(
            (scores, eligible) in tied_scores(1..300),
            floor in 0usize..50,
            share in 0.0f64..1.0,
        ) {
            let row = RankRow::new(&scores).with_eligible(&eligible);
            let all = row.candidates();
            let whole = Stock::whole(0, &row);
            let pools = if floor > 0 && floor < all {
                let reserved = cut_by_partition(&[whole], floor);
                prop_assert_eq!(reserved, cut_by_histogram(&[whole], floor));
                vec![(whole, all), (Stock::past(0, &row, reserved), all - floor)]
            } else {
                vec![(whole, all)]
            };
            for (stock, size) in pools {
                let keep = 1 + (share * size as f64) as usize;
                if keep <= size {
                    let pool = [stock];
                    prop_assert_eq!(cut_by_partition(&pool, keep), cut_by_histogram(&pool, keep));
                }
            }
        }
    }
}
