//! The bounds that generated impls need.

use std::collections::HashSet;

use quote::ToTokens;
use syn::visit::{self, Visit};
use syn::{Generics, Ident, Type, TypePath, parse_quote};

/// `generics` with `T: Prunable` for each type parameter, or associated type of one, that occurs in
/// `types`.
///
/// As in serde, the bound is on the parameter and not on the field's type, so that private types stay
/// out of public bounds and recursive types compile.
pub(crate) fn with_prunable<'a>(
    generics: &Generics,
    types: impl IntoIterator<Item = &'a Type>,
) -> Generics {
    let mut uses = Uses {
        params: generics.type_params().map(|param| &param.ident).collect(),
        seen: HashSet::new(),
        bounded: Vec::new(),
    };
    types.into_iter().for_each(|ty| uses.visit_type(ty));

    let bounded = uses.bounded;
    let mut generics = generics.clone();
    if !bounded.is_empty() {
        let clause = generics.make_where_clause();
        for ty in bounded {
            clause
                .predicates
                .push(parse_quote!(#ty: __secateur::Prunable));
        }
    }
    generics
}

struct Uses<'a> {
    params: HashSet<&'a Ident>,
    seen: HashSet<String>,
    /// In the order of occurrence, so that expansion is the same every time.
    bounded: Vec<TypePath>,
}

impl<'ast> Visit<'ast> for Uses<'_> {
    fn visit_type_path(&mut self, ty: &'ast TypePath) {
        let segments = &ty.path.segments;
        // A marker holds nothing of the type that it names.
        if segments
            .last()
            .is_some_and(|last| last.ident == "PhantomData")
        {
            return;
        }
        let starts_with_param = ty.qself.is_none()
            && ty.path.leading_colon.is_none()
            && segments
                .first()
                .is_some_and(|first| self.params.contains(&first.ident));
        if starts_with_param {
            if self.seen.insert(ty.to_token_stream().to_string()) {
                self.bounded.push(ty.clone());
            }
        } else {
            visit::visit_type_path(self, ty);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bounds(generics: Generics, types: &[Type]) -> String {
        let clause = with_prunable(&generics, types).where_clause;
        clause.to_token_stream().to_string().replace(' ', "")
    }

    #[test]
    fn used_parameters_are_bounded_once() {
        let types = [
            parse_quote!(Vec<Block<T>>),
            parse_quote!(Option<T>),
            parse_quote!(Linear),
        ];
        assert_eq!(
            bounds(parse_quote!(<T, U, const N: usize>), &types),
            "whereT:__secateur::Prunable"
        );
    }

    #[test]
    fn associated_types_and_markers() {
        let types = [parse_quote!(Option<B::Layer>), parse_quote!(PhantomData<U>)];
        assert_eq!(
            bounds(parse_quote!(<B: Blocks, U>), &types),
            "whereB::Layer:__secateur::Prunable"
        );
    }
}
