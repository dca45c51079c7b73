//! The graph as a picture, in the languages of Graphviz and Mermaid.

use std::fmt::Write;

use crate::graph::{Graph, OpId, Source, ValueId};

/// The graph for Graphviz: `dot -Tsvg`.
#[must_use]
pub fn graphviz(graph: &Graph) -> String {
    let mut text = String::from("digraph model {\n  node [shape=box, fontname=\"sans-serif\"];\n");
    for node in nodes(graph) {
        let shape = if node.end { ", shape=ellipse" } else { "" };
        let label = node.label.replace('\\', "\\\\").replace('"', "\\\"");
        let label = label.replace('\n', "\\n");
        let _ = writeln!(text, "  {} [label=\"{label}\"{shape}];", node.name);
    }
    for edge in edges(graph) {
        let _ = writeln!(text, "  {} -> {} [label=\"{}\"];", edge.from, edge.to, edge.shape);
    }
    text + "}\n"
}

/// The graph for Mermaid, as Markdown pages show it.
#[must_use]
pub fn mermaid(graph: &Graph) -> String {
    let mut text = String::from("flowchart TD\n");
    for node in nodes(graph) {
        let [open, close] = if node.end { ["([", "])"] } else { ["[", "]"] };
        let label = node.label.replace('"', "#quot;").replace('\n', "<br>");
        let _ = writeln!(text, "  {}{open}\"{label}\"{close}", node.name);
    }
    for edge in edges(graph) {
        let _ = writeln!(text, "  {} -->|\"{}\"| {}", edge.from, edge.shape, edge.to);
    }
    text
}

struct Node {
    name: String,
    label: String,
    /// Whether it is an input or output of the model.
    end: bool,
}

struct Edge {
    from: String,
    to: String,
    shape: String,
}

/// The operations but for what only prepares parameters, and the ends.
fn nodes(graph: &Graph) -> Vec<Node> {
    let inputs = graph.inputs.iter().enumerate().map(|(nth, _)| Node {
        name: format!("input{nth}"),
        label: format!("input {nth}"),
        end: true,
    });
    let operations = graph.enumerate().filter(|(id, _)| shown(graph, *id));
    let operations = operations.map(|(id, operation)| Node {
        name: format!("op{}", id.0),
        label: match graph.layer(id) {
            Some(layer) => format!("{}\n{layer}", operation.kind),
            None => operation.kind.to_string(),
        },
        end: false,
    });
    let outputs = graph.outputs.iter().enumerate().map(|(nth, _)| Node {
        name: format!("output{nth}"),
        label: format!("output {nth}"),
        end: true,
    });
    inputs.chain(operations).chain(outputs).collect()
}

/// Whether an operation computes something of the input, or of nothing: a transposed weight is
/// drawn with the layer that uses it.
fn shown(graph: &Graph, id: OpId) -> bool {
    let outputs = &graph.operation(id).outputs;
    outputs.iter().all(|&output| graph.parameter(output).is_none())
}

fn edges(graph: &Graph) -> Vec<Edge> {
    let edge = |value: ValueId, to: String| {
        let from = match &graph.value(value).source {
            Source::Input(nth) => format!("input{nth}"),
            Source::Operation(id) if shown(graph, *id) => format!("op{}", id.0),
            _ => return None,
        };
        let shape = format!("{:?}", graph.value(value).shape);
        Some(Edge { from, to, shape })
    };
    let operations = graph.enumerate().filter(|(id, _)| shown(graph, *id));
    let inner = operations.flat_map(|(id, operation)| {
        let inputs = operation.inputs.iter();
        inputs.filter_map(move |&input| edge(input, format!("op{}", id.0)))
    });
    let outputs = graph.outputs.iter().enumerate();
    let outer = outputs.filter_map(|(nth, &output)| edge(output, format!("output{nth}")));
    inner.chain(outer).collect()
}
