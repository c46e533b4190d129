//! The values of an item's fields.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::id::Name;
use crate::time::Timestamp;

/// A decimal number with four places, as Cedar's: an integer count of ten-thousandths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Decimal(pub i64);

impl Decimal {
    /// The decimal that a JSON number is, exactly; none if it has more places or digits.
    pub fn of_number(number: &serde_json::Number) -> Option<Self> {
        scaled(number, 4).map(Self)
    }

    /// The JSON number that this decimal is, exactly.
    pub fn to_number(self) -> serde_json::Value {
        // Every decimal is written as a JSON number is.
        self.to_string().parse().map_or(serde_json::Value::Null, serde_json::Value::Number)
    }

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

/// The whole number that a JSON number is; `93.0` and `93e0` are one too, as JSON Schema has it. None if it has a fraction or
/// does not fit.
pub(crate) fn whole(number: &serde_json::Number) -> Option<i64> {
    scaled(number, 0)
}

/// A JSON number times ten to the power of `places`, if that is a whole number that fits.
fn scaled(number: &serde_json::Number, places: i64) -> Option<i64> {
    let text = number.as_str();
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (sign, mantissa) = mantissa.strip_prefix('-').map_or(("", mantissa), |digits| ("-", digits));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let significant = digits.trim_end_matches('0');
    if significant.is_empty() {
        return Some(0);
    }
    // What does not fit is no exponent of a number that does: the digits that could make up for it are as many.
    let exponent: i64 = exponent.parse().ok()?;
    let dropped = digits.len() - significant.len();
    let moved = i64::try_from(dropped).ok()?.checked_sub(i64::try_from(fraction.len()).ok()?)?;
    let power = usize::try_from(exponent.checked_add(moved)?.checked_add(places)?).ok()?;
    let significant = significant.trim_start_matches('0');
    // An `i64` has 19 digits at most.
    if significant.len().checked_add(power)? > 19 {
        return None;
    }
    format!("{sign}{significant}{}", "0".repeat(power)).parse().ok()
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
            // Many readers take a JSON number for a double, which 15 digits survive. What has more is a text.
            Self::Decimal(number) if number.0.unsigned_abs() < 1_000_000_000_000_000 => number.to_number(),
            Self::Decimal(number) => number.to_string().into(),
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
    fn a_number_is_a_whole_number_or_a_decimal_exactly_or_not_at_all() {
        let number = |text: &str| text.parse::<serde_json::Number>().unwrap();
        for (text, expected) in [
            ("0", Some(0)),
            ("-0.0", Some(0)),
            ("0e-999999999999999999999", Some(0)),
            ("93.0", Some(93)),
            ("9007199254740991.0", Some(9_007_199_254_740_991)),
            ("9007199254740993", Some(9_007_199_254_740_993)),
            ("9223372036854775807.000", Some(i64::MAX)),
            ("-9223372036854775808", Some(i64::MIN)),
            ("1.5e1", Some(15)),
            ("1500e-2", Some(15)),
            ("9e18", Some(9_000_000_000_000_000_000)),
            ("9223372036854775808", None),
            ("4503599627370497.4", None),
            ("99.99999999999999999", None),
            ("1000.00000000000001", None),
            ("1e-400", None),
            ("1e19", None),
            ("1e999999999999999999999", None),
            ("15e-1", None),
        ] {
            assert_eq!(whole(&number(text)), expected, "{text}");
        }
        for (text, expected) in [
            ("92233720368547.5807", Some("92233720368547.5807")),
            ("922337203685477.5807", Some("922337203685477.5807")),
            ("99999999999999.9999", Some("99999999999999.9999")),
            ("10000000000000.1234", Some("10000000000000.1234")),
            ("-0.25000", Some("-0.25")),
            ("25e-4", Some("0.0025")),
            ("0.12345", None),
            ("922337203685477.5808", None),
        ] {
            let read = Decimal::of_number(&number(text));
            assert_eq!(read.map(|decimal| decimal.to_string()).as_deref(), expected, "{text}");
        }
        let json = |text: &str| Value::Decimal(Decimal::parse(text).unwrap()).to_json().to_string();
        assert_eq!(json("99999999999.1234"), "99999999999.1234");
        assert_eq!(json("99999999999999.9999"), "\"99999999999999.9999\"");
    }

    #[test]
    fn what_is_no_decimal_of_four_places_is_refused() {
        for text in ["", "-", ".5", "5.", "1.23456", "1e3", "+1", "0x1", "922337203685477.5808", "１"] {
            assert_eq!(Decimal::parse(text), None, "{text}");
        }
    }
}
