//! Which elements of one parameter are kept.

use std::fmt;

use serde::{Deserialize, Serialize, Serializer};

use crate::bits::Bits;
use crate::error::PruneError;
use crate::view::View;

/// Which elements of a parameter are kept and which are pruned, one bit each.
///
/// A mask has the shape of the parameter's view, `[out, in, kernel]`, and numbers its elements in
/// row-major order: element `(o, i, k)` has index `(o * in + i) * kernel + k`. A dimension may be
/// zero; such a mask has no elements.
///
/// Masks are sets of kept elements: [`and`](Self::and) keeps what both keep,
/// [`difference`](Self::difference) what only the first keeps.
///
/// ```
/// use secateur_core::mask::Mask;
///
/// let odd = Mask::from_fn([2, 3, 1], |index| index % 2 == 1)?;
/// assert_eq!(odd.kept(), 3);
/// assert_eq!(odd.sparsity(), 0.5);
/// assert!(odd.at([1, 0, 0]));
///
/// let row = Mask::from_bools([2, 3, 1], &[true, true, true, false, false, false])?;
/// assert_eq!(odd.and(&row)?.iter_kept().collect::<Vec<_>>(), [1]);
/// assert_eq!(odd.jaccard(&row)?, 1.0 / 5.0);
/// assert!(odd.and(&row)?.is_subset_of(&odd)?);
///
/// let other_layer = Mask::keep_all([3, 2, 1])?;
/// assert!(odd.and(&other_layer).is_err());
/// # Ok::<(), secateur_core::error::PruneError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "PackedMask")]
pub struct Mask {
    shape: [usize; 3],
    #[serde(rename = "words", serialize_with = "serialize_words")]
    bits: Bits,
}

impl Mask {
    /// A mask that prunes nothing.
    ///
    /// # Errors
    ///
    /// [`PruneError::InvalidSetting`] if a view of this shape has more elements than a `usize`
    /// counts, as no view in memory has.
    pub fn keep_all(shape: [usize; 3]) -> Result<Self, PruneError> {
        let bits = Bits::ones(countable(shape)?);
        Ok(Self { shape, bits })
    }

    /// A mask that keeps nothing.
    ///
    /// # Errors
    ///
    /// As [`keep_all`](Self::keep_all).
    pub fn prune_all(shape: [usize; 3]) -> Result<Self, PruneError> {
        let bits = Bits::zeros(countable(shape)?);
        Ok(Self { shape, bits })
    }

    /// A mask that keeps the elements whose index `kept` says yes to, asked in ascending order.
    ///
    /// # Errors
    ///
    /// As [`keep_all`](Self::keep_all).
    pub fn from_fn(shape: [usize; 3], kept: impl FnMut(usize) -> bool) -> Result<Self, PruneError> {
        let bits = Bits::from_fn(countable(shape)?, kept);
        Ok(Self { shape, bits })
    }

    /// A mask that prunes nothing of an existing parameter.
    pub(crate) fn dense(view: &View) -> Self {
        Self {
            shape: view.shape(),
            bits: Bits::ones(view.len()),
        }
    }

    /// A mask of this one's shape that prunes nothing.
    pub(crate) fn undone(&self) -> Self {
        Self {
            shape: self.shape,
            bits: Bits::ones(self.len()),
        }
    }

    /// A mask from one bit per element, 1 = kept.
    ///
    /// # Errors
    ///
    /// [`PruneError::InvalidSetting`] if there is not exactly one bit per element.
    pub fn from_bits(shape: [usize; 3], bits: Bits) -> Result<Self, PruneError> {
        check_count(shape, bits.len())?;
        Ok(Self { shape, bits })
    }

    /// A mask from one `bool` per element, `true` = kept.
    ///
    /// # Errors
    ///
    /// [`PruneError::InvalidSetting`] if there is not exactly one `bool` per element.
    pub fn from_bools(shape: [usize; 3], kept: &[bool]) -> Result<Self, PruneError> {
        check_count(shape, kept.len())?;
        let bits = kept.iter().copied().collect();
        Ok(Self { shape, bits })
    }

    /// A mask from the words of its bits; `None` if they do not fit the shape.
    pub(crate) fn from_words(shape: [usize; 3], words: Vec<u64>) -> Option<Self> {
        let bits = Bits::from_words(elements(shape)?, words)?;
        Some(Self { shape, bits })
    }

    /// The shape of the view, `[out, in, kernel]`.
    pub fn shape(&self) -> [usize; 3] {
        self.shape
    }

    /// Number of elements, kept and pruned.
    pub fn len(&self) -> usize {
        self.bits.len()
    }

    /// Whether there are no elements, because a dimension is zero.
    pub fn is_empty(&self) -> bool {
        self.bits.is_empty()
    }

