//! What items say, what rules and contracts ask, and, independently of Cedar, what they select.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, OnceLock};

use domain::datatype::DataType;
use domain::id::Name;
use domain::rules::{AgreedRules, CompiledContract, CompiledRules, Contract, compile};
use domain::stack::RuleSet;
use domain::time::Timestamp;
use domain::value::{Fields, Value};
use serde_json::json;

/// What an item says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// Its value.
    pub mgdl: i64,
    /// Its note, if it has one.
    pub note: Option<&'static str>,
}

/// A note that makes a copy which carries it larger than the database takes.
pub const HEAVY: &str = "heavy";
/// A note that makes an item larger than the API takes.
pub const HUGE: &str = "huge";
/// The values that items have.
pub const VALUES: [i64; 4] = [90, 120, 180, 220];
/// The notes that items have: most have none.
pub const NOTES: [Option<&str>; 16] = [
    None,
    None,
    None,
    None,
    None,
    None,
    None,
    None,
    Some("share"),
    Some("share"),
    Some("share"),
    Some("mine"),
    Some("mine"),
    Some("mine"),
    Some(HEAVY),
    Some(HUGE),
];

/// How many sets of rules there are.
pub const RULES: usize = 7;
/// How many contracts there are of a provider who follows the rules. Behind them are those of one who agreed to the first
/// set of rules, and so on.
pub const CONTRACTS: usize = 7;

/// A contract of a provider who agreed to a set of rules; who follows the rules if `None`.
pub fn consent(contract: usize, agreed: Option<usize>) -> usize {
    contract % CONTRACTS + CONTRACTS * agreed.map_or(0, |rules| rules + 1)
}

/// The rules that a provider with this contract agreed to.
pub fn agreed(contract: usize) -> Option<usize> {
    (contract / CONTRACTS).checked_sub(1)
}

/// The condition of each set of rules, and the fields it shows.
const CONDITIONS: [(Option<&str>, Option<&[&str]>); RULES] = [
    (Some("resource.mgdl > 100"), None),
    (Some("resource.mgdl > 150"), None),
    (Some("resource.mgdl > 100"), Some(&["takenAt", "mgdl"])),
    (Some("!(resource has note)"), Some(&["takenAt", "mgdl"])),
    (Some("!(resource has note) && resource.mgdl > 100"), None),
    (Some("resource has note && resource.note == \"share\""), Some(&["takenAt", "note"])),
    (None, None), // of another type
];

const FROM: i64 = 3_000;
const TO: i64 = 6_000;

/// Whether a set of rules selects what an item says.
pub fn selects(rules: usize, reading: &Reading) -> bool {
    match rules {
        0 | 2 => reading.mgdl > 100,
        1 => reading.mgdl > 150,
        3 => reading.note.is_none(),
        4 => reading.note.is_none() && reading.mgdl > 100,
        5 => reading.note == Some("share"),
        _ => false,
    }
}

/// Whether a set of rules shows a field of what it selects.
pub fn shows(rules: usize, field: &str) -> bool {
    let fields = CONDITIONS.get(rules).and_then(|(_, fields)| *fields);
    fields.is_none_or(|fields| fields.contains(&field))
}

/// Whether a contract allows an item.
pub fn allows(contract: usize, time: Timestamp, reading: &Reading) -> bool {
    let allowed = match contract % CONTRACTS {
        0 => true,
        1 => reading.note.is_none(),
        2 => reading.mgdl > 150,
        3 => time.millis() >= FROM,
        4 => time.millis() < TO,
        5 => reading.mgdl > 100,
        _ => false,
    };
    allowed && agreed(contract).is_none_or(|rules| selects(rules, reading))
}

/// Whether a field of what a contract allows may be seen.
pub fn lets_see(contract: usize, field: &str) -> bool {
    agreed(contract).is_none_or(|rules| shows(rules, field))
}

/// Whether a change from one set of rules to another lets nobody see what they did not see before.
pub fn narrows(from: usize, to: usize) -> bool {
    let readings =
        VALUES.iter().flat_map(|mgdl| NOTES.iter().map(|note| Reading { mgdl: *mgdl, note: *note }));
    let mut newly = readings.filter(|reading| selects(to, reading));
    let fields = ["takenAt", "mgdl", "note"];
    newly.all(|reading| {
        // A field that the item does not have is not seen either way.
        let has = |field: &&str| *field != "note" || reading.note.is_some();
        let mut seen = fields.iter().filter(|field| has(field) && shows(to, field));
        selects(from, &reading) && seen.all(|field| shows(from, field))
    })
}

/// Whether a copy of it carries its note: because the rules show it, or because somebody asks for it.
pub fn carries_note(rules: usize, contract: usize) -> bool {
    let asks = |rules| matches!(rules, 3..=5);
    (shows(rules, "note") && lets_see(contract, "note"))
        || asks(rules)
        || contract % CONTRACTS == 1
        || agreed(contract).is_some_and(asks)
}

