//! The section `dataTypes`.

use std::collections::{BTreeMap, BTreeSet};

use crate::datatype::{DEFAULT_MAX_LENGTH, DataType, Field, FieldType};
use crate::diagnostic::nearest;
use crate::id::Name;
use crate::rules::is_usable_name;
use crate::value::Decimal;

use super::report::{Fields, Report, list, quoted};
use super::source::At;
use super::yaml::{Entry, Kind, Node};
use super::{codes, forms, reference};

/// The most data types, and the most fields of one: they are read by every function, and conditions name them.
const MAX_TYPES: usize = 100;
const MAX_FIELDS: usize = 100;
/// The most characters that `maxLength` may allow: an item has to fit 400 KB.
const MAX_TEXT: i64 = 65_536;

/// The data types of the file, with what is needed to check rules even when some of them are wrong.
#[derive(Default)]
pub(super) struct Types {
    pub good: BTreeMap<Name, DataType>,
    /// Whether the section could be read at all: if not, no name is missed in it.
    pub readable: bool,
    /// Every data type that is declared, good or not.
    pub declared: BTreeMap<String, Declared>,
}

impl Types {
    /// Whether a data type is declared. If not, that is reported, unless the section could not be read.
    pub(super) fn has(&self, name: &str, at: At, report: &mut Report) -> bool {
        if self.declared.contains_key(name) {
            return true;
        }
        if self.readable && !report.is_full() {
            let known = || self.declared.keys().map(String::as_str);
            let help = match nearest(name, known()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("declare it under `dataTypes`, which has {}", list(known())),
            };
            report.add(codes::UNKNOWN_TYPE, at, format!("there is no data type {}", quoted(name)), help);
        }
        false
    }
}

/// Reports that a data type with these fields has none of that name.
pub(super) fn unknown_field<'n>(
    data_type: &str,
    fields: impl Iterator<Item = &'n str> + Clone,
    (name, at): (&str, At),
    report: &mut Report,
) {
    let help = match nearest(name, fields.clone()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("it has {}", list(fields)),
    };
    let message = format!("data type {} has no field {}", quoted(data_type), quoted(name));
    report.add(codes::UNKNOWN_FIELD, at, message, help);
}

/// What is declared of a data type, good or not.
pub(super) struct Declared {
    pub fields: BTreeSet<String>,
    /// Whether its fields can be trusted to say what a condition may ask.
    pub sound: bool,
}

pub(super) fn types(entry: &Entry, report: &mut Report) -> Types {
    let mut types = Types::default();
    let Some(entries) = report.mapping(&entry.value, entry.key_at, "`dataTypes`") else { return types };
    types.readable = true;
    if entries.is_empty() {
        let help = "declare at least one, as in docs/stack-yaml.md";
        report.add(codes::VALUE, entry.value.at, "`dataTypes` has no data type", help);
    }
    if !few_enough(entries, MAX_TYPES, "data types", report) {
        types.readable = false;
        return types;
    }
    for entry in entries {
        let name = name(entry, "a data type", report);
        let (declared, built) = data_type(entry, name, report);
        types.declared.insert(entry.key.clone(), declared);
        types.good.extend(built.map(|built| (built.name.clone(), built)));
    }
    types
}

fn few_enough(entries: &[Entry], most: usize, what: &str, report: &mut Report) -> bool {
    let Some(surplus) = entries.get(most) else { return true };
    let message = format!("there are {} {what}; there may be at most {most}", entries.len());
    report.add(codes::VALUE, surplus.key_at, message, "this is the first that is too many");
    false
}

/// The name of a data type or a field, which conditions must be able to speak of.
fn name(entry: &Entry, what: &str, report: &mut Report) -> Option<Name> {
    let text = entry.key.as_str();
    let parsed = Name::parse(text);
    let help = match &parsed {
        Ok(name) if !text.contains('-') && is_usable_name(text) => return Some(name.clone()),
        Ok(_) if text.contains('-') => format!("write `_` for `-`, for example `{}`", text.replace('-', "_")),
        Ok(_) => format!("the word means something in conditions; choose another, for example `{text}Value`"),
        Err(error) => error.why.to_owned(),
    };
    let message = format!("{} cannot be the name of {what}", quoted(text));
    report.add(codes::NAME, entry.key_at, message, help);
    None
}

