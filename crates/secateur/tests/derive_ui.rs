//! Every mistake in `#[prune(..)]` is reported where it stands, and all of an item at once.

#![cfg(feature = "derive")]

#[test]
fn mistakes_are_reported() {
    trybuild::TestCases::new().compile_fail("tests/ui/*/*.rs");
}
