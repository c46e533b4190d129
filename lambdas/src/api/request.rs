//! A request, as far from any gateway as possible, and the reading of its parts.

use std::collections::BTreeMap;

use domain::json;
use domain::time::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};

use crate::problem::Problem;

/// A request.
#[derive(Clone, Default)]
pub struct Request {
    /// Its identifier, for logs and problems.
    pub id: String,
    /// The HTTP method, in upper case.
    pub method: String,
    /// The path below the stage, decoded.
    pub path: String,
    /// The query as it was sent, without the `?`.
    pub query: String,
    /// Headers by their lower-case names.
    pub headers: BTreeMap<String, String>,
    /// The body.
    pub body: Vec<u8>,
}

impl std::fmt::Debug for Request {
    /// Without anything that may be personal.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Request").field("id", &self.id).field("method", &self.method).finish_non_exhaustive()
    }
}

/// The most bytes of a body with one thing in it.
pub const SINGLE_BODY: usize = 512 * 1024;
/// The most bytes of a body with many things in it: below what the gateway passes to a function.
pub const BATCH_BODY: usize = 4 * 1024 * 1024;

/// The most bytes of a query: more than the gateway passes on, and enough for the longest condition.
const QUERY: usize = 32 * 1024;

/// Characters of an idempotency key at most.
const LONGEST_KEY: usize = 255;

const JSON: &str = "application/json";
const MERGE_PATCH: &str = "application/merge-patch+json";

impl Request {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
    }

    /// The token itself, to be passed on to who issued it.
    pub fn bearer(&self) -> Option<&str> {
        let (kind, token) = self.header("authorization")?.split_once(' ')?;
        kind.eq_ignore_ascii_case("bearer").then(|| token.trim())
    }

    /// The body as JSON of a known form.
    ///
    /// # Errors
    /// If it is something else, or too large.
    pub fn json<T: DeserializeOwned>(&self, most: usize) -> Result<T, Problem> {
        self.body(&[JSON], most)
    }

    /// The body as JSON that says what shall change.
    ///
    /// # Errors
    /// If it is something else, or too large.
    pub fn patch<T: DeserializeOwned>(&self, most: usize) -> Result<T, Problem> {
        self.body(&[MERGE_PATCH, JSON], most)
    }

    fn body<T: DeserializeOwned>(&self, types: &[&str], most: usize) -> Result<T, Problem> {
        let essence =
            self.header("content-type").and_then(|value| value.split(';').next()).unwrap_or_default().trim();
        if !types.iter().any(|known| essence.eq_ignore_ascii_case(known)) {
            return Err(Problem::media_type(types.first().copied().unwrap_or(JSON)));
        }
        if self.header("content-encoding").is_some_and(|coding| !coding.eq_ignore_ascii_case("identity")) {
            return Err(Problem::encoded());
        }
        if self.body.len() > most {
            return Err(Problem::too_large(format!("the body may have at most {most} bytes")));
        }
        let body = json::parse(&self.body)
            .map_err(|error| Problem::bad_request(format!("the body cannot be read as JSON: {error}")))?;
        json::read(body)
            .map_err(|error| Problem::bad_request(format!("the body is not what this path takes: {error}")))
    }

    /// The versions of which the caller wants to change the current one, from `If-Match`; none if any will do.
    ///
    /// Tags are opaque and compared strongly: one that is weak, or is no version as it is written in an `etag`, is
    /// nothing that an item can have.
    ///
    /// # Errors
    /// If the header is no list of entity tags.
    pub fn if_match(&self) -> Result<Option<Vec<u64>>, Problem> {
        // An empty one is no leave to change whatever is there.
        let value = self.headers.get("if-match").map(|value| value.trim()).filter(|value| *value != "*");
        let Some(value) = value else { return Ok(None) };
        let tags = entity_tags(value).ok_or_else(|| {
            Problem::bad_request("`if-match` must be the `etag` of an item, such as \"3\" with its quotes")
        })?;
        let version =
            |tag: Tag| tag.opaque.parse().ok().filter(|v: &u64| !tag.weak && v.to_string() == tag.opaque);
        Ok(Some(tags.into_iter().filter_map(version).collect()))
    }

    /// Whether the caller has this version already, by `If-None-Match`.
    pub fn has_version(&self, version: u64) -> bool {
        let version = version.to_string();
        self.header("if-none-match").is_some_and(|value| {
            value == "*"
                || entity_tags(value).is_some_and(|tags| tags.iter().any(|tag| tag.opaque == version))
        })
    }

    /// The key under which the caller may repeat this request, from `Idempotency-Key`.
    ///
    /// # Errors
    /// If it is too long or has characters that cannot be seen.
    pub fn idempotency_key(&self) -> Result<Option<&str>, Problem> {
        // An empty one is somebody's mistake: what they think can be repeated would be done twice.
        let Some(key) = self.headers.get("idempotency-key").map(|key| key.trim()) else { return Ok(None) };
        if key.is_empty() || key.len() > LONGEST_KEY || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Problem::bad_request(format!(
                "`idempotency-key` must have from 1 to {LONGEST_KEY} visible characters of ASCII, such as a UUID"
            )));
        }
        Ok(Some(key))
    }

    /// The query's parameters, of which only these are known.
    ///
    /// # Errors
    /// If there are others, or one twice, or one cannot be decoded.
    pub fn parameters(&self, known: &[&str]) -> Result<BTreeMap<String, String>, Problem> {
        if self.query.len() > QUERY {
            return Err(Problem::bad_request(format!("the query may have at most {QUERY} bytes")));
        }
        let mut found = BTreeMap::new();
        for pair in self.query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = decoded(name).ok_or_else(|| Problem::bad_request("the query cannot be decoded"))?;
            if !known.contains(&name.as_str()) {
                let why = match known {
                    [] => "this path takes no parameters".to_owned(),
                    known => format!("it is not known here; known are {}", known.join(", ")),
                };
                return Err(Problem::parameter(&name, why));
            }
            let value = decoded(value).ok_or_else(|| Problem::parameter(&name, "it cannot be decoded"))?;
            if found.insert(name.clone(), value).is_some() {
                return Err(Problem::parameter(&name, "it is given twice"));
            }
        }
        Ok(found)
    }
}

