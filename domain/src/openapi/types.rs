//! A stack's data types as JSON Schema.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};

use crate::datatype::{DEFAULT_MAX_LENGTH, DataType, Field, FieldType, MAX_SET};
use crate::id::Name;
use crate::value::Decimal;

/// Makes the forms of items those of these data types. With none, they stay what any stack's are.
pub(super) fn insert(components: &mut Json, types: &BTreeMap<Name, DataType>) {
    if types.is_empty() {
        return;
    }
    let Some(schemas) = components.get_mut("schemas").and_then(Json::as_object_mut) else { return };
    let names: Vec<&str> = types.keys().map(Name::as_str).collect();
    schemas.insert("DataType".into(), json!({ "type": "string", "enum": names }));
    let mut new = Vec::new();
    for data_type in types.values() {
        let name = format!("Fields-{}", data_type.name);
        let reference = json!({ "$ref": format!("#/components/schemas/{name}") });
        new.push(json!({
            "type": "object",
            "properties": { "type": { "const": data_type.name.as_str() }, "fields": reference },
            "required": ["type", "fields"],
            "additionalProperties": false,
        }));
        schemas.insert(name, fields(data_type));
    }
    schemas.insert("NewItem".into(), json!({ "description": "An item to create", "oneOf": new }));
    if let Some(list) = components.pointer_mut("/parameters/types/schema").and_then(Json::as_object_mut) {
        let one = format!("({})", names.join("|"));
        list.insert("pattern".into(), format!("^{one}(,{one})*$").into());
    }
}

fn fields(data_type: &DataType) -> Json {
    let properties: Map<String, Json> = data_type
        .fields
        .iter()
        .map(|(name, held)| (name.to_string(), sent(held, *name == data_type.time)))
        .collect();
    let required: Vec<&str> = data_type
        .fields
        .iter()
        // The time gives an item its place: it is needed even where the field could be left out.
        .filter(|(name, field)| field.required || **name == data_type.time)
        .map(|(name, _)| name.as_str())
        .collect();
    json!({
        "type": "object", "properties": properties, "required": required, "additionalProperties": false,
    })
}

/// A field as it may be sent: one that is null is absent, if it may be.
fn sent(held: &Field, is_time: bool) -> Json {
    let schema = field(held);
    if held.required || is_time || held.kind == FieldType::Object {
        return schema;
    }
    json!({ "oneOf": [schema, { "type": "null" }] })
}

fn field(field: &Field) -> Json {
    let mut schema = match field.kind {
        FieldType::String => text(field),
        FieldType::Integer => {
            json!({ "type": "integer", "minimum": field.min.unwrap_or(i64::MIN), "maximum": field.max.unwrap_or(i64::MAX) })
        }
        FieldType::Decimal => decimal(field),
        FieldType::Boolean => json!({ "type": "boolean" }),
        FieldType::Datetime => json!({ "$ref": "#/components/schemas/Instant" }),
        FieldType::Set => json!({ "type": "array", "items": text(field), "maxItems": MAX_SET }),
        FieldType::Object => json!({}),
    };
    if let Some(schema) = schema.as_object_mut() {
        if let Some(text) = &field.description {
            schema.insert("description".into(), text.clone().into());
        }
        if let Some(unit) = &field.unit {
            schema.insert("x-unit".into(), unit.clone().into());
        }
    }
    schema
}

fn text(field: &Field) -> Json {
    match &field.one_of {
        Some(allowed) => json!({ "type": "string", "enum": allowed }),
        None => json!({ "type": "string", "maxLength": field.max_length.unwrap_or(DEFAULT_MAX_LENGTH) }),
    }
}

/// Four decimal places, as a number or as a text: readers that take numbers for doubles lose digits of a number with more than
/// 15, so the API writes those as texts.
fn decimal(field: &Field) -> Json {
    let bound = |ten_thousandths: i64| Decimal(ten_thousandths).to_number();
    json!({ "oneOf": [
        {
            "type": "number", "multipleOf": 0.0001,
            "minimum": bound(field.min.unwrap_or(i64::MIN)), "maximum": bound(field.max.unwrap_or(i64::MAX)),
        },
        { "type": "string", "pattern": "^-?[0-9]{1,15}(\\.[0-9]{1,4})?$" },
    ] })
}
