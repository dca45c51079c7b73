//! Which groups are built alike.

use std::fmt::Write as _;

use crate::coupling::{Coupling, Group};

/// What a group is made of, whatever its sizes are: groups with one signature are isomorphic
/// (Fang, Ma, Wang: Isomorphic Pruning for Vision Models, 2024).
pub(super) fn signature(coupling: &Coupling, group: &Group) -> String {
    let mut parts: Vec<String> = group
        .members
        .iter()
        .map(|member| {
            let mut part = format!("{:?} {:?} {}", member.role, member.sides, member.dim);
            // A kernel's size is part of what a layer is.
            for size in coupling
                .shape_of(&member.path)
                .unwrap_or(&[])
                .iter()
                .skip(2)
            {
                let _ = write!(part, " {size}");
            }
            part
        })
        .collect();
    parts.sort();
    parts.join("; ")
}
