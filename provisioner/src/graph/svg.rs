//! A picture that every browser shows, made without another program.

use std::fmt::Write as _;

use super::layout::{Extent, Gaps, layout, real};
use super::{Graph, Node};

/// How wide a character is at the size of names, at most. Fonts differ: this is what the wider ones need.
const CHARACTER: f64 = 7.4;
/// How high a box with one name is, and each name more.
const HEIGHT: f64 = 38.0;
const LINE: f64 = 16.0;
const PADDING: f64 = 12.0;
const MARGIN: f64 = 24.0;
const TITLE: f64 = 34.0;
const GAPS: Gaps = Gaps { layers: 64.0, nodes: 14.0 };

/// The colours of kinds by what they are for: filling and edge.
const FAMILIES: &[(&[&str], &str, &str)] = &[
    (&["table", "stackdoc", "group"], "#e8f1fb", "#2f6fb3"),
    (&["function", "log_group", "mapping", "schedule"], "#fdf0e1", "#c1741a"),
    (&["role", "permission"], "#fbe9ec", "#b23a4f"),
    (&["queue"], "#f3ecfb", "#7a4fb0"),
    (
        &["user_pool", "user_pool_client", "user_pool_domain", "resource_server", "sign_up_trigger"],
        "#e7f6ec",
        "#2f8a50",
    ),
    (&["http_api", "route", "integration", "authorizer", "stage"], "#eef0f4", "#56607a"),
];

/// The graph as an SVG document.
pub fn svg(graph: &Graph) -> String {
    let extents: Vec<Extent> = graph.nodes.iter().map(extent).collect();
    let drawn = layout(&extents, &graph.edges, GAPS);
    let (width, height) = (drawn.width + 2.0 * MARGIN, drawn.height + 2.0 * MARGIN + TITLE);
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" \
         viewBox=\"0 0 {width:.0} {height:.0}\" font-family=\"system-ui, sans-serif\" role=\"img\">\n"
    );
    let title = escaped(&graph.stack);
    let _ = writeln!(
        text,
        "<title>What the stack {title} is made of: an arrow leads to what needs the other</title>"
    );
    text.push_str(
        "<defs><marker id=\"end\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" \
         orient=\"auto\"><path d=\"M0 0 L8 4 L0 8 z\" fill=\"#8a93a6\"/></marker></defs>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n",
    );
    let _ = writeln!(
        text,
        "<text x=\"{MARGIN}\" y=\"{:.0}\" font-size=\"16\" font-weight=\"600\" fill=\"#222b3a\">{title}</text>",
        MARGIN + 8.0
    );
    let _ = writeln!(text, "<g transform=\"translate({MARGIN} {:.0})\">", MARGIN + TITLE);
    text.push_str("<g fill=\"none\" stroke=\"#8a93a6\" stroke-width=\"1.2\" marker-end=\"url(#end)\">\n");
    for (points, (from, to)) in drawn.edges.iter().zip(graph.arrows()) {
        let _ = writeln!(text, "<path d=\"{}\"><title>{from} → {to}</title></path>", curve(points));
    }
    text.push_str("</g>\n");
    for ((node, extent), (x, y)) in graph.nodes.iter().zip(&extents).zip(&drawn.nodes) {
        of_node(&mut text, node, *extent, (*x, *y));
    }
    text.push_str("</g>\n</svg>\n");
    text
}

fn extent(node: &Node) -> Extent {
    let names = node.names();
    let longest = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
    let characters = longest.max(node.title().chars().count());
    let lines = real(names.len().saturating_sub(1));
    Extent { width: real(characters) * CHARACTER + 2.0 * PADDING, height: HEIGHT + lines * LINE }
}

fn of_node(text: &mut String, node: &Node, extent: Extent, (x, y): (f64, f64)) {
    let kind = node.address.kind.as_str();
    let family = FAMILIES.iter().find(|(kinds, ..)| kinds.contains(&kind));
    let (fill, stroke) = family.map_or(("#f5f5f5", "#777777"), |(_, fill, stroke)| (*fill, *stroke));
    let Extent { width, height } = extent;
    let top = y - height / 2.0;
    let _ = writeln!(
        text,
        "<g><title>{}</title><rect x=\"{x:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"6\" \
         fill=\"{fill}\" stroke=\"{stroke}\"/>\
         <text x=\"{:.1}\" y=\"{:.1}\" font-size=\"10\" fill=\"{stroke}\">{}</text>",
        escaped(&node.address.to_string()),
        x + PADDING,
        top + 14.0,
        escaped(&node.title()),
    );
    for (line, name) in node.names().into_iter().enumerate() {
        let _ = writeln!(
            text,
            "<text x=\"{:.1}\" y=\"{:.1}\" font-size=\"12.5\" fill=\"#222b3a\">{}</text>",
            x + PADDING,
            top + 29.0 + real(line) * LINE,
            escaped(name),
        );
    }
    text.push_str("</g>\n");
}

/// A line that leaves and enters everything level.
fn curve(points: &[(f64, f64)]) -> String {
    let mut path = String::new();
    let mut before: Option<(f64, f64)> = None;
    for (x, y) in points {
        let _ = match before {
            None => write!(path, "M{x:.1} {y:.1}"),
            Some((_, from)) if (from - y).abs() < 0.05 => write!(path, " L{x:.1} {y:.1}"),
            Some((left, from)) => {
                let half = (x - left) / 2.0;
                write!(path, " C{:.1} {from:.1} {:.1} {y:.1} {x:.1} {y:.1}", left + half, x - half)
            }
        };
        before = Some((*x, *y));
    }
    path
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
