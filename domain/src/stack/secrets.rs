//! Secrets do not belong into stack.yaml: it is kept in a repository, and what it says ends up in plans, in the state
//! and in logs. No setting of a stack needs one, so whatever looks like one is refused.

use super::codes;
use super::report::Report;
use super::yaml::{Kind, Node};

/// What begins like this is a reference to a secret that lies elsewhere.
const REFERENCES: [&str; 6] =
    ["ssm:", "secretsmanager:", "vault:", "arn:aws:secretsmanager:", "arn:aws:ssm:", "{{resolve:"];

/// Tokens that begin like this, and have at least so many bytes, are what is said.
const BEGINNINGS: [(&str, usize, &str); 15] = [
    ("ghp_", 36, "a GitHub token"),
    ("gho_", 36, "a GitHub token"),
    ("ghs_", 36, "a GitHub token"),
    ("ghu_", 36, "a GitHub token"),
    ("github_pat_", 40, "a GitHub token"),
    ("glpat-", 20, "a GitLab token"),
    ("xoxb-", 20, "a Slack token"),
    ("xoxp-", 20, "a Slack token"),
    ("xapp-", 20, "a Slack token"),
    ("sk_live_", 20, "a Stripe key"),
    ("rk_live_", 20, "a Stripe key"),
    ("sk-ant-", 20, "an API key"),
    ("sk-proj-", 20, "an API key"),
    ("npm_", 36, "an npm token"),
    ("AIza", 39, "a Google API key"),
];

/// Shorter tokens are no secrets, or cannot be told from words.
const SHORTEST: usize = 16;
/// Random keys have between so many bytes.
const RANDOM: std::ops::RangeInclusive<usize> = 32..=128;
/// And at least so many bits in each; English words run together have below four.
const RANDOM_BITS: f64 = 4.1;

/// Reports every text that is or refers to a secret, and takes it out of the tree, so that no other message quotes it.
pub(super) fn refuse(node: &mut Node, report: &mut Report) {
    match &mut node.kind {
        Kind::Scalar(scalar) => {
            let help = "remove it: no setting of a stack takes a secret. People sign in with Cognito, and functions have roles";
            if let Some(start) = REFERENCES.iter().find(|start| scalar.text.trim_start().starts_with(**start))
            {
                report.add(
                    codes::SECRET,
                    node.at,
                    format!("this refers to a secret (`{start}…`), which has no place here"),
                    help,
                );
            } else if let Some(what) = looks_like(&scalar.text) {
                let help = format!(
                    "{help}. If it is real, make it invalid where it comes from: whoever could read this file may have it"
                );
                report.add(
                    codes::SECRET,
                    node.at,
                    format!("this looks like {what}; secrets do not belong into this file"),
                    help,
                );
            } else {
                return;
            }
            node.kind = Kind::Broken;
        }
        Kind::Broken => {}
        Kind::Sequence(nodes) => nodes.iter_mut().for_each(|node| refuse(node, report)),
        Kind::Mapping(entries) => entries.iter_mut().for_each(|entry| refuse(&mut entry.value, report)),
    }
}

/// What secret a text looks like, if it does like one.
fn looks_like(text: &str) -> Option<&'static str> {
    if text.len() < SHORTEST {
        return None;
    }
    if text.contains("-----BEGIN ") && text.contains("PRIVATE KEY") {
        return Some("a private key");
    }
    text.split(|c: char| !(c.is_ascii_alphanumeric() || "+/=_.:@%-".contains(c)))
        .filter(|token| token.len() >= SHORTEST)
        .find_map(token)
}

fn token(token: &str) -> Option<&'static str> {
    let upper = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit();
    if token.len() == 20
        && (token.starts_with("AKIA") || token.starts_with("ASIA"))
        && token.bytes().all(upper)
    {
        return Some("an AWS access key");
    }
    if let Some((.., what)) =
        BEGINNINGS.iter().find(|(start, least, _)| token.len() >= *least && token.starts_with(start))
    {
        return Some(what);
    }
    if token.starts_with("eyJ") && token.matches('.').count() == 2 && token.len() >= 40 {
        return Some("a signed token");
    }
    let authority = token.split_once("://").and_then(|(_, rest)| rest.split('/').next());
    if authority.and_then(|a| a.rsplit_once('@')).is_some_and(|(who, _)| who.contains(':')) {
        return Some("a URL with a password");
    }
    is_random(token).then_some("a random key")
}

/// Whether a token is of letters of both cases and digits in no order that words have.
fn is_random(token: &str) -> bool {
    let alphabet = |b: u8| b.is_ascii_alphanumeric() || b"+/=_-".contains(&b);
    if !RANDOM.contains(&token.len()) || !token.bytes().all(alphabet) {
        return false;
    }
    let at_least_three = |kind: fn(&u8) -> bool| token.bytes().filter(kind).nth(2).is_some();
    // In names digits stand together, mostly at the end; in a key they are everywhere.
    let digits = token.split(|c: char| !c.is_ascii_digit()).filter(|run| !run.is_empty()).count();
    if digits < 3 || !at_least_three(u8::is_ascii_uppercase) || !at_least_three(u8::is_ascii_lowercase) {
        return false;
    }
    let mut counts = std::collections::BTreeMap::<u8, u32>::new();
    token.bytes().for_each(|b| *counts.entry(b).or_default() += 1);
    let length = f64::from(u32::try_from(token.len()).unwrap_or(u32::MAX));
    let bits: f64 = counts.values().map(|n| f64::from(*n) / length).map(|share| -share * share.log2()).sum();
    bits >= RANDOM_BITS
}

#[cfg(test)]
mod tests {
    use super::looks_like;

    /// Put together here, so that no scanner of repositories takes this file for a leak.
    fn secrets() -> Vec<(String, &'static str)> {
        let random = "q8Zt3LwX0vR7uNfY2sKb5HcJ9mPdE4";
        vec![
            (format!("{}IOSFODNN7EXAMPLE", "AKIA"), "an AWS access key"),
            (format!("{random}{}", "aG1TiUo6Wr"), "a random key"),
            (format!("key {random}{}", "aG1TiUo6Wr"), "a random key"),
            (format!("{}{}", "ghp_", "a1".repeat(18)), "a GitHub token"),
            (format!("{}{}", "xoxb-", "123456789012-abcdefghij"), "a Slack token"),
            (format!("-----BEGIN RSA {} KEY-----\nMIIE", "PRIVATE"), "a private key"),
            (
                format!("{}.{}.{}", "eyJhbGciOiJIUzI1NiJ9", "eyJzdWIiOiIxMjM0In0", "c2lnbmF0dXJl"),
                "a signed token",
            ),
            (format!("postgres://app:{}@db.example.org/x", "hunter2"), "a URL with a password"),
        ]
    }

    #[test]
    fn what_looks_like_a_secret_is_told_by_its_form() {
        for (text, what) in secrets() {
            assert_eq!(looks_like(&text), Some(what), "{text}");
        }
    }

    #[test]
    fn what_stacks_say_is_no_secret() {
        for text in [
            "resource.mgdl > 180 && resource.takenAt > datetime(\"2014-01-01T00:00:00Z\")",
            "https://app.example.org/callback?state=aVeryLongWordThatSomebodyMadeUp123",
            "lead.of.the.endocrinology.department@hospital.example.org",
            "AFieldNameThatSomebodyWroteAsOneVeryLongWordIn2026",
            "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab",
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "sees high readings, and when somebody is busy",
            "AKIA",
        ] {
            assert_eq!(looks_like(text), None, "{text}");
        }
    }
}