/// The data types: one that has items, and one that has none.
pub fn types() -> &'static BTreeMap<Name, DataType> {
    static TYPES: OnceLock<BTreeMap<Name, DataType>> = OnceLock::new();
    TYPES.get_or_init(|| {
        let json = json!([
            {"name": "glucose", "time": "takenAt", "fields": {
                "takenAt": {"type": "datetime", "required": true},
                "mgdl": {"type": "integer", "required": true},
                "note": {"type": "string"},
            }},
            {"name": "memo", "time": "at", "fields": {"at": {"type": "datetime", "required": true}}},
        ]);
        let types: Vec<DataType> = sound(serde_json::from_value(json));
        types.into_iter().map(|data_type| (data_type.name.clone(), data_type)).collect()
    })
}

/// What is written here as a constant and cannot be wrong.
fn sound<T, E: std::fmt::Debug>(result: Result<T, E>) -> T {
    result.unwrap_or_else(|error| unreachable!("{error:?}"))
}

/// The type that items are of.
pub fn glucose() -> &'static Name {
    static NAME: OnceLock<Name> = OnceLock::new();
    NAME.get_or_init(|| sound(Name::parse("glucose")))
}

/// A set of rules, compiled.
pub fn rules(number: usize) -> Arc<CompiledRules> {
    static ALL: OnceLock<Vec<Arc<CompiledRules>>> = OnceLock::new();
    let all = ALL.get_or_init(|| {
        let each = CONDITIONS.iter().map(|(when, fields)| {
            let set = match when {
                Some(when) => {
                    json!([{"types": ["glucose"], "when": when, "fields": fields, "history": "all"}])
                }
                None => json!([{"types": ["memo"], "history": "all"}]),
            };
            let set: RuleSet = sound(serde_json::from_value(set));
            Arc::new(sound(compile(types(), &set)))
        });
        each.collect()
    });
    all.get(number).cloned().unwrap_or_default()
}

/// A contract at a revision, compiled.
pub fn contract(number: usize, revision: u32) -> Arc<CompiledContract> {
    thread_local!(static ALL: RefCell<HashMap<(usize, u32), Arc<CompiledContract>>> = RefCell::default());
    ALL.with_borrow_mut(|all| {
        let compiled = all.entry((number, revision)).or_insert_with(|| {
            let time = |millis| Timestamp::from_millis(millis).to_string();
            let json = match number % CONTRACTS {
                1 => json!({"types": ["glucose"], "when": "!(resource has note)"}),
                2 => json!({"types": ["glucose"], "when": "resource.mgdl > 150"}),
                3 => json!({"from": time(FROM)}),
                4 => json!({"to": time(TO)}),
                5 => json!({"types": ["glucose"], "when": "resource.mgdl > 100"}),
                6 => json!({"types": ["memo"]}),
                _ => json!({}),
            };
            let written: Contract = sound(serde_json::from_value(json));
            let agreed = agreed(number).map(|at| AgreedRules { revision: at as u32, rules: rules(at) });
            Arc::new(sound(CompiledContract::compile(types(), written, revision)).with_agreed(agreed))
        });
        compiled.clone()
    })
}

/// The fields of a reading.
pub fn fields(time: Timestamp, reading: &Reading) -> Fields {
    static NAMES: OnceLock<[Name; 3]> = OnceLock::new();
    let [taken, value, note] =
        NAMES.get_or_init(|| ["takenAt", "mgdl", "note"].map(|name| sound(Name::parse(name))));
    let mut fields =
        Fields::from([(taken.clone(), Value::Datetime(time)), (value.clone(), Value::Integer(reading.mgdl))]);
    if let Some(text) = reading.note {
        fields.insert(note.clone(), Value::String(text.to_owned()));
    }
    fields
}

/// Whether the database refuses a copy that carries this.
pub fn too_large(fields: &Fields) -> bool {
    fields.values().any(|value| matches!(value, Value::String(text) if text == HEAVY))
}

/// What consumers see of a reading under these rules and this contract, if both select it.
pub fn visible(rules: usize, contract: usize, time: Timestamp, reading: &Reading) -> Fields {
    let mut all = fields(time, reading);
    all.retain(|name, _| shows(rules, name.as_str()) && lets_see(contract, name.as_str()));
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::rules::{Question, Terms};

    /// The oracle and Cedar say the same of everything there is.
    #[test]
    fn rules_and_contracts_select_what_the_simulation_expects() {
        for (rule, held, at) in (0..RULES)
            .flat_map(|r| (0..CONTRACTS * (1 + RULES)).flat_map(move |c| (0..9).map(move |t| (r, c, t))))
        {
            let time = Timestamp::from_millis(at * 1000);
            for (mgdl, note) in VALUES.iter().flat_map(|v| NOTES.iter().map(move |n| (*v, *n))) {
                let reading = Reading { mgdl, note };
                let fields = fields(time, &reading);
                let terms = Terms { joined: time, contract: contract(held, 0) };
                let question = Question { data_type: glucose(), time, fields: &fields, terms: &terms };
                let expected = (selects(rule, &reading) && allows(held, time, &reading))
                    .then(|| visible(rule, held, time, &reading));
                assert_eq!(rules(rule).visible(question), expected, "{rule} {held} {reading:?}");
                if let Some(copy) = rules(rule).replica(question) {
                    let carried = carries_note(rule, held) && note == Some(HEAVY);
                    assert_eq!(too_large(&copy.fields), carried, "{rule} {held} {reading:?}");
                }
            }
        }
    }
}
