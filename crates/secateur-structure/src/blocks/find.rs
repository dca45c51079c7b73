//! Residual blocks in a graph.

use std::collections::BTreeSet;

use secateur_graph::{Graph, OpId, OpKind, ValueId};

use super::{Block, ResidualSum};

/// The blocks of a graph, where `parts` are the paths of what can be taken out of the model.
pub(super) fn blocks(graph: &Graph, parts: &[&str]) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    for sum in sums(graph) {
        let holds = |part: &&&str| sum.parameters.iter().all(|path| is_below(path, part));
        let part = parts.iter().filter(holds).max_by_key(|part| part.len());
        let (path, refused) = match part {
            Some(part) => ((*part).to_owned(), None),
            None => {
                let why = "it is no item of a `Vec` and no content of an `Option`";
                (common(&sum.parameters), Some(why.to_owned()))
            }
        };
        match blocks.iter_mut().find(|block| block.path == path) {
            Some(block) => block.sums.push(sum),
            None => blocks.push(Block {
                path,
                sums: vec![sum],
                refused,
            }),
        }
    }
    for block in &mut blocks {
        if block.refused.is_none() {
            block.refused = obstacle(graph, block);
        }
    }
    for part in siblings(&blocks, parts) {
        if let Some(why) = without_sum(graph, part) {
            let block = Block {
                path: part.to_owned(),
                sums: Vec::new(),
                refused: Some(why),
            };
            blocks.push(block);
        }
    }
    blocks.sort_by_key(|block| first_use(graph, &block.path));
    blocks
}

/// Every sum of a value and of what was computed from it with parameters.
fn sums(graph: &Graph) -> Vec<ResidualSum> {
    let mut sums = Vec::new();
    for (add, operation) in graph.enumerate() {
        let OpKind::Elementwise { name, .. } = &operation.kind else {
            continue;
        };
        let (&[a, b], [out]) = (&operation.inputs[..], &operation.outputs[..]) else {
            continue;
        };
        let shape = &graph.value(*out).shape;
        let same = [a, b].iter().all(|&x| graph.value(x).shape == *shape);
        if name != "Add" || a == b || !same {
            continue;
        }
        for (start, branch) in [(a, b), (b, a)] {
            if graph.parameter(start).is_some() {
                continue;
            }
            let operations = between(graph, start, branch, add);
            let parameters = used_by(graph, &operations);
            if !parameters.is_empty() {
                sums.push(ResidualSum {
                    add,
                    start,
                    branch,
                    operations,
                    parameters,
                });
                break;
            }
        }
    }
    sums
}

/// The operations before `end` that lie on a way from one value to another.
fn between(graph: &Graph, from: ValueId, to: ValueId, end: OpId) -> Vec<OpId> {
    let mut after: BTreeSet<ValueId> = [from].into();
    let mut reached = Vec::new();
    for (id, operation) in graph.enumerate().take(end.0) {
        if operation.inputs.iter().any(|input| after.contains(input)) {
            after.extend(&operation.outputs);
            reached.push(id);
        }
    }
    let mut before: BTreeSet<ValueId> = [to].into();
    let mut found = Vec::new();
    for id in reached.into_iter().rev() {
        let operation = graph.operation(id);
        if operation.outputs.iter().any(|out| before.contains(out)) {
            before.extend(
                operation
                    .inputs
                    .iter()
                    .filter(|input| after.contains(input)),
            );
            found.push(id);
        }
    }
    found.reverse();
    found
}

fn used_by(graph: &Graph, operations: &[OpId]) -> Vec<String> {
    let mut paths: Vec<String> = Vec::new();
    for &id in operations {
        for (path, _) in graph.parameters_of(id) {
            if !paths.iter().any(|known| known == path) {
                paths.push(path.to_owned());
            }
        }
    }
    paths
}