fn data_type(entry: &Entry, name: Option<Name>, report: &mut Report) -> (Declared, Option<DataType>) {
    let mut declared = Declared { fields: BTreeSet::new(), sound: false };
    let what = format!("data type {}", quoted(&entry.key));
    let Some(section) = report.section(&entry.value, entry.key_at, &reference::DATA_TYPE, &what) else {
        return (declared, None);
    };
    let fields = section.require("fields", "{ takenAt: { type: datetime, required: true } }", report);
    let time = section.require("time", "takenAt", report);
    let retention_days = section.get("retention").and_then(|entry| retention(entry, report));
    let mut good = BTreeMap::new();
    let mut sound = name.is_some();
    if let Some(entries) = fields.and_then(|entry| report.mapping(&entry.value, entry.key_at, "`fields`")) {
        if few_enough(entries, MAX_FIELDS, "fields", report) {
            for entry in entries {
                declared.fields.insert(entry.key.clone());
                match (self::name(entry, "a field", report), field(entry, report)) {
                    (Some(name), Some(field)) => drop(good.insert(name, field)),
                    _ => sound = false,
                }
            }
        } else {
            sound = false;
        }
    } else {
        sound = false;
    }
    let time = time.and_then(|entry| self::time(entry, &declared, &good, report));
    declared.sound = sound;
    let built = match (name, time, sound) {
        (Some(name), Some(time), true) => Some(DataType { name, time, fields: good, retention_days }),
        // Conditions can still be checked: they do not ask which of the fields is the time.
        (Some(name), None, true) => Some(DataType { time: name.clone(), name, fields: good, retention_days }),
        _ => None,
    };
    (declared, built)
}

fn retention(entry: &Entry, report: &mut Report) -> Option<u32> {
    const HELP: &str = "write a number and `d`, `w`, `m` or `y`, such as `90d` or `3y`, or `forever`";
    let text = report.scalar(entry, "a duration", HELP)?.text.as_str();
    if text == "forever" {
        return None;
    }
    forms::days(text)
        .map_err(|why| {
            let message = format!("{} is not a retention: {why}", quoted(text));
            report.add(codes::DURATION, entry.value.at, message, HELP);
        })
        .ok()
}

fn time(
    entry: &Entry,
    declared: &Declared,
    good: &BTreeMap<Name, Field>,
    report: &mut Report,
) -> Option<Name> {
    let text = report.text(entry)?;
    let at = entry.value.at;
    let fit = || good.iter().filter(|(_, field)| field.kind == FieldType::Datetime && field.required);
    let candidates = || fit().map(|(name, _)| name.as_str());
    if let Some((name, field)) = good.get_key_value(text) {
        if field.kind == FieldType::Datetime && field.required {
            return Some(name.clone());
        }
        let wrong = if field.kind == FieldType::Datetime {
            "optional".to_owned()
        } else {
            format!("of type `{}`", field.kind.as_str())
        };
        let help = match candidates().next() {
            Some(other) => format!(
                "`{other}` is a required datetime field; or declare `{name}` as `{{ type: datetime, required: true }}`"
            ),
            None => format!("declare `{name}` as `{{ type: datetime, required: true }}`"),
        };
        report.add(
            codes::TIME,
            at,
            format!("`time` must name a required datetime field; {} is {wrong}", quoted(text)),
            help,
        );
    } else if !declared.fields.contains(text) && !declared.fields.is_empty() {
        let known = || declared.fields.iter().map(String::as_str);
        let help = match nearest(text, candidates())
            .or_else(|| nearest(text, known()))
            .or_else(|| candidates().next())
        {
            Some(near) => format!("did you mean `{near}`?"),
            None => "add the field, as `{ type: datetime, required: true }`".into(),
        };
        report.add(
            codes::TIME,
            at,
            format!("`time` names a field {} that does not exist", quoted(text)),
            help,
        );
    }
    None
}

fn field(entry: &Entry, report: &mut Report) -> Option<Field> {
    let what = format!("field {}", quoted(&entry.key));
    if let Kind::Scalar(scalar) = &entry.value.kind
        && let Some(kind) = FieldType::ALL.iter().find(|(word, _)| *word == scalar.text)
    {
        let help = format!("write `{}: {{ type: {} }}`", entry.key, kind.0);
        report.add(
            codes::WRONG_KIND,
            entry.value.at,
            format!("{what} must be a mapping, not `{}`", kind.0),
            help,
        );
        return None;
    }
    let section = report.section(&entry.value, entry.key_at, &reference::FIELD, &what)?;
    let kind =
        section.require("type", "integer", report).and_then(|entry| report.choice(entry, &FieldType::ALL));
    // Whoever writes something odd here most likely wants the field required.
    let required = section.get("required").is_some_and(|entry| report.boolean(entry).unwrap_or(true));
    let text =
        |key, report: &mut Report| section.get(key).and_then(|entry| report.text(entry)).map(str::to_owned);
    let (unit, description) = (text("unit", report), text("description", report));
    let kind = kind?;
    let (min, max) = bounds(&section, kind, report);
    let max_length = max_length(&section, kind, report);
    let one_of = one_of(&section, kind, max_length.unwrap_or(DEFAULT_MAX_LENGTH), report);
    Some(Field { kind, required, unit, description, min, max, max_length, one_of })
}

