//! Sizes that a model keeps in fields of its own, marked `#[prune(size = "..")]`.

use std::ops::Range;

use secateur_core::layers::{self, Prunable, layers_mut};

use crate::axes::{Dim, Removed};
use crate::coupling::Side;
use crate::error::StructureError;
use crate::plan::Plan;

/// Makes the fields follow what the plan leaves.
///
/// # Errors
///
/// [`StructureError::UnknownPath`] for a layer that `forward` does not use,
/// [`StructureError::NoSuchFactor`] where `forward` does not split the dimension so.
pub(super) fn follow<M: Prunable>(model: &mut M, plan: &Plan<'_>) -> Result<(), StructureError> {
    let coupling = plan.coupling();
    let mut layers = layers_mut(model);
    for (field, of, size) in layers.sizes_mut() {
        let side = match of.side {
            layers::Side::In => Side::In,
            layers::Side::Out => Side::Out,
        };
        let (path, dim) = coupling.weight_side(&of.layer, side)?;
        let dim = &coupling.dims_of(&path)?[dim];
        let factors = match dim {
            Dim::Product(factors) => factors.as_slice(),
            whole => std::slice::from_ref(whole),
        };
        let sizes = |removed: &Removed| -> Vec<usize> {
            let factors = factors.iter();
            factors
                .map(|factor| coupling.axes().left(factor, removed))
                .collect()
        };
        let all = sizes(&Removed::new());
        let asked = match &of.factors {
            layers::Factors::All => 0..all.len(),
            layers::Factors::Range(range) => range.clone(),
        };
        let range = range_of(&all, &asked, *size).ok_or_else(|| StructureError::NoSuchFactor {
            field: field.into(),
            value: *size,
            of: of.to_string(),
            factors: all,
        })?;
        *size = sizes(plan.removed())[range].iter().product();
    }
    Ok(())
}

/// The factors whose product is the field's value, those nearest to what was asked for: `forward`
/// may split off factors of one place, of which nothing is left to be seen.
fn range_of(factors: &[usize], asked: &Range<usize>, value: usize) -> Option<Range<usize>> {
    let ranges = (0..=factors.len()).flat_map(|start| {
        let ends = start..=factors.len();
        ends.map(move |end| start..end)
    });
    ranges
        .filter(|range| factors[range.clone()].iter().product::<usize>() == value)
        .min_by_key(|range| range.start.abs_diff(asked.start) + range.end.abs_diff(asked.end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn factors_of_one_place_are_not_seen() {
        assert_eq!(range_of(&[4, 8], &(0..1), 4), Some(0..1));
        assert_eq!(range_of(&[4, 8], &(1..2), 8), Some(1..2));
        // Four heads of one group each, asked for as groups times heads.
        assert_eq!(range_of(&[4, 8], &(0..2), 4), Some(0..1));
        assert_eq!(range_of(&[2, 3, 8], &(0..2), 6), Some(0..2));
        // One group: its width is all there is.
        assert_eq!(range_of(&[8], &(1..2), 8), Some(0..1));
        assert_eq!(range_of(&[8], &(0..1), 1), Some(0..0));
        assert_eq!(range_of(&[4, 8], &(0..1), 5), None);
    }
}
