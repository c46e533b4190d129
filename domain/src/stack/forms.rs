//! The forms of small texts: durations, history windows, URLs, regions. Pure functions of a text.

use crate::stack::History;
use crate::time::Timestamp;

/// The longest duration that means something, in days: a thousand years.
const MAX_DAYS: u64 = 365_250;

/// Reads `90d`, `12w`, `6m` or `3y` as days. A year is 365.25 days and a month a twelfth of one, rounded up, so
/// that nothing goes before its time.
pub(super) fn days(text: &str) -> Result<u32, &'static str> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let unit = text.get(digits.len()..).unwrap_or_default();
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err("it must be a number and a unit");
    }
    let count: u64 = digits.parse().map_err(|_| "it is more than a thousand years")?;
    let quarters = match unit {
        "d" => count.checked_mul(48),
        "w" => count.checked_mul(48 * 7),
        "m" => count.checked_mul(1461),
        "y" => count.checked_mul(1461 * 12),
        "" => return Err("the unit is missing"),
        _ => return Err("the unit must be `d`, `w`, `m` or `y`"),
    };
    match quarters.map(|quarters| quarters.div_ceil(48)) {
        Some(0) => Err("it must be at least one day"),
        Some(days) if days <= MAX_DAYS => u32::try_from(days).map_err(|_| "it is more than a thousand years"),
        _ => Err("it is more than a thousand years"),
    }
}

/// Reads how much of the past a rule reaches.
pub(super) fn history(text: &str) -> Result<History, String> {
    match text {
        "none" => return Ok(History::None),
        "all" => return Ok(History::All),
        _ => {}
    }
    let Some(since) = text.strip_prefix("since").filter(|rest| rest.is_empty() || rest.starts_with(' '))
    else {
        return days(text).map(History::Days).map_err(str::to_owned);
    };
    let since = since.trim();
    let instant = if since.len() == 10 { format!("{since}T00:00:00Z") } else { since.to_owned() };
    Timestamp::parse(&instant)
        .map(History::Since)
        .map_err(|why| format!("{why}, or a date such as 2014-01-01 (from midnight UTC)"))
}

/// The most characters of a region's code. Names that contain the region rely on it; AWS's longest has 15.
pub const MAX_REGION: usize = 20;

/// Whether a string has the form of an AWS region's code, such as `eu-west-1` or `us-gov-east-1`.
pub(super) fn is_region(text: &str) -> bool {
    if text.len() > MAX_REGION {
        return false;
    }
    let parts: Vec<&str> = text.split('-').collect();
    let letters = |part: &&str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase());
    match parts.as_slice() {
        [area, middle @ .., number] => {
            area.len() == 2
                && letters(area)
                && matches!(middle.len(), 1 | 2)
                && middle.iter().all(letters)
                && matches!(number.as_bytes(), [b'1'..=b'9'])
        }
        _ => false,
    }
}

/// The parts of an `https` or `http` URL.
struct Url<'t> {
    secure: bool,
    host: &'t str,
    path: &'t str,
}

fn url(text: &str) -> Result<Url<'_>, &'static str> {
    let (secure, rest) = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
        (Some(rest), _) => (true, rest),
        (_, Some(rest)) => (false, rest),
        _ => return Err("it must begin with `https://`"),
    };
    if text.len() > 1024 || !text.is_ascii() || text.bytes().any(|b| b <= b' ' || b"\"<>\\^`{|}".contains(&b))
    {
        return Err("it has spaces or other characters that cannot be in it, or is too long");
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let path = rest.get(authority.len()..).unwrap_or_default();
    if authority.contains('@') {
        return Err("it must not have a user name");
    }
    let (host, port) = match authority.strip_prefix('[').and_then(|inner| inner.split_once(']')) {
        Some((_, port)) => (authority.get(..authority.len() - port.len()).unwrap_or_default(), port),
        None => authority.find(':').map_or((authority, ""), |colon| authority.split_at(colon)),
    };
    let good = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    let bracketed = host.starts_with('[');
    if host.is_empty()
        || (!bracketed && !host.chars().all(good))
        || (bracketed && !host.chars().all(|c| c.is_ascii_hexdigit() || "[]:.".contains(c)))
    {
        return Err("it has no host");
    }
    if !port.is_empty()
        && port.strip_prefix(':').and_then(|port| port.parse::<u16>().ok()).is_none_or(|port| port == 0)
    {
        return Err("its port is not a number from 1 to 65535");
    }
    Ok(Url { secure, host, path })
}

