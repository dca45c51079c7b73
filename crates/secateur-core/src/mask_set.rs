//! The masks of a model, by parameter path.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, btree_map};
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::PruneError;
use crate::mask::{Mask, MaskDiff, Overlap, share};

/// The masks of a model, each under the record path of its parameter (`blocks.0.conv.weight`).
///
/// A parameter that a set has no mask for is not pruned. Wherever two sets meet, a path that only
/// one of them has therefore counts as [`keep_all`](Mask::keep_all) in the other, and the result
/// has the paths of both.
///
/// Paths iterate in the order of their bytes, so that equal sets print, serialize and
/// [save](Self::save) alike.
///
/// ```
/// use secateur_core::mask::Mask;
/// use secateur_core::mask_set::MaskSet;
///
/// let mut masks = MaskSet::new();
/// masks.insert("fc1.weight", Mask::from_fn([2, 4, 1], |index| index < 2)?);
/// masks.insert("fc2.weight", Mask::keep_all([3, 2, 1])?);
/// assert_eq!((masks.kept(), masks.total()), (8, 14));
///
/// let last = MaskSet::from_iter([("fc2.weight", Mask::from_fn([3, 2, 1], |index| index < 3)?)]);
/// let both = masks.and(&last)?;
/// assert_eq!(
///     both.to_string(),
///     "\
/// path        kept/total  sparsity
/// fc1.weight         2/8   75.00 %
/// fc2.weight         3/6   50.00 %
/// total             5/14   64.29 %",
/// );
/// assert!(both.is_subset_of(&masks)?);
/// # Ok::<(), secateur_core::error::PruneError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MaskSet {
    masks: BTreeMap<String, Mask>,
}

impl MaskSet {
    /// A set without masks.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the mask of a parameter and returns the one it had.
    pub fn insert(&mut self, path: impl Into<String>, mask: Mask) -> Option<Mask> {
        self.masks.insert(path.into(), mask)
    }

    /// The mask of a parameter.
    pub fn get(&self, path: &str) -> Option<&Mask> {
        self.masks.get(path)
    }

    /// The mask of a parameter, to change.
    pub fn get_mut(&mut self, path: &str) -> Option<&mut Mask> {
        self.masks.get_mut(path)
    }

    /// Takes the mask of a parameter out of the set.
    pub fn remove(&mut self, path: &str) -> Option<Mask> {
        self.masks.remove(path)
    }

    /// Whether the set has a mask for a parameter.
    pub fn contains(&self, path: &str) -> bool {
        self.masks.contains_key(path)
    }

    /// Number of masks; [`total`](Self::total) counts their elements.
    pub fn len(&self) -> usize {
        self.masks.len()
    }

    /// Whether there are no masks.
    pub fn is_empty(&self) -> bool {
        self.masks.is_empty()
    }

