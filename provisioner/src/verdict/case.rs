//! A solver's counterexample as an item.

use std::collections::BTreeSet;

use cedar_policy::EvalResult;
use cedar_policy_symcc::Env;
use domain::datatype::FieldType;
use domain::rules::compare::{Example, Side};
use domain::time::Timestamp;
use domain::value::{Decimal, Fields, Value};

/// The item of a counterexample as both sides see it; none if it cannot be read.
pub(super) fn example(case: &Env, before: Side<'_>, after: Side<'_>) -> Option<Example> {
    let resource = case.request.resource()?;
    let entity = case.entities.get(resource)?;
    let mut fields = Fields::new();
    for (name, field) in &after.data_type.fields {
        let Some(Ok(found)) = entity.attr(name.as_str()) else { continue };
        fields.insert(name.clone(), value(field.kind, &found)?);
    }
    let joined = case.request.context()?.get("joined").and_then(|found| value(FieldType::Datetime, &found));
    let Some(Value::Datetime(joined)) = joined else { return None };
    Some(Example::of(fields, joined, before, after))
}

fn value(kind: FieldType, found: &EvalResult) -> Option<Value> {
    Some(match (kind, found) {
        (FieldType::String, EvalResult::String(text)) => Value::String(text.clone()),
        (FieldType::Integer, EvalResult::Long(number)) => Value::Integer(*number),
        (FieldType::Boolean, EvalResult::Bool(truth)) => Value::Boolean(*truth),
        (FieldType::Decimal, EvalResult::ExtensionValue(text)) => {
            Value::Decimal(Decimal::parse(quoted(text)?)?)
        }
        (FieldType::Datetime, EvalResult::ExtensionValue(text)) => Value::Datetime(instant(text)?),
        (FieldType::Set, EvalResult::Set(members)) => {
            let text = |member: &EvalResult| match member {
                EvalResult::String(text) => Some(text.clone()),
                _ => None,
            };
            Value::Set(members.iter().map(text).collect::<Option<BTreeSet<_>>>()?)
        }
        _ => return None,
    })
}

/// What stands between the quotes of `decimal("1.5")`.
fn quoted(text: &str) -> Option<&str> {
    text.split('"').nth(1)
}

/// An instant as Cedar writes it: a day or a time, perhaps moved by a duration.
fn instant(text: &str) -> Option<Timestamp> {
    let mut parts = text.split('"');
    let at = parts.nth(1)?;
    let moved = parts.nth(1).and_then(|by| by.strip_suffix("ms")).and_then(|by| by.parse::<i64>().ok());
    Some(domain::rules::compare::instant(at)?.plus_millis(moved.unwrap_or_default()))
}
