//! Which fields Burn's `#[derive(Module)]` visits.
//!
//! Follows `burn-derive` 0.22.1, `module/codegen_struct.rs`: a field is a module unless it is marked
//! `#[module(skip)]` or its type is, by its spelling, a constant.

use syn::{Attribute, GenericArgument, PathArguments, Type};

/// Why Burn passes over a field.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum PassedOver {
    /// It is marked `#[module(skip)]`.
    Skipped,
    /// Its type is a constant such as `usize`.
    Constant,
}

impl PassedOver {
    /// The reason in words.
    pub(crate) fn why(self) -> &'static str {
        match self {
            Self::Skipped => "the field is marked `#[module(skip)]` and holds no layer",
            Self::Constant => "the field is a constant and holds no layer",
        }
    }
}

/// Why Burn passes over a field with these attributes and this type, or `None` if it is a module.
pub(crate) fn passed_over(attributes: &[Attribute], ty: &Type) -> Option<PassedOver> {
    if attributes.iter().any(is_module_skip) {
        Some(PassedOver::Skipped)
    } else if is_constant(ty) {
        Some(PassedOver::Constant)
    } else {
        None
    }
}

fn is_module_skip(attribute: &Attribute) -> bool {
    let mut skip = false;
    if attribute.path().is_ident("module") {
        // What is wrong with `#[module]` is for Burn's derive to report.
        let _ = attribute.parse_nested_meta(|meta| {
            skip |= meta.path.is_ident("skip");
            Ok(())
        });
    }
    skip
}

const CONSTANTS: [&str; 17] = [
    "bool", "char", "u8", "u16", "u32", "u64", "u128", "usize", "i8", "i16", "i32", "i64", "i128",
    "isize", "f32", "f64", "String",
];

/// Types that are constant when all of their arguments are.
const CONSTANT_CONTAINERS: [&str; 18] = [
    "Option",
    "Result",
    "Vec",
    "Box",
    "Arc",
    "Weak",
    "HashMap",
    "BTreeMap",
    "HashSet",
    "BTreeSet",
    "VecDeque",
    "LinkedList",
    "BinaryHeap",
    "PhantomData",
    "Cell",
    "RefCell",
    "Mutex",
    "RwLock",
];

fn is_constant(ty: &Type) -> bool {
    match ty {
        Type::Path(path) => path.path.segments.last().is_some_and(|segment| {
            let name = segment.ident.to_string();
            CONSTANTS.contains(&name.as_str())
                || CONSTANT_CONTAINERS.contains(&name.as_str())
                    && all_arguments_constant(&segment.arguments)
        }),
        Type::Tuple(tuple) => tuple.elems.iter().all(is_constant),
        Type::Array(array) => is_constant(&array.elem),
        Type::Reference(reference) => is_constant(&reference.elem),
        Type::Ptr(pointer) => is_constant(&pointer.elem),
        Type::Paren(paren) => is_constant(&paren.elem),
        Type::Slice(slice) => is_constant(&slice.elem),
        _ => false,
    }
}

fn all_arguments_constant(arguments: &PathArguments) -> bool {
    let PathArguments::AngleBracketed(arguments) = arguments else {
        return false;
    };
    arguments.args.iter().all(|argument| match argument {
        GenericArgument::Type(ty) => is_constant(ty),
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use syn::parse_quote;

    #[test]
    fn constants_are_told_by_their_spelling() {
        for ty in [
            "usize",
            "std::string::String",
            "Option<Vec<f32>>",
            "[usize; 2]",
            "(f64, bool)",
            "HashMap<String, u8>",
        ] {
            assert!(is_constant(&syn::parse_str(ty).unwrap()), "{ty}");
        }
        for ty in [
            "Linear",
            "Option<Linear>",
            "Block<f32>",
            "(usize, Linear)",
            "T",
            "PhantomData<T>",
        ] {
            assert!(!is_constant(&syn::parse_str(ty).unwrap()), "{ty}");
        }
    }

    #[test]
    fn skip_is_found_among_other_attributes() {
        let attributes = [parse_quote!(#[doc = "x"]), parse_quote!(#[module(skip)])];
        let ty = parse_quote!(Config);
        assert_eq!(passed_over(&attributes, &ty), Some(PassedOver::Skipped));
        assert_eq!(passed_over(&[parse_quote!(#[prune(skip)])], &ty), None);
    }
}
