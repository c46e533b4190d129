//! Instants in UTC, to the millisecond.

use std::fmt;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

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
    /// Not the form of RFC 3339.
    #[error("it must be a date and time with an offset, such as 2014-02-03T03:42:12Z")]
    Form,
    /// RFC 3339 but for the offset.
    #[error("it lacks its offset from UTC: add Z, or an offset such as +02:00")]
    NoOffset,
    /// A month or a day that the calendar does not have.
    #[error("there is no such day")]
    NoSuchDay,
    /// An hour, a minute or a second that the clock does not have.
    #[error("there is no such time of day")]
    NoSuchTime,
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
        Self::read(text).map(|(time, _)| time)
    }

    /// Reads a bound of a range, whose items have milliseconds: anything finer is rounded up, so that just the items at or
    /// after the bound are at or after the result.
    ///
    /// # Errors
    /// Those of [`Timestamp::parse`].
    pub fn parse_bound(text: &str) -> Result<Self, InvalidTime> {
        let (time, is_exact) = Self::read(text)?;
        Ok(if is_exact { time } else { time.plus_millis(1) })
    }

    /// The instant, cut off after its milliseconds, and whether nothing was cut off.
    fn read(text: &str) -> Result<(Self, bool), InvalidTime> {
        let (date, rest) = text.split_at_checked(10).ok_or(InvalidTime::Form)?;
        let [year, month, day] = numbers(date, "____-__-__")?;
        let rest = rest.strip_prefix(['T', 't', ' ']).ok_or(InvalidTime::Form)?;
        let (clock, rest) = rest.split_at_checked(8).ok_or(InvalidTime::Form)?;
        let [hour, minute, second] = numbers(clock, "__:__:__")?;
        let (fraction, offset) = match rest.strip_prefix('.') {
            Some(rest) => rest.split_at(rest.bytes().take_while(u8::is_ascii_digit).count()),
            None => ("0", rest),
        };
        if fraction.is_empty() {
            return Err(InvalidTime::Form);
        }
        let (millis, finer) = fraction.split_at(fraction.len().min(3));
        let millis: i64 = format!("{millis:0<3}").parse().map_err(|_| InvalidTime::Form)?;
        let offset = match offset.split_at_checked(1) {
            None => return Err(InvalidTime::NoOffset),
            Some(("Z" | "z", "")) => 0,
            Some((sign @ ("+" | "-"), offset)) => {
                let [hours, minutes] = numbers(offset, "__:__")?;
                if hours > 23 || minutes > 59 {
                    return Err(InvalidTime::NoSuchTime);
                }
                let minutes = i64::from(hours * 60 + minutes);
                if sign == "-" { -minutes } else { minutes }
            }
            Some(_) => return Err(InvalidTime::Form),
        };
        let small = |number: i16| i8::try_from(number).unwrap_or(i8::MAX);
        let date =
            jiff::civil::Date::new(year, small(month), small(day)).map_err(|_| InvalidTime::NoSuchDay)?;
        if hour > 23 || minute > 59 || second > 60 {
            return Err(InvalidTime::NoSuchTime);
        }
        let days = date.duration_since(jiff::civil::date(1970, 1, 1)).as_hours() / 24;
        let minutes = days * 1_440 + i64::from(hour) * 60 + i64::from(minute) - offset;
        // A leap second is the last second of a month in UTC; it counts as the second before it, as in POSIX.
        let is_leap = second == 60;
        if is_leap && !ends_a_month(minutes) {
            return Err(InvalidTime::NoSuchTime);
        }
        let millis = (minutes * 60 + i64::from(second) - i64::from(is_leap)) * 1_000 + millis;
        if !(-YEAR_ZERO..=LAST).contains(&millis) {
            return Err(InvalidTime::Range);
        }
        Ok((Self(millis), finer.bytes().all(|digit| digit == b'0')))
    }
}

/// Whether a minute since 1970 is the last one of a month.
fn ends_a_month(minute: i64) -> bool {
    let next =
        jiff::Timestamp::from_second((minute + 1) * 60).map(|time| time.to_zoned(jiff::tz::TimeZone::UTC));
    next.is_ok_and(|next| next.day() == 1 && next.hour() == 0 && next.minute() == 0)
}

/// The numbers of a text that has digits where the form has `_`, and is the form elsewhere.
fn numbers<const N: usize>(text: &str, form: &str) -> Result<[i16; N], InvalidTime> {
    let fits = |(c, form): (u8, u8)| if form == b'_' { c.is_ascii_digit() } else { c == form };
    if text.len() != form.len() || !text.bytes().zip(form.bytes()).all(fits) {
        return Err(InvalidTime::Form);
    }
    let parts = text.split(['-', ':']).map(|digits| digits.parse().map_err(|_| InvalidTime::Form));
    parts.collect::<Result<Vec<_>, _>>()?.try_into().map_err(|_| InvalidTime::Form)
}

/// Reads a member of a JSON object that is a bound of a range, by [`Timestamp::parse_bound`].
///
/// # Errors
/// If it is no time.
pub fn bound<'de, D: Deserializer<'de>>(member: D) -> Result<Timestamp, D::Error> {
    Timestamp::parse_bound(&String::deserialize(member)?).map_err(D::Error::custom)
}

