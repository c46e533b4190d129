//! Data types: what fields an item has, and the check of an item against them.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::id::Name;
use crate::json::merge;
use crate::time::Timestamp;
use crate::value::{Decimal, Fields, Value, whole};

/// The type of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FieldType {
    /// Text.
    String,
    /// A whole number of 64 bits.
    Integer,
    /// A number with four decimal places.
    Decimal,
    /// True or false.
    Boolean,
    /// An instant with an offset, kept in UTC.
    Datetime,
    /// A set of texts.
    Set,
    /// Any JSON value; cannot be used in conditions.
    Object,
}

impl FieldType {
    /// Every type, with its name in stack.yaml.
    pub const ALL: [(&'static str, Self); 7] = [
        ("string", Self::String),
        ("integer", Self::Integer),
        ("decimal", Self::Decimal),
        ("boolean", Self::Boolean),
        ("datetime", Self::Datetime),
        ("set", Self::Set),
        ("object", Self::Object),
    ];
    /// Its name in stack.yaml.
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(_, t)| *t == self).map_or("object", |(name, _)| name)
    }
}

/// One field of a data type.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Field {
    /// Its type.
    #[serde(rename = "type")]
    pub kind: FieldType,
    /// Whether every item has it.
    #[serde(default)]
    pub required: bool,
    /// The unit, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// What it means, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The least number (integer, or decimal in ten-thousandths).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<i64>,
    /// The greatest number (integer, or decimal in ten-thousandths).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<i64>,
    /// The most characters of a text, or of each text in a set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_length: Option<u32>,
    /// The only texts allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub one_of: Option<BTreeSet<String>>,
}

/// A data type.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DataType {
    /// Its name.
    pub name: Name,
    /// The datetime field that items are ordered by.
    pub time: Name,
    /// Its fields.
    pub fields: BTreeMap<Name, Field>,
    /// How long an item is kept after its time, in days; for ever if none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention_days: Option<u32>,
}

/// What is wrong with one field of an item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldError {
    /// The field's name as it was given.
    pub field: String,
    /// What is wrong and what would be right.
    pub message: String,
}

/// The most characters of a text that names no `maxLength`.
pub const DEFAULT_MAX_LENGTH: u32 = 4096;
/// The most members of a set.
pub const MAX_SET: usize = 256;
/// The most bytes of an opaque object, written as JSON.
pub const MAX_OBJECT_BYTES: usize = 64 * 1024;
/// The most levels of an opaque object. Readers of JSON stop at 128 levels by default, and a list of items adds some.
pub const MAX_OBJECT_DEPTH: usize = 100;

impl DataType {
    /// Checks an item's fields and brings them into their own types.
    ///
    /// # Errors
    /// Everything that is wrong, not only the first.
    pub fn validate(
        &self,
        json: &serde_json::Map<String, serde_json::Value>,
    ) -> Result<Fields, Vec<FieldError>> {
        let mut fields = Fields::new();
        let mut errors = Vec::new();
        for (name, value) in json {
            let Some((name, field)) = self.fields.get_key_value(name.as_str()) else {
                errors.push(self.unknown(name));
                continue;
            };
            if value.is_null() && !field.required {
                continue; // an optional field that is null is absent
            }
            match field.read(value) {
                Ok(value) => {
                    fields.insert(name.clone(), value);
                }
                Err(message) => errors.push(FieldError { field: name.to_string(), message }),
            }
        }
        for (name, field) in &self.fields {
            if field.required && !json.contains_key(name.as_str()) {
                errors.push(FieldError { field: name.to_string(), message: "is required".into() });
            }
        }
        if errors.is_empty() { Ok(fields) } else { Err(errors) }
    }

    /// The fields of an item after a merge patch (RFC 7396). What the patch does not name stays as it is, even if this type
    /// would no longer accept it: an item that was valid when it was written can be changed elsewhere.
    ///
    /// # Errors
    /// Everything that is wrong with the fields that the patch names.
    pub fn patched(
        &self,
        before: &Fields,
        patch: &serde_json::Map<String, serde_json::Value>,
    ) -> Result<Fields, Vec<FieldError>> {
        let mut fields = before.clone();
        let mut errors = Vec::new();
        for (name, patch) in patch {
            let Some((name, field)) = self.fields.get_key_value(name.as_str()) else {
                errors.push(self.unknown(name));
                continue;
            };
            match field.patched(fields.remove(name), patch) {
                Ok(value) => fields.extend(value.map(|value| (name.clone(), value))),
                Err(message) => errors.push(FieldError { field: name.to_string(), message }),
            }
        }
        if errors.is_empty() { Ok(fields) } else { Err(errors) }
    }

