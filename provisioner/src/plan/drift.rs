//! Drift: what somebody changed behind the stack's back. The file plays no part in it.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::{Facts, diff};
use crate::kinds::Read;
use crate::resource::Address;
use crate::state::{Entry, Status};

/// A resource that is not as it was applied.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Drift {
    /// Where it stands.
    pub address: Address,
    /// The name or id that AWS knows it by.
    pub physical_id: String,
    /// What became of it.
    pub found: Found,
    /// The attributes that are not as they were applied.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Drifted>,
}

/// What became of a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Found {
    /// It was changed.
    Changed,
    /// It was deleted.
    Deleted,
    /// Something that is not the stack's has its name.
    NotOurs,
    /// It was deleted and made again.
    Replaced,
}

/// An attribute that is not as it was applied.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Drifted {
    /// Which: `tags/team`.
    pub path: String,
    /// What was applied; none if it was absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub applied: Option<Value>,
    /// What is there; none if it is absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub found: Option<Value>,
}

/// Compares what is there with what the state remembers to have applied. What an earlier run did not finish has nothing
/// to be compared with, and is left to the next apply.
pub fn drift(
    observed: &BTreeMap<Address, Read>,
    recorded: &BTreeMap<Address, Entry>,
    facts: &dyn Facts,
) -> Vec<Drift> {
    let ready = recorded.iter().filter(|(_, entry)| entry.status == Status::Ready);
    ready.filter_map(|(address, entry)| of(address, observed.get(address)?, entry, facts)).collect()
}

fn of(address: &Address, read: &Read, entry: &Entry, facts: &dyn Facts) -> Option<Drift> {
    let applied = &entry.recorded.attributes;
    let (found, changes) = match read {
        Read::Missing => (Found::Deleted, Vec::new()),
        Read::Foreign(_) => (Found::NotOurs, Vec::new()),
        Read::Owned(there) => {
            let classify = |path: &str| facts.classify(address, path);
            let write_only = facts.write_only(address);
            let changes = diff(applied, &there.attributes, Some(applied), write_only, &classify);
            let replaced = there.physical_id != entry.recorded.physical_id;
            let changes: Vec<Drifted> = changes
                .into_iter()
                .map(|change| Drifted { path: change.path, applied: change.after, found: change.before })
                .collect();
            if !replaced && changes.is_empty() {
                return None;
            }
            (if replaced { Found::Replaced } else { Found::Changed }, changes)
        }
    };
    let physical_id = entry.recorded.physical_id.clone();
    Some(Drift { address: address.clone(), physical_id, found, changes })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::engine::fake::{Fake, at};
    use crate::kinds::{Observed, Recorded};
    use crate::resource::Outputs;
    use crate::state::now;

    fn entry(name: &str, status: Status) -> (Address, Entry) {
        let attributes = json!({"v": 1, "tags": {"a": "1"}, "secret": "s", "unreadable": 3});
        let recorded =
            Recorded { address: at(name), physical_id: "id".into(), attributes, outputs: Outputs::new() };
        (at(name), Entry { recorded, depends_on: vec![], status, updated: now() })
    }

    fn owned(id: &str, attributes: Value) -> Read {
        Read::Owned(Observed { physical_id: id.into(), attributes, outputs: Outputs::new() })
    }

    #[test]
    fn what_was_changed_deleted_or_replaced_is_told_and_nothing_else() {
        let names = ["x.changed", "x.deleted", "x.foreign", "x.replaced", "x.same", "x.half"];
        let mut recorded: BTreeMap<_, _> = names.iter().map(|name| entry(name, Status::Ready)).collect();
        recorded.extend([entry("x.half", Status::Updating)]);
        let same = json!({"v": 1, "tags": {"a": "1"}, "secret": "other", "extra": null});
        let observed = BTreeMap::from([
            (at("x.changed"), owned("id", json!({"v": 1, "tags": {"b": "2"}, "secret": "s"}))),
            (at("x.deleted"), Read::Missing),
            (at("x.foreign"), Read::Foreign("theirs".into())),
            (at("x.replaced"), owned("other", same.clone())),
            (at("x.same"), owned("id", same)),
            (at("x.half"), Read::Missing),
        ]);
        let drift = drift(&observed, &recorded, &Fake::default());
        insta::assert_snapshot!(serde_json::to_string_pretty(&drift).unwrap(), @r#"
        [
          {
            "address": "x.changed",
            "physicalId": "id",
            "found": "changed",
            "changes": [
              {
                "path": "tags/a",
                "applied": "1"
              },
              {
                "path": "tags/b",
                "found": "2"
              }
            ]
          },
          {
            "address": "x.deleted",
            "physicalId": "id",
            "found": "deleted"
          },
          {
            "address": "x.foreign",
            "physicalId": "id",
            "found": "not-ours"
          },
          {
            "address": "x.replaced",
            "physicalId": "id",
            "found": "replaced"
          }
        ]
        "#);
    }
}
