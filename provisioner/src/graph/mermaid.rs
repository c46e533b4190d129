//! Mermaid, which GitHub and GitLab draw in Markdown.

use std::fmt::Write as _;

use super::Graph;

/// The graph in Mermaid.
pub fn mermaid(graph: &Graph) -> String {
    let mut text = String::from("flowchart LR\n");
    for (at, node) in graph.nodes.iter().enumerate() {
        let names: Vec<String> = node.names().into_iter().map(escaped).collect();
        let _ = writeln!(text, "  n{at}[\"{}<br/>{}\"]", escaped(&node.title()), names.join("<br/>"));
    }
    for (from, to) in &graph.edges {
        let _ = writeln!(text, "  n{from} --> n{to}");
    }
    text
}

/// Mermaid takes entities for what means something to it.
fn escaped(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut safe, char| {
        if char.is_alphanumeric() || " -_.$×…".contains(char) {
            safe.push(char);
        } else {
            let _ = write!(safe, "#{};", u32::from(char));
        }
        safe
    })
}
