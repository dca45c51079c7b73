//! The contents of `#[prune(..)]`.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::punctuated::Punctuated;
use syn::{Attribute, Expr, ExprLit, ExprUnary, Lit, LitStr, Meta, Path, Token, UnOp};

use crate::ctxt::Ctxt;
use crate::pattern;
use crate::size::Size;

/// Where an attribute stands.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Place {
    /// On a struct or enum.
    Type,
    /// On a field of a struct.
    Field,
    /// On an enum variant or the field in it.
    Variant,
}

impl Place {
    /// The attributes that may stand here.
    fn known(self) -> &'static [&'static str] {
        match self {
            Self::Type => &["skip", "sparsity", "pattern", "group", "crate"],
            Self::Field => &["skip", "sparsity", "pattern", "group", "tied", "size"],
            Self::Variant => &["skip", "sparsity", "pattern", "group", "tied"],
        }
    }
}

/// One setting: its value and the place to blame.
#[derive(Debug)]
struct Setting<T> {
    name: &'static str,
    set: Option<(T, Meta)>,
}

impl<T> Setting<T> {
    fn new(name: &'static str) -> Self {
        Self { name, set: None }
    }

    fn set(&mut self, ctxt: &Ctxt, meta: &Meta, value: T) {
        // A setting may be given once, however many `#[prune]` stand on the place.
        if self.set.is_some() {
            ctxt.error_spanned_by(meta, format!("`{}` is given twice; remove one", self.name));
        } else {
            self.set = Some((value, meta.clone()));
        }
    }

    fn value(&self) -> Option<&T> {
        self.set.as_ref().map(|(value, _)| value)
    }

    fn meta(&self) -> Option<&Meta> {
        self.set.as_ref().map(|(_, meta)| meta)
    }
}

/// Everything that `#[prune(..)]` says in one place.
#[derive(Debug)]
pub(crate) struct PruneAttrs {
    skip: Setting<()>,
    sparsity: Setting<f64>,
    pattern: Setting<String>,
    group: Setting<String>,
    tied: Setting<String>,
    /// Holds `None` where the value could not be read.
    size: Setting<Option<Size>>,
    krate: Setting<Path>,
    /// The attributes as they stand, to be blamed as a whole.
    written: Vec<Attribute>,
}

