//! Graphviz.

use std::fmt::Write as _;

use super::Graph;

/// The graph in DOT.
pub fn dot(graph: &Graph) -> String {
    let mut text = format!("digraph {} {{\n", quoted(&graph.stack));
    text.push_str("  rankdir=LR;\n  node [shape=box, style=rounded, fontname=\"sans-serif\"];\n");
    for node in &graph.nodes {
        let names: Vec<String> = node.names().into_iter().map(escaped).collect();
        let label = format!("{}\\n{}", escaped(&node.title()), names.join("\\n"));
        let _ = writeln!(text, "  {} [label=\"{label}\"];", quoted(&node.address.to_string()));
    }
    for (from, to) in graph.arrows() {
        let _ = writeln!(text, "  {} -> {};", quoted(&from.to_string()), quoted(&to.to_string()));
    }
    text.push_str("}\n");
    text
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", escaped(text))
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace(['\n', '\r'], " ")
}
