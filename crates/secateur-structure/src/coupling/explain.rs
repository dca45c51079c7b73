//! Why places go together, as a chain from one parameter to the next.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::{self, Write as _};

use secateur_graph::{OpId, Source, ValueId};
use serde::{Deserialize, Serialize};

use super::{Coupling, Member, Side, Unit};
use crate::error::StructureError;

/// Places of a parameter's dimension that go with a unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Site {
    /// Record path of the parameter.
    pub path: String,
    /// Which dimension.
    pub dim: usize,
    /// What that dimension is there.
    pub side: Side,
    /// The places, ascending.
    pub places: Vec<usize>,
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let many = if self.places.len() == 1 { "" } else { "s" };
        let what = match self.side {
            Side::Out => "output",
            Side::In => "input",
            Side::Channel => "channel",
        };
        write!(f, "{what}{many} {} of {}", ranges(&self.places), self.path)
    }
}

/// `3`, `12..16`, `0, 4, 8`.
fn ranges(places: &[usize]) -> String {
    let mut text = String::new();
    for run in places.chunk_by(|a, b| a + 1 == *b) {
        if !text.is_empty() {
            text.push_str(", ");
        }
        let _ = match run {
            [one] => write!(text, "{one}"),
            [first, .., last] => write!(text, "{first}..{}", last + 1),
            [] => Ok(()),
        };
    }
    text
}

/// That places of one parameter take places of another with them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// Path of the parameter that it starts from.
    pub from: String,
    /// What goes as well.
    pub to: Site,
    /// The operations on the way, by number and name; the last one uses the parameter.
    pub because: Vec<(OpId, String)>,
}

/// Everything that goes with a unit, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chain {
    /// What goes.
    pub unit: Unit,
    /// Where it starts.
    pub first: Site,
    /// What follows from it.
    pub links: Vec<Link>,
}

impl fmt::Display for Chain {
    /// `removing output 3 of conv1.weight` and a line for each thing that goes with it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "removing {}", self.first)?;
        for link in &self.links {
            let names: Vec<&str> = link.because.iter().map(|(_, name)| name.as_str()).collect();
            write!(
                f,
                "\n  removes {}, because of {}",
                link.to,
                names.join(", ")
            )?;
        }
        Ok(())
    }
}

impl Chain {
    /// A drawing for Graphviz' `dot`.
    #[must_use]
    pub fn graphviz(&self) -> String {
        let mut text = String::from("digraph coupling {\n  rankdir=LR;\n  node [shape=box];\n");
        for (from, to, why) in self.edges() {
            let _ = writeln!(text, "  {from:?} -> {to:?} [label={why:?}];");
        }
        text + "}\n"
    }

    /// A drawing for Mermaid.
    #[must_use]
    pub fn mermaid(&self) -> String {
        let edges = self.edges();
        let mut names: Vec<&str> = Vec::new();
        for (from, to, _) in &edges {
            for name in [from, to] {
                if !names.contains(&name.as_str()) {
                    names.push(name);
                }
            }
        }
        let mut text = String::from("flowchart LR\n");
        for (nth, name) in names.iter().enumerate() {
            let _ = writeln!(text, "  n{nth}[\"{name}\"]");
        }
        let number = |name: &str| names.iter().position(|known| *known == name).unwrap_or(0);
        for (from, to, why) in &edges {
            let _ = writeln!(text, "  n{} -->|\"{why}\"| n{}", number(from), number(to));
        }
        text
    }

    fn edges(&self) -> Vec<(String, String, String)> {
        let sites = std::iter::once(&self.first).chain(self.links.iter().map(|link| &link.to));
        let sites: Vec<&Site> = sites.collect();
        let label = |path: &str| {
            let site = sites.iter().find(|site| site.path == path);
            site.map_or_else(|| path.to_owned(), |site| site.to_string())
        };
        let links = self.links.iter();
        links
            .map(|link| {
                let names: Vec<&str> = link.because.iter().map(|(_, name)| name.as_str()).collect();
                (label(&link.from), link.to.to_string(), names.join(", "))
            })
            .collect()
    }
}

/// The operations between two parameters, by number and name.
type Way = Vec<(OpId, String)>;

impl Coupling {
    /// Everything that goes with a unit, and why.
    ///
    /// # Errors
    ///
    /// [`StructureError::NoSuchUnit`] where no parameter has it.
    pub fn explain(&self, unit: Unit) -> Result<Chain, StructureError> {
        let group = self
            .group(unit.axis)
            .filter(|group| unit.place < group.size);
        let group = group.ok_or(StructureError::NoSuchUnit {
            axis: unit.axis.0,
            place: unit.place,
        })?;
        let start = group.producers().next().or(group.members.first());
        let start = start.ok_or(StructureError::NoSuchUnit {
            axis: unit.axis.0,
            place: unit.place,
        })?;
        let site = |member: &Member| Site {
            path: member.path.clone(),
            dim: member.dim,
            side: member.sides.first().copied().unwrap_or(Side::Channel),
            places: self.places(member, unit),
        };
        let first = site(start);
        let ways = self.ways(unit, &start.path);
        let mut links = Vec::new();
        for member in &group.members {
            let same = member.path == start.path && member.dim == start.dim;
            if same {
                continue;
            }
            if let Some((from, because)) = ways.get(&member.path) {
                links.push(Link {
                    from: from.clone(),
                    to: site(member),
                    because: because.clone(),
                });
            } else {
                links.push(Link {
                    from: start.path.clone(),
                    to: site(member),
                    because: Vec::new(),
                });
            }
        }
        Ok(Chain { unit, first, links })
    }

    /// For each parameter that the unit's axis occurs in: the parameter before it on the shortest
    /// way from `start`, and the operations between them.
    fn ways(&self, unit: Unit, start: &str) -> BTreeMap<String, (String, Way)> {
        let graph = self.graph();
        let carries = |value: ValueId| {
            let dims = self.dims(value).iter();
            dims.flat_map(|dim| self.axes.axes_of(dim))
                .any(|axis| axis == unit.axis)
        };
        let mut touching: BTreeMap<ValueId, Vec<OpId>> = BTreeMap::new();
        for (id, operation) in graph.enumerate() {
            for &value in operation.inputs.iter().chain(&operation.outputs) {
                if carries(value) {
                    touching.entry(value).or_default().push(id);
                }
            }
        }
        let mut ways = BTreeMap::new();
        let mut seen: BTreeSet<ValueId> = BTreeSet::new();
        let mut queue: VecDeque<(ValueId, String, Way)> = VecDeque::new();
        for &value in touching.keys() {
            if matches!(&graph.value(value).source, Source::Parameter(path) if path == start) {
                seen.insert(value);
                queue.push_back((value, start.to_owned(), Vec::new()));
            }
        }
        while let Some((value, from, because)) = queue.pop_front() {
            for &op in touching.get(&value).into_iter().flatten() {
                let operation = graph.operation(op);
                let mut way = because.clone();
                way.push((op, operation.kind.to_string()));
                // A weight on this way is where the next part of it starts.
                let mut next = (from.clone(), way.clone());
                for &other in operation.inputs.iter().chain(&operation.outputs) {
                    if !carries(other) || !seen.insert(other) {
                        continue;
                    }
                    if let Source::Parameter(path) = &graph.value(other).source {
                        ways.insert(path.clone(), (from.clone(), way.clone()));
                        if next.0 == from {
                            next = (path.clone(), Vec::new());
                        }
                        queue.push_back((other, path.clone(), Vec::new()));
                    } else {
                        queue.push_back((other, next.0.clone(), next.1.clone()));
                    }
                }
            }
        }
        ways
    }
}
