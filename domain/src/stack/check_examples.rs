//! `shouldShare` and `shouldNotShare` of a group: items that are written down beside its rules to be held against them.
//!
//! Here only their form is checked, and that their data types take them. What the rules make of them is the business of
//! `provision rules test`.

use serde_json::{Map, Value as Json};

use crate::datatype::{DataType, FieldType};
use crate::id::Name;
use crate::stack::{ExampleItem, Examples};
use crate::time::Timestamp;

use super::check_types::{Types, unknown_field};
use super::codes;
use super::report::{Fields, Report, quoted};
use super::source::At;
use super::yaml::{Entry, Kind, Node, Scalar};

/// Keys of an example that are not fields of its item.
const TYPE: &str = "type";
const JOINED: &str = "joined";
const FIELDS: &str = "fields";

pub(super) fn examples(group: &Fields<'_>, types: &Types, report: &mut Report) -> Examples {
    let mut read = |key: &str| {
        let Some(entry) = group.get(key) else { return Vec::new() };
        let nodes = report.sequence(entry).unwrap_or_default();
        nodes.iter().filter_map(|node| example(node, entry, types, report)).collect()
    };
    Examples { should_share: read("shouldShare"), should_not_share: read("shouldNotShare") }
}

fn example(node: &Node, list: &Entry, types: &Types, report: &mut Report) -> Option<ExampleItem> {
    if report.is_full() {
        return None;
    }
    let at = if node.at.start == node.at.end { list.key_at } else { node.at };
    let at = At { end: at.start, ..at };
    let entries = report.mapping(node, at, "the example")?;
    let joined = entries.iter().find(|entry| entry.key == JOINED);
    let joined = joined.and_then(|entry| joined_at(entry, report));
    let data_type = data_type(entries, at, types, report)?;
    let fields = fields(entries, data_type, at, report)?;
    Some(ExampleItem { data_type: data_type.name.clone(), joined, fields })
}

/// The declared type that an example names; none if there is none, or if it has mistakes of its own.
fn data_type<'t>(entries: &[Entry], at: At, types: &'t Types, report: &mut Report) -> Option<&'t DataType> {
    let Some(entry) = entries.iter().find(|entry| entry.key == TYPE) else {
        let message = "the example has no `type`, which it needs";
        report.add(codes::MISSING_KEY, at, message, "add the item's data type, for example `type: glucose`");
        return None;
    };
    let text = report.text(entry)?;
    if !types.has(text, entry.value.at, report) {
        return None;
    }
    types.good.get(text)
}

fn joined_at(entry: &Entry, report: &mut Report) -> Option<Timestamp> {
    let text = report.text(entry)?;
    Timestamp::parse(text)
        .map_err(|why| {
            let message = format!("{} is not when a provider joined: {why}", quoted(text));
            report.add(codes::EXAMPLE, entry.value.at, message, "write it as `2014-02-03T03:42:12Z`");
        })
        .ok()
}

/// The fields of the item, if its type takes them: what stands beside `type`, or below `fields`.
fn fields(entries: &[Entry], data_type: &DataType, at: At, report: &mut Report) -> Option<Map<String, Json>> {
    let below = entries.iter().find_map(|entry| match &entry.value.kind {
        Kind::Mapping(below) if entry.key == FIELDS => Some(below.as_slice()),
        _ => None,
    });
    let beside = entries.iter().filter(|entry| ![TYPE, JOINED].contains(&entry.key.as_str()));
    let own: Vec<&Entry> = match below {
        Some(below) => {
            for entry in beside.filter(|entry| entry.key != FIELDS) {
                let message =
                    format!("{} stands beside `fields`, which has the item's fields", quoted(&entry.key));
                report.add(codes::UNKNOWN_KEY, entry.key_at, message, "move it below `fields`");
            }
            below.iter().collect()
        }
        None => beside.collect(),
    };
    let mut fields = Map::new();
    let mut whole = true;
    for entry in &own {
        if !data_type.fields.contains_key(entry.key.as_str()) {
            whole = false;
            let has = data_type.fields.keys().map(Name::as_str);
            unknown_field(data_type.name.as_str(), has, (&entry.key, entry.key_at), report);
        }
        let kind = data_type.fields.get(entry.key.as_str()).map(|field| field.kind);
        match json(&entry.value, kind) {
            Some(value) => drop(fields.insert(entry.key.clone(), value)),
            // Already reported.
            None => return None,
        }
    }
    for error in data_type.validate(&fields).err().unwrap_or_default() {
        let place = own.iter().find(|entry| entry.key == error.field);
        if place.is_some_and(|entry| !data_type.fields.contains_key(entry.key.as_str())) {
            continue;
        }
        whole = false;
        let message = match place {
            Some(_) => {
                let why = error.message.strip_prefix("it ").unwrap_or(&error.message);
                format!("`{}` does not take this {}: it {why}", data_type.name, quoted(&error.field))
            }
            None => {
                format!("the example has no {}, which every `{}` has", quoted(&error.field), data_type.name)
            }
        };
        let help = match place {
            Some(_) => "correct the example; people could not write such an item",
            None => "add it; people could not write such an item",
        };
        report.add(codes::EXAMPLE, place.map_or(at, |entry| entry.value.at), message, help);
    }
    whole.then_some(fields)
}

/// What stands there, as an item would say it in JSON; none if something in it was already reported.
fn json(node: &Node, kind: Option<FieldType>) -> Option<Json> {
    Some(match &node.kind {
        Kind::Broken => return None,
        _ if node.is_null() => Json::Null,
        Kind::Scalar(scalar) => value(scalar, kind),
        Kind::Sequence(nodes) => {
            nodes.iter().map(|node| json(node, kind)).collect::<Option<Vec<_>>>()?.into()
        }
        Kind::Mapping(entries) => {
            let each = entries.iter().map(|entry| Some((entry.key.clone(), json(&entry.value, kind)?)));
            Json::Object(each.collect::<Option<_>>()?)
        }
    })
}

/// A number or a truth if it looks like one, is not in quotes, and stands where there can be one; a text otherwise.
fn value(scalar: &Scalar, kind: Option<FieldType>) -> Json {
    let is_text = matches!(kind, Some(FieldType::String | FieldType::Set | FieldType::Datetime));
    let read = || {
        serde_json::from_str(&scalar.text).ok().filter(|json: &Json| json.is_number() || json.is_boolean())
    };
    // Decimals are read from texts as well, digit by digit.
    let is_other = scalar.plain && !is_text && kind != Some(FieldType::Decimal);
    is_other.then(read).flatten().unwrap_or_else(|| scalar.text.as_str().into())
}