/// Like [`bound`], for a member that may be `null`.
///
/// # Errors
/// If it is there and no time.
pub fn optional_bound<'de, D: Deserializer<'de>>(member: D) -> Result<Option<Timestamp>, D::Error> {
    let text = Option::<String>::deserialize(member)?;
    text.map(|text| Timestamp::parse_bound(&text).map_err(D::Error::custom)).transpose()
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
        for (text, why) in [
            ("2014-02-03T03:42:12", InvalidTime::NoOffset),
            ("2014-02-03T03:42:12.5", InvalidTime::NoOffset),
            ("9001-01-01T00:00:00Z", InvalidTime::Range),
            ("9999-12-31T23:59:59Z", InvalidTime::Range),
            ("9999-12-31T23:59:59-23:59", InvalidTime::Range),
            ("0000-01-01T00:00:00+00:01", InvalidTime::Range),
        ] {
            assert_eq!(Timestamp::parse(text), Err(why), "{text}");
        }
    }

    #[test]
    fn what_no_calendar_and_no_clock_has_is_refused_for_that_reason() {
        for text in
            ["2014-13-03T03:42:12Z", "2026-02-29T00:00:00Z", "2014-00-01T00:00:00Z", "2014-04-31T00:00:00Z"]
        {
            assert_eq!(Timestamp::parse(text), Err(InvalidTime::NoSuchDay), "{text}");
        }
        for text in [
            "2014-02-03T24:00:00Z",
            "2014-02-03T23:60:00Z",
            "2014-02-03T23:59:61Z",
            "2014-02-03T08:00:60Z",
            "2014-02-03T03:42:12+25:59",
            "2014-02-03T03:42:12+02:60",
        ] {
            assert_eq!(Timestamp::parse(text), Err(InvalidTime::NoSuchTime), "{text}");
        }
        assert!(Timestamp::parse("2028-02-29T00:00:00Z").is_ok());
        let leap = Timestamp::parse("2017-01-01T01:59:60.5+02:00").unwrap();
        assert_eq!(leap.to_string(), "2016-12-31T23:59:59.5Z");
    }

    #[test]
    fn other_forms_than_that_of_rfc_3339_are_refused() {
        for text in [
            "",
            "yesterday",
            "2014-02-03",
            "2026-01-01T08Z",
            "2026-01-01T08:00Z",
            "20260101T080000Z",
            "2026-01-01T08:00:00+05:00[Europe/Berlin]",
            "2026-01-01T08:00:00+0500",
            "2026-01-01T08:00:00+05",
            "2026-01-01T08:00:00,5Z",
            "2026-01-01T08:00:00.Z",
            "2026-W01-1T08:00:00Z",
            "+002026-01-01T08:00:00Z",
            "-2026-01-01T08:00:00Z",
            "2026-01-01T08:00:00Z ",
            " 2026-01-01T08:00:00Z",
            "2026-01-01T0８:00:00Z",
            "2026-01-01\u{a0}08:00:00Z",
        ] {
            assert_eq!(Timestamp::parse(text), Err(InvalidTime::Form), "{text}");
        }
        assert!(Timestamp::parse("2026-01-01t08:00:00z").is_ok());
        assert!(Timestamp::parse("2026-01-01 08:00:00-00:00").is_ok());
    }

    #[test]
    fn digits_beyond_milliseconds_are_cut_off_or_rounded_up_for_a_bound() {
        let both = |text: &str| {
            [Timestamp::parse(text), Timestamp::parse_bound(text)].map(|time| time.unwrap().to_string())
        };
        let (floor, ceiling) = ("2026-01-01T08:00:00.001Z".to_owned(), "2026-01-01T08:00:00.002Z".to_owned());
        for text in ["2026-01-01T08:00:00.001Z", "2026-01-01T08:00:00.00100000000000Z"] {
            assert_eq!(both(text), [floor.clone(), floor.clone()], "{text}");
        }
        for text in ["2026-01-01T08:00:00.0010001Z", "2026-01-01T08:00:00.001999999999999999999999Z"] {
            assert_eq!(both(text), [floor.clone(), ceiling.clone()], "{text}");
        }
        assert_eq!(both("2026-12-31T23:59:59.9999Z")[1], "2027-01-01T00:00:00Z");
    }

    #[test]
    fn every_instant_reads_as_it_is_shown() {
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..100_000 {
            let time = Timestamp::from_millis(random.i64(-YEAR_ZERO..=LAST));
            assert_eq!(Timestamp::parse(&time.to_string()), Ok(time));
        }
    }

    #[test]
    fn the_range_ends_where_it_is_said_to() {
        assert_eq!(Timestamp::parse("0000-01-01T00:00:00Z").unwrap().millis(), -YEAR_ZERO);
        assert_eq!(Timestamp::parse("7999-12-31T23:59:59.999Z").unwrap().millis(), LAST);
        assert!(Timestamp::from_millis(LAST).since_year_zero() < 1 << 48);
    }
}
