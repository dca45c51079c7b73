//! What the convolutions of one and two dimensions have in common.

use crate::SparseError;

/// Zeros before and after an axis of `size` for Burn's `Same` padding: the output is `size /
/// stride`, rounded up, and an odd zero goes to the end.
pub(super) fn same(size: usize, kernel: usize, stride: usize) -> (usize, usize) {
    if size == 0 || stride == 0 {
        return (0, 0);
    }
    let needed = (size.div_ceil(stride) - 1) * stride + kernel;
    let zeros = needed.saturating_sub(size);
    (zeros / 2, zeros - zeros / 2)
}

/// Refuses a weight `[out, in / groups * taps]` other than the one of these channels.
pub(super) fn check_channels(
    shape: [usize; 2],
    [input, out]: [usize; 2],
    groups: usize,
    taps: usize,
) -> Result<(), SparseError> {
    let columns = input.checked_div(groups).map(|input| input * taps);
    if columns.is_some_and(|columns| shape == [out, columns]) {
        return Ok(());
    }
    Err(SparseError::Shape {
        what: "the weight in the record".into(),
        got: shape.to_vec(),
        expected: format!(
            "[{out}, {input} / {groups} * {taps}], by the channels, groups and kernel given,"
        ),
    })
}
