//! Rows cut into bands: the parts of a product that threads share.

use std::ops::Range;

use crate::csr::Csr;

/// A format whose kernels work on one band at a time.
pub(crate) trait Banded: Sync {
    /// Its rows.
    fn bands(&self) -> &Bands;

    /// The most slots whose weights a kernel asks for at once.
    fn longest_part(&self) -> usize;
}

/// The rows of a matrix `[m, k]` in bands, fixed when it is packed.
///
/// A band is summed by one thread, in the order that its format fixes, so results do not depend
/// on the number of threads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bands {
    shape: [usize; 2],
    rows: Vec<Range<usize>>,
}

impl Bands {
    /// Bands of `csr` with about equally many weights, each of at most `most` rows and, but for
    /// the last, of a multiple of `step`.
    pub(crate) fn by_weights(csr: &Csr, step: usize, most: usize) -> Self {
        let [m, _] = csr.shape();
        Self {
            shape: csr.shape(),
            rows: bands(|row| csr.row_nnz(row) + 1, m, step, most),
        }
    }

    /// The same for a format that stores as much of each row as of any other.
    pub(crate) fn by_rows(csr: &Csr, step: usize, most: usize) -> Self {
        Self {
            shape: csr.shape(),
            rows: bands(|_| 1, csr.shape()[0], step, most),
        }
    }

    /// `[m, k]`.
    pub(crate) fn shape(&self) -> [usize; 2] {
        self.shape
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.rows.len()
    }

    /// The rows of one band.
    #[inline(always)]
    pub(crate) fn rows(&self, band: usize) -> Range<usize> {
        self.rows[band].clone()
    }

    /// The rows of each; together they are `0..m` in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Range<usize>> + '_ {
        self.rows.iter().cloned()
    }

    /// Rows of the tallest.
    pub(crate) fn tallest(&self) -> usize {
        self.rows.iter().map(Range::len).max().unwrap_or(0)
    }

    /// Bytes that they take.
    pub(crate) fn bytes(&self) -> usize {
        size_of_val(&self.rows[..])
    }
}

/// Rows `0..m` cut into bands of about equal weight, each of at most `most` rows and, but for
/// the last, of a multiple of `step`.
pub(crate) fn bands(
    weights: impl Fn(usize) -> usize,
    m: usize,
    step: usize,
    most: usize,
) -> Vec<Range<usize>> {
    let total: usize = (0..m).map(&weights).sum();
    let wanted = m.div_ceil(most).max(1);
    let share = total.div_ceil(wanted).max(1);
    let mut bands = Vec::with_capacity(wanted);
    let (mut start, mut weight) = (0, 0);
    for first in (0..m).step_by(step) {
        let end = (first + step).min(m);
        weight += (first..end).map(&weights).sum::<usize>();
        if end == m || weight >= share || end + step - start > most {
            bands.push(start..end);
            (start, weight) = (end, 0);
        }
    }
    bands
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bands_cover_the_rows_in_order() {
        for (m, step, most) in [
            (1, 4, 256),
            (1024, 4, 256),
            (1000, 4, 256),
            (7, 8, 16),
            (600, 1, 256),
        ] {
            let bands = bands(|row| row % 7, m, step, most);
            assert_eq!(bands[0].start, 0);
            assert_eq!(bands.last().unwrap().end, m);
            assert!(bands.windows(2).all(|pair| pair[0].end == pair[1].start));
            assert!(
                bands
                    .iter()
                    .all(|band| !band.is_empty() && band.len() <= most.max(step))
            );
        }
    }
}
