//! What a size kept in a model's own field follows when channels go.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use crate::error::PruneError;

/// Which size a field follows: a dimension of a layer's weight, or some of the factors that `forward`
/// splits this dimension into.
///
/// Written `PATH.SIDE`, `PATH.SIDE[F]` or `PATH.SIDE[A..B]`, as in `#[prune(size = "query.out[0]")]`.
/// Where `forward` reshapes the output of `query` from `[.., heads * width]` to `[.., heads, width]`,
/// `query.out` is `heads * width`, `query.out[0]` is `heads` and `query.out[1]` is `width`; a range
/// is the product of its factors.
///
/// ```
/// use secateur_core::layers::{Side, SizeOf};
///
/// let heads: SizeOf = "query.out[0]".parse()?;
/// assert_eq!(heads, SizeOf::new("query", Side::Out).with_factors(0..1));
/// assert_eq!(heads.value(&[8, 64]), Some(8));
/// # Ok::<(), secateur_core::error::PruneError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct SizeOf {
    /// Path of the layer: from the struct that holds the field as it is written, from the model's
    /// root once [`Layers::sizes`](super::Layers::sizes) hands it out.
    pub layer: String,
    /// Which dimension of the layer's weight.
    pub side: Side,
    /// How much of this dimension.
    pub factors: Factors,
}

/// A dimension of a weight, seen as `(out, in, kernel)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// Input channels or features.
    In,
    /// Output channels or features.
    Out,
}

/// The factors of a dimension whose sizes are multiplied.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Factors {
    /// The dimension as a whole.
    All,
    /// These factors, the outermost being 0.
    Range(Range<usize>),
}

impl SizeOf {
    /// The whole of one dimension of the layer at `layer`.
    pub fn new(layer: impl Into<String>, side: Side) -> Self {
        Self {
            layer: layer.into(),
            side,
            factors: Factors::All,
        }
    }

    /// Only these factors of the dimension.
    pub fn with_factors(mut self, factors: Range<usize>) -> Self {
        self.factors = Factors::Range(factors);
        self
    }

    /// The size, if `factors` are what the dimension is split into, outermost first: `[size]` where it
    /// is not split.
    ///
    /// `None` if a factor that is asked for does not exist, or the product fits no `usize`.
    pub fn value(&self, factors: &[usize]) -> Option<usize> {
        let asked = match &self.factors {
            Factors::All => factors,
            Factors::Range(range) if range.is_empty() => return None,
            Factors::Range(range) => factors.get(range.clone())?,
        };
        asked
            .iter()
            .try_fold(1_usize, |product, &factor| product.checked_mul(factor))
    }

    /// The same, with the layer's path starting at the root instead of `place`.
    pub(super) fn below(mut self, place: &str) -> Self {
        if !place.is_empty() {
            self.layer = format!("{place}.{}", self.layer);
        }
        self
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::In => "in",
            Self::Out => "out",
        })
    }
}

impl fmt::Display for SizeOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.layer, self.side)?;
        match &self.factors {
            Factors::All => Ok(()),
            Factors::Range(range) if range.len() == 1 => write!(f, "[{}]", range.start),
            Factors::Range(range) => write!(f, "[{}..{}]", range.start, range.end),
        }
    }
}

impl FromStr for SizeOf {
    type Err = PruneError;

    /// Reads `PATH.SIDE`, `PATH.SIDE[F]` or `PATH.SIDE[A..B]`.
    ///
    /// # Errors
    ///
    /// [`PruneError::InvalidSetting`] if the text is none of these, or the range is empty.
    fn from_str(text: &str) -> Result<Self, PruneError> {
        read(text).ok_or_else(|| PruneError::InvalidSetting {
            setting: "size".into(),
            value: format!("`{text}`"),
            expected: "a layer's path, `in` or `out`, and at most one factor or range of factors"
                .into(),
            remedy: "write `fc.out`, `query.out[0]` or `query.out[0..2]`".into(),
        })
    }
}

