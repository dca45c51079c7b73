//! Units against a table of them, and by hand.

use proptest::prelude::*;

use super::*;
use crate::rank::reference::{any_score, tied_scores};

fn mask(shape: [usize; 3], kept: &[u8]) -> Mask {
    let bits = kept.iter().map(|&bit| bit == 1).collect();
    Mask::from_bits(shape, bits).unwrap()
}

#[test]
fn golden_boxes_and_their_rest() {
    // View 3 x 3 x 1, boxes 2 x 2:  0 1 2     whole box 0: 0 1 3 4; smaller ones: 1: 2 5,
    //                               3 4 5     2: 6 7, 3: 8.
    //                               6 7 8
    let smaller = Units::boxes([3, 3, 1], [2, 2, 1], Rest::Smaller);
    let members = |units: &Units| -> Vec<Vec<usize>> {
        (0..units.count())
            .map(|unit| units.members(unit).collect())
            .collect()
    };
    assert_eq!(
        members(&smaller),
        [vec![0, 1, 3, 4], vec![2, 5], vec![6, 7], vec![8]]
    );
    assert_eq!(smaller.unit_len(), 1..=4);
    let outside = Units::boxes([3, 3, 1], [2, 2, 1], Rest::Outside);
    assert_eq!(members(&outside), [[0, 1, 3, 4]]);
    assert_eq!(outside.unit_of(8), None);
    assert_eq!(outside.members(1).count(), 0);
}

#[test]
fn golden_n_of_m_scores_and_masks() {
    // Keep 2 of 4. Group 0 loses 1 and 2, its score is 3; group 1 ties at 5 and keeps the lower
    // indices, it loses 10; group 0 goes first.
    let shape = [1, 8, 1];
    let units = Units::boxes(shape, [1, 4, 1], Rest::Outside).with_keep(2);
    let scores = [9.0, 1.0, 2.0, 8.0, 5.0, 5.0, 5.0, 5.0];
    let sums = units.scores(&scores, Reduction::Sum, None).unwrap();
    assert_eq!(sums, [3.0, 10.0]);
    let pruned = |previous| {
        let kept = Bits::zeros(2);
        units.expand(&kept, &scores, previous).unwrap()
    };
    assert_eq!(pruned(None), mask(shape, &[1, 0, 0, 1, 1, 1, 0, 0]));
    // The best two of group 0 are gone already and stay so; of group 1 one is left.
    let previous = mask(shape, &[0, 1, 1, 0, 0, 0, 0, 1]);
    assert_eq!(pruned(Some(&previous)), previous);
    // With three left in group 0 (1, 2, 8) the lowest of them goes.
    let previous = mask(shape, &[0, 1, 1, 1, 1, 1, 1, 1]);
    assert_eq!(
        pruned(Some(&previous)),
        mask(shape, &[0, 0, 1, 1, 1, 1, 0, 0])
    );
    let left = units.scores(&scores, Reduction::Sum, Some(&previous));
    assert_eq!(left.unwrap(), [1.0, 10.0]);
    assert_eq!(units.collapse(&previous).unwrap(), Bits::ones(2));
    assert_eq!(units.are_obeyed_by(&previous), Ok(false));
}

#[test]
fn tables() {
    let none = Units::NO_UNIT;
    let units = Units::from_table([2, 3, 1], vec![1, none, 0, 1, 0, 1]).unwrap();
    assert_eq!(units.count(), 2);
    assert_eq!(units.members(0).collect::<Vec<_>>(), [2, 4]);
    assert_eq!(units.members(1).collect::<Vec<_>>(), [0, 3, 5]);
    assert_eq!(units.members(2).count(), 0);
    assert_eq!((units.unit_of(1), units.unit_of(3)), (None, Some(1)));
    assert_eq!(units.unit_len(), 2..=3);
    let scores = [1.0, 9.0, 2.0, 3.0, 4.0, 5.0];
    let means = units.scores(&scores, Reduction::Mean, None).unwrap();
    assert_eq!(means, [3.0, 3.0]);

    assert!(Units::from_table([1, 2, 1], vec![0]).is_err());
    let gap = Units::from_table([1, 2, 1], vec![0, 2]).unwrap_err();
    assert!(
        gap.to_string().contains("without a member of unit 1"),
        "{gap}"
    );
    assert!(Units::from_table([1, 2, 1], vec![0, u32::MAX - 1]).is_err());
}

#[test]
fn views_without_elements_and_of_one() {
    for shape in [[0, 3, 2], [3, 0, 2], [3, 2, 0]] {
        for rest in [Rest::Outside, Rest::Smaller] {
            let units = Units::boxes(shape, [1, 0, 0], rest).with_keep(1);
            assert_eq!((units.count(), units.unit_len()), (0, 0..=0));
            assert_eq!(units.unit_of(0), None);
            assert_eq!(units.scores(&[], Reduction::Sum, None), Ok(vec![]));
            let mask = units.expand(&Bits::zeros(0), &[], None).unwrap();
            assert_eq!(units.are_obeyed_by(&mask), Ok(true));
        }
    }
    assert_eq!(Units::from_table([0, 1, 1], vec![]).unwrap().count(), 0);
    let one = Units::elements([1, 1, 1]);
    assert_eq!(one.members(0).collect::<Vec<_>>(), [0]);
    let pruned = one.expand(&Bits::zeros(1), &[], None).unwrap();
    assert_eq!(pruned, mask([1, 1, 1], &[0]));
}

