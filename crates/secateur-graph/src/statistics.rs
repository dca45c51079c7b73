//! Statistics of what flows through a layer, gathered a row at a time in bounded memory.

use faer::linalg::matmul::triangular::{self, BlockStructure};
use faer::{Accum, Mat, MatRef, Par};
use serde::{Deserialize, Serialize};

/// Count, mean, variance, norm and share of zeros of each feature.
///
/// One pass, by Welford's update, so that a large mean does not swallow a small variance; two
/// parts merge as Chan, Golub and LeVeque (1983) do it. Memory: four numbers a feature.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Moments {
    rows: u64,
    mean: Vec<f64>,
    /// Sum of squared deviations from the mean.
    deviation: Vec<f64>,
    zeros: Vec<u64>,
}

impl Moments {
    /// Of nothing yet, for rows of `features`.
    #[must_use]
    pub fn new(features: usize) -> Self {
        Self {
            rows: 0,
            mean: vec![0.0; features],
            deviation: vec![0.0; features],
            zeros: vec![0; features],
        }
    }

    /// Adds one row. Features past the shorter of the two are left out.
    pub fn add(&mut self, row: &[f32]) {
        self.rows += 1;
        let rows = self.rows as f64;
        let features = self.mean.iter_mut().zip(&mut self.deviation);
        for (((mean, deviation), zeros), &x) in features.zip(&mut self.zeros).zip(row) {
            let x = f64::from(x);
            let before = x - *mean;
            *mean += before / rows;
            *deviation += before * (x - *mean);
            *zeros += u64::from(x == 0.0);
        }
    }

    /// Adds all rows of another.
    pub fn merge(&mut self, other: &Self) {
        if other.rows == 0 {
            return;
        }
        if self.rows == 0 {
            self.clone_from(other);
            return;
        }
        let [ours, theirs] = [self.rows as f64, other.rows as f64];
        let all = ours + theirs;
        for feature in 0..self.mean.len().min(other.mean.len()) {
            let apart = other.mean[feature] - self.mean[feature];
            self.mean[feature] += apart * theirs / all;
            self.deviation[feature] +=
                other.deviation[feature] + apart * apart * ours * theirs / all;
            self.zeros[feature] += other.zeros[feature];
        }
        self.rows += other.rows;
    }

    /// Numbers that hold the moments of so many features.
    pub(crate) fn numbers(features: usize) -> usize {
        1 + 3 * features
    }

    /// The moments that [`write`](Self::write) has written. Counts are exact up to 2⁵³.
    pub(crate) fn read(numbers: &[f64]) -> Self {
        let (rows, rest) = numbers.split_first().unwrap_or((&0.0, &[]));
        let (mean, rest) = rest.split_at(rest.len() / 3);
        let (deviation, zeros) = rest.split_at(mean.len());
        Self {
            rows: *rows as u64,
            mean: mean.to_vec(),
            deviation: deviation.to_vec(),
            zeros: zeros.iter().map(|&zeros| zeros as u64).collect(),
        }
    }

    /// Writes the moments as [`numbers`](Self::numbers) of them.
    pub(crate) fn write(&self, numbers: &mut [f64]) {
        let rows = std::iter::once(self.rows as f64);
        let zeros = self.zeros.iter().map(|&zeros| zeros as f64);
        let all = rows.chain(self.mean.iter().chain(&self.deviation).copied());
        for (number, value) in numbers.iter_mut().zip(all.chain(zeros)) {
            *number = value;
        }
    }

    /// Rows added.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Mean of each feature.
    #[must_use]
    pub fn mean(&self) -> &[f64] {
        &self.mean
    }

    /// Variance of each feature over the rows seen, `(1/n) Σ (x - x̄)²`.
    #[must_use]
    pub fn variance(&self) -> Vec<f64> {
        let rows = self.rows.max(1) as f64;
        self.deviation.iter().map(|sum| sum / rows).collect()
    }

    /// Euclidean norm of each feature over all rows, `√(Σ x²)`: Wanda's `‖X_j‖₂`.
    #[must_use]
    pub fn norm(&self) -> Vec<f64> {
        let rows = self.rows as f64;
        let features = self.mean.iter().zip(&self.deviation);
        features
            .map(|(mean, deviation)| (deviation + rows * mean * mean).sqrt())
            .collect()
    }

