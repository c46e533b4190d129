//! Where things are drawn: in layers from left to right, with few crossings and straight lines.
//!
//! The classic way (Sugiyama): everything stands to the right of what it needs; an edge over several layers gets a
//! place of its own in each; layers are ordered by the middle of their neighbours until crossings get no fewer; and
//! heights are those nearest to the neighbours' that keep order and distance.

use std::collections::BTreeMap;

/// How often orders and heights are improved. More makes no visible difference.
const SWEEPS: usize = 24;

/// How large a node is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Extent {
    pub width: f64,
    pub height: f64,
}

/// Distances between things.
#[derive(Debug, Clone, Copy)]
pub(super) struct Gaps {
    /// Between two layers.
    pub layers: f64,
    /// Between two nodes of a layer.
    pub nodes: f64,
}

/// Where everything is.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Layout {
    /// The left end and the middle of each node's height.
    pub nodes: Vec<(f64, f64)>,
    /// The points that each edge goes through: leaving a node, in and out of each layer between, entering a node.
    pub edges: Vec<Vec<(f64, f64)>>,
    pub width: f64,
    pub height: f64,
    pub crossings: usize,
}

/// Lays a graph out; edges are from what stands left to what stands right. Circles are drawn as if one edge of each
/// were not there.
pub(super) fn layout(extents: &[Extent], edges: &[(usize, usize)], gaps: Gaps) -> Layout {
    let layer = layers(extents.len(), edges);
    let mut net = Net::new(extents, edges, &layer);
    let crossings = net.order();
    net.place(gaps).map_or_else(Layout::empty, |layout| Layout { crossings, ..layout })
}

impl Layout {
    fn empty() -> Self {
        Self { nodes: Vec::new(), edges: Vec::new(), width: 0.0, height: 0.0, crossings: 0 }
    }
}

/// The layer of each node: right of all it needs, and no further left of what needs it than it must be.
fn layers(count: usize, edges: &[(usize, usize)]) -> Vec<usize> {
    let mut layer = vec![0_usize; count];
    let at = |layer: &[usize], node: usize| layer.get(node).copied().unwrap_or(0);
    // A path visits each node at most once, so this ends even if there is a circle.
    for _ in 0..count {
        let mut moved = false;
        for (from, to) in edges {
            let wanted = (at(&layer, *from) + 1).min(count);
            if at(&layer, *to) < wanted
                && let Some(slot) = layer.get_mut(*to)
            {
                *slot = wanted;
                moved = true;
            }
        }
        if !moved {
            break;
        }
    }
    let mut by_layer: Vec<usize> = (0..count).collect();
    by_layer.sort_by_key(|node| std::cmp::Reverse(at(&layer, *node)));
    let mut right: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    edges.iter().for_each(|(from, to)| right.entry(*from).or_default().push(*to));
    for node in by_layer {
        let nearest = right.get(&node).into_iter().flatten().map(|to| at(&layer, *to)).min();
        if let (Some(nearest), Some(slot)) = (nearest, layer.get_mut(node)) {
            *slot = (*slot).max(nearest.saturating_sub(1));
        }
    }
    layer
}

/// Nodes and the places of long edges, in layers.
struct Net {
    /// Width and height; places of edges have none.
    extents: Vec<Extent>,
    layers: Vec<Vec<usize>>,
    /// Neighbours in the layer to the left and in the one to the right.
    left: Vec<Vec<usize>>,
    right: Vec<Vec<usize>>,
    /// What each edge goes through, from end to end.
    paths: Vec<Vec<usize>>,
    real: usize,
}

impl Net {
    fn new(extents: &[Extent], edges: &[(usize, usize)], layer: &[usize]) -> Self {
        let mut net = Self {
            extents: extents.to_vec(),
            layers: vec![Vec::new(); layer.iter().max().map_or(0, |most| most + 1)],
            left: vec![Vec::new(); extents.len()],
            right: vec![Vec::new(); extents.len()],
            paths: Vec::with_capacity(edges.len()),
            real: extents.len(),
        };
        for (node, layer) in layer.iter().enumerate() {
            if let Some(members) = net.layers.get_mut(*layer) {
                members.push(node);
            }
        }
        for (from, to) in edges {
            let ends = (layer.get(*from).copied().unwrap_or(0), layer.get(*to).copied().unwrap_or(0));
            let mut path = vec![*from];
            for between in ends.0 + 1..ends.1 {
                let place = net.extents.len();
                net.extents.push(Extent { width: 0.0, height: 0.0 });
                net.left.push(Vec::new());
                net.right.push(Vec::new());
                if let Some(members) = net.layers.get_mut(between) {
                    members.push(place);
                }
                path.push(place);
            }
            path.push(*to);
            // An edge against the order, from a circle, takes no part in it.
            if ends.0 < ends.1 {
                for (a, b) in path.iter().zip(path.iter().skip(1)) {
                    net.right.get_mut(*a).into_iter().for_each(|list| list.push(*b));
                    net.left.get_mut(*b).into_iter().for_each(|list| list.push(*a));
                }
            }
            net.paths.push(path);
        }
        net
    }

