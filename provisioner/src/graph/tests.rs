use serde_json::json;

use super::layout::{Extent, Gaps, layout};
use super::*;
use crate::engine::fake::resource;

const ALL: Detail = Detail { all_edges: true, each: true };
const EACH: Detail = Detail { all_edges: false, each: true };
const GAPS: Gaps = Gaps { layers: 50.0, nodes: 10.0 };

fn stack() -> Vec<Resource> {
    crate::desired::example()
}

fn small() -> Graph {
    let resources = [
        resource("table.data", json!({}), &[]),
        resource("role.api", json!({}), &["table.data"]),
        resource("function.api", json!({}), &["role.api", "table.data"]),
    ];
    Graph::of("study", &resources, Detail::default())
}

#[test]
fn what_follows_from_other_arrows_is_left_out() {
    let arrows = |graph: &Graph| graph.arrows().map(|(a, b)| format!("{a} {b}")).collect::<Vec<_>>();
    assert_eq!(arrows(&small()), ["role.api function.api", "table.data role.api"]);
    let resources = [
        resource("x.a", json!({}), &[]),
        resource("x.b", json!({}), &["x.a"]),
        resource("x.c", json!({}), &["x.b", "x.a"]),
    ];
    assert_eq!(Graph::of("s", &resources, ALL).edges.len(), 3);
    assert_eq!(Graph::of("s", &resources, Detail::default()).edges.len(), 2);
}

#[test]
fn everything_that_can_be_reached_still_can_be() {
    let reach = |graph: &Graph| {
        let mut above: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); graph.nodes.len()];
        for _ in 0..graph.nodes.len() {
            for (from, to) in &graph.edges {
                let more: Vec<usize> = above[*from].iter().copied().chain([*from]).collect();
                above[*to].extend(more);
            }
        }
        above
    };
    let (few, all) = (Graph::of("s", &stack(), EACH), Graph::of("s", &stack(), ALL));
    assert!(few.edges.len() < all.edges.len());
    assert_eq!(reach(&few), reach(&all));
}

#[test]
fn dot_and_mermaid_name_everything() {
    insta::assert_snapshot!(dot(&small()), @r#"
    digraph "study" {
      rankdir=LR;
      node [shape=box, style=rounded, fontname="sans-serif"];
      "function.api" [label="function\napi"];
      "role.api" [label="role\napi"];
      "table.data" [label="table\ndata"];
      "role.api" -> "function.api";
      "table.data" -> "role.api";
    }
    "#);
    insta::assert_snapshot!(mermaid(&small()), @r#"
    flowchart LR
      n0["function<br/>api"]
      n1["role<br/>api"]
      n2["table<br/>data"]
      n1 --> n0
      n2 --> n1
    "#);
}

#[test]
fn a_small_picture_is_as_it_was_looked_at() {
    insta::assert_snapshot!(svg(&small()));
}

/// The boxes of a layout, with their edges.
fn boxes(graph: &Graph) -> (Vec<(f64, f64, f64, f64)>, super::layout::Layout) {
    let extents: Vec<Extent> = graph
        .nodes
        .iter()
        .map(|node| Extent {
            width: 40.0 + 5.0 * node.address.name.len() as f64,
            height: 14.0 + 16.0 * node.names().len() as f64,
        })
        .collect();
    let drawn = layout(&extents, &graph.edges, GAPS);
    let boxes = drawn.nodes.iter().zip(&extents);
    let boxes = boxes.map(|((x, y), e)| (*x, y - e.height / 2.0, x + e.width, y + e.height / 2.0)).collect();
    (boxes, drawn)
}

#[test]
fn the_default_stack_is_readable() {
    let graph = Graph::of("s", &stack(), Detail::default());
    let named: usize = graph.nodes.iter().map(|node| node.others.len() + 1).sum();
    assert_eq!(named, stack().len(), "everything is in it");
    let (boxes, drawn) = boxes(&graph);
    for (i, a) in boxes.iter().enumerate() {
        for b in &boxes[i + 1..] {
            let apart = a.2 <= b.0 || b.2 <= a.0 || a.3 <= b.1 || b.3 <= a.1;
            assert!(apart, "{a:?} {b:?}");
        }
    }
    for ((from, to), points) in graph.edges.iter().zip(&drawn.edges) {
        assert!(boxes[*from].2 < boxes[*to].0, "an arrow leads to the left");
        // Where an edge passes a layer, it passes between the boxes.
        for pair in points.chunks(2).skip(1) {
            let [(left, y), (right, _)] = pair else { continue };
            let hit = boxes.iter().any(|b| b.0 < *right && b.2 > *left && b.1 < *y && b.3 > *y);
            assert!(!hit, "an edge goes behind a box at {left} {y}");
        }
    }
    assert!(drawn.crossings < 90, "{} crossings", drawn.crossings);
    assert!(drawn.height < 1_600.0 && drawn.width < 2_000.0, "{} × {}", drawn.width, drawn.height);
}

#[test]
fn a_picture_is_the_same_twice_and_fit_for_xml() {
    let graph = Graph::of("s", &stack(), Detail::default());
    let text = svg(&graph);
    assert_eq!(text, svg(&graph));
    assert!(!text.contains("NaN") && !text.contains("inf"), "{text}");
    assert_eq!(text.matches("<g").count(), text.matches("</g>").count());
    assert_eq!(text.matches("<rect").count(), graph.nodes.len() + 1);
    assert!(svg(&Graph::of("a<b>&\"c", &[], Detail::default())).contains("a&lt;b&gt;&amp;&quot;c"));
}

#[test]
fn ten_thousand_groups_are_one_box() {
    let mut resources = vec![resource("function.api", json!({}), &[])];
    resources.extend((0..10_000).map(|n| resource(&format!("group.g{n}"), json!({}), &["function.api"])));
    let graph = Graph::of("s", &resources, Detail::default());
    assert_eq!(graph.nodes.len(), 2);
    assert!(mermaid(&graph).contains("group × 10000"));
}

#[test]
fn a_circle_is_drawn_all_the_same() {
    let resources: [_; 3] = [
        resource("x.a", json!({}), &["x.b"]),
        resource("x.b", json!({}), &["x.a"]),
        resource("x.c", json!({}), &["x.a"]),
    ];
    let graph = Graph::of("s", &resources, Detail::default());
    assert_eq!(svg(&graph).matches("<path d=").count(), graph.edges.len() + 1);
}
