//! An item that a data type takes, to show people how one looks.

use serde_json::{Map, Value as Json, json};

use crate::datatype::{DataType, Field, FieldType};
use crate::time::Timestamp;
use crate::value::Decimal;

/// The required fields of an item of this type and time, with values that the type allows.
pub fn example(data_type: &DataType, time: Timestamp) -> Map<String, Json> {
    let wanted = data_type.fields.iter().filter(|(name, field)| field.required || **name == data_type.time);
    wanted.map(|(name, field)| (name.to_string(), value(field, time))).collect()
}

fn value(field: &Field, time: Timestamp) -> Json {
    let number = |usual: i64| {
        let least = field.min.unwrap_or(i64::MIN);
        usual.max(least).min(field.max.unwrap_or(i64::MAX).max(least))
    };
    match field.kind {
        FieldType::Integer => json!(number(100)),
        FieldType::Decimal => json!(Decimal(number(15_000)).to_string()),
        FieldType::Boolean => json!(true),
        FieldType::Datetime => json!(time.to_string()),
        FieldType::Set => field.one_of.iter().flatten().next().map_or(json!([]), |one| json!([one])),
        FieldType::Object => json!({}),
        FieldType::String => match field.one_of.iter().flatten().next() {
            Some(one) => json!(one),
            None => json!("text".chars().take(field.max_length.unwrap_or(4) as usize).collect::<String>()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_is_an_item_that_its_type_takes() {
        let data_type: DataType = serde_json::from_value(json!({
            "name": "everything", "time": "at",
            "fields": {
                "at": {"type": "datetime", "required": true},
                "low": {"type": "integer", "required": true, "max": 5},
                "high": {"type": "integer", "required": true, "min": 500},
                "ratio": {"type": "decimal", "required": true, "max": 10_000},
                "flag": {"type": "boolean", "required": true},
                "word": {"type": "string", "required": true, "maxLength": 2},
                "kind": {"type": "string", "required": true, "oneOf": ["b", "a"]},
                "tags": {"type": "set", "required": true, "oneOf": ["x"]},
                "raw": {"type": "object", "required": true},
                "note": {"type": "string"},
            }
        }))
        .unwrap();
        let fields = example(&data_type, Timestamp::parse("2026-01-02T03:04:05Z").unwrap());
        let taken = data_type.validate(&fields).unwrap_or_else(|errors| panic!("{errors:?} in {fields:?}"));
        assert_eq!((taken.len(), fields.contains_key("note")), (9, false));
    }
}