    /// Orders the layers for few crossings, and gives their number.
    fn order(&mut self) -> usize {
        let mut best = (self.crossings(), self.layers.clone());
        for sweep in 0..SWEEPS {
            let forward = sweep % 2 == 0;
            let mut order: Vec<usize> = (0..self.layers.len()).collect();
            if !forward {
                order.reverse();
            }
            for at in order {
                self.sort_layer(at, forward);
            }
            let crossings = self.crossings();
            if crossings < best.0 {
                best = (crossings, self.layers.clone());
            }
        }
        self.layers = best.1;
        best.0
    }

    fn sort_layer(&mut self, at: usize, forward: bool) {
        let beside = if forward { at.checked_sub(1) } else { Some(at + 1) };
        let Some(beside) = beside.and_then(|beside| self.layers.get(beside)) else { return };
        let position = positions(beside);
        let neighbours = if forward { &self.left } else { &self.right };
        let Some(members) = self.layers.get(at) else { return };
        let mut keyed: Vec<(f64, usize)> = members
            .iter()
            .enumerate()
            .map(|(own, node)| {
                let near = neighbours.get(*node).map(Vec::as_slice).unwrap_or_default();
                let near: Vec<f64> = near.iter().filter_map(|n| position.get(n)).map(|p| real(*p)).collect();
                (middle(&near).unwrap_or(real(own)), *node)
            })
            .collect();
        keyed.sort_by(|a, b| a.0.total_cmp(&b.0));
        if let Some(members) = self.layers.get_mut(at) {
            *members = keyed.into_iter().map(|(_, node)| node).collect();
        }
    }

    fn crossings(&self) -> usize {
        let pairs = self.layers.iter().zip(self.layers.iter().skip(1));
        pairs.map(|(left, right)| self.crossings_between(left, right)).sum()
    }

    /// Edges that cross are inversions; counted with a tree of sums.
    fn crossings_between(&self, left: &[usize], right: &[usize]) -> usize {
        let position = positions(right);
        let mut sums = vec![0_usize; right.len() + 1];
        let (mut seen, mut crossings) = (0, 0);
        for node in left {
            let mut ends: Vec<usize> = self
                .right
                .get(*node)
                .into_iter()
                .flatten()
                .filter_map(|to| position.get(to).copied())
                .collect();
            ends.sort_unstable();
            for end in &ends {
                crossings += seen - prefix(&sums, end + 1);
            }
            for end in ends {
                seen += 1;
                let mut at = end + 1;
                while let Some(sum) = sums.get_mut(at) {
                    *sum += 1;
                    at += at & at.wrapping_neg();
                }
            }
        }
        crossings
    }

    fn extent(&self, node: usize) -> Extent {
        self.extents.get(node).copied().unwrap_or(Extent { width: 0.0, height: 0.0 })
    }

    /// The middles of all heights, from 0 on, and the height of all together; nothing for an empty graph.
    fn heights(&self, gaps: Gaps) -> Option<(Vec<f64>, f64)> {
        let mut y = vec![0.0; self.extents.len()];
        for layer in &self.layers {
            self.spread(layer, &mut y, gaps, &|_, own| own);
        }
        for sweep in 0..SWEEPS {
            let mut order: Vec<&Vec<usize>> = self.layers.iter().collect();
            if sweep % 2 == 1 {
                order.reverse();
            }
            for layer in order {
                let before = y.clone();
                let beside = |node: usize, own: f64| {
                    let sides = [self.left.get(node), self.right.get(node)];
                    let near = sides.into_iter().flatten().flatten();
                    let near: Vec<f64> = near.filter_map(|n| before.get(*n)).copied().collect();
                    middle(&near).unwrap_or(own)
                };
                self.spread(layer, &mut y, gaps, &beside);
            }
        }
        let half = |node: usize| self.extent(node).height / 2.0;
        let top = y.iter().enumerate().map(|(node, y)| y - half(node)).reduce(f64::min)?;
        y.iter_mut().for_each(|y| *y -= top);
        let height = y.iter().enumerate().map(|(node, y)| y + half(node)).reduce(f64::max)?;
        Some((y, height))
    }

