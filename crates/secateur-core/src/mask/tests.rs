//! Masks against an obvious reference, a vector of bools.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// A shape with the values of two masks of it.
fn two_masks() -> impl Strategy<Value = ([usize; 3], Vec<bool>, Vec<bool>)> {
    [0..5_usize, 0..6, 0..10].prop_flat_map(|shape| {
        let len = shape.iter().product::<usize>();
        (
            Just(shape),
            vec(any::<bool>(), len),
            vec(any::<bool>(), len),
        )
    })
}

fn mask(shape: [usize; 3], kept: &[bool]) -> Mask {
    Mask::from_bools(shape, kept).unwrap()
}

fn bools(mask: &Mask) -> Vec<bool> {
    mask.iter().collect()
}

fn count(a: &[bool], b: &[bool], op: impl Fn(bool, bool) -> bool) -> usize {
    a.iter().zip(b).filter(|&(&a, &b)| op(a, b)).count()
}

proptest! {
    #[test]
    fn one_mask_agrees_with_bools((shape, a, _) in two_masks()) {
        let m = mask(shape, &a);
        let kept: Vec<_> = (0..a.len()).filter(|&i| a[i]).collect();
        prop_assert_eq!(m.shape(), shape);
        prop_assert_eq!((m.len(), m.is_empty()), (a.len(), a.is_empty()));
        prop_assert_eq!((m.kept(), m.pruned()), (kept.len(), a.len() - kept.len()));
        prop_assert_eq!(m.iter_kept().collect::<Vec<_>>(), kept);
        prop_assert_eq!(bools(&m), a.clone());
        prop_assert_eq!(m.storage_bytes(), a.len().div_ceil(64) * 8);
        prop_assert_eq!(bools(&m.not()), a.iter().map(|k| !k).collect::<Vec<_>>());
        prop_assert_eq!(&Mask::from_fn(shape, |i| a[i]).unwrap(), &m);
        prop_assert_eq!(&Mask::from_bits(shape, m.clone().into_bits()).unwrap(), &m);

        let mut built = Mask::prune_all(shape).unwrap();
        for (index, &kept) in a.iter().enumerate() {
            built.set(index, kept);
        }
        prop_assert_eq!(&built, &m);
    }

    #[test]
    fn coordinates_run_in_row_major_order((shape, a, _) in two_masks()) {
        let m = mask(shape, &a);
        let mut index = 0;
        for o in 0..=shape[0] {
            for i in 0..=shape[1] {
                for k in 0..=shape[2] {
                    let inside = o < shape[0] && i < shape[1] && k < shape[2];
                    prop_assert_eq!(m.at([o, i, k]), inside && a[index]);
                    prop_assert!(!inside || m.get(index) == a[index]);
                    index += usize::from(inside);
                }
            }
        }
        prop_assert!(!m.get(a.len()));
    }

    #[test]
    fn two_masks_agree_with_bools((shape, a, b) in two_masks()) {
        let (x, y) = (mask(shape, &a), mask(shape, &b));
        let both = |op: fn(bool, bool) -> bool| -> Vec<bool> {
            a.iter().zip(&b).map(|(&a, &b)| op(a, b)).collect()
        };
        prop_assert_eq!(bools(&x.and(&y).unwrap()), both(|a, b| a && b));
        prop_assert_eq!(bools(&x.or(&y).unwrap()), both(|a, b| a || b));
        prop_assert_eq!(bools(&x.xor(&y).unwrap()), both(|a, b| a != b));
        prop_assert_eq!(bools(&x.difference(&y).unwrap()), both(|a, b| a && !b));

        let subset = a.iter().zip(&b).all(|(&a, &b)| !a || b);
        prop_assert_eq!(x.is_subset_of(&y).unwrap(), subset);
        prop_assert!(x.and(&y).unwrap().is_subset_of(&x).unwrap());
        prop_assert!(x.is_subset_of(&x.or(&y).unwrap()).unwrap());

        let diff = x.diff(&y).unwrap();
        prop_assert_eq!(diff.pruned, count(&a, &b, |a, b| a && !b));
        prop_assert_eq!(diff.regrown, count(&a, &b, |a, b| !a && b));
        prop_assert_eq!(diff.changed(), x.xor(&y).unwrap().kept());

        let (inter, union) = (count(&a, &b, |a, b| a && b), count(&a, &b, |a, b| a || b));
        let jaccard = if union == 0 { 1.0 } else { inter as f64 / union as f64 };
        prop_assert_eq!(x.jaccard(&y).unwrap(), jaccard);
    }

    #[test]
    fn serde_round_trips((shape, a, _) in two_masks()) {
        let m = mask(shape, &a);
        let json = serde_json::to_string(&m).unwrap();
        prop_assert_eq!(serde_json::from_str::<Mask>(&json).unwrap(), m);
    }

    #[test]
    fn serde_never_makes_a_mask_that_does_not_fit(
        (o, i, k) in (0..3_usize, 0..3_usize, prop_oneof![0..99_usize, Just(usize::MAX)]),
        words in vec(0..64_u32, 0..4).prop_map(|shifts| {
            shifts.into_iter().map(|shift| u64::MAX >> shift).collect::<Vec<_>>()
        }),
    ) {
        let shape = [o, i, k];
        let json = serde_json::json!({ "shape": shape, "words": words }).to_string();
        if let Ok(m) = serde_json::from_str::<Mask>(&json) {
            prop_assert_eq!(Some(m.len()), elements(shape));
            prop_assert_eq!(m.iter().filter(|k| *k).count(), m.kept());
        }
    }
}