    fn unknown(&self, field: &str) -> FieldError {
        let known = self.fields.keys().map(Name::as_str).collect::<Vec<_>>().join(", ");
        let message = format!("`{}` has no such field; it has {known}", self.name);
        FieldError { field: field.chars().take(80).collect(), message }
    }

    /// The time of an item with these (validated) fields.
    pub fn time_of(&self, fields: &Fields) -> Option<Timestamp> {
        match fields.get(&self.time) {
            Some(Value::Datetime(time)) => Some(*time),
            _ => None,
        }
    }

    /// When the retention of an item of that time ends.
    pub fn expiry(&self, time: Timestamp) -> Option<Timestamp> {
        self.retention_days.map(|days| time.plus_millis(i64::from(days) * 86_400_000))
    }
}

impl Field {
    /// This field's value after a merge patch; none if the patch removes it.
    fn patched(&self, before: Option<Value>, patch: &serde_json::Value) -> Result<Option<Value>, String> {
        if patch.is_null() {
            return if self.required { Err("is required".into()) } else { Ok(None) };
        }
        if self.kind != FieldType::Object {
            return self.read(patch).map(Some);
        }
        let mut merged = match before {
            Some(Value::Object(object)) => object,
            _ => serde_json::Value::Null,
        };
        merge(&mut merged, patch);
        self.read(&merged).map(Some)
    }

    /// Reads one JSON value as this field's, or says what would be right.
    fn read(&self, json: &serde_json::Value) -> Result<Value, String> {
        match self.kind {
            FieldType::String => self.text(json).map(Value::String),
            FieldType::Integer => {
                let number = json.as_number().and_then(whole);
                let number = number.ok_or("must be a whole number of at most 64 bits")?;
                self.within(number, |n| n.to_string()).map(Value::Integer)
            }
            FieldType::Decimal => {
                let number = match json {
                    serde_json::Value::Number(number) => Decimal::of_number(number),
                    serde_json::Value::String(text) => Decimal::parse(text),
                    _ => None,
                };
                let number = number.ok_or("must be a number with at most four decimal places")?;
                self.within(number.0, |n| Decimal(n).to_string()).map(|n| Value::Decimal(Decimal(n)))
            }
            FieldType::Boolean => {
                json.as_bool().map(Value::Boolean).ok_or_else(|| "must be true or false".into())
            }
            FieldType::Datetime => {
                let text = json.as_str().ok_or("must be a text such as \"2014-02-03T03:42:12Z\"")?;
                Timestamp::parse(text).map(Value::Datetime).map_err(|why| why.to_string())
            }
            FieldType::Set => {
                let texts = json.as_array().ok_or("must be a list of texts")?;
                if texts.len() > MAX_SET {
                    return Err(format!("may have at most {MAX_SET} members, not {}", texts.len()));
                }
                texts.iter().map(|text| self.text(text)).collect::<Result<_, _>>().map(Value::Set)
            }
            FieldType::Object => {
                if is_deeper(json, MAX_OBJECT_DEPTH) {
                    return Err(format!("may have at most {MAX_OBJECT_DEPTH} levels of lists and objects"));
                }
                if json.to_string().len() > MAX_OBJECT_BYTES {
                    return Err(format!("may have at most {MAX_OBJECT_BYTES} bytes as JSON"));
                }
                Ok(Value::Object(json.clone()))
            }
        }
    }

    fn text(&self, json: &serde_json::Value) -> Result<String, String> {
        let text = json.as_str().ok_or("must be a text")?;
        let most = self.max_length.unwrap_or(DEFAULT_MAX_LENGTH);
        let length = text.chars().count();
        if length > most as usize {
            return Err(format!("may have at most {most} characters, not {length}"));
        }
        if let Some(allowed) = &self.one_of
            && !allowed.contains(text)
        {
            let allowed = allowed.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
            return Err(format!("must be one of {allowed}"));
        }
        Ok(text.to_owned())
    }

    fn within(&self, number: i64, show: impl Fn(i64) -> String) -> Result<i64, String> {
        match (self.min, self.max) {
            (Some(min), _) if number < min => Err(format!("must be at least {}", show(min))),
            (_, Some(max)) if number > max => Err(format!("must be at most {}", show(max))),
            _ => Ok(number),
        }
    }
}

