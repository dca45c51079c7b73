//! Methods of the literature that are no part of the library, each in at most 40 lines and written
//! against public traits alone: the proof that the traits have the hooks that methods need.
//!
//! Every method is checked on steps worked by hand; the arithmetic stands in the comments.
//! `SECATEUR_DEVICE` chooses the device, as for the suite.

#[path = "../suite/device.rs"]
mod device;
mod dynamic_network_surgery;
mod movement;
mod nets;
mod network_slimming;
mod random_search;
mod soft_filters;
mod sparse_gpt;

/// Each file between its two marks, blank lines and comments left out.
#[test]
fn no_method_takes_more_than_forty_lines() {
    let files = [
        include_str!("dynamic_network_surgery.rs"),
        include_str!("movement.rs"),
        include_str!("network_slimming.rs"),
        include_str!("random_search.rs"),
        include_str!("soft_filters.rs"),
        include_str!("sparse_gpt.rs"),
    ];
    for file in files {
        let (_, method) = file.split_once("// The method.\n").unwrap();
        let (method, _) = method.split_once("// Its steps by hand.\n").unwrap();
        let is_code = |line: &&str| !line.trim().is_empty() && !line.trim().starts_with("//");
        let lines = method.lines().filter(is_code).count();
        assert!(lines <= 40, "{lines} lines:\n{method}");
    }
}
