//! The item under `#[derive(Prune)]`, read and checked.

use proc_macro2::Span;
use quote::ToTokens;
use syn::spanned::Spanned;
use syn::{Data, DataEnum, DeriveInput, Fields, Ident, Index, Member, Type, Variant};

use crate::attr::{Place, PruneAttrs};
use crate::burn_module::{PassedOver, passed_over};
use crate::ctxt::Ctxt;
use crate::size::is_usize;

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
    Struct(Vec<Child<'a>>, Vec<SizeField>),
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

/// A field of a struct whose value follows a layer's size.
#[derive(Debug)]
pub(crate) struct SizeField {
    pub(crate) member: Member,
    /// The last component of its path.
    pub(crate) name: String,
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
            Data::Struct(data) => {
                let (children, sizes) = struct_fields(ctxt, &data.fields);
                Body::Struct(children, sizes)
            }
            Data::Enum(data) => Body::Enum(variants(ctxt, data)),
            // A union cannot be a module, and reading it would take unsafe code.
            Data::Union(data) => {
                ctxt.error_spanned_by(
                    data.union_token,
                    "a union cannot be a module; use a struct or an enum",
                );
                Body::Struct(Vec::new(), Vec::new())
            }
        };
        let item = Self { attrs, body };
        // `skip` on the type reaches every field, so a field has nothing left to say.
        if item.attrs.skips() {
            let why = "the whole type is marked `#[prune(skip)]`";
            for child in item.body.children() {
                child.attrs.must_be_absent(ctxt, why);
            }
            for size in item.body.sizes() {
                size.attrs.must_be_absent(ctxt, why);
            }
        }
        item
    }
}

impl<'a> Body<'a> {
    /// Every module in the item.
    pub(crate) fn children(&self) -> Vec<&Child<'a>> {
        match self {
            Self::Struct(children, _) => children.iter().collect(),
            Self::Enum(variants) => variants
                .iter()
                .filter_map(|variant| variant.child.as_ref())
                .collect(),
        }
    }

    /// Every size in the item.
    fn sizes(&self) -> &[SizeField] {
        match self {
            Self::Struct(_, sizes) => sizes,
            Self::Enum(_) => &[],
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

fn struct_fields<'a>(ctxt: &Ctxt, fields: &'a Fields) -> (Vec<Child<'a>>, Vec<SizeField>) {
    let (mut children, mut sizes) = (Vec::new(), Vec::new());
    let mut without_layers = Vec::new();
    for (index, field) in fields.iter().enumerate() {
        let attrs = PruneAttrs::from_attributes(ctxt, &field.attrs, Place::Field);
        let member = match &field.ident {
            Some(ident) => Member::Named(ident.clone()),
            None => Member::Unnamed(Index::from(index)),
        };
        // Burn writes raw identifiers into paths as they stand, `r#` included.
        let name = member.to_token_stream().to_string();
        if attrs.is_size() {
            // A size is lent as `&mut usize`.
            if !is_usize(&field.ty) {
                ctxt.error_spanned_by(&field.ty, "a field with a `size` is a `usize`");
            }
            attrs.only_size(ctxt, "the field is a size and holds no layer");
            without_layers.push(name.clone());
            sizes.push(SizeField {
                member,
                name,
                attrs,
            });
            continue;
        }
        // What Burn does not visit has no record path, so nothing in it can be pruned.
        if let Some(reason) = passed_over(&field.attrs, &field.ty) {
            attrs.must_be_absent(ctxt, reason.why());
            without_layers.push(name);
            continue;
        }
        children.push(Child {
            name,
            member,
            ty: &field.ty,
            attrs,
        });
    }
    check_sizes(ctxt, &children, &without_layers, &sizes);
    (children, sizes)
}

/// A size follows a layer of the same struct, at whatever depth.
fn check_sizes(ctxt: &Ctxt, children: &[Child<'_>], others: &[String], sizes: &[SizeField]) {
    let holding: Vec<_> = children.iter().map(|child| child.name.clone()).collect();
    for field in sizes {
        if let Some((size, place)) = field.attrs.size()
            && let Err(message) = size.check_path(&holding, others)
        {
            ctxt.error_spanned_by(place, message);
        }
    }
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
    let attrs = PruneAttrs::from_attributes(ctxt, attributes(), Place::Variant);
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
