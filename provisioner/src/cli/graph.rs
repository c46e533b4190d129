//! `provision graph`

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde_json::json;

use super::{App, paper};
use crate::error::{Error, Exit};
use crate::graph::{Detail, Graph as Drawn, dot, mermaid, svg};

/// Draw what the stack is made of, and what needs what
///
/// Reads only the file. An arrow leads from what is made first to what needs it. Arrows that follow from others are left
/// out, and resources that are alike share a box.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  provision graph --format svg --out stack.svg\n  provision graph | dot -Tpdf > stack.pdf"
)]
pub(super) struct Graph {
    /// How it is drawn
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Into this file instead of stdout
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Also the arrows that follow from others
    #[arg(long)]
    all_edges: bool,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum Format {
    /// For Graphviz
    #[default]
    Dot,
    /// For Markdown on GitHub or GitLab
    Mermaid,
    /// A picture that every browser shows
    Svg,
}

impl Graph {
    pub(super) fn run(self, app: &App) -> Result<Exit, Error> {
        let stack = app.stack()?;
        let resources = paper::resources(&stack);
        let detail = Detail { all_edges: self.all_edges, each: false };
        let graph = Drawn::of(stack.name.as_str(), &resources, detail);
        let text = match self.format {
            Format::Dot => dot(&graph),
            Format::Mermaid => mermaid(&graph),
            Format::Svg => svg(&graph),
        };
        // Programs are told of each.
        let graph = Drawn::of(&graph.stack, &resources, Detail { each: true, ..detail });
        let nodes: Vec<_> = graph.nodes.iter().map(|node| json!({ "address": node.address })).collect();
        let edges: Vec<_> = graph.arrows().map(|(from, to)| json!({ "from": from, "to": to })).collect();
        let document = json!({ "stack": graph.stack, "nodes": nodes, "edges": edges });
        if let Some(out) = &self.out {
            paper::write(out, &text)?;
            app.show(&document, || format!("drawn in `{}`\n", out.display()));
        } else {
            app.show(&document, || text);
        }
        Ok(Exit::Done)
    }
}
