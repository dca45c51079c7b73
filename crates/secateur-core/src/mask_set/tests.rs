//! Sets of masks against an obvious reference, a bool for each of all elements of a model.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::*;

/// A model of four parameters, one of them without elements.
const MODEL: [(&str, [usize; 3]); 4] = [
    ("a.weight", [3, 2, 9]),
    ("b.0.weight", [5, 13, 1]),
    ("b.10.weight", [0, 4, 1]),
    ("c.gamma", [7, 1, 1]),
];

/// For each parameter of the model maybe its mask.
fn values() -> impl Strategy<Value = Vec<Option<Vec<bool>>>> {
    MODEL
        .map(|(_, shape)| option::of(vec(any::<bool>(), shape.iter().product::<usize>())))
        .to_vec()
}

fn set(values: &[Option<Vec<bool>>]) -> MaskSet {
    let masks = MODEL.iter().zip(values);
    masks
        .filter_map(|(&(path, shape), kept)| {
            Some((path, Mask::from_bools(shape, kept.as_ref()?).unwrap()))
        })
        .collect()
}

/// Whether each element of the whole model is kept, for the parameters that `a` or `b` masks.
fn flat(values: &[Option<Vec<bool>>], other: &[Option<Vec<bool>>]) -> Vec<bool> {
    let both = values.iter().zip(other).zip(MODEL);
    both.flat_map(|((values, other), (_, shape))| match (values, other) {
        (Some(kept), _) => kept.clone(),
        (None, Some(_)) => vec![true; shape.iter().product()],
        (None, None) => vec![],
    })
    .collect()
}

fn bools(set: &MaskSet) -> Vec<bool> {
    set.iter().flat_map(|(_, mask)| mask.iter()).collect()
}

proptest! {
    #[test]
    fn counts_agree_with_bools(a in values()) {
        let (x, flat) = (set(&a), flat(&a, &a));
        let kept = flat.iter().filter(|k| **k).count();
        prop_assert_eq!(bools(&x), flat.clone());
        prop_assert_eq!((x.kept(), x.total()), (kept, flat.len()));
        prop_assert_eq!(x.pruned(), flat.len() - kept);
        prop_assert_eq!(bools(&x.not()), flat.iter().map(|k| !k).collect::<Vec<_>>());
        prop_assert_eq!(x.len(), a.iter().flatten().count());
        prop_assert_eq!(x.not().not(), x.clone());
        prop_assert_eq!(MaskSet::from_iter(x.clone()), x);
    }

    #[test]
    fn operations_agree_with_bools(a in values(), b in values()) {
        let (x, y) = (set(&a), set(&b));
        let (a, b) = (flat(&a, &b), flat(&b, &a));
        let both = |op: fn(bool, bool) -> bool| -> Vec<bool> {
            a.iter().zip(&b).map(|(&a, &b)| op(a, b)).collect()
        };
        let count = |op| both(op).into_iter().filter(|k| *k).count();

        prop_assert_eq!(bools(&x.and(&y).unwrap()), both(|a, b| a && b));
        prop_assert_eq!(bools(&x.or(&y).unwrap()), both(|a, b| a || b));
        prop_assert_eq!(bools(&x.xor(&y).unwrap()), both(|a, b| a != b));
        prop_assert_eq!(bools(&x.difference(&y).unwrap()), both(|a, b| a && !b));
        prop_assert_eq!(x.is_subset_of(&y).unwrap(), count(|a, b| a && !b) == 0);

        let diff = x.diff(&y).unwrap();
        let pruned: usize = diff.values().map(|d| d.pruned).sum();
        let regrown: usize = diff.values().map(|d| d.regrown).sum();
        prop_assert_eq!((pruned, regrown), (count(|a, b| a && !b), count(|a, b| !a && b)));
        prop_assert!(diff.keys().all(|path| x.contains(path) || y.contains(path)));

        let (inter, union) = (count(|a, b| a && b), count(|a, b| a || b));
        let jaccard = if union == 0 { 1.0 } else { inter as f64 / union as f64 };
        prop_assert_eq!(x.jaccard(&y).unwrap(), jaccard);
        prop_assert_eq!(y.jaccard(&x).unwrap(), jaccard);
    }

    #[test]
    fn serde_round_trips(a in values()) {
        let json = serde_json::to_string(&set(&a)).unwrap();
        prop_assert_eq!(serde_json::from_str::<MaskSet>(&json).unwrap(), set(&a));
    }
}

