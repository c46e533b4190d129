//! The sections that say how the stack runs: `identity`, `api`, `functions`, `protection`, `tags`.

use std::collections::BTreeMap;

use crate::stack::{Api, Architecture, Encryption, Functions, Identity, Mfa, PasswordPolicy, Protection};

use super::report::{Fields, Report, quoted};
use super::yaml::{Entry, Kind};
use super::{codes, forms, reference};

/// Where `provision token` and the examples listen for the end of a sign-in.
const DEFAULT_CALLBACK: &str = "http://localhost:8765/callback";
/// The most URLs of a Cognito client.
const MAX_URLS: usize = 100;
/// What CloudWatch Logs accepts as the retention of a log group, in days.
const LOG_RETENTIONS: [i64; 22] =
    [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653];
/// AWS allows 50 tags. Freehold sets three itself, and one more on functions.
const MAX_TAGS: usize = 46;
/// Words that Cognito refuses anywhere in a domain prefix.
const COGNITO_RESERVED: [&str; 3] = ["aws", "amazon", "cognito"];

fn opened<'n>(
    parent: &Fields<'n>,
    key: &str,
    section: &'static reference::Section,
    report: &mut Report,
) -> Option<Fields<'n>> {
    let entry = parent.get(key)?;
    report.section(&entry.value, entry.key_at, section, &format!("`{}`", section.path))
}

fn boolean(fields: Option<&Fields<'_>>, key: &str, default: bool, report: &mut Report) -> bool {
    fields.and_then(|fields| fields.get(key)).and_then(|entry| report.boolean(entry)).unwrap_or(default)
}

fn integer(
    fields: Option<&Fields<'_>>,
    key: &str,
    range: std::ops::RangeInclusive<i64>,
    default: u32,
    report: &mut Report,
) -> u32 {
    let number = fields.and_then(|fields| fields.get(key)).and_then(|entry| report.integer(entry, range));
    number.and_then(|number| u32::try_from(number).ok()).unwrap_or(default)
}