/// A member that may be left out; `null` is not the same as leaving it out, and not what the description allows.
///
/// # Errors
/// If it is there and something else.
pub fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(member: D) -> Result<Option<T>, D::Error> {
    T::deserialize(member).map(Some)
}

/// The bound of a range that a parameter is.
///
/// # Errors
/// If it is there and no time.
pub fn bound(parameters: &BTreeMap<String, String>, name: &str) -> Result<Option<Timestamp>, Problem> {
    let Some(text) = parameters.get(name) else { return Ok(None) };
    // The `+` of an offset that was sent as it is: a space is no sign.
    let parsed = match text.rsplit_once(' ') {
        Some((before, offset)) if before.contains(':') => {
            Timestamp::parse_bound(&format!("{before}+{offset}"))
        }
        _ => Timestamp::parse_bound(text),
    };
    parsed.map(Some).map_err(|why| Problem::parameter(name, why))
}

/// An entity tag (RFC 9110, 8.8.3).
struct Tag<'a> {
    weak: bool,
    opaque: &'a str,
}

/// The entity tags of a list; none if it is no such list.
fn entity_tags(list: &str) -> Option<Vec<Tag<'_>>> {
    let mut tags = Vec::new();
    let mut rest = list.trim_start();
    while !rest.is_empty() {
        // Empty members of a list are to be ignored.
        if let Some(after) = rest.strip_prefix(',') {
            rest = after.trim_start();
            continue;
        }
        let (weak, tag) = rest.strip_prefix("W/").map_or((false, rest), |tag| (true, tag));
        let (opaque, after) = tag.strip_prefix('"')?.split_once('"')?;
        if opaque.chars().any(|c| c <= ' ' || c == '\u{7f}') {
            return None;
        }
        tags.push(Tag { weak, opaque });
        rest = after.trim_start();
        if !rest.is_empty() && !rest.starts_with(',') {
            return None;
        }
    }
    (!tags.is_empty()).then_some(tags)
}

