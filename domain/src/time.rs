//! Instants in UTC, to the millisecond.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An instant: milliseconds since 1970-01-01T00:00Z, between the years 0 and 8000.
///
/// Read from RFC 3339 text *with* an offset, kept and shown in UTC: a time without its offset is a guess.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Timestamp(i64);

/// Milliseconds from 0000-01-01T00:00Z to 1970-01-01T00:00Z.
const YEAR_ZERO: i64 = 62_167_219_200_000;
/// Milliseconds from 1970-01-01T00:00Z to 8000-01-01T00:00Z.
const LAST: i64 = 190_288_396_800_000 - 1;

/// Why a text is not a [`Timestamp`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTime {
    /// Not RFC 3339, or without an offset.
    #[error("it must be a date and time with an offset, such as 2014-02-03T03:42:12Z")]
    Form,
    /// Before the year 0 or after the year 7999.
    #[error("it must lie between the years 0000 and 7999")]
    Range,
}

impl Timestamp {
    /// From milliseconds since 1970, held to the range of the type.
    pub fn from_millis(millis: i64) -> Self {
        Self(millis.clamp(-YEAR_ZERO, LAST))
    }
    /// Milliseconds since 1970-01-01T00:00Z.
    pub fn millis(self) -> i64 {
        self.0
    }
    /// Whole seconds since 1970-01-01T00:00Z, rounded down; the unit of DynamoDB's TTL.
    pub fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }
    /// This instant moved by so many milliseconds.
    pub fn plus_millis(self, millis: i64) -> Self {
        Self::from_millis(self.0.saturating_add(millis))
    }
    pub(crate) fn since_year_zero(self) -> i64 {
        self.0 + YEAR_ZERO
    }
    pub(crate) fn from_since_year_zero(millis: i64) -> Self {
        Self::from_millis(millis.saturating_sub(YEAR_ZERO))
    }

    /// Reads RFC 3339 text with an offset; anything finer than a millisecond is cut off.
    ///
    /// # Errors
    /// If the text is not of that form, or out of range.
    pub fn parse(text: &str) -> Result<Self, InvalidTime> {
        let time: jiff::Timestamp = text.parse().map_err(|_| InvalidTime::Form)?;
        let nanos = time.as_nanosecond();
        let millis = i64::try_from(nanos.div_euclid(1_000_000)).map_err(|_| InvalidTime::Range)?;
        if !(-YEAR_ZERO..=LAST).contains(&millis) {
            return Err(InvalidTime::Range);
        }
        Ok(Self(millis))
    }
}

impl fmt::Display for Timestamp {
    /// `2014-02-03T03:42:12Z`, with milliseconds only where there are any.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(time) => write!(f, "{time}"),
            Err(_) => write!(f, "@{}ms", self.0),
        }
    }
}
impl TryFrom<String> for Timestamp {
    type Error = InvalidTime;
    fn try_from(text: String) -> Result<Self, InvalidTime> {
        Self::parse(&text)
    }
}
impl From<Timestamp> for String {
    fn from(time: Timestamp) -> String {
        time.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_normalised_to_utc() {
        let text = Timestamp::parse("2014-02-03T05:42:12.5+02:00").unwrap().to_string();
        assert_eq!(text, "2014-02-03T03:42:12.5Z");
    }

    #[test]
    fn a_time_without_an_offset_or_out_of_range_is_refused() {
        for text in ["2014-02-03T03:42:12", "2014-02-03", "yesterday", "", "2014-13-03T03:42:12Z"] {
            assert_eq!(Timestamp::parse(text), Err(InvalidTime::Form), "{text}");
        }
        assert_eq!(Timestamp::parse("9001-01-01T00:00:00Z"), Err(InvalidTime::Range));
    }

    #[test]
    fn the_range_ends_where_it_is_said_to() {
        assert_eq!(Timestamp::parse("0000-01-01T00:00:00Z").unwrap().millis(), -YEAR_ZERO);
        assert_eq!(Timestamp::parse("7999-12-31T23:59:59.999Z").unwrap().millis(), LAST);
        assert!(Timestamp::from_millis(LAST).since_year_zero() < 1 << 48);
    }
}
