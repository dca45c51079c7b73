//! The cut-off in one pass: a sample says about where it lies, and only the scores near it are
//! looked at one by one (Floyd and Rivest 1975).

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use rayon::prelude::*;

use super::RankRow;
use super::select::{Cut, Piece, SMALL, Stock, Tally, cut_among, key, pieces};
use crate::bits::{Bits, packed};

/// About how many words of a pool are sampled, four scores each.
const SAMPLE: usize = 1 << 12;

/// A sample smaller than this says too little.
const LEAST: usize = 512;

/// All scores of a pool, sieved by bounds between which its cut lies.
#[derive(Debug)]
pub(super) struct Sieved {
    pub(super) cut: Cut,
    parts: Vec<Part>,
}

/// The scores of a run of words of one row: above the bounds, or within; those below are left out.
#[derive(Debug)]
struct Part {
    row: usize,
    /// A bit for each score above the bounds.
    above: Vec<u64>,
    /// Index in the row and key of each score within.
    within: Vec<(usize, u32)>,
}

/// Sieves a pool for the cut that keeps `keep` of its scores. `None` for a small pool, if the sample
/// misleads, if too many scores lie near the cut, as when most are equal, or if a floor protects
/// some.
///
/// What it finds is exact, and so does not depend on the sample.
pub(super) fn sieve(pool: &[Stock<'_>], keep: usize) -> Option<Sieved> {
    let scores: usize = pool.iter().map(|stock| stock.row.scores.len()).sum();
    if scores <= SMALL {
        return None;
    }
    let bounds = Bounds::likely(pool, keep)?;
    let room = scores / 8;
    let taken = AtomicUsize::new(0);
    let parts: Vec<Part> = pieces(pool)
        .par_iter()
        .map(|piece| match taken.load(Relaxed) <= room {
            true => {
                let part = Part::of(piece, &bounds);
                taken.fetch_add(part.within.len(), Relaxed);
                part
            }
            false => Part::empty(piece.stock.index),
        })
        .collect();
    if taken.into_inner() > room {
        return None;
    }
    let above: usize = parts.iter().map(Part::count_above).sum();
    let within = parts.iter().flat_map(|part| &part.within);
    let mut within: Vec<u32> = within.map(|&(_, key)| key).collect();
    if keep <= above || keep > above + within.len() {
        return None;
    }
    let cut = cut_among(&mut within, keep - above);
    Some(Sieved { cut, parts })
}

impl Sieved {
    /// How many scores of each of `rows` rows lie above the cut and at it.
    pub(super) fn tallies(&self, rows: usize) -> Vec<Tally> {
        let mut tallies = vec![Tally::default(); rows];
        for part in &self.parts {
            let tally = &mut tallies[part.row];
            tally.above += part.count_above();
            for (_, key) in &part.within {
                tally.above += usize::from(*key > self.cut.key);
                tally.equal += usize::from(*key == self.cut.key);
            }
        }
        tallies
    }

    /// The kept units of the only row, one bit for each of its `len` scores.
    pub(super) fn kept(self, len: usize) -> Bits {
        let Self { cut, parts } = self;
        let mut kept = Vec::with_capacity(len.div_ceil(64));
        parts.iter().for_each(|part| kept.extend(&part.above));
        let mut ties = cut.ties;
        for (index, key) in parts.iter().flat_map(|part| &part.within) {
            let tie = *key == cut.key && ties > 0;
            ties -= usize::from(tie);
            if *key > cut.key || tie {
                kept[index / 64] |= 1 << (index % 64);
            }
        }
        Bits::from_words(len, kept).expect("one word for 64 scores and no bit past the last")
    }
}

impl Part {
    fn empty(row: usize) -> Self {
        Self {
            row,
            above: Vec::new(),
            within: Vec::new(),
        }
    }

    fn of(piece: &Piece<'_>, bounds: &Bounds) -> Self {
        let row = piece.stock.row;
        let mut part = Self::empty(piece.stock.index);
        for word in piece.words.clone() {
            let (mut above, mut near) = bounds.split(row, word);
            while near != 0 {
                let at = near.trailing_zeros() as usize;
                near &= near - 1;
                let key = key(row.scores[word * 64 + at]);
                // NaN is near whatever its key.
                if key > bounds.high_key {
                    above |= 1 << at;
                } else if key >= bounds.low_key {
                    part.within.push((word * 64 + at, key));
                }
            }
            part.above.push(above);
        }
        part
    }

    fn count_above(&self) -> usize {
        self.above
            .iter()
            .map(|word| word.count_ones() as usize)
            .sum()
    }
}

/// Two scores between which the cut should lie, and their keys.
#[derive(Debug)]
struct Bounds {
    low: f32,
    high: f32,
    low_key: u32,
    high_key: u32,
}

impl Bounds {
    fn likely(pool: &[Stock<'_>], keep: usize) -> Option<Self> {
        if pool.iter().any(|stock| stock.leftover.is_some()) {
            return None;
        }
        let mut sample = sample(pool);
        let size = sample.len() as f64;
        let candidates: usize = pool.iter().map(|stock| stock.row.candidates()).sum();
        let share = keep as f64 / candidates as f64;
        // Four standard deviations of the cut's rank in the sample.
        let margin = 4.0 * (size * share * (1.0 - share)).sqrt() + 8.0;
        let (first, last) = (size * share - margin, size * share + margin);
        if sample.len() < LEAST {
            return None;
        }
        let mut ranked = |rank: f64| {
            let (_, &mut key, _) = sample.select_nth_unstable_by(rank as usize, |a, b| b.cmp(a));
            key
        };
        let (lowest, highest) = (key(f32::NEG_INFINITY), key(f32::INFINITY));
        let high_key = if first < 0.0 { highest } else { ranked(first) };
        let low_key = if last >= size { lowest } else { ranked(last) };
        Some(Self {
            low: score_of(low_key),
            high: score_of(high_key),
            low_key,
            high_key,
        })
    }

    /// The candidates of a word that lie above the bounds, and those that are neither above nor
    /// below.
    fn split(&self, row: &RankRow<'_>, word: usize) -> (u64, u64) {
        let chunk = row.chunk(word);
        let (mut above, mut below) = ([false; 64], [false; 64]);
        for (above, &score) in above.iter_mut().zip(chunk) {
            *above = score > self.high;
        }
        for (below, &score) in below.iter_mut().zip(chunk) {
            *below = score < self.low;
        }
        let (above, below) = (packed(&above), packed(&below));
        let candidates = row.eligible_word(word);
        (candidates & above, candidates & !(above | below))
    }
}

/// Keys of some of the pool's candidates.
fn sample(pool: &[Stock<'_>]) -> Vec<u32> {
    let words: usize = pool.iter().map(|stock| stock.row.words()).sum();
    let stride = (words / SAMPLE).max(1);
    let mut sample = Vec::with_capacity(4 * (words / stride + pool.len()));
    for Stock { row, .. } in pool {
        for word in (0..row.words()).step_by(stride) {
            let candidates = row.eligible_word(word);
            // At places that follow no pattern of the parameter's.
            let first = (word as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 58;
            for at in [first, first ^ 16, first ^ 32, first ^ 48] {
                if candidates >> at & 1 == 1 {
                    sample.push(key(row.scores[word * 64 + at as usize]));
                }
            }
        }
    }
    sample
}

/// The score that has this key.
fn score_of(key: u32) -> f32 {
    let positive = key >> 31 == 1;
    f32::from_bits(if positive { key ^ 1 << 31 } else { !key })
}

#[cfg(test)]
mod tests {
    use super::super::reference::any_score;
    use super::super::select::{cut_by_histogram, tallies};
    use super::super::{keep_largest, pooled_counts};
    use super::*;
    use crate::random::Stream;
    use proptest::prelude::*;

    /// Scores of different kinds: all different, equal few and many times, in order, with NaN.
    fn scores(kind: usize, len: usize, stream: &mut Stream) -> Vec<f32> {
        let score = |index: usize| match kind {
            0 => stream.normal(),
            1 => (stream.below(1_000) as f32 - 500.0) / 7.0,
            2 => stream.below(2) as f32,
            3 => index as f32,
            4 => -((index % 640) as f32),
            _ => match index % 97 {
                0 => f32::NAN,
                1 => -f32::NAN,
                _ => stream.normal(),
            },
        };
        (0..len).map(score).collect()
    }

    proptest! {
        #[test]
        fn scores_come_back_from_their_keys(score in any_score()) {
            prop_assert_eq!(score_of(key(score)), score);
        }

        #[test]
        fn agrees_with_histograms(
            seed in any::<u64>(),
            len in 40_000usize..90_000,
            kind in 0usize..6,
            share in 0.0f64..1.0,
            eligible in proptest::option::of(0.01f64..1.0),
        ) {
            let mut stream = Stream::new(seed, "scores", kind);
            let scores = scores(kind, len, &mut stream);
            let (left, right) = scores.split_at(len / 3);
            let mut bits = |part: &[f32]| {
                let lot = |share: f64| {
                    Bits::from_fn(part.len(), |_| f64::from(stream.uniform()) < share)
                };
                eligible.map(lot)
            };
            let (left_bits, right_bits) = (bits(left), bits(right));
            let mut rows = [RankRow::new(left), RankRow::new(right)];
            rows[0].eligible = left_bits.as_ref();
            rows[1].eligible = right_bits.as_ref();
            let candidates: usize = rows.iter().map(RankRow::candidates).sum();
            let keep = 1 + (share * candidates as f64) as usize;
            prop_assume!(keep < candidates);

            let pool = [Stock::whole(0, &rows[0]), Stock::whole(1, &rows[1])];
            let expected = cut_by_histogram(&pool, keep);
            let tallies = tallies(&rows, expected.key);
            if let Some(sieved) = sieve(&pool, keep) {
                prop_assert_eq!(sieved.cut, expected);
                prop_assert_eq!(sieved.tallies(2), tallies);
            }
            let counts = pooled_counts(&rows, keep).counts;
            prop_assert_eq!(counts.iter().sum::<usize>(), keep);
            let beyond_ties = rows[0].candidates().min(counts[0]);
            let kept = keep_largest(left, rows[0].eligible, beyond_ties);
            prop_assert_eq!(kept.count_ones(), beyond_ties);
        }

        #[test]
        fn keeps_the_units_that_a_sort_keeps(
            seed in any::<u64>(),
            len in 40_000usize..60_000,
            kind in 0usize..5,
            share in 0.0f64..1.0,
        ) {
            let scores = scores(kind, len, &mut Stream::new(seed, "scores", kind));
            let keep = (share * len as f64) as usize;
            let mut order: Vec<usize> = (0..len).collect();
            order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]).then(a.cmp(&b)));
            let mut expected = Bits::zeros(len);
            order[..keep].iter().for_each(|&index| expected.set(index, true));
            prop_assert_eq!(keep_largest(&scores, None, keep), expected);
        }
    }

    #[test]
    fn suffices_where_scores_differ_and_gives_up_where_they_do_not() {
        let mut stream = Stream::new(1, "scores", 0);
        let scores: Vec<f32> = (0..200_000).map(|_| stream.normal().abs()).collect();
        let row = RankRow::new(&scores);
        for keep in [1, 20_000, 100_000, 199_999] {
            let pool = [Stock::whole(0, &row)];
            let found = sieve(&pool, keep).map(|sieved| sieved.cut);
            assert_eq!(found, Some(cut_by_histogram(&pool, keep)), "{keep}");
        }
        let equal = vec![0.5; 200_000];
        let row = RankRow::new(&equal);
        assert!(sieve(&[Stock::whole(0, &row)], 20_000).is_none());
    }
}
