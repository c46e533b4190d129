//! Who is in a stack's groups now, and what their rules are now: for `who-sees --live`.

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::id::{Name, UserId};
use domain::replication::Roster;
use domain::rules::{CompiledRules, Question, compile};
use domain::stack::Stack;
use domain::time::Timestamp;
use domain::value::Fields;
use serde::Serialize;

use crate::error::Error;
use crate::kinds::stackdoc::failed;
use crate::session::{Session, data_plane};

/// A group as it is deployed.
pub(super) struct Deployed {
    revision: u32,
    roster: Arc<Roster>,
    rules: CompiledRules,
}

/// Who is concerned by an item in a deployed group.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Live {
    /// The revision of the rules that count now.
    pub(super) revision: u32,
    /// The users who may read what the group has.
    pub(super) consumers: Vec<UserId>,
    /// How many drives share into it.
    pub(super) providers: usize,
    /// From how many of them it would get this item, by when they joined, what their contracts allow and which rules they
    /// agreed to.
    pub(super) from: usize,
}

/// Replaces what the file says of groups and data types by what is deployed, and finds out who is in the groups.
///
/// # Errors
/// If the stack is not deployed, or cannot be read.
pub(super) async fn look(session: &Session) -> Result<(Stack, BTreeMap<Name, Deployed>), Error> {
    let (store, document) = data_plane(session).await?;
    let failed = |error: store::StoreError| Error::from(failed(&error));
    let mut stack = session.stack.clone();
    stack.data_types = document.data_types.clone();
    stack.group_defaults = Some(document.group_defaults.clone());
    let mut deployed = BTreeMap::new();
    for (name, group) in &mut stack.groups {
        let Some(row) = store.declared_group(name).await.map_err(failed)?.filter(|row| row.active) else {
            continue;
        };
        group.rules = store.rule_set(&row.id, row.rule_revision).await.map_err(failed)?;
        let roster = store.roster(&row, &document).await.map_err(failed)?;
        let rules = compile(&document.data_types, &group.rules).unwrap_or_default();
        deployed.insert(name.clone(), Deployed { revision: row.rule_revision, roster, rules });
    }
    // What is not deployed gets nothing.
    stack.groups.retain(|name, _| deployed.contains_key(name));
    Ok((stack, deployed))
}

impl Deployed {
    /// Who is concerned by an item.
    pub(super) fn of(&self, data_type: &Name, time: Option<Timestamp>, fields: &Fields) -> Live {
        let lets_through = |terms| {
            let time = time?;
            self.rules.visible(Question { data_type, time, fields, terms })
        };
        let providers = self.roster.providers.values();
        Live {
            revision: self.revision,
            consumers: self.roster.consumers.iter().cloned().collect(),
            providers: self.roster.providers.len(),
            from: providers.filter(|provider| lets_through(&provider.terms).is_some()).count(),
        }
    }
}

impl Live {
    /// As a line.
    pub(super) fn text(&self) -> String {
        let Self { revision, consumers, providers, from } = self;
        let who: Vec<String> = consumers.iter().map(|user| format!("`{user}`")).collect();
        let who = if who.is_empty() { "nobody".to_owned() } else { who.join(", ") };
        format!(
            "  deployed with revision {revision} of its rules; read by {who}; {from} of {providers} providers would share this"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::datatype::DataType;
    use domain::id::DriveId;
    use domain::replication::ProviderTerms;
    use domain::rules::{AgreedRules, CompiledContract, Contract, Terms};
    use serde_json::json;

    #[test]
    fn a_deployed_group_gets_an_item_from_those_whose_contracts_and_agreements_allow_it() {
        let glucose: DataType = serde_json::from_value(json!({"name": "glucose", "time": "takenAt", "fields": {
            "takenAt": {"type": "datetime", "required": true}, "mgdl": {"type": "integer", "required": true},
        }}))
        .unwrap();
        let name = glucose.name.clone();
        let types = BTreeMap::from([(name.clone(), glucose.clone())]);
        let rules = json!([{"types": ["glucose"], "when": "resource.mgdl > 100", "history": {"days": 30}}]);
        let rules = compile(&types, &serde_json::from_value(rules).unwrap()).unwrap();
        let at = |text: &str| Timestamp::parse(text).unwrap();
        let provider = |joined: &str, from: Option<&str>| {
            let contract = Contract { from: from.map(at), ..Contract::default() };
            let contract = CompiledContract::compile(&types, contract, 0).unwrap().into();
            ProviderTerms { epoch: 1, terms: Terms { joined: at(joined), contract } }
        };
        let agreed = |when: &str| {
            let rules = json!([{"types": ["glucose"], "when": when, "history": {"days": 30}}]);
            let rules = compile(&types, &serde_json::from_value(rules).unwrap()).unwrap().into();
            let ProviderTerms { terms, .. } = provider("2026-01-10T00:00:00Z", None);
            let agreed = AgreedRules { revision: 2, rules };
            let contract = CompiledContract::clone(&terms.contract).with_agreed(Some(agreed)).into();
            ProviderTerms { epoch: 1, terms: Terms { contract, ..terms } }
        };
        let providers = [
            provider("2026-01-10T00:00:00Z", None),
            provider("2026-01-10T00:00:00Z", Some("2026-01-05T00:00:00Z")),
            provider("2026-06-01T00:00:00Z", None),
            agreed("resource.mgdl > 120"),
            agreed("resource.mgdl > 180"),
        ];
        let providers = (1..).map(DriveId::from_bits).zip(providers).collect();
        let consumers = [UserId::from_bits(7)].into();
        let roster = Roster { providers, consumers, ..Roster::default() };
        let deployed = Deployed { revision: 3, roster: roster.into(), rules };
        let fields = json!({"takenAt": "2026-01-01T00:00:00Z", "mgdl": 150});
        let fields = glucose.validate(fields.as_object().unwrap()).unwrap();
        let live = deployed.of(&name, glucose.time_of(&fields), &fields);
        assert_eq!(
            (live.providers, live.from),
            (5, 2),
            "one excluded it, one joined too late, one agreed to less"
        );
        let reader = UserId::from_bits(7);
        assert_eq!(
            live.text(),
            format!(
                "  deployed with revision 3 of its rules; read by `{reader}`; 2 of 5 providers would share this"
            )
        );
    }
}
