//! Parts that a model can be without by its type: items of its lists, contents of its options.

use std::collections::BTreeSet;

use super::attributes::is_at_or_below;
use super::{LayerWalk, Prunable};
use crate::error::PruneError;

/// What holds a part that can be taken out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Holder {
    /// A `Vec`: the items after it move up by one.
    List,
    /// An `Option`: `None` is left.
    Option,
}

/// Path and holder of every part of a model that can be taken out whole, outer ones before those
/// inside them.
///
/// Works on a clone, which shares every tensor with `model` and so costs little.
pub fn removable_parts<M: Prunable + Clone>(model: &M) -> Vec<(String, Holder)> {
    let mut copy = model.clone();
    let mut walk = LayerWalk::new();
    copy.collect_layers(&mut walk);
    walk.into_parts()
}

/// Takes parts out of a model: items leave their `Vec`, an `Option` becomes `None`. All paths are
/// those of the model as it was. Whatever stays keeps its parameters and their ids.
///
/// Whether `forward` can do without them is not known here.
///
/// ```
/// use burn::nn::{Linear, LinearConfig};
/// use burn::tensor::Device;
/// use secateur_core::layers::remove_parts;
///
/// let device = Device::flex();
/// let mut model: Vec<Linear> =
///     [1, 2, 3].map(|size| LinearConfig::new(size, size).init(&device)).into();
/// remove_parts(&mut model, &["1"])?;
/// assert_eq!((model.len(), model[1].weight.dims()), (2, [3, 3]));
/// # Ok::<(), secateur_core::error::PruneError>(())
/// ```
///
/// # Errors
///
/// [`PruneError::FixedPart`] for a path at which no part lies that can be taken out. `model` then
/// stays as it was.
pub fn remove_parts<M: Prunable + Clone>(model: &mut M, paths: &[&str]) -> Result<(), PruneError> {
    let known = removable_parts(model);
    let fixed = |path: &&&str| !known.iter().any(|(part, _)| part == **path);
    if let Some(path) = paths.iter().find(fixed) {
        let mut known: Vec<String> = known.into_iter().map(|(part, _)| part).collect();
        known.sort_by_key(|known| strsim::damerau_levenshtein(known, path));
        return Err(PruneError::FixedPart {
            path: (*path).to_owned(),
            known,
        });
    }
    // What lies inside of a part goes with it.
    let inside = |path: &str| {
        let mut others = paths.iter().filter(|other| **other != path);
        others.any(|other| is_at_or_below(path, other))
    };
    let going = paths.iter().filter(|path| !inside(path));
    let going: BTreeSet<String> = going.map(|path| (*path).to_owned()).collect();
    model.collect_layers(&mut LayerWalk::without(going));
    Ok(())
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use burn::nn::{Linear, LinearConfig};
    use burn::tensor::Device;

    use super::*;

    fn linears(count: usize) -> Vec<Linear> {
        let device = Device::flex();
        let linear = |size| LinearConfig::new(size, size).init(&device);
        (1..=count).map(linear).collect()
    }

    #[test]
    fn parts_are_listed_outer_before_inner() {
        let model = (Some(linears(2)), linears(1), None::<Linear>);
        let parts = removable_parts(&model);
        let expected = [
            ("0", Holder::Option),
            ("0.0", Holder::List),
            ("0.1", Holder::List),
            ("1.0", Holder::List),
        ];
        let expected = expected.map(|(path, holder)| (path.to_owned(), holder));
        assert_eq!(parts, expected);
    }

    #[test]
    fn several_items_go_by_their_places_of_before() {
        let mut model = (linears(5), Some(linears(2)));
        let ids: Vec<_> = model.0.iter().map(|linear| linear.weight.id).collect();
        remove_parts(&mut model, &["0.3", "0.0", "1.1"]).unwrap();
        let left: Vec<_> = model.0.iter().map(|linear| linear.weight.id).collect();
        assert_eq!(left, [ids[1], ids[2], ids[4]]);
        assert_eq!(model.1.as_ref().unwrap().len(), 1);
        remove_parts(&mut model, &["1", "1.0"]).unwrap();
        assert!(model.1.is_none());
    }

    #[test]
    fn what_cannot_go_is_named_and_nothing_changes() {
        let mut model = (linears(2), linears(1).remove(0));
        for path in ["1", "0", "0.2", "0.0.weight", ""] {
            let error = remove_parts(&mut model, &["0.1", path]).unwrap_err();
            assert!(matches!(error, PruneError::FixedPart { .. }), "{error}");
            assert!(error.to_string().contains("`0.1`"), "{error}");
        }
        assert_eq!(model.0.len(), 2);
    }
}
