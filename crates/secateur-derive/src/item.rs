//! The item under `#[derive(Prune)]`, read and checked.

use proc_macro2::Span;
use quote::ToTokens;
use syn::spanned::Spanned;
use syn::{Data, DataEnum, DeriveInput, Fields, Ident, Index, Member, Type, Variant};

use crate::attr::{Place, PruneAttrs};
use crate::burn_module::{PassedOver, passed_over};
use crate::ctxt::Ctxt;

/// A struct or enum that is walked.
#[derive(Debug)]
pub(crate) struct Item<'a> {
    pub(crate) attrs: PruneAttrs,
    pub(crate) body: Body<'a>,
}

/// What the item holds, without what Burn passes over.
#[derive(Debug)]
pub(crate) enum Body<'a> {
    /// The fields of a struct.
    Struct(Vec<Child<'a>>),
    /// The variants of an enum.
    Enum(Vec<VariantBody<'a>>),
}

/// A field of a struct that holds a module.
#[derive(Debug)]
pub(crate) struct Child<'a> {
    pub(crate) member: Member,
    /// The component of the record path.
    pub(crate) name: String,
    pub(crate) ty: &'a Type,
    pub(crate) attrs: PruneAttrs,
}

/// A variant of an enum: the module in it, if it holds one.
#[derive(Debug)]
pub(crate) struct VariantBody<'a> {
    pub(crate) ident: &'a Ident,
    /// How to match the variant.
    pub(crate) fields: &'a Fields,
    pub(crate) child: Option<Child<'a>>,
}

impl<'a> Item<'a> {
    /// Reads the item; what is wrong with it goes to `ctxt`.
    pub(crate) fn from_input(ctxt: &Ctxt, input: &'a DeriveInput) -> Self {
        let attrs = PruneAttrs::from_attributes(ctxt, &input.attrs, Place::Type);
        let body = match &input.data {
            Data::Struct(data) => Body::Struct(struct_children(ctxt, &data.fields)),
            Data::Enum(data) => Body::Enum(variants(ctxt, data)),
            // A union cannot be a module, and reading it would take unsafe code.
            Data::Union(data) => {
                ctxt.error_spanned_by(
                    data.union_token,
                    "a union cannot be a module; use a struct or an enum",
                );
                Body::Struct(Vec::new())
            }
        };
        let item = Self { attrs, body };
        // `skip` on the type reaches every field, so a field has nothing left to say.
        if item.attrs.skips() {
            for child in item.body.children() {
                let why = "the whole type is marked `#[prune(skip)]`";
                child.attrs.must_be_absent(ctxt, why);
            }
        }
        item
    }
}

impl<'a> Body<'a> {
    /// Every module in the item.
    pub(crate) fn children(&self) -> Vec<&Child<'a>> {
        match self {
            Self::Struct(children) => children.iter().collect(),
            Self::Enum(variants) => variants
                .iter()
                .filter_map(|variant| variant.child.as_ref())
                .collect(),
        }
    }
}

impl Child<'_> {
    /// Marks the field's type in error messages, without taking part in the hygiene of a macro that may
    /// have written it.
    pub(crate) fn span(&self) -> Span {
        Span::call_site().located_at(self.ty.span())
    }
}

fn struct_children<'a>(ctxt: &Ctxt, fields: &'a Fields) -> Vec<Child<'a>> {
    let mut children = Vec::new();
    for (index, field) in fields.iter().enumerate() {
        let attrs = PruneAttrs::from_attributes(ctxt, &field.attrs, Place::Field);
        // What Burn does not visit has no record path, so nothing in it can be pruned.
        if let Some(reason) = passed_over(&field.attrs, &field.ty) {
            attrs.must_be_absent(ctxt, reason.why());
            continue;
        }
        let member = match &field.ident {
            Some(ident) => Member::Named(ident.clone()),
            None => Member::Unnamed(Index::from(index)),
        };
        children.push(Child {
            // Burn writes raw identifiers into paths as they stand, `r#` included.
            name: member.to_token_stream().to_string(),
            member,
            ty: &field.ty,
            attrs,
        });
    }
    children
}

fn variants<'a>(ctxt: &Ctxt, data: &'a DataEnum) -> Vec<VariantBody<'a>> {
    // Burn visits no variant of an enum unless one of them holds a module.
    let visits_any = data
        .variants
        .iter()
        .flat_map(|variant| &variant.fields)
        .any(|field| passed_over(&field.attrs, &field.ty).is_none());
    data.variants
        .iter()
        .map(|variant| VariantBody {
            ident: &variant.ident,
            fields: &variant.fields,
            child: variant_child(ctxt, variant, visits_any),
        })
        .collect()
}

fn variant_child<'a>(ctxt: &Ctxt, variant: &'a Variant, visits_any: bool) -> Option<Child<'a>> {
    // A setting may stand on the variant or on its field, which are one place.
    let attributes = || {
        let of_fields = variant.fields.iter().flat_map(|field| &field.attrs);
        variant.attrs.iter().chain(of_fields)
    };
    let attrs = PruneAttrs::from_attributes(ctxt, attributes(), Place::Field);
    match &variant.fields {
        Fields::Unit => {
            attrs.must_be_absent(ctxt, "the variant holds no layer");
            None
        }
        Fields::Unnamed(fields) if fields.unnamed.len() == 1 => {
            let field = &fields.unnamed[0];
            match passed_over(&field.attrs, &field.ty) {
                // Burn's enums heed the mark only where no variant holds a module.
                Some(PassedOver::Skipped) if visits_any => {}
                Some(reason) => {
                    attrs.must_be_absent(ctxt, reason.why());
                    return None;
                }
                None => {}
            }
            Some(Child {
                member: Member::Unnamed(Index::from(0)),
                name: variant.ident.to_string(),
                ty: &field.ty,
                attrs,
            })
        }
        // The variant's name alone is the path of what it holds, so there is room for one field.
        fields => {
            ctxt.error_spanned_by(
                fields,
                format!(
                    "a variant of a module holds one unnamed field: put these into a struct of \
                     their own, as in `{}(Fields)`",
                    variant.ident
                ),
            );
            None
        }
    }
}