fn secure_enough(url: &Url<'_>) -> Result<(), &'static str> {
    if url.secure || matches!(url.host, "localhost" | "127.0.0.1" | "[::1]") {
        return Ok(());
    }
    Err(
        "it must begin with `https://`; `http://` is for this machine alone (`localhost`, `127.0.0.1`, `[::1]`)",
    )
}

/// Whether the sign-in page may return to this URL.
pub(super) fn callback(text: &str) -> Result<(), &'static str> {
    let url = url(text)?;
    secure_enough(&url)?;
    if url.path.contains('#') { Err("it must not have a `#` part") } else { Ok(()) }
}

/// Whether a text is the origin of web pages: scheme, host and port alone.
pub(super) fn origin(text: &str) -> Result<(), &'static str> {
    let url = url(text)?;
    secure_enough(&url)?;
    if url.path.is_empty() {
        Ok(())
    } else {
        Err("it must be scheme, host and port alone, without a path or a `/` at the end")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_rounded_up_so_that_nothing_goes_early() {
        for (text, expected) in
            [("1d", 1), ("12w", 84), ("6m", 183), ("12m", 366), ("1y", 366), ("3y", 1096), ("4y", 1461)]
        {
            assert_eq!(days(text), Ok(expected), "{text}");
        }
        for text in
            ["", "d", "0d", "3", "-3d", "3 d", "1.5y", "3Y", "3h", "99999999999999999999y", "2000y", "٣d"]
        {
            assert!(days(text).is_err(), "{text}");
        }
    }

    #[test]
    fn history_reads_windows_dates_and_instants() {
        let since = |text| Ok(History::Since(Timestamp::parse(text).unwrap()));
        assert_eq!(history("none"), Ok(History::None));
        assert_eq!(history("90d"), Ok(History::Days(90)));
        assert_eq!(history("since 2014-01-01"), since("2014-01-01T00:00:00Z"));
        assert_eq!(history("since 2014-01-01T02:00:00+02:00"), since("2014-01-01T00:00:00Z"));
        for text in [
            "since",
            "since yesterday",
            "since 2014-13-01",
            "since 2014-01-01T00:00:00",
            "since2014-01-01",
            "ever",
        ] {
            assert!(history(text).is_err(), "{text}");
        }
    }

    #[test]
    fn regions_have_their_form() {
        for text in ["eu-west-1", "us-gov-east-1", "ap-southeast-2"] {
            assert!(is_region(text), "{text}");
        }
        for text in [
            "",
            "eu",
            "eu-west",
            "EU-west-1",
            "eu-west-1a",
            "euwest1",
            "eu--1",
            "eu-west-10",
            "mars-1",
            "eu/west-1",
        ] {
            assert!(!is_region(text), "{text}");
        }
        assert!(is_region("ap-abcdefghijklmno-1") && !is_region("ap-abcdefghijklmnop-1"));
    }

    #[test]
    fn sign_in_returns_only_to_https_or_this_machine() {
        for text in [
            "https://app.example.org/callback?x=1",
            "http://localhost:8765/callback",
            "http://127.0.0.1/cb",
            "http://[::1]:80/",
        ] {
            assert_eq!(callback(text), Ok(()), "{text}");
        }
        for text in [
            "http://example.org/cb",
            "http://localhost.example.org/",
            "ftp://x",
            "https://",
            "https:///cb",
            "https://u@example.org/",
            "https://example.org/#x",
            "https://example.org:0/",
            "https://exa mple.org/",
            "javascript:alert(1)",
            "https://*.example.org/",
        ] {
            assert!(callback(text).is_err(), "{text}");
        }
        assert_eq!(origin("https://app.example.org:8443"), Ok(()));
        assert!(origin("https://app.example.org/").is_err());
    }
}
