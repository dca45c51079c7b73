//! Sparing products the turning of their operands.
//!
//! Products work on activations with one row a feature, models keep one row a sample. What one
//! product writes and only others read need not be turned twice.

use super::plan::{BufferId, Home, Plan, Step};

/// Marks the buffers that stay feature-major.
pub(crate) fn spare(plan: &mut Plan) {
    let mut seen: Vec<Seen> = plan.buffers.iter().map(|_| Seen::default()).collect();
    for port in plan.inputs.iter().chain(&plan.outputs) {
        if let Some(buffer) = port.buffer {
            seen[root(plan, buffer)].otherwise = true;
        }
    }
    for step in &plan.steps {
        let Step::Product { x, y, tail, .. } = step else {
            for buffer in step.reads().into_iter().chain(step.writes()) {
                seen[root(plan, buffer)].otherwise = true;
            }
            continue;
        };
        seen[root(plan, *x)].reads.push(*x);
        let written = root(plan, *y);
        seen[written].written = true;
        if let Some(residual) = tail.residual {
            // It has to lie as the output does, and somebody else reads it.
            seen[root(plan, residual)].otherwise = true;
            seen[written].otherwise = true;
        }
    }
    for (buffer, seen) in seen.iter().enumerate() {
        let features = |buffer: BufferId| plan.buffers[buffer].shape.last().copied();
        let same_rows = seen.reads.iter().all(|&x| features(x) == features(buffer));
        plan.buffers[buffer].feature_major =
            seen.written && !seen.otherwise && !seen.reads.is_empty() && same_rows;
    }
}

fn root(plan: &Plan, buffer: BufferId) -> BufferId {
    match plan.buffers[buffer].home {
        Home::Alias(of) => of,
        Home::Input(_) | Home::Memory => buffer,
    }
}

/// What is done with a buffer.
#[derive(Clone, Default)]
struct Seen {
    /// The names under which products read it.
    reads: Vec<BufferId>,
    /// Whether a product writes it.
    written: bool,
    /// Whether anything else touches it.
    otherwise: bool,
}
