//! Every mistake in `#[prune(..)]` is reported where it stands, and all of an item at once.
//!
//! The cases know nothing of Burn: a mistake shows when the macro expands, before any type is
//! looked at. What only the type checker can refuse (a field that is no layer, a layer that is
//! declared twice) is a compile-fail doctest of the facade.

#[test]
fn mistakes_are_reported() {
    trybuild::TestCases::new().compile_fail("tests/ui/*/*.rs");
}
