//! The spelling of sizes in attributes, which `secateur-core` reads and prints as `SizeOf`.

use std::ops::Range;

use proc_macro2::TokenStream;
use quote::quote;
use syn::Type;

use crate::pattern::nearest;

/// `PATH.SIDE`, `PATH.SIDE[F]` or `PATH.SIDE[A..B]`.
#[derive(Debug, PartialEq)]
pub(crate) struct Size {
    /// Path of a layer, from the struct that holds the field.
    layer: String,
    side: Side,
    /// `None` is the whole dimension.
    factors: Option<Range<usize>>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Side {
    In,
    Out,
}

impl Size {
    /// Reads a size, or says what is wrong with its spelling.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let (dimension, factors) = match text.split_once('[') {
            None => (text, None),
            Some((dimension, rest)) => (dimension, Some(read_factors(rest)?)),
        };
        let (layer, side) = read_dimension(dimension)?;
        Ok(Self {
            layer: layer.to_string(),
            side,
            factors,
        })
    }

    /// Says why the path cannot lead to a layer of a struct with these fields: those that may hold
    /// layers and those that hold none.
    pub(crate) fn check_path(&self, holding: &[String], others: &[String]) -> Result<(), String> {
        let first = self.layer.split('.').next().unwrap_or_default();
        if holding.iter().any(|field| field == first) {
            return Ok(());
        }
        if others.iter().any(|field| field == first) {
            return Err(format!(
                "the field `{first}` holds no layer; a size follows a layer's"
            ));
        }
        let known = holding.iter().map(String::as_str);
        Err(match nearest(first, known) {
            Some(near) => format!("the struct has no field `{first}`; did you mean `{near}`?"),
            None => format!(
                "the struct has no field `{first}`; a path starts with a field that holds a layer"
            ),
        })
    }

    /// An expression that makes the `SizeOf`.
    pub(crate) fn to_expression(&self) -> TokenStream {
        let layer = &self.layer;
        let side = match self.side {
            Side::In => quote!(In),
            Side::Out => quote!(Out),
        };
        let factors = self
            .factors
            .as_ref()
            .map(|Range { start, end }| quote!(.with_factors(#start..#end)));
        quote!(__secateur::SizeOf::new(#layer, __secateur::Side::#side) #factors)
    }
}

/// Whether a size may be kept in a field of this type.
pub(crate) fn is_usize(ty: &Type) -> bool {
    match ty {
        Type::Path(path) => {
            path.qself.is_none()
                && path
                    .path
                    .segments
                    .last()
                    .is_some_and(|last| last.ident == "usize" && last.arguments.is_none())
        }
        // A type that comes through a macro's `$type` is wrapped in an invisible group.
        Type::Group(group) => is_usize(&group.elem),
        Type::Paren(paren) => is_usize(&paren.elem),
        _ => false,
    }
}

const EXAMPLES: &str = "write `fc.out`, `query.out[0]` or `query.out[0..2]`";

fn read_dimension(text: &str) -> Result<(&str, Side), String> {
    if text.trim().is_empty() {
        return Err(format!("the size names no layer; {EXAMPLES}"));
    }
    let (layer, side) = match text.rsplit_once('.') {
        Some((layer, "in")) => (layer, Side::In),
        Some((layer, "out")) => (layer, Side::Out),
        None if matches!(text, "in" | "out") => {
            return Err(format!("`{text}` names no layer; {EXAMPLES}"));
        }
        _ => {
            return Err(format!(
                "`{text}` does not end with a side: write `{text}.out` for the layer's output \
                 channels or `{text}.in` for its input channels"
            ));
        }
    };
    match layer.split('.').find(|component| !is_component(component)) {
        Some("") => Err(format!("`{text}` has an empty component; {EXAMPLES}")),
        Some(wrong) => Err(format!(
            "`{wrong}` is no component of a path: write the name of a field or an index"
        )),
        None => Ok((layer, side)),
    }
}

/// A field or variant, or an index. What Rust allows in a name is for the struct itself to tell.
fn is_component(text: &str) -> bool {
    let name = text.strip_prefix("r#").unwrap_or(text);
    !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_')
}

/// Reads what stands behind `[`.
fn read_factors(text: &str) -> Result<Range<usize>, String> {
    let Some((factors, after)) = text.split_once(']') else {
        return Err(format!("the bracket is not closed; {EXAMPLES}"));
    };
    if !after.is_empty() {
        return Err(format!("nothing may follow the bracket; remove `{after}`"));
    }
    let numbers = match factors.split_once("..") {
        Some((start, end)) => number(start).zip(number(end)),
        None => number(factors).and_then(|factor| Some((factor, factor.checked_add(1)?))),
    };
    match numbers {
        None => Err(format!(
            "`[{factors}]` is no factor: write `[0]` for the outermost, or `[0..2]` for the \
             product of the two outermost"
        )),
        Some((start, end)) if start >= end => Err(format!(
            "`[{factors}]` is an empty range: its end, which is not part of it, comes after its \
             start"
        )),
        Some((start, end)) => Ok(start..end),
    }
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
    fn every_form_can_be_spelled() {
        for (text, layer, side, factors) in [
            ("fc.out", "fc", Side::Out, None),
            ("blocks.0.fc.in", "blocks.0.fc", Side::In, None),
            ("0.out", "0", Side::Out, None),
            ("r#in.in", "r#in", Side::In, None),
            ("query.out[1]", "query", Side::Out, Some(1..2)),
            ("query.out[0..2]", "query", Side::Out, Some(0..2)),
        ] {
            let layer = layer.to_string();
            let expected = Size {
                layer,
                side,
                factors,
            };
            assert_eq!(Size::read(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn misspelled_sizes_are_told_what_to_write() {
        for (text, told) in [
            ("", "names no layer"),
            ("[0]", "names no layer"),
            ("out", "names no layer"),
            (".out", "empty component"),
            ("a..out", "empty component"),
            ("query", "write `query.out`"),
            ("query.weight", "write `query.weight.out`"),
            ("que ry.out", "`que ry` is no component"),
            ("query.out[", "not closed"),
            ("query.out[0", "not closed"),
            ("query.out[]", "no factor"),
            ("query.out[x]", "no factor"),
            ("query.out[-1]", "no factor"),
            ("query.out[+1]", "no factor"),
            ("query.out[0..]", "no factor"),
            ("query.out[0..=1]", "no factor"),
            ("query.out[18446744073709551615]", "no factor"),
            ("query.out[2..2]", "empty range"),
            ("query.out[2..1]", "empty range"),
            ("query.out[0][1]", "remove `[1]`"),
            ("query.out[0] ", "remove ` `"),
            ("query.out ", "does not end with a side"),
        ] {
            let error = Size::read(text).unwrap_err();
            assert!(error.contains(told), "{text}: {error}");
        }
    }

    #[test]
    fn a_path_starts_with_a_field_that_holds_a_layer() {
        let holding = ["query".to_string(), "blocks".to_string()];
        let others = ["width".to_string()];
        let check = |text: &str| {
            let size = Size::read(text).unwrap();
            size.check_path(&holding, &others)
        };
        assert_eq!(check("query.out"), Ok(()));
        assert_eq!(check("blocks.0.fc.out"), Ok(()));
        assert!(
            check("qery.out")
                .unwrap_err()
                .contains("did you mean `query`")
        );
        assert!(check("width.out").unwrap_err().contains("holds no layer"));
        assert!(check("other.out").unwrap_err().contains("no field `other`"));
    }

    #[test]
    fn only_usize_holds_a_size() {
        for (ty, is) in [
            ("usize", true),
            ("std::primitive::usize", true),
            ("(usize)", true),
            ("u32", false),
            ("Option<usize>", false),
            ("[usize; 2]", false),
            ("Linear", false),
        ] {
            assert_eq!(is_usize(&syn::parse_str(ty).unwrap()), is, "{ty}");
        }
    }
}
