//! Over how many partitions a group's copies are spread.

use domain::id::{GroupId, ItemId, Name};
use domain::replication::Shard;

use crate::keys;

/// Over how many partitions a group's copies of one type are spread: once, or while that is being changed, each of the
/// ways of before as well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout(Vec<u16>);

impl Default for Layout {
    fn default() -> Self {
        Self(vec![1])
    }
}

impl Layout {
    /// The layout with each of these numbers of shards.
    pub fn new(counts: impl IntoIterator<Item = u16>) -> Self {
        let mut counts: Vec<u16> = counts.into_iter().map(|count| count.max(1)).collect();
        counts.sort_unstable();
        counts.dedup();
        if counts.is_empty() { Self::default() } else { Self(counts) }
    }

    /// The numbers of shards.
    pub fn counts(&self) -> &[u16] {
        &self.0
    }

    pub(crate) fn shards(&self) -> impl Iterator<Item = Shard> {
        self.0.iter().flat_map(|count| Shard::all(*count))
    }

    pub(crate) fn of_item(&self, id: &ItemId) -> impl Iterator<Item = Shard> {
        self.0.iter().map(move |count| Shard::of_item(id, *count))
    }

    /// Every partition of a group's copies of these types.
    pub fn partitions<'a>(&self, group: &GroupId, types: impl IntoIterator<Item = &'a Name>) -> Vec<String> {
        let of = |data_type: &Name| -> Vec<String> {
            self.shards().map(|shard| keys::replica_partition(group, data_type, shard)).collect()
        };
        types.into_iter().flat_map(of).collect()
    }
}
