//! Collects every mistake in an item before any is reported.

use std::cell::RefCell;
use std::fmt::Display;
use std::thread;

use quote::ToTokens;

/// Errors met while an item is read. As in serde, a context that nobody checked is a bug of this
/// crate, and dropping one panics.
#[derive(Debug)]
pub(crate) struct Ctxt {
    /// `None` once checked.
    errors: RefCell<Option<Vec<syn::Error>>>,
}

impl Ctxt {
    /// Starts without errors.
    pub(crate) fn new() -> Self {
        Self {
            errors: RefCell::new(Some(Vec::new())),
        }
    }

    /// Notes a mistake and where it stands.
    pub(crate) fn error_spanned_by(&self, place: impl ToTokens, message: impl Display) {
        // Not `syn::Error::new(place.span(), ..)`, which on stable Rust marks only the first token.
        self.syn_error(syn::Error::new_spanned(place.into_token_stream(), message));
    }

    /// Notes what syn could not parse.
    pub(crate) fn syn_error(&self, error: syn::Error) {
        if let Some(errors) = &mut *self.errors.borrow_mut() {
            errors.push(error);
        }
    }

    /// Hands out everything noted, as one error.
    pub(crate) fn check(self) -> syn::Result<()> {
        let errors = self.errors.borrow_mut().take().unwrap_or_default();
        let all = errors.into_iter().reduce(|mut all, next| {
            all.combine(next);
            all
        });
        all.map_or(Ok(()), Err)
    }
}

impl Drop for Ctxt {
    fn drop(&mut self) {
        if !thread::panicking() && self.errors.borrow().is_some() {
            panic!("forgot to check for errors");
        }
    }
}