/// Whether a value has more levels of lists and objects.
fn is_deeper(json: &serde_json::Value, levels: usize) -> bool {
    let deeper = |inner| is_deeper(inner, levels.saturating_sub(1));
    match json {
        serde_json::Value::Array(array) => levels == 0 || array.iter().any(deeper),
        serde_json::Value::Object(object) => levels == 0 || object.values().any(deeper),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn glucose() -> DataType {
        serde_json::from_value(json!({
            "name": "glucose", "time": "takenAt", "retentionDays": 10,
            "fields": {
                "takenAt": {"type": "datetime", "required": true},
                "mgdl": {"type": "integer", "required": true, "min": 0, "max": 1000},
                "ratio": {"type": "decimal", "min": -15000},
                "device": {"type": "string", "maxLength": 4, "oneOf": ["a", "b"]},
                "tags": {"type": "set"},
                "raw": {"type": "object"},
            }
        }))
        .unwrap()
    }
    fn check(json: serde_json::Value) -> Result<Fields, Vec<FieldError>> {
        glucose().validate(json.as_object().unwrap())
    }

    #[test]
    fn every_mistake_in_an_item_is_reported_at_once() {
        let errors =
            check(json!({"mgdl": 1001, "ratio": -1.6, "device": "c", "tags": "x", "colour": 1})).unwrap_err();
        let mut fields: Vec<_> = errors.iter().map(|e| e.field.as_str()).collect();
        fields.sort_unstable();
        assert_eq!(fields, ["colour", "device", "mgdl", "ratio", "tags", "takenAt"]);
    }

    #[test]
    fn a_good_item_is_brought_into_its_types() {
        let fields =
            check(json!({"takenAt": "2014-02-03T05:42:12+02:00", "mgdl": 93, "ratio": 0.25, "device": null, "tags": ["b", "a", "a"], "raw": {"x": [1]}}))
                .unwrap();
        assert_eq!(
            serde_json::Value::from(crate::value::fields_to_json(&fields)),
            json!({"mgdl": 93, "ratio": 0.25, "raw": {"x": [1]}, "tags": ["a", "b"], "takenAt": "2014-02-03T03:42:12Z"})
        );
        let time = glucose().time_of(&fields).unwrap();
        assert_eq!(glucose().expiry(time).unwrap().to_string(), "2014-02-13T03:42:12Z");
    }

    #[test]
    fn a_patch_leaves_alone_what_it_does_not_name() {
        let mut narrowed = glucose();
        let before = check(json!({
            "takenAt": "2014-02-03T05:42:12Z", "mgdl": 1000, "device": "a", "raw": {"x": 1, "y": {"z": 2}},
        }));
        let before = before.unwrap();
        narrowed.fields.get_mut("mgdl").unwrap().max = Some(500);
        narrowed.fields.get_mut("tags").unwrap().required = true;
        let patched = |patch: serde_json::Value| {
            let fields = narrowed.patched(&before, patch.as_object().unwrap());
            fields.map(|fields| serde_json::Value::from(crate::value::fields_to_json(&fields)))
        };
        let changed = patched(json!({"device": "b", "raw": {"x": null, "y": {"w": 3}}})).unwrap();
        assert_eq!(changed["mgdl"], 1000);
        assert_eq!(changed["device"], "b");
        assert_eq!(changed["raw"], json!({"y": {"z": 2, "w": 3}}));
        assert_eq!(patched(json!({"device": null})).unwrap().get("device"), None);
        let errors = patched(json!({"mgdl": 501, "tags": null, "device": "c", "colour": 1})).unwrap_err();
        let fields: BTreeSet<_> = errors.iter().map(|e| e.field.as_str()).collect();
        assert_eq!(fields, BTreeSet::from(["colour", "device", "mgdl", "tags"]));
    }

    #[test]
    fn an_object_has_at_most_a_hundred_levels() {
        let nested = |levels: usize| {
            (0..levels).fold(
                json!(1),
                |inner, at| {
                    if at % 2 == 0 { json!([inner]) } else { json!({ "x": inner }) }
                },
            )
        };
        let item = |raw| check(json!({"takenAt": "2014-02-03T05:42:12Z", "mgdl": 1, "raw": raw}));
        assert!(item(nested(100)).is_ok());
        let errors = item(nested(101)).unwrap_err();
        assert_eq!(errors[0].message, "may have at most 100 levels of lists and objects");
    }

    #[test]
    fn a_whole_number_may_be_written_with_a_point() {
        let fields = check(json!({"takenAt": "2014-02-03T05:42:12Z", "mgdl": 93.0})).unwrap();
        assert_eq!(fields.get("mgdl"), Some(&Value::Integer(93)));
    }

    #[test]
    fn numbers_that_would_lose_digits_are_refused() {
        for mgdl in [json!(1.5), json!("93"), json!(1e300), json!(true), json!(null)] {
            assert!(check(json!({"takenAt": "2014-02-03T05:42:12Z", "mgdl": mgdl})).is_err(), "{mgdl}");
        }
        assert!(check(json!({"takenAt": "2014-02-03T05:42:12Z", "mgdl": 1, "ratio": 0.12345})).is_err());
    }
}