    /// Paths and masks, ascending by path.
    pub fn iter(&self) -> Iter<'_> {
        self.into_iter()
    }

    /// Paths of the masked parameters, ascending.
    pub fn paths(&self) -> impl DoubleEndedIterator<Item = &str> + ExactSizeIterator {
        self.masks.keys().map(String::as_str)
    }

    /// Number of kept elements of all masks.
    pub fn kept(&self) -> usize {
        self.masks.values().map(Mask::kept).sum()
    }

    /// Number of pruned elements of all masks.
    pub fn pruned(&self) -> usize {
        self.masks.values().map(Mask::pruned).sum()
    }

    /// Number of elements of all masks, kept and pruned.
    pub fn total(&self) -> usize {
        self.masks.values().map(Mask::len).sum()
    }

    /// Share of pruned elements among those of all masks, in `[0, 1]`; 0 if there are none.
    pub fn sparsity(&self) -> f64 {
        share(self.pruned(), self.total())
    }

    /// Bytes that the packed bits of all masks take.
    pub fn storage_bytes(&self) -> usize {
        self.masks.values().map(Mask::storage_bytes).sum()
    }

    /// Keeps what both sets keep.
    ///
    /// # Errors
    ///
    /// [`PruneError::MaskShape`] with the path, if a parameter's masks differ in shape, as for
    /// every operation on two sets.
    pub fn and(&self, other: &Self) -> Result<Self, PruneError> {
        self.combine(other, |a, b| a & b)
    }

    /// Keeps what at least one of the sets keeps.
    ///
    /// # Errors
    ///
    /// [`PruneError::MaskShape`] if a parameter's masks differ in shape.
    pub fn or(&self, other: &Self) -> Result<Self, PruneError> {
        self.combine(other, |a, b| a | b)
    }

    /// Keeps what exactly one of the sets keeps.
    ///
    /// # Errors
    ///
    /// [`PruneError::MaskShape`] if a parameter's masks differ in shape.
    pub fn xor(&self, other: &Self) -> Result<Self, PruneError> {
        self.combine(other, |a, b| a ^ b)
    }

    /// Keeps what this set keeps and `other` prunes.
    ///
    /// # Errors
    ///
    /// [`PruneError::MaskShape`] if a parameter's masks differ in shape.
    pub fn difference(&self, other: &Self) -> Result<Self, PruneError> {
        self.combine(other, |a, b| a & !b)
    }

    /// Turns over every mask of the set. Parameters without a mask stay unpruned.
    pub fn not(&self) -> Self {
        self.iter().map(|(path, mask)| (path, mask.not())).collect()
    }

    /// Whether `other` keeps everything that this set keeps.
    ///
    /// # Errors
    ///
    /// [`PruneError::MaskShape`] if a parameter's masks differ in shape.
    pub fn is_subset_of(&self, other: &Self) -> Result<bool, PruneError> {
        let diffs = self.diff(other)?;
        Ok(diffs.values().all(|diff| diff.pruned == 0))
    }

    /// The Jaccard overlap of the kept elements of all masks together: of those that at least one
    /// set keeps, the share that both keep; 1 if neither keeps any.
    ///
    /// # Errors
    ///
    /// [`PruneError::MaskShape`] if a parameter's masks differ in shape.
    pub fn jaccard(&self, other: &Self) -> Result<f64, PruneError> {
        let mut all = Overlap::default();
        for (path, a, b) in self.beside(other) {
            let one = a.overlap(path, &b)?;
            all.both += one.both;
            all.either += one.either;
        }
        Ok(all.jaccard())
    }

    /// What changed in each parameter between this set and a later one, unchanged ones included.
    ///
    /// # Errors
    ///
    /// [`PruneError::MaskShape`] if a parameter's masks differ in shape.
    pub fn diff(&self, later: &Self) -> Result<BTreeMap<String, MaskDiff>, PruneError> {
        self.beside(later)
            .map(|(path, a, b)| Ok((path.to_owned(), a.diff_at(path, &b)?)))
            .collect()
    }

    fn combine(
        &self,
        other: &Self,
        op: impl Fn(u64, u64) -> u64 + Copy,
    ) -> Result<Self, PruneError> {
        self.beside(other)
            .map(|(path, a, b)| Ok((path, a.combine(path, &b, op)?)))
            .collect()
    }

    /// Both sets' masks of each path that either has, ascending.
    fn beside<'a>(
        &'a self,
        other: &'a Self,
    ) -> impl Iterator<Item = (&'a str, Cow<'a, Mask>, Cow<'a, Mask>)> {
        let paths: BTreeSet<_> = self.paths().chain(other.paths()).collect();
        let unpruned = |mask: &Mask| Cow::Owned(mask.undone());
        paths.into_iter().filter_map(move |path| {
            let (a, b) = (self.get(path), other.get(path));
            let shape_of = a.or(b)?;
            let a = a.map_or_else(|| unpruned(shape_of), Cow::Borrowed);
            let b = b.map_or_else(|| unpruned(shape_of), Cow::Borrowed);
            Some((path, a, b))
        })
    }
}

impl<P: Into<String>> Extend<(P, Mask)> for MaskSet {
    fn extend<I: IntoIterator<Item = (P, Mask)>>(&mut self, masks: I) {
        self.masks
            .extend(masks.into_iter().map(|(path, mask)| (path.into(), mask)));
    }
}

impl<P: Into<String>> FromIterator<(P, Mask)> for MaskSet {
    fn from_iter<I: IntoIterator<Item = (P, Mask)>>(masks: I) -> Self {
        let mut set = Self::new();
        set.extend(masks);
        set
    }
}

impl IntoIterator for MaskSet {
    type Item = (String, Mask);
    type IntoIter = btree_map::IntoIter<String, Mask>;

    fn into_iter(self) -> Self::IntoIter {
        self.masks.into_iter()
    }
}

/// Iterator over the paths and masks of a [`MaskSet`].
pub type Iter<'a> = std::iter::Map<
    btree_map::Iter<'a, String, Mask>,
    fn((&'a String, &'a Mask)) -> (&'a str, &'a Mask),
>;

impl<'a> IntoIterator for &'a MaskSet {
    type Item = (&'a str, &'a Mask);
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Self::IntoIter {
        self.masks.iter().map(|(path, mask)| (path.as_str(), mask))
    }
}

/// A table with a line for each parameter and one for all of them.
impl fmt::Display for MaskSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let row = |path: &str, kept: usize, total: usize| {
            let sparsity = 100.0 * share(total - kept, total);
            [
                path.to_owned(),
                format!("{kept}/{total}"),
                format!("{sparsity:.2} %"),
            ]
        };
        let mut rows = vec![["path", "kept/total", "sparsity"].map(String::from)];
        rows.extend(
            self.iter()
                .map(|(path, mask)| row(path, mask.kept(), mask.len())),
        );
        rows.push(row("total", self.kept(), self.total()));

        let width = |column: usize| {
            let cells = rows.iter().map(|row| row[column].chars().count());
            cells.max().unwrap_or(0)
        };
        let (paths, counts, sparsities) = (width(0), width(1), width(2));
        for (line, [path, count, sparsity]) in rows.iter().enumerate() {
            let end_last_line = if line == 0 { "" } else { "\n" };
            write!(
                f,
                "{end_last_line}{path:<paths$}  {count:>counts$}  {sparsity:>sparsities$}"
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