    /// Whether the element at `index` is kept; false past the end.
    pub fn get(&self, index: usize) -> bool {
        self.bits.get(index)
    }

    /// Whether the element at `(out, in, kernel)` is kept; false outside the shape.
    pub fn at(&self, [o, i, k]: [usize; 3]) -> bool {
        let [outs, ins, kernel] = self.shape;
        o < outs && i < ins && k < kernel && self.bits.get((o * ins + i) * kernel + k)
    }

    /// Keeps or prunes the element at `index`; an index past the end is ignored.
    pub fn set(&mut self, index: usize, kept: bool) {
        self.bits.set(index, kept);
    }

    /// Number of kept elements.
    pub fn kept(&self) -> usize {
        self.bits.count_ones()
    }

    /// Number of pruned elements.
    pub fn pruned(&self) -> usize {
        self.bits.count_zeros()
    }

    /// Share of pruned elements, in `[0, 1]`; 0 for a mask without elements.
    pub fn sparsity(&self) -> f64 {
        share(self.pruned(), self.len())
    }

    /// The packed bits, 1 = kept.
    pub fn bits(&self) -> &Bits {
        &self.bits
    }

    /// Gives up the shape and returns the packed bits, 1 = kept.
    pub fn into_bits(self) -> Bits {
        self.bits
    }

    /// Whether each element is kept, in order of index.
    pub fn iter(&self) -> impl Iterator<Item = bool> + '_ {
        self.bits.iter()
    }

    /// Indices of the kept elements, ascending.
    pub fn iter_kept(&self) -> impl Iterator<Item = usize> + '_ {
        self.bits.iter_ones()
    }

    /// Bytes that the packed bits take, in memory and in a mask file.
    pub fn storage_bytes(&self) -> usize {
        size_of_val(self.bits.words())
    }

    /// Keeps what both masks keep.
    ///
    /// # Errors
    ///
    /// [`PruneError::MaskShape`] if the shapes differ, as for every operation on two masks.
    pub fn and(&self, other: &Self) -> Result<Self, PruneError> {
        self.combine(UNNAMED, other, |a, b| a & b)
    }

    /// Keeps what at least one of the masks keeps.
    ///
    /// # Errors
    ///
    /// [`PruneError::MaskShape`] if the shapes differ.
    pub fn or(&self, other: &Self) -> Result<Self, PruneError> {
        self.combine(UNNAMED, other, |a, b| a | b)
    }

    /// Keeps what exactly one of the masks keeps.
    ///
    /// # Errors
    ///
    /// [`PruneError::MaskShape`] if the shapes differ.
    pub fn xor(&self, other: &Self) -> Result<Self, PruneError> {
        self.combine(UNNAMED, other, |a, b| a ^ b)
    }

    /// Keeps what this mask keeps and `other` prunes.
    ///
    /// # Errors
    ///
    /// [`PruneError::MaskShape`] if the shapes differ.
    pub fn difference(&self, other: &Self) -> Result<Self, PruneError> {
        self.combine(UNNAMED, other, |a, b| a & !b)
    }

    /// Keeps what this mask prunes, and prunes what it keeps.
    pub fn not(&self) -> Self {
        Self {
            shape: self.shape,
            bits: self.bits.not(),
        }
    }

    /// Whether `other` keeps everything that this mask keeps.
    ///
    /// # Errors
    ///
    /// [`PruneError::MaskShape`] if the shapes differ.
    pub fn is_subset_of(&self, other: &Self) -> Result<bool, PruneError> {
        Ok(self.diff(other)?.pruned == 0)
    }

    /// The Jaccard overlap of the kept elements: of those that at least one mask keeps, the share
    /// that both keep; 1 if neither keeps any.
    ///
    /// # Errors
    ///
    /// [`PruneError::MaskShape`] if the shapes differ.
    pub fn jaccard(&self, other: &Self) -> Result<f64, PruneError> {
        Ok(self.overlap(UNNAMED, other)?.jaccard())
    }

    /// What changed between this mask and a later one.
    ///
    /// # Errors
    ///
    /// [`PruneError::MaskShape`] if the shapes differ.
    pub fn diff(&self, later: &Self) -> Result<MaskDiff, PruneError> {
        self.diff_at(UNNAMED, later)
    }

    /// Combines two masks word by word; `path` names them in the error.
    pub(crate) fn combine(
        &self,
        path: &str,
        other: &Self,
        op: impl Fn(u64, u64) -> u64,
    ) -> Result<Self, PruneError> {
        // Masks of one shape have bits of one length.
        match self.bits.zip_words(&other.bits, op) {
            Some(bits) if self.shape == other.shape => Ok(Self {
                shape: self.shape,
                bits,
            }),
            _ => Err(self.shape_error(path, other)),
        }
    }

    /// [`diff`](Self::diff); `path` names the masks in the error.
    pub(crate) fn diff_at(&self, path: &str, later: &Self) -> Result<MaskDiff, PruneError> {
        Ok(MaskDiff {
            pruned: self.count(path, later, |a, b| a & !b)?,
            regrown: self.count(path, later, |a, b| !a & b)?,
        })
    }

    /// What a Jaccard overlap is made of; `path` names the masks in the error.
    pub(crate) fn overlap(&self, path: &str, other: &Self) -> Result<Overlap, PruneError> {
        Ok(Overlap {
            both: self.count(path, other, |a, b| a & b)?,
            either: self.count(path, other, |a, b| a | b)?,
        })
    }

    /// Counts the ones of a combination without storing it. `op` must give zero for two zeros, or
    /// it would count the unused bits of the last word.
    fn count(
        &self,
        path: &str,
        other: &Self,
        op: impl Fn(u64, u64) -> u64,
    ) -> Result<usize, PruneError> {
        if self.shape != other.shape {
            return Err(self.shape_error(path, other));
        }
        let words = self.bits.words().iter().zip(other.bits.words());
        Ok(words.map(|(&a, &b)| op(a, b).count_ones() as usize).sum())
    }

    fn shape_error(&self, path: &str, other: &Self) -> PruneError {
        PruneError::MaskShape {
            path: path.into(),
            expected: self.shape,
            got: other.shape,
        }
    }
}