    /// Share of rows in which each feature is zero, 0 to 1: APoZ after a ReLU.
    #[must_use]
    pub fn zeros(&self) -> Vec<f64> {
        let rows = self.rows.max(1) as f64;
        self.zeros
            .iter()
            .map(|&zeros| zeros as f64 / rows)
            .collect()
    }
}

/// The matrix of second moments `Σ xᵀx` of rows `x`: what least squares and SparseGPT work from.
///
/// Memory: a number of 8 bytes for each pair of features, `features · (features + 1) / 2` of them,
/// however many rows are added: 1.3 MB for the 576 features of a 3x3 convolution of 64 channels,
/// 67 MB for 4,096. While [`add_rows`](Self::add_rows) runs, twice as much again and 512 rows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Gram {
    features: usize,
    rows: u64,
    /// Row by row, the lower triangle.
    sums: Vec<f64>,
}

impl Gram {
    /// Of nothing yet, for rows of `features`.
    #[must_use]
    pub fn new(features: usize) -> Self {
        Self {
            features,
            rows: 0,
            sums: vec![0.0; triangle(features)],
        }
    }

    /// Adds one row of as many features; another row is left out.
    pub fn add(&mut self, row: &[f32]) {
        if row.len() != self.features {
            return;
        }
        self.rows += 1;
        let mut rest = self.sums.as_mut_slice();
        for (first, &x) in row.iter().enumerate() {
            let (line, after) = std::mem::take(&mut rest).split_at_mut(first + 1);
            rest = after;
            if x != 0.0 {
                let x = f64::from(x);
                for (sum, &other) in line.iter_mut().zip(row) {
                    *sum += x * f64::from(other);
                }
            }
        }
    }

    /// Adds many rows, one after the other, faster than one by one; numbers that do not fill a
    /// last row are left out. The sums may differ from those of single rows in their last bits.
    pub fn add_rows(&mut self, rows: &[f32]) {
        let features = self.features;
        if features == 0 {
            return;
        }
        for rows in rows.chunks(features * ROWS_AT_ONCE) {
            let rows = &rows[..rows.len() - rows.len() % features];
            add_products(&mut self.sums, self.features, rows);
            self.rows += (rows.len() / features) as u64;
        }
    }

    /// Adds all rows of another of as many features; others are left out.
    pub fn merge(&mut self, other: &Self) {
        if other.features == self.features {
            self.rows += other.rows;
            for (sum, more) in self.sums.iter_mut().zip(&other.sums) {
                *sum += more;
            }
        }
    }

    /// Rows added.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Features of a row.
    #[must_use]
    pub fn features(&self) -> usize {
        self.features
    }

    /// `Σ x_i x_j`.
    ///
    /// # Panics
    ///
    /// Where there is no such feature.
    #[must_use]
    pub fn at(&self, i: usize, j: usize) -> f64 {
        self.sums[place(i, j)]
    }
}

/// Rows that are multiplied at once: enough for the cache, few enough to be held.
pub(crate) const ROWS_AT_ONCE: usize = 512;

/// Pairs of features, a feature with itself included.
pub(crate) fn triangle(features: usize) -> usize {
    features * (features + 1) / 2
}

/// Where the pair of features is in the triangle.
pub(crate) fn place(i: usize, j: usize) -> usize {
    triangle(i.max(j)) + i.min(j)
}

