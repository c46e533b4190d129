//! The order of the versions of one copy.

use std::fmt;

/// Which of two writes to a copy is the later one, whenever they arrive.
///
/// Compared from left to right. Stored as one text of fixed width, so that the database can compare it too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Order {
    /// Grows after a restore from a backup, when versions may start over.
    pub era: u16,
    /// The provider's membership epoch: what a former membership wrote never outlives a later one.
    pub epoch: u64,
    /// The item's version.
    pub version: u64,
    /// The revision of the group's rules that decided.
    pub rule_revision: u32,
    /// The revision of the provider's contract that decided.
    pub contract_revision: u32,
    /// Whether the copy is gone. Last, so that of two writes for the same version the one that hides wins.
    pub dead: bool,
}

/// Characters of a stored order.
const WIDTH: usize = 4 + 12 + 12 + 8 + 8 + 1;
/// The greatest epoch or version that fits: 48 bits.
pub(crate) const MOST: u64 = (1 << 48) - 1;

/// A stored order that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not the order of a replica")]
pub struct InvalidOrder(pub String);

impl Order {
    /// What is above every order of this era and epoch or an earlier one, and dead: the end of a membership.
    pub fn last(era: u16, epoch: u64) -> Self {
        let most = u32::MAX;
        Self { era, epoch, version: MOST, rule_revision: most, contract_revision: most, dead: true }
    }

    /// What is below every order of this era and epoch or a later one.
    pub fn floor(era: u16, epoch: u64) -> Self {
        Self { era, epoch, version: 0, rule_revision: 0, contract_revision: 0, dead: false }
    }
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:04x}{:012x}{:012x}{:08x}{:08x}{}",
            self.era,
            self.epoch.min(MOST),
            self.version.min(MOST),
            self.rule_revision,
            self.contract_revision,
            u8::from(self.dead)
        )
    }
}

impl std::str::FromStr for Order {
    type Err = InvalidOrder;

    fn from_str(text: &str) -> Result<Self, InvalidOrder> {
        let bad = || InvalidOrder(text.chars().take(WIDTH + 1).collect());
        let lower_hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        if text.len() != WIDTH || !text.bytes().all(lower_hex) {
            return Err(bad());
        }
        let part = |from: usize, to: usize| {
            text.get(from..to).and_then(|part| u64::from_str_radix(part, 16).ok()).ok_or_else(bad)
        };
        Ok(Self {
            era: part(0, 4)?.try_into().map_err(|_| bad())?,
            epoch: part(4, 16)?,
            version: part(16, 28)?,
            rule_revision: part(28, 36)?.try_into().map_err(|_| bad())?,
            contract_revision: part(36, 44)?.try_into().map_err(|_| bad())?,
            dead: match part(44, 45)? {
                0 => false,
                1 => true,
                _ => return Err(bad()),
            },
        })
    }
}
