//! Copying parts of tensors.

use super::plan::Part;

/// `y[i, j, ..] = x[start + step * i, ..]`, with `shape` the sizes of `y` and `from` those of `x`.
pub(crate) fn slice(parts: &[Part], from: &[usize], shape: &[usize], x: &[f32], y: &mut [f32]) {
    walk(shape, &mut |at, row| {
        let mut first = 0;
        for (axis, part) in parts.iter().enumerate() {
            let index = if axis + 1 == parts.len() { 0 } else { at[axis] };
            first = first * from[axis] + part.start + part.step * index;
        }
        let width = shape.last().copied().unwrap_or(1);
        let step = parts.last().map_or(1, |part| part.step);
        let y = &mut y[row * width..(row + 1) * width];
        if step == 1 {
            y.copy_from_slice(&x[first..first + width]);
        } else {
            for (y, x) in y.iter_mut().zip(x[first..].iter().step_by(step)) {
                *y = *x;
            }
        }
    });
}

/// `y` is `value` everywhere but for `x`, which starts `before` its edges.
pub(crate) fn pad(
    before: &[usize],
    value: f32,
    from: &[usize],
    shape: &[usize],
    x: &[f32],
    y: &mut [f32],
) {
    y.fill(value);
    walk(from, &mut |at, row| {
        let mut first = 0;
        for (axis, &before) in before.iter().enumerate() {
            let index = if axis + 1 == at.len() { 0 } else { at[axis] };
            first = first * shape[axis] + before + index;
        }
        let width = from.last().copied().unwrap_or(1);
        y[first..first + width].copy_from_slice(&x[row * width..(row + 1) * width]);
    });
}

/// Copies runs of `part` to runs of `all`, each from place `first` of the run on.
pub(crate) fn place(x: &[f32], part: usize, y: &mut [f32], all: usize, first: usize) {
    if part == 0 || all == 0 {
        return;
    }
    for (x, y) in x.chunks_exact(part).zip(y.chunks_exact_mut(all)) {
        y[first..first + part].copy_from_slice(x);
    }
}

/// Calls `visit` with the index of each row (the last dimension counts as one) and its number.
fn walk(shape: &[usize], visit: &mut dyn FnMut(&[usize], usize)) {
    if shape.contains(&0) {
        return;
    }
    // On the stack for the ranks that occur.
    let mut index = [0; 8];
    let mut longer = Vec::new();
    let at: &mut [usize] = if shape.len() <= index.len() {
        &mut index[..shape.len()]
    } else {
        longer.resize(shape.len(), 0);
        &mut longer
    };
    let rows: usize = shape.iter().rev().skip(1).product();
    for row in 0..rows {
        visit(at, row);
        for axis in (0..shape.len().saturating_sub(1)).rev() {
            at[axis] += 1;
            if at[axis] < shape[axis] {
                break;
            }
            at[axis] = 0;
        }
    }
}
