//! What happens in the models. Each is as large as can be looked at in some seconds.

use models::terms::{Contract, Reading, Rule};
use models::{Reader, Scenario};

const BOTH: &[Reading] = &[Reading::Low, Reading::High];

/// A drive joins, leaves and comes back; an item is made, changed and deleted meanwhile.
pub fn membership() -> Scenario {
    Scenario { name: "membership", versions: 2, deletes: true, roster: 4, ..Scenario::SMALL }
}

/// Two late writers at once, and two deliveries of each job.
pub fn crowd() -> Scenario {
    Scenario { name: "crowd", deletes: true, roster: 3, writers: 2, workers: 2, ..Scenario::SMALL }
}

/// Two devices of an owner change and delete one item at once.
pub fn devices() -> Scenario {
    Scenario { name: "two devices", requests: 2, roster: 3, ..membership() }
}

/// The rules narrow and widen, while an item changes between what they select and what they do not.
pub fn rules() -> Scenario {
    let scenario = Scenario { name: "rules", readings: BOTH, versions: 2, deletes: true, ..Scenario::SMALL };
    Scenario { roster: 1, member: true, rule: Rule::All, rule_revisions: 3, ..scenario }
}

/// A contract narrows and widens.
pub fn contracts() -> Scenario {
    Scenario { name: "contracts", contract_revisions: 2, rule_revisions: 1, ..rules() }
}

/// A provider who agreed to the rules does not follow them, and agrees to others later.
pub fn consent() -> Scenario {
    let scenario = Scenario { name: "consent", asks: true, rule: Rule::High, rule_revisions: 2, ..rules() };
    Scenario { contracts: &[Contract::Agreed(Rule::High)], contract_revisions: 1, ..scenario }
}

/// A provider who followed the rules asks to be asked, while the rules narrow and widen.
pub fn no_longer_following() -> Scenario {
    Scenario {
        name: "no longer following",
        asks: true,
        contract_revisions: 1,
        split: true,
        versions: 1,
        deletes: false,
        ..rules()
    }
}

/// Rules and contract change at once, and writers read the two one after the other.
pub fn rules_and_contracts() -> Scenario {
    let scenario =
        Scenario { name: "rules and contracts", rule_revisions: 2, contract_revisions: 1, ..rules() };
    Scenario { versions: 1, split: true, ..scenario }
}

/// The rules change during a join, and after it.
pub fn rules_while_joining() -> Scenario {
    let scenario = Scenario { name: "rules while joining", member: false, roster: 3, ..rules() };
    Scenario { rule_revisions: 2, versions: 1, ..scenario }
}

/// Several items on several pages: jobs note how far they are, die, and are delivered twice.
pub fn pages() -> Scenario {
    Scenario { name: "pages", items: 2, workers: 2, roster: 3, ..Scenario::SMALL }
}

/// A job dies in the middle of a page of two.
pub fn long_pages() -> Scenario {
    Scenario { name: "long pages", items: 3, page: 2, roster: 2, ..Scenario::SMALL }
}

/// The number of shards goes up and comes back.
pub fn shards() -> Scenario {
    Scenario { name: "shards", readings: &[Reading::High], versions: 1, shards: &[1, 2], ..rules() }
}

/// A group is deleted while a drive joins and its past is copied.
pub fn deletion() -> Scenario {
    Scenario { name: "deletion", deletion: true, roster: 3, ..membership() }
}

/// The drive is restored from a backup.
pub fn restore() -> Scenario {
    Scenario { name: "restore", restores: 1, roster: 3, ..membership() }
}

/// Tombstones reach the end of their time.
pub fn collection() -> Scenario {
    Scenario { name: "collection", collection: true, roster: 3, ..membership() }
}

/// A list reads one thing after the other, during a leave and after.
pub fn lists() -> Scenario {
    Scenario { name: "lists", reader: Reader::Stepwise, deletes: true, roster: 3, ..Scenario::SMALL }
}

/// A list reads one thing after the other while rules, contract and items change.
pub fn lists_while_narrowing() -> Scenario {
    let scenario = Scenario { name: "lists while narrowing", reader: Reader::Stepwise, ..rules() };
    Scenario { rule_revisions: 2, contract_revisions: 1, versions: 1, deletes: false, ..scenario }
}

/// A drive leaves, and does not come back.
pub fn revocations() -> Scenario {
    Scenario { name: "revocations", roster: 3, ..Scenario::SMALL }
}