fn choice<T: Copy>(
    fields: Option<&Fields<'_>>,
    key: &str,
    choices: &[(&'static str, T)],
    default: T,
    report: &mut Report,
) -> T {
    fields
        .and_then(|fields| fields.get(key))
        .and_then(|entry| report.choice(entry, choices))
        .unwrap_or(default)
}

pub(super) fn identity(root: &Fields<'_>, report: &mut Report) -> Identity {
    let section = opened(root, "identity", &reference::IDENTITY, report);
    let section = section.as_ref();
    let oauth = section.and_then(|section| opened(section, "oauth", &reference::OAUTH, report));
    let oauth = oauth.as_ref();
    let callback_urls =
        oauth.and_then(|oauth| oauth.get("callbackUrls")).and_then(|entry| urls(entry, report));
    let callback_urls = callback_urls.unwrap_or_else(|| vec![DEFAULT_CALLBACK.into()]);
    let logout_urls = oauth.and_then(|oauth| oauth.get("logoutUrls")).and_then(|entry| urls(entry, report));
    let logout_urls = logout_urls.unwrap_or_else(|| callback_urls.clone());
    let policy =
        section.and_then(|section| opened(section, "passwordPolicy", &reference::PASSWORD_POLICY, report));
    let policy = policy.as_ref();
    let modes = [("off", Mfa::Off), ("optional", Mfa::Optional), ("required", Mfa::Required)];
    Identity {
        callback_urls,
        logout_urls,
        password_policy: PasswordPolicy {
            minimum_length: u8::try_from(integer(policy, "minimumLength", 8..=99, 12, report)).unwrap_or(12),
            require_lowercase: boolean(policy, "requireLowercase", true, report),
            require_uppercase: boolean(policy, "requireUppercase", true, report),
            require_numbers: boolean(policy, "requireNumbers", true, report),
            require_symbols: boolean(policy, "requireSymbols", false, report),
        },
        mfa: choice(section, "mfa", &modes, Mfa::Optional, report),
        self_sign_up: boolean(section, "selfSignUp", true, report),
        domain_prefix: section
            .and_then(|section| section.get("domainPrefix"))
            .and_then(|entry| domain_prefix(entry, report)),
    }
}

fn urls(entry: &Entry, report: &mut Report) -> Option<Vec<String>> {
    let urls = report.distinct(entry)?;
    if urls.is_empty() || urls.len() > MAX_URLS {
        let message = format!("`{}` has {} URLs; it must have 1 to {MAX_URLS}", entry.key, urls.len());
        report.add(
            codes::URL,
            entry.value.at,
            message,
            format!("remove it for the default, `{DEFAULT_CALLBACK}`"),
        );
    }
    for (text, at) in &urls {
        if let Err(why) = forms::callback(text) {
            let help = "write it whole, for example `https://app.example.org/callback`";
            report.add(codes::URL, *at, format!("{} cannot be returned to: {why}", quoted(text)), help);
        }
    }
    Some(urls.into_iter().map(|(text, _)| text.to_owned()).collect())
}

/// The word that Cognito would refuse in a domain prefix.
pub(super) fn reserved_by_cognito(text: &str) -> Option<&'static str> {
    COGNITO_RESERVED.into_iter().find(|word| text.contains(word))
}

fn domain_prefix(entry: &Entry, report: &mut Report) -> Option<String> {
    let text = report.text(entry)?;
    let good = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let formed = !text.is_empty()
        && text.len() <= 63
        && text.bytes().all(good)
        && !text.starts_with('-')
        && !text.ends_with('-');
    let help = match (formed, reserved_by_cognito(text)) {
        (true, None) => return Some(text.to_owned()),
        (true, Some(word)) => format!("Cognito refuses `{word}` anywhere in it; choose another"),
        (false, _) => {
            "use at most 63 lower-case letters, digits and `-`, beginning and ending with a letter or digit"
                .into()
        }
    };
    report.add(
        codes::NAME,
        entry.value.at,
        format!("{} cannot be the prefix of the sign-in page", quoted(text)),
        help,
    );
    None
}

pub(super) fn api(root: &Fields<'_>, report: &mut Report) -> Api {
    let section = opened(root, "api", &reference::API, report);
    let section = section.as_ref();
    let cors = section.and_then(|section| opened(section, "cors", &reference::CORS, report));
    let cors_origins = cors.and_then(|cors| cors.get("origins")).and_then(|entry| origins(entry, report));
    let throttling =
        section.and_then(|section| opened(section, "throttling", &reference::THROTTLING, report));
    let throttling = throttling.as_ref();
    Api {
        cors_origins: cors_origins.unwrap_or_default(),
        rate_limit: integer(throttling, "rateLimit", 1..=100_000, 1000, report),
        burst_limit: integer(throttling, "burstLimit", 1..=100_000, 2000, report),
        per_person_rate_limit: integer(throttling, "perPersonRateLimit", 1..=10_000, 100, report),
    }
}

fn origins(entry: &Entry, report: &mut Report) -> Option<Vec<String>> {
    let origins = report.distinct(entry)?;
    for (text, at) in &origins {
        let wrong = match *text {
            "*" if origins.len() == 1 => continue,
            "*" => "`*` must stand alone",
            other => match forms::origin(other) {
                Ok(()) => continue,
                Err(why) => why,
            },
        };
        let help = "write scheme, host and port, for example `https://app.example.org`";
        report.add(codes::URL, *at, format!("{} is not an origin: {wrong}", quoted(text)), help);
    }
    Some(origins.into_iter().map(|(text, _)| text.to_owned()).collect())
}

pub(super) fn functions(root: &Fields<'_>, report: &mut Report) -> Functions {
    let section = opened(root, "functions", &reference::FUNCTIONS, report);
    let section = section.as_ref();
    let architectures = [("x86_64", Architecture::X86_64), ("arm64", Architecture::Arm64)];
    Functions {
        architecture: choice(section, "architecture", &architectures, Architecture::X86_64, report),
        memory: integer(section, "memory", 128..=10_240, 256, report),
        job_writes_per_second: integer(section, "jobWritesPerSecond", 10..=40_000, 500, report),
        log_retention_days: section
            .and_then(|section| section.get("logRetentionDays"))
            .and_then(|entry| log_retention(entry, report))
            .unwrap_or(30),
    }
}

fn log_retention(entry: &Entry, report: &mut Report) -> Option<u32> {
    let days = report.integer(entry, 1..=3653)?;
    if LOG_RETENTIONS.contains(&days) {
        return u32::try_from(days).ok();
    }
    let below = LOG_RETENTIONS.iter().rev().find(|allowed| **allowed < days).copied().unwrap_or(1);
    let above = LOG_RETENTIONS.iter().find(|allowed| **allowed > days).copied().unwrap_or(3653);
    let message = format!("CloudWatch cannot keep logs for {days} days");
    report.add(codes::VALUE, entry.value.at, message, format!("the nearest it can are {below} and {above}"));
    None
}

pub(super) fn protection(root: &Fields<'_>, report: &mut Report) -> Protection {
    let section = opened(root, "protection", &reference::PROTECTION, report);
    let section = section.as_ref();
    let keys = [("aws-owned", Encryption::AwsOwned), ("customer-managed", Encryption::CustomerManaged)];
    Protection {
        deletion_protection: boolean(section, "deletionProtection", true, report),
        point_in_time_recovery: boolean(section, "pointInTimeRecovery", true, report),
        encryption: choice(section, "encryption", &keys, Encryption::AwsOwned, report),
    }
}

pub(super) fn tags(root: &Fields<'_>, report: &mut Report) -> BTreeMap<String, String> {
    let mut tags = BTreeMap::new();
    let Some(entry) = root.get("tags") else { return tags };
    let entries = report.mapping(&entry.value, entry.key_at, "`tags`").unwrap_or_default();
    if let Some(surplus) = entries.get(MAX_TAGS) {
        let message = format!("there are {} tags; there may be at most {MAX_TAGS}", entries.len());
        report.add(
            codes::TAG,
            surplus.key_at,
            message,
            "this is the first that is too many: AWS allows 50, and Freehold sets up to four",
        );
        return tags;
    }
    for entry in entries {
        let lower = entry.key.to_ascii_lowercase();
        let wrong = if lower.starts_with("aws:") {
            Some("the prefix `aws:` is AWS's own")
        } else if lower.starts_with("freehold:") {
            Some("the prefix `freehold:` is Freehold's own")
        } else {
            unfit(&entry.key, 1, 128)
        };
        if let Some(why) = wrong {
            report.add(
                codes::TAG,
                entry.key_at,
                format!("{} cannot be the key of a tag", quoted(&entry.key)),
                why,
            );
        }
        let empty =
            matches!(&entry.value.kind, Kind::Scalar(scalar) if !scalar.plain && scalar.text.is_empty());
        let text = if empty { Some("") } else { report.text(entry) };
        let Some(text) = text else { continue };
        if let Some(why) = unfit(text, 0, 256) {
            report.add(
                codes::TAG,
                entry.value.at,
                format!("{} cannot be the value of a tag", quoted(text)),
                why,
            );
        }
        tags.insert(entry.key.clone(), text.to_owned());
    }
    tags
}

/// Why a text cannot be a part of a tag; the characters are those that every AWS service takes.
fn unfit(text: &str, least: usize, most: usize) -> Option<&'static str> {
    let length = text.chars().count();
    if length < least {
        return Some("it must not be empty");
    }
    if length > most {
        return Some("keys have at most 128 characters and values 256");
    }
    let good = |c: char| c.is_alphanumeric() || " _.:/=+-@".contains(c);
    (!text.chars().all(good)).then_some("use letters, digits, spaces and `_ . : / = + - @`")
}
