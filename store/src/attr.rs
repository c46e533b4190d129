//! Values as DynamoDB attributes, and back.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use domain::datatype::{DataType, FieldType};
use domain::rules::Carried;
use domain::time::Timestamp;
use domain::value::{Decimal, Fields, Value};
use serde_json::Value as Json;

use crate::keys::{Key, PK, SK};

/// A row as the SDK has it.
pub type Row = HashMap<String, AttributeValue>;

/// A text attribute.
pub fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}
/// A number attribute.
pub fn number(value: impl ToString) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

/// A key as attributes.
pub fn key_row(key: &Key) -> Row {
    Row::from([(PK.into(), text(&key.pk)), (SK.into(), text(&key.sk))])
}

/// A row with a key and attributes.
pub fn row(key: &Key, attributes: impl IntoIterator<Item = (&'static str, AttributeValue)>) -> Row {
    let mut row = key_row(key);
    row.extend(attributes.into_iter().map(|(name, value)| (name.to_owned(), value)));
    row
}

/// A text attribute of a row.
///
/// # Errors
/// What is wrong, without the content.
pub fn get_text<'a>(row: &'a Row, name: &str) -> Result<&'a str, String> {
    row.get(name)
        .and_then(|v| v.as_s().ok())
        .map(String::as_str)
        .ok_or_else(|| format!("`{name}` is not a text"))
}

/// A number attribute of a row.
///
/// # Errors
/// What is wrong, without the content.
pub fn get_number<T: std::str::FromStr>(row: &Row, name: &str) -> Result<T, String> {
    let found = row.get(name).and_then(|v| v.as_n().ok()).and_then(|n| n.parse().ok());
    found.ok_or_else(|| format!("`{name}` is not a number of the right size"))
}

/// An optional number attribute of a row.
///
/// # Errors
/// If it is there and no number.
pub fn get_number_opt<T: std::str::FromStr>(row: &Row, name: &str) -> Result<Option<T>, String> {
    if row.contains_key(name) { get_number(row, name).map(Some) } else { Ok(None) }
}

/// An instant, stored as text so that people can read it in the console.
///
/// # Errors
/// If it is not there or not a time.
pub fn get_time(row: &Row, name: &str) -> Result<Timestamp, String> {
    Timestamp::parse(get_text(row, name)?).map_err(|_| format!("`{name}` is not a time"))
}

/// Fields as a map attribute.
pub fn from_fields(fields: &Fields) -> AttributeValue {
    AttributeValue::M(fields.iter().map(|(name, value)| (name.to_string(), from_value(value))).collect())
}

/// What a copy carries as a map attribute: null says that the item has no such field.
pub(crate) fn from_carried(carried: &Carried) -> AttributeValue {
    let fields = carried.fields.iter().map(|(name, value)| (name.to_string(), from_value(value)));
    let absent = carried.absent.iter().map(|name| (name.to_string(), AttributeValue::Null(true)));
    AttributeValue::M(fields.chain(absent).collect())
}

/// What a copy carries, as the data type of today reads it.
///
/// # Errors
/// What is wrong, without the content.
pub(crate) fn to_carried(attribute: &AttributeValue, data_type: &DataType) -> Result<Carried, String> {
    let fields = to_fields(attribute, data_type)?;
    let map = attribute.as_m().map_err(|_| "the fields are not a map")?;
    let absent =
        data_type.fields.keys().filter(|name| map.get(name.as_str()).is_some_and(AttributeValue::is_null));
    Ok(Carried { fields, absent: absent.cloned().collect() })
}

pub(crate) fn from_value(value: &Value) -> AttributeValue {
    match value {
        Value::String(value) => text(value),
        Value::Integer(value) => number(value),
        Value::Decimal(value) => number(value),
        Value::Boolean(value) => AttributeValue::Bool(*value),
        Value::Datetime(value) => text(value.to_string()),
        // A list: DynamoDB's own string sets cannot be empty.
        Value::Set(texts) => AttributeValue::L(texts.iter().map(text).collect()),
        // As JSON text: DynamoDB's numbers would change what JSON numbers say.
        Value::Object(json) => text(json.to_string()),
    }
}

/// Fields from a map attribute, as the data type of today reads them.
///
/// What the type no longer has, or reads as something else since it was written, is left out: a change of a type must
/// not make anybody's items unreadable. Conditions that ask for such a field then select nothing.
///
/// # Errors
/// What is wrong, without the content.
pub fn to_fields(attribute: &AttributeValue, data_type: &DataType) -> Result<Fields, String> {
    let map = attribute.as_m().map_err(|_| "the fields are not a map")?;
    let known = data_type.fields.iter();
    Ok(known
        .filter_map(|(name, field)| Some((name.clone(), to_value(map.get(name.as_str())?, field.kind)?)))
        .collect())
}

