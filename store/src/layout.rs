//! Over how many partitions a group's copies are spread.

use domain::id::{GroupId, ItemId, Name};
use domain::replication::{Shard, Spread};

use crate::keys;

/// Where a group's copies of one type are: over the partitions of one spread, or while that is being changed, of each
/// of the former ones as well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout(Vec<Spread>);

/// How nearly every group begins, and stays.
fn plain() -> Spread {
    Spread { revision: 1, shards: 1 }
}

impl Default for Layout {
    fn default() -> Self {
        Self(vec![plain()])
    }
}

impl Layout {
    /// A layout of one spread.
    pub fn of(spread: Spread) -> Self {
        Self(vec![spread])
    }

    /// Reads what [`Layout::text`] has written.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let spreads: Option<Vec<Spread>> = text.split(',').map(parse_spread).collect();
        spreads.filter(|spreads| !spreads.is_empty()).map(Self)
    }

    /// As it is stored.
    pub(crate) fn text(&self) -> String {
        self.0.iter().map(|spread| spread_text(*spread)).collect::<Vec<_>>().join(",")
    }

    /// The spread that copies are written by.
    pub fn current(&self) -> Spread {
        self.0.last().copied().unwrap_or_else(plain)
    }

    /// The layout while copies move to so many shards; the same one if there are so many already.
    #[must_use]
    pub fn moving_to(&self, shards: u16, revision: u32) -> Self {
        if self.current().shards == shards {
            return self.clone();
        }
        let next = Spread { revision, shards: shards.max(1) };
        Self(self.0.iter().copied().chain([next]).collect())
    }

    /// The layout when every copy is where it is written now.
    #[must_use]
    pub fn settled(&self) -> Self {
        Self::of(self.current())
    }

    pub(crate) fn shards(&self) -> impl Iterator<Item = Shard> {
        self.0.iter().flat_map(|spread| spread.shards())
    }

    pub(crate) fn of_item(&self, id: &ItemId) -> impl Iterator<Item = Shard> {
        self.0.iter().map(move |spread| spread.shard_of(id))
    }

    /// The layout that is given up when this one is settled; none if it is settled.
    pub fn given_up(&self) -> Option<Self> {
        let former: Vec<Spread> = self.0.iter().copied().filter(|spread| *spread != self.current()).collect();
        (!former.is_empty()).then_some(Self(former))
    }

    /// Every partition of a group's copies of these types, those of a later spread behind all of an earlier one: so
    /// who walks through them while a spread is added comes to it.
    pub fn partitions<'a>(&self, group: &GroupId, types: impl IntoIterator<Item = &'a Name>) -> Vec<String> {
        let types: Vec<&Name> = types.into_iter().collect();
        let of = |shard: Shard| -> Vec<String> {
            types.iter().map(|data_type| keys::replica_partition(group, data_type, shard)).collect()
        };
        self.shards().flat_map(of).collect()
    }
}

/// A spread as it is stored.
pub(crate) fn spread_text(spread: Spread) -> String {
    format!("{}:{}", spread.revision, spread.shards)
}

/// Reads what [`spread_text`] has written.
pub(crate) fn parse_spread(text: &str) -> Option<Spread> {
    let mut parts = text.split(':');
    let spread = Spread { revision: parts.next()?.parse().ok()?, shards: parts.next()?.parse().ok()? };
    parts.next().is_none().then_some(spread)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layout_reads_as_it_was_written_and_moves_only_if_the_number_changes() {
        let plain = Layout::default();
        assert_eq!(plain.moving_to(1, 2), plain);
        let moving = plain.moving_to(4, 2).moving_to(1, 3);
        assert_eq!(Layout::parse(&moving.text()), Some(moving.clone()));
        assert_eq!(moving.current(), Spread { revision: 3, shards: 1 });
        assert_eq!((moving.shards().count(), moving.settled().shards().count()), (6, 1));
        assert_eq!(moving.given_up().map(|former| former.shards().count()), Some(5));
        assert_eq!(moving.settled().given_up(), None);
        for bad in ["", "1", "1:2:3", "1:x", "1:1,"] {
            assert_eq!(Layout::parse(bad), None, "{bad}");
        }
    }
}
