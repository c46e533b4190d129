//! JSON, exactly: numbers keep their digits, no member is named twice, and an object is an object.

use std::fmt;

use serde::Deserializer;
use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{
    DeserializeOwned, DeserializeSeed, Error as _, IntoDeserializer, MapAccess, SeqAccess, Visitor,
};
use serde_json::{Map, Value};

/// The name by which serde_json passes on a number that is neither an `i64` nor a `u64`.
const NUMBER: &str = "$serde_json::private::Number";

/// Why a JSON value is not what was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{message}", if .path == "." { String::new() } else { format!("`{path}`: ") })]
pub struct Mismatch {
    /// Where in the value, such as `items[2].version`; `.` is the value itself.
    pub path: String,
    /// What is wrong there.
    pub message: String,
}

/// Parses a JSON text. At most 127 levels are read.
///
/// # Errors
/// What is not JSON, and an object that names a member twice: which of the two counts would depend on the reader.
pub fn parse(text: &[u8]) -> Result<Value, serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let value = Exact.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(value)
}

/// Reads a value as a type whose structs are JSON objects. An array in the place of an object, which serde takes for the
/// struct's members in their order, is refused.
///
/// # Errors
/// Where the value is something else.
pub fn read<T: DeserializeOwned>(value: Value) -> Result<T, Mismatch> {
    serde_path_to_error::deserialize(Strict(value))
        .map_err(|error| Mismatch { path: error.path().to_string(), message: error.into_inner().to_string() })
}

/// Applies a merge patch (RFC 7396): objects are merged, `null` removes, anything else replaces.
pub fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(target) = target else { return };
    for (name, value) in patch {
        if value.is_null() {
            target.remove(name);
        } else {
            merge(target.entry(name.clone()).or_insert(Value::Null), value);
        }
    }
}

/// Any value, exactly.
struct Exact;

impl<'de> DeserializeSeed<'de> for Exact {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Exact {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Value, A::Error> {
        let mut elements = Vec::new();
        while let Some(element) = array.next_element_seed(Self)? {
            elements.push(element);
        }
        Ok(Value::Array(elements))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Value, A::Error> {
        let mut members = Map::new();
        while let Some(name) = object.next_key_seed(Name)? {
            let Some(name) = name else {
                let digits: String = object.next_value()?;
                return digits.parse().map(Value::Number).map_err(A::Error::custom);
            };
            if name == NUMBER {
                return Err(A::Error::custom(format_args!("the name `{NUMBER}` is reserved")));
            }
            if members.contains_key(&name) {
                let name: String = name.chars().take(80).collect();
                return Err(A::Error::custom(format_args!("an object has `{name}` twice")));
            }
            members.insert(name, object.next_value_seed(Self)?);
        }
        Ok(Value::Object(members))
    }
}

/// The name of a member, or none if the object is a number in disguise: the name of a real member may be an option, the
/// name in a number is a text whatever is asked for.
struct Name;

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Option<String>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<String>, D::Error> {
        deserializer.deserialize_option(self)
    }
}

impl<'de> Visitor<'de> for Name {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a member")
    }

    fn visit_some<D: Deserializer<'de>>(self, name: D) -> Result<Option<String>, D::Error> {
        serde::Deserialize::deserialize(name).map(Some)
    }

    fn visit_str<E>(self, _: &str) -> Result<Option<String>, E> {
        Ok(None)
    }
}

/// A value whose structs are objects, at every level.
struct Strict(Value);

type StrictError = serde_json::Error;