    /// The left and right end of each layer.
    fn columns(&self, gaps: Gaps) -> Vec<(f64, f64)> {
        let mut left = 0.0;
        let column = |layer: &Vec<usize>| {
            let width = layer.iter().map(|node| self.extent(*node).width).fold(0.0, f64::max);
            let column = (left, left + width);
            left = column.1 + gaps.layers;
            column
        };
        self.layers.iter().map(column).collect()
    }

    /// Gives everything its place; nothing for an empty graph.
    fn place(&self, gaps: Gaps) -> Option<Layout> {
        let (y, height) = self.heights(gaps)?;
        let columns = self.columns(gaps);
        let mut column_of = vec![(0.0, 0.0); self.extents.len()];
        for (layer, column) in self.layers.iter().zip(&columns) {
            layer
                .iter()
                .for_each(|node| column_of.get_mut(*node).into_iter().for_each(|slot| *slot = *column));
        }
        let place = |node: usize| {
            let (left, right) = column_of.get(node).copied().unwrap_or((0.0, 0.0));
            // A place of an edge goes through the whole layer, so that it passes beside the nodes and not behind them.
            let right = if node < self.real { left + self.extent(node).width } else { right };
            (left, right, y.get(node).copied().unwrap_or(0.0))
        };
        let line = |path: &Vec<usize>| {
            let points = path.iter().enumerate().flat_map(|(at, node)| {
                let (left, right, y) = place(*node);
                let enters = (at > 0).then_some((left, y));
                let leaves = (at + 1 < path.len()).then_some((right, y));
                enters.into_iter().chain(leaves)
            });
            points.collect()
        };
        let node = |node: usize| {
            let (left, _, y) = place(node);
            (left, y)
        };
        Some(Layout {
            nodes: (0..self.real).map(node).collect(),
            edges: self.paths.iter().map(line).collect(),
            width: columns.last().map_or(0.0, |(_, right)| *right),
            height,
            crossings: 0,
        })
    }

    /// Puts a layer's members as near to where they want to be as their order and distances allow, by the least squares:
    /// those that are in each other's way move together, to the mean of what they want.
    fn spread(&self, layer: &[usize], y: &mut [f64], gaps: Gaps, wanted: &dyn Fn(usize, f64) -> f64) {
        // Distance is taken out first: what is left only has to be in order.
        let mut offsets = Vec::with_capacity(layer.len());
        let mut offset = 0.0;
        for (at, node) in layer.iter().enumerate() {
            let half = self.extent(*node).height / 2.0;
            if at > 0 {
                offset += half;
            }
            offsets.push(offset);
            offset += half + gaps.nodes;
        }
        let mut blocks: Vec<(f64, usize)> = Vec::new();
        for (node, offset) in layer.iter().zip(&offsets) {
            let own = y.get(*node).copied().unwrap_or(0.0);
            let mut block = (wanted(*node, own) - offset, 1_usize);
            while let Some((before, size)) = blocks.last().copied().filter(|(before, _)| *before > block.0) {
                let all = size + block.1;
                block = ((before * real(size) + block.0 * real(block.1)) / real(all), all);
                blocks.pop();
            }
            blocks.push(block);
        }
        let places = blocks.into_iter().flat_map(|(at, size)| std::iter::repeat_n(at, size));
        for ((node, offset), place) in layer.iter().zip(&offsets).zip(places) {
            if let Some(y) = y.get_mut(*node) {
                *y = place + offset;
            }
        }
    }
}

fn positions(layer: &[usize]) -> BTreeMap<usize, usize> {
    layer.iter().enumerate().map(|(at, node)| (*node, at)).collect()
}

fn prefix(sums: &[usize], mut at: usize) -> usize {
    let mut sum = 0;
    while at > 0 {
        sum += sums.get(at).copied().unwrap_or(0);
        at -= at & at.wrapping_neg();
    }
    sum
}

fn middle(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / real(values.len()))
}

pub(super) fn real(n: usize) -> f64 {
    f64::from(u32::try_from(n).unwrap_or(u32::MAX))
}
