//! Channels that are proposed one by one, and vetoes.

use std::collections::BTreeMap;

use super::ChannelPruning;
use crate::axes::AxisId;
use crate::coupling::{Coupling, Group, Unit};
use crate::error::StructureError;
use crate::importance::UnitScores;
use crate::plan::Plan;

/// A channel that a choice would take out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Proposal<'a> {
    /// The channel.
    pub unit: Unit,
    /// What it goes with; [`Coupling::explain`] tells why.
    pub group: &'a Group,
    /// Its score.
    pub score: f32,
}

impl ChannelPruning {
    /// As [`plan`](Self::plan), with a word in it: `accepts` is asked for every channel that would
    /// go, from the lowest score on, of equals the later group and place first. What it refuses
    /// stays, and nothing goes in its stead.
    ///
    /// So a share is then a bound, and a budget may be missed: [`Plan::counts`] tells. Where a
    /// refusal leaves a group at no [multiple](Self::with_multiple_of), further channels of it stay,
    /// those with the highest scores.
    ///
    /// # Errors
    ///
    /// Those of [`plan`](Self::plan).
    pub fn plan_where<'a>(
        &self,
        coupling: &'a Coupling,
        scores: &UnitScores,
        mut accepts: impl FnMut(&Proposal<'a>) -> bool,
    ) -> Result<Plan<'a>, StructureError> {
        let proposed = self.plan(coupling, scores)?;
        let mut proposals = Vec::new();
        for (nth, group) in coupling.groups().iter().enumerate() {
            for place in proposed.removed().of(group.axis) {
                let axis = group.axis;
                let score = scores.of(axis).and_then(|scores| scores.get(place));
                let proposal = Proposal {
                    unit: Unit { axis, place },
                    group,
                    score: score.copied().unwrap_or(0.0),
                };
                proposals.push((nth, proposal));
            }
        }
        proposals.sort_by(|(a, first), (b, second)| {
            let scores = first.score.total_cmp(&second.score);
            let places = second.unit.place.cmp(&first.unit.place);
            scores.then(b.cmp(a)).then(places)
        });
        let mut accepted: BTreeMap<AxisId, Vec<Unit>> = BTreeMap::new();
        for (_, proposal) in proposals {
            if accepts(&proposal) {
                accepted
                    .entry(proposal.unit.axis)
                    .or_default()
                    .push(proposal.unit);
            }
        }
        let mut plan = Plan::new(coupling);
        for group in coupling.groups() {
            let units = accepted.remove(&group.axis).unwrap_or_default();
            let left = self.left(group, units.len());
            for unit in units.into_iter().take(group.size - left) {
                plan.remove(unit)?;
            }
        }
        Ok(plan)
    }
}
