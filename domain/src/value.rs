//! The values of an item's fields.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::id::Name;
use crate::time::Timestamp;

/// A decimal number with four places, as Cedar's: an integer count of ten-thousandths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Decimal(pub i64);

impl Decimal {
    /// Reads `-12.5`; at most four places.
    pub fn parse(text: &str) -> Option<Self> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (whole, places) = digits.split_once('.').unwrap_or((digits, ""));
        let plain = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty()
            || places.len() > 4
            || !plain(whole)
            || !plain(places)
            || (digits.contains('.') && places.is_empty())
        {
            return None;
        }
        let mut count: i128 = whole.parse::<i128>().ok()?.checked_mul(10_000)?;
        count += format!("{places:0<4}").parse::<i128>().ok()?;
        i64::try_from(if negative { -count } else { count }).ok().map(Self)
    }
}

impl fmt::Display for Decimal {
    /// Always with at least one place, as Cedar writes it: `5.0`, `-0.25`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let count = self.0.unsigned_abs();
        let places = format!("{:04}", count % 10_000);
        let places = places.trim_end_matches('0');
        write!(f, "{sign}{}.{}", count / 10_000, if places.is_empty() { "0" } else { places })
    }
}

/// One value of a field.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Text.
    String(String),
    /// A whole number of 64 bits.
    Integer(i64),
    /// A number with four decimal places.
    Decimal(Decimal),
    /// True or false.
    Boolean(bool),
    /// An instant.
    Datetime(Timestamp),
    /// A set of texts.
    Set(BTreeSet<String>),
    /// Anything JSON can say; stored and shared, but opaque to conditions.
    Object(serde_json::Value),
}

/// An item's fields by name.
pub type Fields = BTreeMap<Name, Value>;

impl Value {
    /// The value as JSON, as the API shows it.
    pub fn to_json(&self) -> serde_json::Value {
        match self {
            Self::String(text) => text.clone().into(),
            Self::Integer(number) => (*number).into(),
            // A JSON number of a decimal would pass through binary floating point; four places and
            // fewer than 12 digits before them survive that, others are written as text on input too.
            Self::Decimal(number) => number
                .to_string()
                .parse::<f64>()
                .ok()
                .filter(|_| number.0.unsigned_abs() < 1_000_000_000_000_000)
                .and_then(serde_json::Number::from_f64)
                .map_or_else(|| number.to_string().into(), Into::into),
            Self::Boolean(truth) => (*truth).into(),
            Self::Datetime(time) => time.to_string().into(),
            Self::Set(texts) => texts.iter().cloned().collect::<Vec<_>>().into(),
            Self::Object(object) => object.clone(),
        }
    }
}

/// Fields as a JSON object, in the order of their names.
pub fn fields_to_json(fields: &Fields) -> serde_json::Map<String, serde_json::Value> {
    fields.iter().map(|(name, value)| (name.to_string(), value.to_json())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_survive_being_written_and_read() {
        for text in ["0.0", "5.0", "-0.25", "123456.789", "922337203685477.5807", "-922337203685477.5808"] {
            assert_eq!(Decimal::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Decimal::parse("7"), Some(Decimal(70_000)));
    }

    #[test]
    fn what_is_no_decimal_of_four_places_is_refused() {
        for text in ["", "-", ".5", "5.", "1.23456", "1e3", "+1", "0x1", "922337203685477.5808", "１"] {
            assert_eq!(Decimal::parse(text), None, "{text}");
        }
    }
}