#[test]
fn a_missing_path_counts_as_unpruned() {
    let half = Mask::from_fn([1, 4, 1], |index| index < 2).unwrap();
    let one = MaskSet::from_iter([("fc.weight", half.clone())]);
    let none = MaskSet::new();
    let of = |set: Result<MaskSet, PruneError>| set.unwrap().remove("fc.weight").unwrap();

    assert_eq!(of(one.and(&none)), half);
    assert_eq!(of(none.and(&one)), half);
    assert_eq!(of(one.or(&none)), Mask::keep_all([1, 4, 1]).unwrap());
    assert_eq!(of(one.xor(&none)), half.not());
    assert_eq!(
        of(one.difference(&none)),
        Mask::prune_all([1, 4, 1]).unwrap()
    );
    assert_eq!(of(none.difference(&one)), half.not());
    assert_eq!(one.jaccard(&none), Ok(0.5));
    assert_eq!(one.is_subset_of(&none), Ok(true));
    assert_eq!(none.is_subset_of(&one), Ok(false));
    assert_eq!(
        none.diff(&one).unwrap()["fc.weight"],
        MaskDiff {
            pruned: 2,
            regrown: 0
        }
    );
}

#[test]
fn errors_name_the_path() {
    let a = MaskSet::from_iter([("fc.weight", Mask::keep_all([2, 3, 1]).unwrap())]);
    let b = MaskSet::from_iter([("fc.weight", Mask::keep_all([3, 2, 1]).unwrap())]);
    let expected = PruneError::MaskShape {
        path: "fc.weight".into(),
        expected: [2, 3, 1],
        got: [3, 2, 1],
    };
    for op in [MaskSet::and, MaskSet::or, MaskSet::xor, MaskSet::difference] {
        assert_eq!(op(&a, &b), Err(expected.clone()));
    }
    assert_eq!(a.jaccard(&b), Err(expected.clone()));
    assert_eq!(a.is_subset_of(&b), Err(expected.clone()));
    assert_eq!(a.diff(&b), Err(expected));
}

#[test]
fn masks_come_and_go_by_path() {
    let mut set = MaskSet::new();
    assert!(set.is_empty());
    assert_eq!(set.insert("b", Mask::keep_all([2, 1, 1]).unwrap()), None);
    assert_eq!(set.insert("a", Mask::keep_all([1, 1, 1]).unwrap()), None);
    assert_eq!(set.paths().collect::<Vec<_>>(), ["a", "b"]);

    set.get_mut("b").unwrap().set(0, false);
    assert_eq!((set.kept(), set.sparsity()), (2, 1.0 / 3.0));
    assert_eq!(set.storage_bytes(), 16);

    let replaced = set.insert("b", Mask::prune_all([2, 1, 1]).unwrap());
    assert_eq!(replaced.map(|mask| mask.kept()), Some(1));
    assert_eq!(set.remove("b"), Some(Mask::prune_all([2, 1, 1]).unwrap()));
    assert_eq!(set.remove("b"), None);
    assert!(set.contains("a") && set.get("b").is_none());
}

#[test]
fn the_table_is_aligned() {
    let set = MaskSet::from_iter([
        (
            "blocks.0.conv.weight",
            Mask::from_fn([64, 3, 9], |i| i % 10 == 0).unwrap(),
        ),
        ("φ", Mask::prune_all([1, 1, 1]).unwrap()),
    ]);
    assert_eq!(
        set.to_string(),
        "\
path                  kept/total  sparsity
blocks.0.conv.weight    173/1728   89.99 %
φ                            0/1  100.00 %
total                   173/1729   89.99 %"
    );
    assert_eq!(
        MaskSet::new().to_string(),
        "path   kept/total  sparsity\ntotal         0/0    0.00 %"
    );
}

#[test]
fn sets_cross_threads() {
    fn check<T: Send + Sync + Unpin + 'static>() {}
    check::<MaskSet>();
}