/// Shape, number of kept elements, and the first elements as ones and zeros.
impl fmt::Debug for Mask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 64;
        let mut bits: String = self
            .iter()
            .take(SHOWN)
            .map(|k| if k { '1' } else { '0' })
            .collect();
        if self.len() > SHOWN {
            bits.push_str("..");
        }
        f.debug_struct("Mask")
            .field("shape", &self.shape)
            .field("kept", &self.kept())
            .field("bits", &format_args!("{bits}"))
            .finish()
    }
}

/// How many elements of a parameter changed between two masks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct MaskDiff {
    /// Elements that the earlier mask keeps and the later one prunes.
    pub pruned: usize,
    /// Elements that the earlier mask prunes and the later one keeps.
    pub regrown: usize,
}

impl MaskDiff {
    /// Number of elements that changed either way.
    pub fn changed(&self) -> usize {
        self.pruned + self.regrown
    }
}

/// Numbers of elements kept by both and by at least one of two masks, or of two sets of masks.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Overlap {
    pub(crate) both: usize,
    pub(crate) either: usize,
}

impl Overlap {
    pub(crate) fn jaccard(self) -> f64 {
        match self.either {
            0 => 1.0,
            either => self.both as f64 / either as f64,
        }
    }
}

/// Stands for the path in errors about masks that are in no set.
const UNNAMED: &str = "mask";

/// `part` of `whole` as a number in `[0, 1]`; 0 of nothing is 0.
pub(crate) fn share(part: usize, whole: usize) -> f64 {
    match whole {
        0 => 0.0,
        whole => part as f64 / whole as f64,
    }
}

/// Number of elements of a view, if a `usize` counts them.
pub(crate) fn elements(shape: [usize; 3]) -> Option<usize> {
    // A zero anywhere makes an empty view, however large the product of the others.
    if shape.contains(&0) {
        return Some(0);
    }
    shape.into_iter().try_fold(1, usize::checked_mul)
}

fn countable(shape: [usize; 3]) -> Result<usize, PruneError> {
    elements(shape).ok_or_else(|| {
        PruneError::invalid(
            "shape of the mask",
            format!("{shape:?}"),
            "that of a view which fits any memory",
            "pass the shape of a parameter's view, [out, in, kernel]",
        )
    })
}

fn check_count(shape: [usize; 3], got: usize) -> Result<(), PruneError> {
    if elements(shape) == Some(got) {
        return Ok(());
    }
    Err(PruneError::invalid(
        "number of bits",
        got,
        format!("the number of elements of a view of shape {shape:?}"),
        "pass one bit per element, in (out, in, kernel) order",
    ))
}

/// A mask as it is deserialized, before its words are known to fit its shape.
#[derive(Deserialize)]
#[serde(rename = "Mask")]
struct PackedMask {
    shape: [usize; 3],
    words: Vec<u64>,
}

impl TryFrom<PackedMask> for Mask {
    type Error = PruneError;

    fn try_from(PackedMask { shape, words }: PackedMask) -> Result<Self, PruneError> {
        let count = words.len();
        Mask::from_words(shape, words).ok_or_else(|| {
            PruneError::invalid(
                "words",
                format!("{count} words"),
                format!("the packed bits of a view of shape {shape:?}"),
                "restore the mask from a copy",
            )
        })
    }
}

fn serialize_words<S: Serializer>(bits: &Bits, serializer: S) -> Result<S::Ok, S::Error> {
    bits.words().serialize(serializer)
}

#[cfg(test)]
mod tests;