/// Adds `Σ xᵀx` of the rows to the lower triangle of sums.
pub(crate) fn add_products(sums: &mut [f64], features: usize, rows: &[f32]) {
    let count = rows.len() / features.max(1);
    if features == 0 || count == 0 {
        return;
    }
    // What is left of a row is no row.
    let rows = &rows[..count * features];
    let x: Vec<f64> = rows.iter().copied().map(f64::from).collect();
    let x = MatRef::from_row_major_slice(&x, count, features);
    let mut products = Mat::<f64>::zeros(features, features);
    triangular::matmul(
        products.as_mut(),
        BlockStructure::TriangularLower,
        Accum::Replace,
        x.transpose(),
        BlockStructure::Rectangular,
        x,
        BlockStructure::Rectangular,
        1.0,
        // One thread, so that the order of the sums is always the same.
        Par::Seq,
    );
    for i in 0..features {
        for j in 0..=i {
            sums[place(i, j)] += products[(i, j)];
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn moments(rows: &[[f32; 3]]) -> Moments {
        let mut moments = Moments::new(3);
        rows.iter().for_each(|row| moments.add(row));
        moments
    }

    #[test]
    fn three_rows_by_hand() {
        // First feature: 1, 2, 6: mean 3, deviations -2, -1, 3, squares 14, variance 14/3, sum of
        // squares 41. Second: 0, 0, 3: a share of 2/3 zeros.
        let got = moments(&[
            [1.0, 0.0, 1e6 + 1.0],
            [2.0, 0.0, 1e6 + 2.0],
            [6.0, 3.0, 1e6 + 3.0],
        ]);
        assert_eq!(got.rows(), 3);
        assert_eq!(got.mean()[0], 3.0);
        assert!((got.variance()[0] - 14.0 / 3.0).abs() < 1e-12);
        assert!((got.norm()[0] - 41f64.sqrt()).abs() < 1e-12);
        assert_eq!(got.zeros()[..2], [0.0, 2.0 / 3.0]);
        // 1, 2, 3 beside a million: variance 2/3.
        assert!((got.variance()[2] - 2.0 / 3.0).abs() < 1e-9);
    }

    #[test]
    fn gram_by_hand() {
        let mut gram = Gram::new(2);
        gram.add(&[1.0, 2.0]);
        gram.add(&[3.0, -1.0]);
        gram.add(&[9.0]);
        assert_eq!(
            [gram.at(0, 0), gram.at(0, 1), gram.at(1, 0), gram.at(1, 1)],
            [10.0, -1.0, -1.0, 5.0]
        );
        assert_eq!(gram.rows(), 2);
        let mut at_once = Gram::new(2);
        at_once.add_rows(&[1.0, 2.0, 3.0, -1.0, 9.0]);
        assert_eq!(at_once, gram);
        at_once.add_rows(&[]);
        Gram::new(0).add_rows(&[1.0]);
        assert_eq!(at_once, gram);
    }

    #[test]
    fn moments_are_written_and_read() {
        let moments = moments(&[[1.0, 0.0, 5.0], [2.0, 0.0, 7.0]]);
        let mut numbers = vec![0.0; Moments::numbers(3)];
        moments.write(&mut numbers);
        assert_eq!(Moments::read(&numbers), moments);
        assert_eq!(Moments::read(&[]), Moments::new(0));
    }

    #[test]
    fn nothing_has_no_moments_but_zero() {
        let none = Moments::new(2);
        assert_eq!(none.variance(), [0.0, 0.0]);
        assert_eq!(none.norm(), [0.0, 0.0]);
        assert_eq!(none.zeros(), [0.0, 0.0]);
    }

    proptest! {
        #[test]
        fn parts_merge_to_the_whole(
            rows in proptest::collection::vec(proptest::array::uniform3(-9.0..9.0_f32), 1..40),
            cut in 0..40_usize,
        ) {
            let cut = cut.min(rows.len());
            let whole = moments(&rows);
            let mut parts = moments(&rows[..cut]);
            parts.merge(&moments(&rows[cut..]));
            prop_assert_eq!(parts.rows(), whole.rows());
            let pairs = parts.variance().into_iter().zip(whole.variance());
            for (part, whole) in pairs.chain(parts.norm().into_iter().zip(whole.norm())) {
                prop_assert!((part - whole).abs() <= 1e-9 * whole.max(1.0));
            }
            let mut gram = Gram::new(3);
            rows.iter().for_each(|row| gram.add(row));
            let mut at_once = Gram::new(3);
            at_once.add_rows(&rows.concat());
            for (i, j) in [(0, 0), (1, 0), (2, 1)] {
                prop_assert!((at_once.at(i, j) - gram.at(i, j)).abs() <= 1e-9 * 81.0 * 40.0);
            }
            for (feature, norm) in whole.norm().iter().enumerate() {
                prop_assert!((gram.at(feature, feature).sqrt() - norm).abs() <= 1e-9 * norm.max(1.0));
            }
        }
    }
}
