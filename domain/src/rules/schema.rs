//! Data types as Cedar entity types.

use cedar_policy::{EntityTypeName, EntityUid};
use serde_json::{Map, Value as Json, json};

use crate::datatype::{DataType, FieldType};
use crate::id::Name;
use crate::time::Timestamp;

/// The Cedar schema of one data type, in Cedar's JSON form.
///
/// Objects are left out: they are opaque, so a condition that names one is told that there is no such field.
pub fn schema_json(data_type: &DataType) -> Json {
    let attributes: Map<String, Json> = data_type
        .fields
        .iter()
        .filter_map(|(name, field)| {
            let mut shape = match field.kind {
                FieldType::String => json!({ "type": "String" }),
                FieldType::Integer => json!({ "type": "Long" }),
                FieldType::Decimal => json!({ "type": "Extension", "name": "decimal" }),
                FieldType::Boolean => json!({ "type": "Boolean" }),
                FieldType::Datetime => json!({ "type": "Extension", "name": "datetime" }),
                FieldType::Set => json!({ "type": "Set", "element": { "type": "String" } }),
                FieldType::Object => return None,
            };
            if let Some(object) = shape.as_object_mut() {
                object.insert("required".into(), field.required.into());
            }
            Some((name.to_string(), shape))
        })
        .collect();
    let name = data_type.name.as_str();
    json!({ "": {
        "entityTypes": {
            "Group": {},
            name: { "shape": { "type": "Record", "attributes": attributes } },
        },
        "actions": { "replicate": { "appliesTo": { "principalTypes": ["Group"], "resourceTypes": [name] } } },
    } })
}

/// Whether a name can be a data type's or a field's: Cedar must be able to speak of it.
pub fn is_usable_name(name: &str) -> bool {
    name != "Group" && name != "Action" && !name.contains("::") && name.parse::<EntityTypeName>().is_ok()
}

/// The resource of a question about one item of this type.
pub(super) fn item_uid(data_type: &Name) -> Option<EntityUid> {
    Some(EntityUid::from_type_name_and_id(
        data_type.as_str().parse().ok()?,
        cedar_policy::EntityId::new("item"),
    ))
}

/// A time as Cedar reads it: always with milliseconds, always in UTC.
pub(super) fn cedar_time(time: Timestamp) -> String {
    let text = time.to_string();
    let body = text.trim_end_matches('Z');
    let (whole, part) = body.split_once('.').unwrap_or((body, ""));
    format!("{whole}.{part:0<3}Z")
}
