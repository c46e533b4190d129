//! What rows of each version look like. The files in `golden/` are what stacks out there have: a change of the rows that
//! these tests do not survive needs a new version and a step in [`super::rows::UPGRADES`].

use std::collections::BTreeMap;
use std::path::PathBuf;

use aws_sdk_dynamodb::types::AttributeValue;
use domain::time::Timestamp;
use serde_json::{Value, json};

use super::rows::{self, Row, UPGRADES, document, upgraded};
use super::{Entry, JournalLine, Lock, Owner, Run, Status, VERSION};
use crate::kinds::Recorded;
use crate::plan::Action;
use crate::resource::{Address, Outputs};

fn owner() -> Owner {
    Owner {
        user: "ann".into(),
        host: "ci-7".into(),
        pid: 42,
        id: "0123456789abcdef".into(),
        run_url: Some("https://ci.example/1".into()),
    }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000 + second * 1000)
}

fn entry() -> Entry {
    Entry {
        recorded: Recorded {
            address: Address::new("function", "api"),
            physical_id: "study-api".into(),
            attributes: json!({"name": "study-api", "memory": 256, "environment": {"A": "1"}, "none": null}),
            outputs: Outputs::from([("arn".into(), "arn:aws:lambda:eu-west-1:1:function:study-api".into())]),
        },
        depends_on: vec![Address::new("role", "api"), Address::new("table", "data")],
        status: Status::Updating,
        updated: at(0),
    }
}

fn journal() -> JournalLine {
    JournalLine {
        token: 7,
        address: Address::new("function", "api"),
        action: Action::Update,
        begun: at(0),
        ended: Some(at(1)),
        error: Some("refused".into()),
    }
}

fn run() -> Run {
    Run { token: 7, owner: owner(), begun: at(0), ended: at(9), outcome: "1 changed".into() }
}

fn lock() -> Lock {
    Lock { token: 7, owner: owner(), acquired: at(0), heartbeat: at(3), lease_ms: 60_000, released: false }
}

fn written() -> BTreeMap<&'static str, Row> {
    BTreeMap::from([
        ("entry", rows::entry_row(&entry(), 7).unwrap()),
        ("journal", rows::journal_row(&journal()).unwrap()),
        ("lock", rows::lock_row(&lock()).unwrap()),
        ("run", rows::run_row(&run()).unwrap()),
    ])
}

fn to_json(value: &AttributeValue) -> Value {
    match value {
        AttributeValue::S(text) => json!({ "S": text }),
        AttributeValue::N(number) => json!({ "N": number }),
        AttributeValue::Bool(is) => json!({ "BOOL": is }),
        AttributeValue::M(map) => {
            let map: BTreeMap<_, _> = map.iter().map(|(key, value)| (key.clone(), to_json(value))).collect();
            json!({ "M": map })
        }
        other => panic!("{other:?}"),
    }
}

fn from_json(value: &Value) -> AttributeValue {
    let (kind, value) = value.as_object().unwrap().iter().next().unwrap();
    match kind.as_str() {
        "S" => AttributeValue::S(value.as_str().unwrap().to_owned()),
        "N" => AttributeValue::N(value.as_str().unwrap().to_owned()),
        "BOOL" => AttributeValue::Bool(value.as_bool().unwrap()),
        "M" => AttributeValue::M(row(value)),
        other => panic!("{other}"),
    }
}

fn row(value: &Value) -> Row {
    value.as_object().unwrap().iter().map(|(key, value)| (key.clone(), from_json(value))).collect()
}

fn path(version: u32) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("src/state/golden/v{version}.json"))
}

fn golden(version: u32) -> Value {
    let path = path(version);
    serde_json::from_str(&std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path:?}: {e}"))).unwrap()
}

/// Run with `UPDATE_REFERENCES=1` to write the file of a new version; files of older ones are never written again.
#[test]
fn rows_are_written_as_their_version_says() {
    let rows: BTreeMap<_, BTreeMap<_, _>> = written()
        .into_iter()
        .map(|(name, row)| (name, row.iter().map(|(key, value)| (key.clone(), to_json(value))).collect()))
        .collect();
    if std::env::var_os("UPDATE_REFERENCES").is_some() && !path(VERSION).exists() {
        std::fs::write(path(VERSION), serde_json::to_string_pretty(&rows).unwrap() + "\n").unwrap();
    }
    assert_eq!(
        parsed(json!(rows)),
        parsed(golden(VERSION)),
        "rows changed: give them a new version, and an upgrade"
    );
}

/// The order of keys in a document's text says nothing.
fn parsed(mut rows: Value) -> Value {
    for row in rows.as_object_mut().unwrap().values_mut() {
        row["document"] = serde_json::from_str(row["document"]["S"].as_str().unwrap()).unwrap();
    }
    rows
}

#[test]
fn rows_of_every_version_there_ever_was_are_read() {
    for version in 1..=VERSION {
        let golden = golden(version);
        let row = |name: &str| row(&golden[name]);
        assert_eq!(document::<Entry>(&row("entry")).unwrap(), entry(), "version {version}");
        assert_eq!(document::<JournalLine>(&row("journal")).unwrap(), journal(), "version {version}");
        assert_eq!(document::<Run>(&row("run")).unwrap(), run(), "version {version}");
        assert_eq!(document::<Lock>(&row("lock")).unwrap(), lock(), "version {version}");
    }
    assert_eq!(
        UPGRADES.len() + 1,
        usize::try_from(VERSION).unwrap(),
        "a step for each version but the newest"
    );
}

#[test]
fn an_upgrade_goes_through_every_version_in_between() {
    let steps: [fn(Value) -> Result<Value, String>; 2] = [
        |mut document| {
            document["two"] = true.into();
            Ok(document)
        },
        |mut document| {
            document["three"] = document["two"].take();
            Ok(document)
        },
    ];
    assert_eq!(upgraded(&steps, 1, json!({})).unwrap(), json!({"two": null, "three": true}));
    assert_eq!(upgraded(&steps, 2, json!({"two": 2})).unwrap(), json!({"two": null, "three": 2}));
    assert_eq!(upgraded(&steps, 3, json!({"two": 2})).unwrap(), json!({"two": 2}));
}

#[test]
fn a_row_of_a_newer_version_is_refused_by_its_name_and_version() {
    let mut row = written().remove("lock").unwrap();
    row.insert("v".into(), rows::number(VERSION + 1));
    let error = document::<Lock>(&row).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "the row `LOCK LOCK` of the stack's state cannot be read: it has version {}, and this program knows version {VERSION}",
            VERSION + 1
        )
    );
}
