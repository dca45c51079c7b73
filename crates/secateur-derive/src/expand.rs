//! The generated impl.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::{DeriveInput, Fields};

use crate::bound::with_prunable;
use crate::ctxt::Ctxt;
use crate::item::{Body, Child, Item, SizeField, VariantBody};

/// The impl of `Prunable` for the item, or every mistake in it.
pub(crate) fn expand(input: &DeriveInput) -> syn::Result<TokenStream> {
    let ctxt = Ctxt::new();
    let item = Item::from_input(&ctxt, input);
    ctxt.check()?;

    let name = &input.ident;
    let krate = match item.attrs.krate() {
        Some(path) => quote!(#path),
        None => quote!(::secateur),
    };
    let types = item.body.children().into_iter().map(|child| child.ty);
    let generics = with_prunable(&input.generics, types);
    let (impl_generics, ty_generics, where_clause) = generics.split_for_impl();
    let type_attributes = item
        .attrs
        .to_expression()
        .map(|attributes| quote!(__walk.type_attributes(#attributes);));
    let walk = match &item.body {
        Body::Struct(children, sizes) => children
            .iter()
            .map(walk_field)
            .chain(sizes.iter().map(walk_size))
            .collect(),
        Body::Enum(variants) => walk_variants(variants),
    };

    Ok(quote! {
        #[doc(hidden)]
        const _: () = {
            use #krate::__private as __secateur;

            #[automatically_derived]
            #[allow(deprecated)]
            impl #impl_generics __secateur::Prunable for #name #ty_generics #where_clause {
                fn collect_layers<'__layers>(
                    &'__layers mut self,
                    __walk: &mut __secateur::LayerWalk<'__layers>,
                ) {
                    #type_attributes
                    #walk
                }
            }
        };
    })
}

fn walk_field(child: &Child<'_>) -> TokenStream {
    let Child { name, member, .. } = child;
    let attributes = field_attributes(child);
    let walk = quote_spanned!(child.span()=> __walk.field(#name, &mut self.#member););
    quote!(#attributes #walk)
}

fn walk_size(field: &SizeField) -> TokenStream {
    let SizeField { name, member, .. } = field;
    let of = field.attrs.size().map(|(size, _)| size.to_expression());
    quote!(__walk.size(#name, &mut self.#member, #of);)
}

fn walk_variants(variants: &[VariantBody<'_>]) -> TokenStream {
    // A reference to a type without variants still has to be matched by its value.
    if variants.is_empty() {
        return quote!(match *self {});
    }
    let arms = variants.iter().map(|variant| {
        let ident = variant.ident;
        match (&variant.child, variant.fields) {
            (Some(child), _) => {
                let name = &child.name;
                let attributes = field_attributes(child);
                let walk = quote_spanned!(child.span()=> __walk.field(#name, __module););
                quote!(Self::#ident(__module) => { #attributes #walk })
            }
            (None, Fields::Unit) => quote!(Self::#ident => {}),
            (None, _) => quote!(Self::#ident { .. } => {}),
        }
    });
    quote!(match self { #(#arms)* })
}

fn field_attributes(child: &Child<'_>) -> Option<TokenStream> {
    let name = &child.name;
    let attributes = child.attrs.to_expression()?;
    Some(quote!(__walk.field_attributes(#name, #attributes);))
}

#[cfg(test)]
mod tests {
    use super::*;
    use syn::parse_quote;

    fn mistakes(input: DeriveInput) -> Vec<String> {
        match expand(&input) {
            Ok(_) => Vec::new(),
            Err(error) => error.into_iter().map(|error| error.to_string()).collect(),
        }
    }

    #[test]
    fn all_mistakes_are_reported_at_once() {
        let mistakes = mistakes(parse_quote! {
            #[prune(crat = "x")]
            struct Net {
                #[prune(sparsity = 1.5, pattern = "4:2")]
                conv: Conv2d,
                #[prune(skip, skip)]
                head: Linear,
                #[prune(group = "")]
                #[prune]
                norm: BatchNorm,
                #[prune(skip)]
                width: usize,
                #[prune(crate = "y", skip = true)]
                tail: Linear,
            }
        });
        assert_eq!(mistakes.len(), 9, "{mistakes:#?}");
        assert!(mistakes[0].contains("did you mean `crate`"));
    }

    #[test]
    fn the_expansion_parses() {
        let items: [DeriveInput; 6] = [
            parse_quote!(
                struct Unit;
            ),
            parse_quote!(
                struct Tuple(Linear, usize);
            ),
            parse_quote!(
                enum Never {}
            ),
            parse_quote!(
                enum Either<L, R> {
                    Left(L),
                    #[prune(skip)]
                    Right(R),
                    Neither,
                }
            ),
            parse_quote!(
                #[prune(sparsity = 0.5, crate = "crate::secateur")]
                struct Net<T>(T);
            ),
            parse_quote!(
                enum Constants {
                    Width(usize),
                    Name(String),
                }
            ),
        ];
        for item in items {
            let tokens = expand(&item).unwrap();
            let file: syn::File = syn::parse2(tokens).unwrap();
            assert_eq!(file.items.len(), 1);
        }
    }

    #[test]
    fn sizes_are_walked_by_what_they_follow() {
        let tokens = expand(&parse_quote! {
            struct Heads {
                query: Linear,
                #[prune(size = "query.out[0]")]
                n_heads: usize,
                #[prune(size = "query.in")]
                #[module(skip)]
                width: usize,
            }
        });
        let text = tokens.unwrap().to_string().replace(' ', "");
        let heads = "size(\"n_heads\",&mutself.n_heads,__secateur::SizeOf::new(\"query\",\
                     __secateur::Side::Out).with_factors(0usize..1usize))";
        assert!(text.contains(heads), "{text}");
        let width = "size(\"width\",&mutself.width,__secateur::SizeOf::new(\"query\",\
                     __secateur::Side::In))";
        assert!(text.contains(width), "{text}");
    }

    #[test]
    fn fields_that_burn_passes_over_are_passed_over() {
        let tokens = expand(&parse_quote! {
            struct Net { conv: Conv2d, width: usize, #[module(skip)] config: Config }
        });
        let text = tokens.unwrap().to_string();
        assert!(text.contains("\"conv\""));
        assert!(!text.contains("\"width\"") && !text.contains("\"config\""));
    }
}