/// Refuses a limit on a field of a type that it does not limit.
fn fits<'n>(
    section: &Fields<'n>,
    key: &str,
    kind: FieldType,
    on: &[FieldType],
    report: &mut Report,
) -> Option<&'n Entry> {
    let entry = section.get(key)?;
    if on.contains(&kind) {
        return Some(entry);
    }
    let instead = match (key, kind) {
        ("min" | "max", FieldType::String | FieldType::Set) => {
            "for the length of a text use `maxLength`".to_owned()
        }
        _ => format!("remove it; it limits fields of type {}", list(on.iter().map(|kind| kind.as_str()))),
    };
    report.add(
        codes::LIMIT,
        entry.key_at,
        format!("`{key}` cannot limit a field of type `{}`", kind.as_str()),
        instead,
    );
    None
}

fn bounds(section: &Fields<'_>, kind: FieldType, report: &mut Report) -> (Option<i64>, Option<i64>) {
    const NUMBERS: [FieldType; 2] = [FieldType::Integer, FieldType::Decimal];
    let mut bound = |key| {
        let entry = fits(section, key, kind, &NUMBERS, report)?;
        Some((number(entry, kind, report)?, entry.value.at))
    };
    let (min, max) = (bound("min"), bound("max"));
    if let (Some((min, min_at)), Some((max, max_at))) = (min, max)
        && min > max
    {
        let help = "swap the two, or correct one";
        report.add_pair(
            codes::LIMIT,
            max_at,
            min_at,
            "`max` is less than `min`, so no value could be right",
            help,
        );
    }
    (min.map(|(number, _)| number), max.map(|(number, _)| number))
}

fn number(entry: &Entry, kind: FieldType, report: &mut Report) -> Option<i64> {
    let (wanted, help) = match kind {
        FieldType::Integer => ("a whole number of at most 64 bits", "write it in digits, for example `1000`"),
        _ => ("a number with at most four decimal places", "write it in digits, for example `0.25`"),
    };
    let scalar = report.scalar(entry, wanted, help)?;
    let number = match kind {
        FieldType::Integer => scalar.text.parse().ok(),
        _ => Decimal::parse(&scalar.text).map(|decimal| decimal.0),
    };
    if number.is_none() {
        report.wrong(entry, wanted, help);
    }
    number
}

const TEXTS: [FieldType; 2] = [FieldType::String, FieldType::Set];

fn max_length(section: &Fields<'_>, kind: FieldType, report: &mut Report) -> Option<u32> {
    let entry = fits(section, "maxLength", kind, &TEXTS, report)?;
    report.integer(entry, 1..=MAX_TEXT).and_then(|length| u32::try_from(length).ok())
}

fn one_of(section: &Fields<'_>, kind: FieldType, most: u32, report: &mut Report) -> Option<BTreeSet<String>> {
    let entry = fits(section, "oneOf", kind, &TEXTS, report)?;
    let texts = report.distinct(entry)?;
    if texts.is_empty() && is_empty_list(&entry.value) {
        report.add(
            codes::LIMIT,
            entry.value.at,
            "`oneOf` is empty, so no value could be right",
            "list the texts that are allowed, or remove it",
        );
        return None;
    }
    for (text, at) in &texts {
        let length = text.chars().count();
        if length > most as usize {
            let message =
                format!("{} has {length} characters, but the field may have at most {most}", quoted(text));
            report.add(codes::LIMIT, *at, message, "raise `maxLength`, or shorten the text");
        }
    }
    Some(texts.into_iter().map(|(text, _)| text.to_owned()).collect())
}

pub(super) fn is_empty_list(node: &Node) -> bool {
    matches!(&node.kind, Kind::Sequence(nodes) if nodes.is_empty())
}

/// Where a name of a list stands; used by rules.
pub(super) type Named<'n> = (&'n str, At);