#[test]
fn sparsity_is_the_share_of_pruned_elements() {
    assert_eq!(
        mask([1, 4, 1], &[true, false, false, false]).sparsity(),
        0.75
    );
    assert_eq!(Mask::keep_all([3, 3, 3]).unwrap().sparsity(), 0.0);
    assert_eq!(Mask::prune_all([3, 3, 3]).unwrap().sparsity(), 1.0);
}

#[test]
fn a_zero_dimension_is_legal() {
    for shape in [[0, 0, 0], [0, 5, 9], [5, 0, 9], [usize::MAX, usize::MAX, 0]] {
        let m = Mask::keep_all(shape).unwrap();
        assert!(m.is_empty());
        assert_eq!((m.kept(), m.pruned(), m.storage_bytes()), (0, 0, 0));
        assert_eq!(m.sparsity(), 0.0);
        assert_eq!(m.jaccard(&Mask::prune_all(shape).unwrap()), Ok(1.0));
        assert_eq!(m.not(), m);
        assert!(!m.get(0) && !m.at([0, 0, 0]));
    }
}

#[test]
fn a_shape_that_no_memory_holds_is_a_typed_error() {
    let huge = [usize::MAX, 2, 1];
    for refused in [
        Mask::keep_all(huge),
        Mask::prune_all(huge),
        Mask::from_fn(huge, |_| true),
        Mask::from_bools(huge, &[]),
    ] {
        let error = refused.unwrap_err();
        assert!(
            matches!(error, PruneError::InvalidSetting { .. }),
            "{error}"
        );
    }
}

#[test]
fn other_shapes_are_refused_even_of_one_length() {
    let (a, b) = (
        Mask::keep_all([2, 3, 1]).unwrap(),
        Mask::keep_all([3, 2, 1]).unwrap(),
    );
    let expected = PruneError::MaskShape {
        path: "mask".into(),
        expected: [2, 3, 1],
        got: [3, 2, 1],
    };
    for op in [Mask::and, Mask::or, Mask::xor, Mask::difference] {
        assert_eq!(op(&a, &b), Err(expected.clone()));
    }
    assert_eq!(a.is_subset_of(&b), Err(expected.clone()));
    assert_eq!(a.jaccard(&b), Err(expected.clone()));
    assert_eq!(a.diff(&b), Err(expected));
}

#[test]
fn a_wrong_number_of_bits_is_refused() {
    let error = Mask::from_bools([2, 2, 1], &[true; 3]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`number of bits` is 3, which is not the number of elements of a view of shape \
         [2, 2, 1]; pass one bit per element, in (out, in, kernel) order"
    );
    assert!(Mask::from_bits([usize::MAX, 2, 1], Bits::ones(2)).is_err());
    assert!(Mask::from_bits([usize::MAX, 2, 2], Bits::ones(0)).is_err());
}

#[test]
fn debug_stays_short() {
    let small = mask([1, 3, 1], &[true, false, true]);
    assert_eq!(
        format!("{small:?}"),
        "Mask { shape: [1, 3, 1], kept: 2, bits: 101 }"
    );
    assert!(format!("{:?}", Mask::keep_all([1000, 1000, 9]).unwrap()).len() < 150);
}

#[test]
fn masks_cross_threads() {
    fn check<T: Send + Sync + Unpin + 'static>() {}
    check::<Mask>();
    check::<MaskDiff>();
}