fn read(text: &str) -> Option<SizeOf> {
    let (dimension, factors) = match text.split_once('[') {
        None => (text, Factors::All),
        Some((dimension, rest)) => (dimension, read_factors(rest.strip_suffix(']')?)?),
    };
    let (layer, side) = dimension.rsplit_once('.')?;
    let side = match side {
        "in" => Side::In,
        "out" => Side::Out,
        _ => return None,
    };
    let is_component = |component: &str| {
        !component.is_empty() && !component.contains(|c: char| c.is_whitespace() || c == ']')
    };
    let layer = layer.split('.').all(is_component).then(|| layer.into())?;
    Some(SizeOf {
        layer,
        side,
        factors,
    })
}

fn read_factors(text: &str) -> Option<Factors> {
    let range = match text.split_once("..") {
        Some((start, end)) => number(start)?..number(end)?,
        None => {
            let factor = number(text)?;
            factor..factor.checked_add(1)?
        }
    };
    (!range.is_empty()).then_some(Factors::Range(range))
}

/// A number in plain digits.
fn number(text: &str) -> Option<usize> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_read_and_printed() {
        for (text, layer, side, factors) in [
            ("fc.out", "fc", Side::Out, Factors::All),
            ("blocks.0.fc.in", "blocks.0.fc", Side::In, Factors::All),
            ("query.out[1]", "query", Side::Out, Factors::Range(1..2)),
            ("query.out[0..2]", "query", Side::Out, Factors::Range(0..2)),
            ("in.out", "in", Side::Out, Factors::All),
        ] {
            let size: SizeOf = text.parse().unwrap();
            let expected = SizeOf {
                layer: layer.into(),
                side,
                factors,
            };
            assert_eq!(size, expected);
            assert_eq!(size.to_string(), text);
        }
    }

    #[test]
    fn a_range_of_one_prints_as_its_factor() {
        let size: SizeOf = "query.out[1..2]".parse().unwrap();
        assert_eq!(size.to_string(), "query.out[1]");
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "out",
            ".out",
            "fc",
            "fc.weight",
            "fc..out",
            "fc. out",
            "fc.out[",
            "fc.out[]",
            "fc.out[x]",
            "fc.out[+1]",
            "fc.out[-1]",
            "fc.out[0..0]",
            "fc.out[2..1]",
            "fc.out[0..]",
            "fc.out[0..=1]",
            "fc.out[0][1]",
            "fc.out[0] ",
            "fc]x.out",
            "fc.out[99999999999999999999]",
            "fc.out[18446744073709551615]",
        ] {
            let error = text.parse::<SizeOf>().unwrap_err().to_string();
            assert!(error.contains("query.out[0..2]"), "{text}: {error}");
        }
    }

    #[test]
    fn a_size_is_the_product_of_its_factors() {
        // 2 groups of 3 heads, each 5 wide.
        let split = [2, 3, 5];
        for (text, value) in [
            ("query.out", Some(30)),
            ("query.out[0]", Some(2)),
            ("query.out[0..2]", Some(6)),
            ("query.out[1..3]", Some(15)),
            ("query.out[3]", None),
            ("query.out[1..4]", None),
        ] {
            assert_eq!(text.parse::<SizeOf>().unwrap().value(&split), value);
        }
        let empty = SizeOf::new("query", Side::Out).with_factors(1..1);
        assert_eq!(empty.value(&split), None);
        assert_eq!("fc.in".parse::<SizeOf>().unwrap().value(&[7]), Some(7));
        assert_eq!(
            "fc.in".parse::<SizeOf>().unwrap().value(&[usize::MAX, 2]),
            None
        );
    }

    #[test]
    fn a_path_is_put_below_its_place() {
        let size: SizeOf = "query.out[0]".parse().unwrap();
        assert_eq!(
            size.clone().below("blocks.1").to_string(),
            "blocks.1.query.out[0]"
        );
        assert_eq!(size.clone().below(""), size);
    }
}
