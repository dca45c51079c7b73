//! How uneven a mask is.

use secateur_kernels::Csr;

/// Standard deviation of the weights kept per row over their mean, and the same per column.
pub(crate) fn unevenness(csr: &Csr) -> [f64; 2] {
    let [m, k] = csr.shape();
    let rows: Vec<usize> = (0..m).map(|row| csr.row_nnz(row)).collect();
    let mut columns = vec![0; k];
    for &column in csr.indices() {
        columns[column as usize] += 1;
    }
    [relative_deviation(&rows), relative_deviation(&columns)]
}

fn relative_deviation(counts: &[usize]) -> f64 {
    let mean = counts.iter().sum::<usize>() as f64 / counts.len() as f64;
    let squares = counts.iter().map(|&count| (count as f64 - mean).powi(2));
    let variance = squares.sum::<f64>() / counts.len() as f64;
    if mean > 0.0 {
        variance.sqrt() / mean
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deviations_are_relative_to_the_mean() {
        // Rows keep 3 and 1, mean 2, deviation 1; columns keep 2, 1, 1: mean 4/3, deviation √2/3.
        let csr = Csr::from_dense(&[1.0, 1.0, 1.0, 1.0, 0.0, 0.0], [2, 3]).unwrap();
        let [rows, columns] = unevenness(&csr);
        assert!((rows - 0.5).abs() < 1e-12);
        assert!((columns - 2_f64.sqrt() / 4.0).abs() < 1e-12);
        let empty = Csr::from_dense(&[0.0, 0.0], [1, 2]).unwrap();
        assert_eq!(unevenness(&empty), [0.0, 0.0]);
    }
}
