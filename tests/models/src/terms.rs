//! The few values that everything is about.

use domain::replication::{Order, Shard};

/// What an item says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reading {
    /// Only wide terms select it.
    Low,
    /// All terms select it.
    High,
}

/// A group's rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// Every reading. It has no condition, so that copies do not carry what the other rule asks.
    All,
    /// High readings only.
    High,
}

/// What the provider allows, and whether they follow the rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Contract {
    /// All that the rules select.
    Open,
    /// High readings only.
    High,
    /// All that the rules select and that these rules, which the provider agreed to, select as well.
    Agreed(Rule),
}

impl Rule {
    /// What the rule means, said without the code that is being checked.
    pub fn allows(self, reading: Reading) -> bool {
        self == Self::All || reading == Reading::High
    }
}

impl Contract {
    /// What the contract means, said without the code that is being checked.
    pub fn allows(self, reading: Reading) -> bool {
        match self {
            Self::Open => true,
            Self::High => reading == Reading::High,
            Self::Agreed(rule) => rule.allows(reading),
        }
    }
}

/// The rules of a group at one revision, with the number of shards that counts then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Edition {
    /// The rules.
    pub rule: Rule,
    /// Over how many partitions copies are spread.
    pub layout: Layout,
}

/// A way of spreading copies over partitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Layout {
    /// Over how many.
    pub shards: u8,
    /// Since which revision of the rules: no partition is ever used again, not even under the same number.
    pub since: u8,
    /// When it began.
    pub at: u8,
}

/// Where a copy lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The item.
    pub item: u8,
    /// Its shard, which tells the layout too.
    pub shard: Shard,
}

/// What a writer knows of the group and of the membership when it decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct View {
    /// Grows after a restore.
    pub era: u8,
    /// The membership's epoch.
    pub epoch: u8,
    /// When the provider joined.
    pub joined: u8,
    /// The rules.
    pub edition: Edition,
    /// Their revision.
    pub rule_revision: u8,
    /// The contract.
    pub contract: Contract,
    /// Its revision.
    pub contract_revision: u8,
}

/// What a record or the source says of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Said {
    /// The item, by its number.
    pub item: u8,
    /// Its version, or the last one it had.
    pub version: u8,
    /// How it reads; none if it was deleted.
    pub reading: Option<Reading>,
}

/// What a copy carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Body {
    /// How the item read. Copies under [`Rule::All`] alone do not carry it; the checks know it all the same.
    pub reading: Reading,
    /// Whether the copy carries it.
    pub carried: bool,
}

/// A copy as it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Row {
    /// Its order.
    pub order: Order,
    /// What it carries; none if it is dead.
    pub body: Option<Body>,
}

/// What a decision asks the database to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Op {
    /// Write a copy or a tombstone, if there is none or one of a lesser order.
    Put(Place, Row),
    /// Bury an item's copy here, if there is one and its order is below this.
    Purge(Place, Order),
}