/// Undoes the encoding of a form (`application/x-www-form-urlencoded`), as clients encode a query: both `+` and `%20` are a
/// space.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(if byte == b'+' { b' ' } else { byte });
            continue;
        }
        let digits = [rest.next()?, rest.next()?].map(char::from);
        let [high, low] = digits.map(|digit| digit.to_digit(16));
        bytes.push(u8::try_from(high? * 16 + low?).ok()?);
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value as Json;

    fn query(text: &str) -> Result<BTreeMap<String, String>, Problem> {
        Request { query: text.into(), ..Request::default() }.parameters(&["from", "limit"])
    }

    #[test]
    fn parameters_are_decoded_and_strangers_named() {
        let found = query("from=2014-02-03T03%3A42%3A12+02:00&limit=5&").unwrap();
        assert_eq!(found["from"], "2014-02-03T03:42:12 02:00");
        assert_eq!(query("from=a+b%20c%2Bd").unwrap()["from"], "a b c+d");
        assert!(query("form=x").unwrap_err().detail.contains("`form`"));
        for wrong in ["from=%zz", "from=%f", "from=%ff", "limit=1&limit=2", "%", "limit=%"] {
            assert_eq!(query(wrong).unwrap_err().status, 400, "{wrong}");
        }
    }

    #[test]
    fn a_query_that_is_too_long_is_refused_before_it_is_read() {
        let long = |length: usize| query(&format!("from={}", "a".repeat(length - 5)));
        assert!(long(QUERY).is_ok());
        assert!(long(QUERY + 1).unwrap_err().detail.contains("32768 bytes"));
    }

    #[test]
    fn a_body_of_another_type_or_form_is_refused_with_its_own_status() {
        let with = |content_type: &str, body: &str| {
            let headers = BTreeMap::from([("content-type".to_owned(), content_type.to_owned())]);
            let request = Request { headers, body: body.into(), ..Request::default() };
            request.json::<Vec<u8>>(10).map_err(|problem| problem.status)
        };
        assert_eq!(with("application/json; charset=utf-8", "[1]"), Ok(vec![1]));
        assert_eq!(with("text/plain", "[1]"), Err(415));
        assert_eq!(with("application/json", "[1"), Err(400));
        assert_eq!(with("application/json", "{}"), Err(400));
        assert_eq!(with("application/json", "[1,1,1,1,1,1]"), Err(413));
        let deep = Request {
            headers: BTreeMap::from([("content-type".to_owned(), JSON.to_owned())]),
            body: "[".repeat(100_000).into_bytes(),
            ..Request::default()
        };
        assert_eq!(deep.json::<Json>(SINGLE_BODY).unwrap_err().status, 400);
    }

    #[test]
    fn only_our_own_tags_are_versions() {
        let with = |value: &str| {
            let headers = BTreeMap::from([("if-match".to_owned(), value.to_owned())]);
            Request { headers, ..Request::default() }.if_match().map_err(|problem| problem.status)
        };
        assert_eq!(with("*"), Ok(None));
        for (value, versions) in [
            ("\"7\"", vec![7]),
            ("\"1\", \"9\"", vec![1, 9]),
            (",\"1\",, W/\"2\" , \"a,b\",\"3\",", vec![1, 3]),
            ("W/\"7\"", vec![]),
            ("\"01\"", vec![]),
            ("\"+1\"", vec![]),
            ("\"\"", vec![]),
        ] {
            assert_eq!(with(value), Ok(Some(versions)), "{value}");
        }
        for value in ["7", "", ",", "\"7", "\"7\" \"8\"", "w/\"7\"", "*, \"7\"", "\"a b\"", "'7'"] {
            assert_eq!(with(value), Err(400), "{value}");
        }
    }

    #[test]
    fn a_caller_has_a_version_whose_tag_is_in_the_list_weak_or_not() {
        let with = |value: &str| {
            let headers = BTreeMap::from([("if-none-match".to_owned(), value.to_owned())]);
            Request { headers, ..Request::default() }.has_version(7)
        };
        for value in ["*", "\"7\"", "W/\"7\"", "\"1\", W/\"7\""] {
            assert!(with(value), "{value}");
        }
        for value in ["\"1\"", "\"07\"", "7", "\"7\" x", ""] {
            assert!(!with(value), "{value}");
        }
    }

    #[test]
    fn a_bound_is_a_time_whose_plus_may_have_become_a_space() {
        let with = |value: &str| {
            let parameters = query(&format!("from={value}")).unwrap();
            bound(&parameters, "from").map(|time| time.map(|time| time.to_string())).map_err(|p| p.status)
        };
        let expected = Ok(Some("2014-02-03T03:42:12Z".to_owned()));
        for value in [
            "2014-02-03T05:42:12%2B02:00",
            "2014-02-03T05:42:12+02:00",
            "2014-02-03+05:42:12+02:00",
            "2014-02-03%2005:42:12%2B02:00",
            "2014-02-03T03:42:11.9991Z",
        ] {
            assert_eq!(with(value), expected, "{value}");
        }
        assert_eq!(with("2014-02-03+03:42:12Z"), expected);
        assert_eq!(with("2014-02-03+03:42:12"), Err(400));
    }
}