/// Why a part with sums cannot go.
fn obstacle(graph: &Graph, block: &Block) -> Option<String> {
    let covered = |path: &str| {
        let mut sums = block.sums.iter();
        sums.any(|sum| sum.parameters.iter().any(|known| known == path))
    };
    let inside = |id: OpId| block.sums.iter().any(|sum| sum.operations.contains(&id));
    for (id, _) in graph.enumerate() {
        for (path, _) in graph.parameters_of(id) {
            if is_below(path, &block.path) && !covered(path) {
                return Some(format!(
                    "`{path}` acts outside of what it adds to its input"
                ));
            }
            let rearranges = graph.operation(id).kind.rearranges();
            if covered(path) && !inside(id) && !rearranges {
                return Some(format!("`{path}` is used outside of it, too"));
            }
        }
    }
    None
}

/// Parts beside blocks in the same list.
fn siblings<'p>(blocks: &[Block], parts: &[&'p str]) -> Vec<&'p str> {
    let parent = |path: &str| path.rsplit_once('.').map(|(parent, _)| parent.to_owned());
    let lists: BTreeSet<Option<String>> = blocks
        .iter()
        .filter(|block| parts.contains(&block.path.as_str()))
        .map(|block| parent(&block.path))
        .collect();
    let known = |part: &str| blocks.iter().any(|block| block.path == part);
    let parts = parts.iter().filter(|part| !known(part));
    let is_item = |part: &str| {
        part.rsplit('.')
            .next()
            .is_some_and(|n| n.parse::<usize>().is_ok())
    };
    parts
        .filter(|part| is_item(part) && lists.contains(&parent(part)))
        .copied()
        .collect()
}

/// Why a part in which nothing is added to its input cannot go; `None` where `forward` uses none of
/// its parameters.
fn without_sum(graph: &Graph, part: &str) -> Option<String> {
    let uses = |id: &OpId| {
        let parameters = graph.parameters_of(*id);
        let rearranges = graph.operation(*id).kind.rearranges();
        !rearranges && parameters.iter().any(|(path, _)| is_below(path, part))
    };
    let operations: Vec<OpId> = graph.enumerate().map(|(id, _)| id).filter(uses).collect();
    let (first, last) = (operations.first()?, operations.last()?);
    let given = &graph.value(*graph.operation(*first).inputs.first()?).shape;
    let gives = &graph.value(*graph.operation(*last).outputs.first()?).shape;
    Some(match given == gives {
        true => "it does not add to the very input that it is given".to_owned(),
        false => {
            format!("it is given {given:?} and gives {gives:?}, so nothing can stand in for it")
        }
    })
}

fn first_use(graph: &Graph, part: &str) -> usize {
    let mut operations = graph.enumerate();
    let uses = |id| {
        let parameters = graph.parameters_of(id);
        parameters.iter().any(|(path, _)| is_below(path, part))
    };
    let found = operations.find(|(id, _)| uses(*id));
    found.map_or(usize::MAX, |(id, _)| id.0)
}

/// The longest path that all lie at or below.
fn common(paths: &[String]) -> String {
    let mut common: Vec<&str> = match paths.first() {
        Some(first) => first.split('.').collect(),
        None => Vec::new(),
    };
    // The last name is the parameter's own.
    common.pop();
    for path in paths {
        let same = path.split('.').zip(&common).take_while(|(a, b)| a == *b);
        let same = same.count();
        common.truncate(same);
    }
    common.join(".")
}

/// Whether a path is `place` or lies below it.
pub(super) fn is_below(path: &str, place: &str) -> bool {
    let rest = path.strip_prefix(place);
    rest.is_some_and(|rest| place.is_empty() || rest.is_empty() || rest.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_have_a_common_part() {
        let paths =
            |paths: &[&str]| common(&paths.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(paths(&["a.b.weight", "a.b.bias"]), "a.b");
        assert_eq!(paths(&["a.b.weight", "a.c.bias"]), "a");
        assert_eq!(paths(&["a.weight", "b.weight"]), "");
        assert!(is_below("a.1.w", "a.1") && !is_below("a.10.w", "a.1") && is_below("a", ""));
    }
}