impl PruneAttrs {
    /// Reads all `#[prune]` among `attributes`.
    pub(crate) fn from_attributes<'a>(
        ctxt: &Ctxt,
        attributes: impl IntoIterator<Item = &'a Attribute>,
        place: Place,
    ) -> Self {
        let mut attrs = Self {
            skip: Setting::new("skip"),
            sparsity: Setting::new("sparsity"),
            pattern: Setting::new("pattern"),
            group: Setting::new("group"),
            tied: Setting::new("tied"),
            size: Setting::new("size"),
            krate: Setting::new("crate"),
            written: Vec::new(),
        };
        for attribute in attributes {
            if attribute.path().is_ident("prune") {
                attrs.written.push(attribute.clone());
                attrs.read(ctxt, attribute, place);
            }
        }
        attrs.check_skip(ctxt);
        attrs
    }

    fn read(&mut self, ctxt: &Ctxt, attribute: &Attribute, place: Place) {
        // The settings stand in parentheses.
        let Meta::List(list) = &attribute.meta else {
            ctxt.error_spanned_by(
                attribute,
                "expected settings in parentheses, e.g. `#[prune(skip)]`",
            );
            return;
        };
        match list.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated) {
            Ok(metas) => metas
                .iter()
                .for_each(|meta| self.read_one(ctxt, meta, place)),
            Err(error) => ctxt.syn_error(error),
        }
    }

    fn read_one(&mut self, ctxt: &Ctxt, meta: &Meta, place: Place) {
        let name = meta.path().to_token_stream().to_string();
        match name.as_str() {
            // `skip` is said or not said, it has no value.
            "skip" => match meta {
                Meta::Path(_) => self.skip.set(ctxt, meta, ()),
                _ => ctxt.error_spanned_by(meta, "`skip` takes no value: write `skip`"),
            },
            "sparsity" => {
                if let Some(value) = sparsity(ctxt, meta) {
                    self.sparsity.set(ctxt, meta, value);
                }
            }
            "pattern" => {
                let Some(text) = string(ctxt, meta, "pattern = \"2:4\"") else {
                    return;
                };
                // A pattern is spelled as `secateur_core` reads it at run time.
                match pattern::check(&text.value()) {
                    Ok(()) => self.pattern.set(ctxt, meta, text.value()),
                    Err(message) => ctxt.error_spanned_by(text, message),
                }
            }
            "group" => {
                let Some(text) = string(ctxt, meta, "group = \"trunk\"") else {
                    return;
                };
                // A group needs a name, for layers of one name are ranked together.
                if text.value().trim().is_empty() {
                    ctxt.error_spanned_by(text, "a group needs a name: write `group = \"trunk\"`");
                } else {
                    self.group.set(ctxt, meta, text.value());
                }
            }
            // Tying is said of single layers, and a type is a model of several.
            "tied" if place == Place::Type => ctxt.error_spanned_by(
                meta,
                "`tied` goes on the field of a layer, not on the struct or enum",
            ),
            "tied" => {
                let Some(text) = string(ctxt, meta, "tied = \"stream\"") else {
                    return;
                };
                // Layers are tied to each other by their common name.
                if text.value().trim().is_empty() {
                    ctxt.error_spanned_by(
                        text,
                        "tied layers share a name: write `tied = \"stream\"`",
                    );
                } else {
                    self.tied.set(ctxt, meta, text.value());
                }
            }
            // A size is a number in a field, and a variant holds a module.
            "size" if place != Place::Field => {
                ctxt.error_spanned_by(meta, "`size` goes on a `usize` field of a struct, not here")
            }
            "size" => {
                // A size is spelled as `secateur_core` reads and prints it.
                let size = string(ctxt, meta, "size = \"query.out[0]\"").and_then(|text| {
                    let read = Size::read(&text.value());
                    read.map_err(|message| ctxt.error_spanned_by(text, message))
                        .ok()
                });
                self.size.set(ctxt, meta, size);
            }
            // All code generated for a type reaches Secateur by one path.
            "crate" if place != Place::Type => ctxt.error_spanned_by(
                meta,
                "`crate` goes on the struct or enum, not on a field or variant",
            ),
            "crate" => {
                let Some(text) = string(ctxt, meta, "crate = \"my_reexport::secateur\"") else {
                    return;
                };
                match text.parse_with(Path::parse_mod_style) {
                    Ok(path) => self.krate.set(ctxt, meta, path),
                    Err(_) => ctxt.error_spanned_by(
                        &text,
                        format!("`{}` is not the path of a crate or module", text.value()),
                    ),
                }
            }
            // Nothing else may stand here.
            _ => ctxt.error_spanned_by(meta.path(), unknown(&name, place)),
        }
    }

    /// `skip` leaves nothing for another setting to act on.
    fn check_skip(&self, ctxt: &Ctxt) {
        if !self.skips() {
            return;
        }
        for (name, meta) in [
            ("sparsity", self.sparsity.meta()),
            ("pattern", self.pattern.meta()),
            ("group", self.group.meta()),
        ] {
            if let Some(meta) = meta {
                ctxt.error_spanned_by(
                    meta,
                    format!("`{name}` has no effect beside `skip`; remove one of the two"),
                );
            }
        }
    }

    /// Reports whatever stands here beside `size` as useless, because `why`.
    pub(crate) fn only_size(&self, ctxt: &Ctxt, why: &str) {
        let others = [
            ("skip", self.skip.meta()),
            ("sparsity", self.sparsity.meta()),
            ("pattern", self.pattern.meta()),
            ("group", self.group.meta()),
            ("tied", self.tied.meta()),
        ];
        for (name, meta) in others {
            if let Some(meta) = meta {
                ctxt.error_spanned_by(meta, format!("`{name}` has no effect here: {why}"));
            }
        }
    }

    /// Reports every attribute here as useless, because `why`.
    pub(crate) fn must_be_absent(&self, ctxt: &Ctxt, why: &str) {
        for attribute in &self.written {
            ctxt.error_spanned_by(attribute, format!("`#[prune]` has no effect here: {why}"));
        }
    }

    /// Whether everything below is skipped.
    pub(crate) fn skips(&self) -> bool {
        self.skip.set.is_some()
    }

    /// Whether the field is a size, well spelled or not.
    pub(crate) fn is_size(&self) -> bool {
        self.size.set.is_some()
    }

    /// What the field's value follows, with the place to blame.
    pub(crate) fn size(&self) -> Option<(&Size, TokenStream)> {
        let place = match self.size.meta()? {
            Meta::NameValue(pair) => pair.value.to_token_stream(),
            other => other.to_token_stream(),
        };
        Some((self.size.value()?.as_ref()?, place))
    }

    /// Where to find Secateur.
    pub(crate) fn krate(&self) -> Option<&Path> {
        self.krate.value()
    }

    /// An expression that makes the `Attributes`, or `None` if nothing is asked for.
    pub(crate) fn to_expression(&self) -> Option<TokenStream> {
        let skip = self.skip.value().map(|()| quote!(.with_skip()));
        let sparsity = self.sparsity.value().map(|s| quote!(.with_sparsity(#s)));
        let pattern = self.pattern.value().map(|p| quote!(.with_pattern(#p)));
        let group = self.group.value().map(|g| quote!(.with_group(#g)));
        let tied = self.tied.value().map(|t| quote!(.with_tied(#t)));
        let calls = quote!(#skip #sparsity #pattern #group #tied);
        (!calls.is_empty()).then(|| quote!(__secateur::Attributes::new() #calls))
    }
}

fn unknown(name: &str, place: Place) -> String {
    let known = place.known();
    match pattern::nearest(name, known.iter().copied()) {
        Some(near) => format!("there is no attribute `{name}`; did you mean `{near}`?"),
        None => {
            let known: Vec<_> = known.iter().map(|known| format!("`{known}`")).collect();
            format!(
                "there is no attribute `{name}`; known here are {}",
                known.join(", ")
            )
        }
    }
}

/// The expression right of `=`.
fn value<'a>(ctxt: &Ctxt, meta: &'a Meta, example: &str) -> Option<&'a Expr> {
    let Meta::NameValue(pair) = meta else {
        ctxt.error_spanned_by(meta, format!("expected a value: write `{example}`"));
        return None;
    };
    // A value that comes through a macro's `$value` is wrapped in an invisible group.
    let mut value = &pair.value;
    while let Expr::Group(group) = value {
        value = &group.expr;
    }
    Some(value)
}

fn string(ctxt: &Ctxt, meta: &Meta, example: &str) -> Option<LitStr> {
    match value(ctxt, meta, example)? {
        Expr::Lit(ExprLit {
            lit: Lit::Str(text),
            ..
        }) => Some(text.clone()),
        other => {
            ctxt.error_spanned_by(other, format!("expected a string: write `{example}`"));
            None
        }
    }
}

fn sparsity(ctxt: &Ctxt, meta: &Meta) -> Option<f64> {
    let value = value(ctxt, meta, "sparsity = 0.5")?;
    // A sparsity is written as a number, because its range is checked here.
    let Some(sparsity) = number(value) else {
        ctxt.error_spanned_by(value, "expected a number: write `sparsity = 0.5`");
        return None;
    };
    // A sparsity is a share of zeros, and something is left.
    if (0.0..1.0).contains(&sparsity) {
        return Some(sparsity);
    }
    let remedy = if sparsity == 1.0 {
        "a layer cannot lose all of its weights".to_string()
    } else if sparsity > 1.0 && sparsity < 100.0 {
        format!("for {sparsity} % write {}", sparsity / 100.0)
    } else {
        "write the share of zeros, e.g. 0.9".to_string()
    };
    ctxt.error_spanned_by(
        value,
        format!("a sparsity lies in [0, 1), {sparsity} does not; {remedy}"),
    );
    None
}

fn number(value: &Expr) -> Option<f64> {
    match value {
        Expr::Lit(ExprLit {
            lit: Lit::Float(number),
            ..
        }) => number.base10_parse().ok(),
        Expr::Lit(ExprLit {
            lit: Lit::Int(number),
            ..
        }) => number.base10_parse().ok(),
        Expr::Unary(ExprUnary {
            op: UnOp::Neg(_),
            expr,
            ..
        }) => number(expr).map(|number| -number),
        _ => None,
    }
}