fn to_value(attribute: &AttributeValue, kind: FieldType) -> Option<Value> {
    Some(match (kind, attribute) {
        (FieldType::String, AttributeValue::S(value)) => Value::String(value.clone()),
        (FieldType::Integer, AttributeValue::N(value)) => Value::Integer(value.parse().ok()?),
        (FieldType::Decimal, AttributeValue::N(value)) => Value::Decimal(Decimal::parse(value)?),
        (FieldType::Boolean, AttributeValue::Bool(value)) => Value::Boolean(*value),
        (FieldType::Datetime, AttributeValue::S(value)) => Value::Datetime(Timestamp::parse(value).ok()?),
        (FieldType::Set, AttributeValue::L(list)) => {
            Value::Set(list.iter().map(|a| a.as_s().ok().cloned()).collect::<Option<_>>()?)
        }
        (FieldType::Object, AttributeValue::S(value)) => Value::Object(serde_json::from_str(value).ok()?),
        _ => return None,
    })
}

/// A row from DynamoDB's JSON form, as stream records carry it: `{"pk": {"S": "…"}}`.
///
/// # Errors
/// What is wrong, without the content.
pub fn row_from_json(json: &Json) -> Result<Row, String> {
    let object = json.as_object().ok_or("the image is not an object")?;
    object.iter().map(|(name, value)| Ok((name.clone(), attribute_from_json(value)?))).collect()
}

fn attribute_from_json(json: &Json) -> Result<AttributeValue, String> {
    let unreadable = || "an attribute of the image cannot be read".to_owned();
    let (kind, value) = json.as_object().and_then(|o| o.iter().next()).ok_or_else(unreadable)?;
    Ok(match (kind.as_str(), value) {
        ("S", Json::String(value)) => AttributeValue::S(value.clone()),
        ("N", Json::String(value)) => AttributeValue::N(value.clone()),
        ("BOOL", Json::Bool(value)) => AttributeValue::Bool(*value),
        ("NULL", _) => AttributeValue::Null(true),
        ("L", Json::Array(list)) => {
            AttributeValue::L(list.iter().map(attribute_from_json).collect::<Result<_, _>>()?)
        }
        ("M", map @ Json::Object(_)) => AttributeValue::M(row_from_json(map)?),
        _ => return Err(unreadable()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn everything() -> DataType {
        let kinds = FieldType::ALL.iter().map(|(name, _)| (format!("f_{name}"), json!({ "type": name })));
        let fields: serde_json::Map<String, Json> = kinds.collect();
        serde_json::from_value(json!({"name": "all", "time": "f_datetime", "fields": fields})).unwrap()
    }

    #[test]
    fn every_type_of_field_survives_being_stored() {
        let json = json!({
            "f_string": "é", "f_integer": i64::MIN, "f_decimal": "922337203685477.5807", "f_boolean": false,
            "f_datetime": "2014-02-03T03:42:12.001Z", "f_set": ["a", ""], "f_object": {"n": 1e300, "l": [null]},
        });
        let fields = everything().validate(json.as_object().unwrap()).unwrap();
        assert_eq!(to_fields(&from_fields(&fields), &everything()), Ok(fields.clone()));
        let empty = everything().validate(json!({"f_set": []}).as_object().unwrap()).unwrap();
        assert_eq!(to_fields(&from_fields(&empty), &everything()), Ok(empty));
    }

    #[test]
    fn a_field_whose_type_was_changed_is_left_out_and_stops_nothing() {
        let stored = AttributeValue::M(Row::from([
            ("f_integer".into(), text("was a text")),
            ("f_gone".into(), text("no longer declared")),
            ("f_string".into(), text("a")),
        ]));
        let fields = to_fields(&stored, &everything()).unwrap();
        assert_eq!(fields.keys().map(domain::id::Name::as_str).collect::<Vec<_>>(), ["f_string"]);
        assert!(to_fields(&text("x"), &everything()).is_err());
    }

    #[test]
    fn a_stream_image_reads_as_the_row_it_is_of() {
        let image = json!({"pk": {"S": "d"}, "ver": {"N": "3"}, "body": {"M": {"x": {"BOOL": true}, "l": {"L": [{"S": "a"}]}}}});
        let row = row_from_json(&image).unwrap();
        assert_eq!(get_text(&row, "pk"), Ok("d"));
        assert_eq!(get_number::<u64>(&row, "ver"), Ok(3));
        assert!(row_from_json(&json!({"pk": {"S": 1}})).is_err());
    }
}
