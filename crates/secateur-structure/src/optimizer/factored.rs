//! Second moments kept as a factor for rows and one for columns, as Adafactor does.

use burn::tensor::{DType, TensorData};

use super::record::{Entry, field};
use crate::cut::ParamCut;

/// Scales the factors of a parameter, before they are cut, by what the cut does to the means that
/// they are; returns the names of those that changed.
///
/// `second_moment` is `[.., rows, 1]`, `column_second_moment` `[.., 1, columns]`, with factors of
/// their own for each place of the outer dimensions.
pub(super) fn cut(entries: &mut [Entry], id: u64, cut: &ParamCut) -> Vec<String> {
    let position = |name: &str| {
        let mut entries = entries.iter();
        entries.position(|entry| entry.id == Some(id) && field(entry) == name)
    };
    let (Some(row), Some(column)) = (position("second_moment"), position("column_second_moment"))
    else {
        return Vec::new();
    };
    let [.., rows, columns] = cut.shape.as_slice() else {
        return Vec::new();
    };
    let [.., kept_rows, kept_columns] = cut.kept.as_slice() else {
        return Vec::new();
    };
    // Each factor is scaled by the other one's change of mean, taken before either changes.
    let (old_row, old_column) = (entries[row].data.clone(), entries[column].data.clone());
    let mut changed = Vec::new();
    let pairs = [
        (row, *rows, kept_columns, &old_column, *columns),
        (column, *columns, kept_rows, &old_row, *rows),
    ];
    for (own, len, kept, other, other_len) in pairs {
        let Some(kept) = kept else { continue };
        if let Some(scaled) = scale(&entries[own].data, len, other, other_len, kept) {
            entries[own].data = scaled;
            changed.push(field(&entries[own]).to_string());
        }
    }
    changed
}

/// `own · mean(other kept) / mean(other)`, for each of the outer places.
fn scale(
    own: &TensorData,
    len: usize,
    other: &TensorData,
    other_len: usize,
    kept: &[usize],
) -> Option<TensorData> {
    if !matches!(own.dtype(), DType::F32 | DType::F64) || len == 0 || other_len == 0 {
        return None;
    }
    let mut values: Vec<f64> = own.iter::<f64>().collect();
    let others: Vec<f64> = other.iter::<f64>().collect();
    for (own, other) in values.chunks_mut(len).zip(others.chunks(other_len)) {
        let mean: f64 = other.iter().sum::<f64>() / other_len as f64;
        let left: f64 = kept.iter().filter_map(|&at| other.get(at)).sum::<f64>();
        let ratio = left / kept.len() as f64 / mean;
        if ratio.is_finite() {
            own.iter_mut().for_each(|value| *value *= ratio);
        }
    }
    let data = TensorData::new(values, own.shape().clone());
    data.try_cast(own.dtype()).ok()
}