impl<'de> IntoDeserializer<'de, StrictError> for Strict {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

/// Methods of a deserializer that are those of the value.
macro_rules! delegate {
    ($($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, StrictError> {
            self.0.$method(visitor)
        })*
    };
}

impl<'de> Deserializer<'de> for Strict {
    type Error = StrictError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, StrictError> {
        match self.0 {
            Value::Array(elements) => {
                let mut elements = SeqDeserializer::new(elements.into_iter().map(Self));
                let value = visitor.visit_seq(&mut elements)?;
                elements.end().map(|()| value)
            }
            Value::Object(members) => {
                let members = members.into_iter().map(|(name, value)| (name, Self(value)));
                let mut members = MapDeserializer::new(members);
                let value = visitor.visit_map(&mut members)?;
                members.end().map(|()| value)
            }
            // serde_json itself passes some of these on as doubles.
            Value::Number(number) => match (number.as_u64(), number.as_i64()) {
                (Some(number), _) => visitor.visit_u64(number),
                (None, Some(number)) if number != 0 => visitor.visit_i64(number),
                _ => visitor.visit_map(MapDeserializer::new(std::iter::once((NUMBER, number.as_str())))),
            },
            other => other.deserialize_any(visitor),
        }
    }

    delegate! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128 deserialize_u8 deserialize_u16
        deserialize_u32 deserialize_u64 deserialize_u128 deserialize_f32 deserialize_f64
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, StrictError> {
        if self.0.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, StrictError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, StrictError> {
        if self.0.is_object() {
            return self.deserialize_any(visitor);
        }
        let found = match self.0 {
            Value::Null => "null",
            Value::Bool(_) => "a boolean",
            Value::Number(_) => "a number",
            Value::String(_) => "a string",
            Value::Array(_) | Value::Object(_) => "an array",
        };
        Err(StrictError::custom(format_args!("must be an object, not {found}")))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, StrictError> {
        self.0.deserialize_enum(name, variants, visitor)
    }

    serde::forward_to_deserialize_any! {
        bool char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Sent {
        id: String,
        #[serde(default)]
        inner: Option<Box<Sent>>,
        #[serde(default)]
        many: Vec<Sent>,
        #[serde(default)]
        any: BTreeMap<String, Value>,
    }

    fn sent(text: &str) -> Result<Sent, String> {
        read(parse(text.as_bytes()).unwrap()).map_err(|error| error.to_string())
    }

    #[test]
    fn numbers_keep_their_digits() {
        for number in [
            "12345678901234567890123",
            "31.245270191439438",
            "9007199254740991.0",
            "-8.990567403888024e-203",
            "0.1000",
            "-0",
            "-0.0",
            "1e+400",
            "0.00001",
            "100000000000000000000000000000000000000000",
            "18446744073709551615",
            "-9223372036854775808",
        ] {
            assert_eq!(parse(number.as_bytes()).unwrap().to_string(), number);
            let nested = format!("{{\"a\":[{number},{{\"b\":{number}}}]}}");
            assert_eq!(parse(nested.as_bytes()).unwrap().to_string(), nested);
            assert_eq!(read::<Value>(parse(nested.as_bytes()).unwrap()).unwrap().to_string(), nested);
        }
        let digits: (u8, i64, f64) = read(parse(b"[7,-7,0.5]").unwrap()).unwrap();
        assert_eq!(digits, (7, -7, 0.5));
        assert_eq!(parse(b"1E5").unwrap().to_string(), "1e+5");
    }

    #[test]
    fn a_member_that_is_named_twice_is_refused_at_every_level() {
        for text in [r#"{"a":1,"a":1}"#, r#"[{"b":{"a":1,"c":2,"\u0061":3}}]"#] {
            assert!(
                parse(text.as_bytes()).unwrap_err().to_string().starts_with("an object has `a` twice"),
                "{text}"
            );
        }
        assert!(parse(r#"{"a":{"b":1},"c":{"b":1},"A":2}"#.as_bytes()).is_ok());
    }

    #[test]
    fn the_name_that_the_parser_uses_for_itself_is_refused() {
        for text in
            [r#"{"$serde_json::private::Number":"1"}"#, r#"{"a":1,"\u0024serde_json::private::Number":"x"}"#]
        {
            assert!(parse(text.as_bytes()).unwrap_err().to_string().contains("is reserved"), "{text}");
        }
    }

    #[test]
    fn what_is_not_json_is_refused() {
        for text in [
            "",
            "{",
            "[1,]",
            "01",
            "1.",
            "+1",
            "NaN",
            "\"\\ud800\"",
            "{\"\\ud800\":1}",
            "1 2",
            "\u{feff}1",
            "{\"a\nb\":1}",
        ] {
            assert!(parse(text.as_bytes()).is_err(), "{text}");
        }
        assert!(parse(&[b'"', 0xff, b'"']).is_err());
        assert!(parse("[".repeat(100_000).as_bytes()).is_err());
    }

    #[test]
    fn an_array_is_no_object() {
        assert!(sent(r#"{"id":"x","inner":{"id":"y"},"many":[{"id":"z"}],"any":{"a":[1.50]}}"#).is_ok());
        assert_eq!(sent(r#"["x"]"#), Err("must be an object, not an array".into()));
        assert_eq!(
            sent(r#"{"id":"x","inner":["y"]}"#),
            Err("`inner`: must be an object, not an array".into())
        );
        assert_eq!(
            sent(r#"{"id":"x","many":[["z"]]}"#),
            Err("`many[0]`: must be an object, not an array".into())
        );
        assert!(sent(r#"{"id":"x","any":[]}"#).unwrap_err().starts_with("`any`: invalid type: sequence"));
        assert!(sent("\"x\"").unwrap_err().contains("not a string"));
    }

    /// The examples of the RFC's appendix.
    #[test]
    fn patches_merge_as_the_rfc_says() {
        for (target, patch, result) in [
            (json!({"a":"b"}), json!({"a":"c"}), json!({"a":"c"})),
            (json!({"a":"b"}), json!({"b":"c"}), json!({"a":"b","b":"c"})),
            (json!({"a":"b"}), json!({"a":null}), json!({})),
            (json!({"a":["b"]}), json!({"a":"c"}), json!({"a":"c"})),
            (json!({"a":"c"}), json!({"a":["b"]}), json!({"a":["b"]})),
            (json!({"a":{"b":"c"}}), json!({"a":{"b":"d","c":null}}), json!({"a":{"b":"d"}})),
            (json!(["a", "b"]), json!(["c", "d"]), json!(["c", "d"])),
            (json!({"a":"b"}), json!(["c"]), json!(["c"])),
            (json!({"e":null}), json!({"a":1}), json!({"e":null,"a":1})),
            (json!([1, 2]), json!({"a":"b","c":null}), json!({"a":"b"})),
            (json!({}), json!({"a":{"bb":{"ccc":null}}}), json!({"a":{"bb":{}}})),
        ] {
            let mut merged = target.clone();
            merge(&mut merged, &patch);
            assert_eq!(merged, result, "{target} with {patch}");
        }
    }

    fn texts() -> impl Strategy<Value = String> {
        let number = "-?(0|[1-9][0-9]{0,25})(\\.[0-9]{1,25})?(e[+-][0-9]{1,3})?";
        let text = any::<String>().prop_map(|text| Value::from(text).to_string());
        let leaf = prop_oneof![Just("null".to_owned()), Just("true".to_owned()), number, text];
        leaf.prop_recursive(6, 40, 5, |inner| {
            let named = proptest::collection::btree_map(any::<String>(), inner.clone(), 0..5);
            let object = named.prop_map(|members| {
                let members =
                    members.iter().map(|(name, value)| format!("{}:{value}", Value::from(name.as_str())));
                format!("{{{}}}", members.collect::<Vec<_>>().join(","))
            });
            let array = proptest::collection::vec(inner, 0..5);
            prop_oneof![array.prop_map(|elements| format!("[{}]", elements.join(","))), object]
        })
    }

    proptest! {
        #[test]
        fn any_json_is_written_as_it_was_read(text in texts()) {
            let value = parse(text.as_bytes()).unwrap();
            prop_assert_eq!(value.to_string(), text);
            prop_assert_eq!(read::<Value>(value.clone()).unwrap(), value);
        }
    }
}