#[test]
fn arguments_of_another_view_are_refused() {
    let units = Units::elements([2, 2, 1]);
    let other = mask([1, 4, 1], &[1; 4]);
    assert!(units.scores(&[1.0], Reduction::Sum, None).is_err());
    assert!(units.expand(&Bits::zeros(3), &[], None).is_err());
    assert!(
        units
            .with_keep(1)
            .expand(&Bits::zeros(4), &[], None)
            .is_err()
    );
    let units = Units::elements([2, 2, 1]);
    assert!(matches!(
        units.collapse(&other),
        Err(PruneError::MaskShape { .. })
    ));
    assert!(units.are_obeyed_by(&other).is_err());
    assert!(
        units
            .scores(&[1.0; 4], Reduction::Sum, Some(&other))
            .is_err()
    );
}

/// Units of all kinds over small views, some without elements.
fn any_units() -> impl Strategy<Value = Units> {
    let shape = [0usize..5, 0usize..7, 0usize..4];
    let size = [0usize..4, 0usize..6, 0usize..4];
    (shape, size, any::<bool>(), any::<bool>(), 0usize..4).prop_map(
        |(shape, size, smaller, table, keep)| {
            let rest = if smaller {
                Rest::Smaller
            } else {
                Rest::Outside
            };
            let boxes = Units::boxes(shape, size, rest);
            let units = if table {
                // The same units, numbered backwards so that the table is another one.
                let backwards = |e| match boxes.unit_of(e) {
                    Some(unit) => (boxes.count() - 1 - unit) as u32,
                    None => Units::NO_UNIT,
                };
                Units::from_table(shape, (0..boxes.elements_len()).map(backwards).collect())
                    .unwrap()
            } else {
                boxes
            };
            units.with_keep(keep)
        },
    )
}

/// Units with scores and a previous mask.
fn any_case() -> impl Strategy<Value = (Units, Vec<f32>, Mask, Bits)> {
    any_units().prop_flat_map(|units| {
        let (len, count) = (units.elements_len(), units.count());
        let shape = units.shape();
        let bits = |len| proptest::collection::vec(any::<bool>(), len);
        (
            Just(units),
            tied_scores(len..len + 1),
            bits(len),
            bits(count),
        )
            .prop_map(move |(units, (scores, _), previous, kept)| {
                let previous = Mask::from_bits(shape, previous.into_iter().collect()).unwrap();
                (units, scores, previous, kept.into_iter().collect())
            })
    })
}

/// What a unit loses: its standing members sorted in full, without the first `keep`.
fn lost(units: &Units, unit: usize, scores: &[f32], previous: &Mask) -> Vec<usize> {
    let mut standing: Vec<_> = (0..scores.len())
        .filter(|&e| units.unit_of(e) == Some(unit) && previous.bits().get(e))
        .collect();
    standing.sort_by(|&a, &b| scores[b].partial_cmp(&scores[a]).unwrap());
    let mut lost = standing.split_off(units.keep().min(standing.len()));
    lost.sort();
    lost
}

proptest! {
    #[test]
    fn members_and_unit_of_agree(units in any_units()) {
        let mut seen = Bits::zeros(units.elements_len());
        for unit in 0..units.count() {
            let members: Vec<_> = units.members(unit).collect();
            prop_assert!(members.is_sorted() && units.unit_len().contains(&members.len()));
            for element in members {
                prop_assert_eq!(units.unit_of(element), Some(unit));
                prop_assert!(!seen.get(element));
                seen.set(element, true);
            }
        }
        for element in 0..units.elements_len() + 2 {
            prop_assert_eq!(units.unit_of(element).is_some(), seen.get(element));
        }
    }

    #[test]
    fn masks_and_scores_agree_with_a_full_sort((units, scores, previous, kept) in any_case()) {
        let mut expected = previous.bits().clone();
        let mut sums = Vec::new();
        for unit in 0..units.count() {
            let lost = lost(&units, unit, &scores, &previous);
            sums.push(Reduction::Sum.of(lost.iter().map(|&element| scores[element])));
            if !kept.get(unit) {
                lost.into_iter().for_each(|element| expected.set(element, false));
            }
        }
        let mask = units.expand(&kept, &scores, Some(&previous)).unwrap();
        prop_assert_eq!(mask.bits(), &expected);
        prop_assert_eq!(units.scores(&scores, Reduction::Sum, Some(&previous)).unwrap(), sums);
    }

    #[test]
    fn no_previous_mask_is_one_that_keeps_all((units, scores, _, kept) in any_case()) {
        let all = Mask::from_bits(units.shape(), Bits::ones(scores.len())).unwrap();
        prop_assert_eq!(units.expand(&kept, &scores, None), units.expand(&kept, &scores, Some(&all)));
        for reduction in [Reduction::Mean, Reduction::L2, Reduction::Max] {
            prop_assert_eq!(
                units.scores(&scores, reduction, None),
                units.scores(&scores, reduction, Some(&all))
            );
        }
    }

    #[test]
    fn collapse_inverts_expand((units, scores, _, kept) in any_case()) {
        let mask = units.expand(&kept, &scores, None).unwrap();
        prop_assert_eq!(units.are_obeyed_by(&mask), Ok(true));
        let collapsed = units.collapse(&mask).unwrap();
        for unit in 0..units.count() {
            let prunable = units.members(unit).count() > units.keep();
            prop_assert_eq!(collapsed.get(unit), kept.get(unit) && prunable);
        }
    }

    #[test]
    fn elements_score_themselves(scores in proptest::collection::vec(any_score(), 0..50)) {
        let units = Units::elements([scores.len(), 1, 1]);
        let scored = units.scores(&scores, Reduction::Sum, None).unwrap();
        prop_assert_eq!(scored, scores);
    }
}
