//! Where in a group the copy of an item lies.

use std::fmt;

use crate::id::ItemId;

/// One of the partitions that a busy group's copies are spread over.
///
/// The number of shards is part of it, so that copies from before and after a change of that number never share a
/// partition: what a late writer leaves in a former one is never read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Shard {
    of: u16,
    index: u16,
}

impl Shard {
    /// The shard of an item among so many.
    pub fn of_item(id: &ItemId, shards: u16) -> Self {
        let of = shards.max(1);
        // FNV-1a: fixed for good, unlike the standard library's hash.
        let hash = id.as_str().bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let index = u16::try_from((hash >> 16) % u64::from(of)).unwrap_or_default();
        Self { of, index }
    }

    /// All of so many shards.
    pub fn all(shards: u16) -> impl Iterator<Item = Self> {
        let of = shards.max(1);
        (0..of).map(move |index| Self { of, index })
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.of {
            1 => f.write_str("0"),
            of => write!(f, "{of}.{}", self.index),
        }
    }
}
