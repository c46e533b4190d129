//! Where in a group the copy of an item lies.

use std::fmt;

use crate::id::ItemId;

/// Over how many partitions a group's copies of one type are spread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Spread {
    /// The revision of the group's rules that began with this number. It makes each spread's partitions its own: what
    /// a late writer leaves in those of a former one is never read, even if the number comes back.
    pub revision: u32,
    /// How many.
    pub shards: u16,
}

impl Spread {
    /// All of its partitions.
    pub fn shards(self) -> impl Iterator<Item = Shard> {
        (0..self.shards.max(1)).map(move |index| self.shard(index))
    }

    /// The partition of an item.
    pub fn shard_of(self, id: &ItemId) -> Shard {
        // FNV-1a: fixed for good, unlike the standard library's hash.
        let hash = id.as_str().bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        // Folded, so that the last characters count as much as the first.
        let index = (hash ^ (hash >> 32)) % u64::from(self.shards.max(1));
        self.shard(u16::try_from(index).unwrap_or_default())
    }

    fn shard(self, index: u16) -> Shard {
        Shard { revision: self.revision, of: self.shards.max(1), index }
    }
}

/// One of the partitions that a group's copies are spread over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Shard {
    revision: u32,
    of: u16,
    index: u16,
}

impl Shard {
    /// The revision of the group's rules that began the spread it belongs to.
    pub fn revision(self) -> u32 {
        self.revision
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // Nearly every group, for good.
            Self { revision: 0 | 1, of: 1, .. } => f.write_str("0"),
            Self { revision, of, index } => write!(f, "{revision}.{of}.{index}"),
        }
    }
}
