//! What a function's environment says, read once at start and checked.

use store::Tables;
use tracing::level_filters::LevelFilter;

/// A variable of the environment that a function cannot start with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// It is not there, or empty.
    #[error("the environment variable {0} is not set; `provision apply` sets it")]
    Missing(&'static str),
    /// It does not say what it should.
    #[error("the environment variable {name} is `{value}`; it must be {expected}")]
    Invalid {
        /// Its name.
        name: &'static str,
        /// What it says.
        value: String,
        /// What it may say.
        expected: &'static str,
    },
}

/// What every function needs to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The stack's name.
    pub stack: String,
    /// Its tables.
    pub tables: Tables,
    /// The hash of the stack's document.
    pub config: String,
    /// How much is logged.
    pub level: LevelFilter,
    /// Writes a second that a data job may do.
    pub writes_per_second: u32,
    jobs_queue_url: Option<String>,
}

/// What the API function needs to know beyond that: whose tokens count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiSettings {
    /// Who issues the tokens: the user pool.
    pub issuer: String,
    /// The client that the tokens are made for.
    pub client_id: String,
    /// Where a token's holder can be asked about.
    pub userinfo_url: String,
    /// Where the keys are that tokens are signed with.
    pub keys_url: String,
    /// Calls a second that one person may make of one process.
    pub calls_per_second: u32,
}

/// Where variables are looked up: the process's environment, or a test's map.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

fn needed(lookup: Lookup<'_>, name: &'static str) -> Result<String, SettingsError> {
    lookup(name).filter(|value| !value.is_empty()).ok_or(SettingsError::Missing(name))
}

fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

impl Settings {
    /// Reads the process's environment.
    ///
    /// # Errors
    /// If a variable is missing or wrong; the text names it.
    pub fn read() -> Result<Self, SettingsError> {
        Self::from(&environment)
    }

    /// Reads from a look-up.
    ///
    /// # Errors
    /// If a variable is missing or wrong; the text names it.
    pub fn from(lookup: Lookup<'_>) -> Result<Self, SettingsError> {
        Ok(Self {
            stack: needed(lookup, "FREEHOLD_STACK")?,
            tables: Tables {
                data: needed(lookup, "FREEHOLD_DATA_TABLE")?,
                replicas: needed(lookup, "FREEHOLD_REPLICAS_TABLE")?,
                directory: needed(lookup, "FREEHOLD_DIRECTORY_TABLE")?,
            },
            config: needed(lookup, "FREEHOLD_CONFIG")?,
            level: level(lookup)?,
            writes_per_second: number(lookup, "FREEHOLD_WRITES_PER_SECOND", WRITES_PER_SECOND)?,
            jobs_queue_url: lookup("FREEHOLD_JOBS_QUEUE_URL").filter(|url| !url.is_empty()),
        })
    }

    /// The queue of data jobs; functions that send none need no address.
    ///
    /// # Errors
    /// If it is not set.
    pub fn jobs_queue_url(&self) -> Result<&str, SettingsError> {
        self.jobs_queue_url.as_deref().ok_or(SettingsError::Missing("FREEHOLD_JOBS_QUEUE_URL"))
    }
}

impl ApiSettings {
    /// Reads the process's environment.
    ///
    /// # Errors
    /// If a variable is missing; the text names it.
    pub fn read() -> Result<Self, SettingsError> {
        Self::from(&environment)
    }

    /// Reads from a look-up.
    ///
    /// # Errors
    /// If a variable is missing; the text names it.
    pub fn from(lookup: Lookup<'_>) -> Result<Self, SettingsError> {
        Ok(Self {
            issuer: needed(lookup, "FREEHOLD_ISSUER")?,
            client_id: needed(lookup, "FREEHOLD_CLIENT_ID")?,
            userinfo_url: needed(lookup, "FREEHOLD_USERINFO_URL")?,
            keys_url: needed(lookup, "FREEHOLD_KEYS_URL")?,
            calls_per_second: number(lookup, "FREEHOLD_CALLS_PER_SECOND", CALLS_PER_SECOND)?,
        })
    }
}

/// Half of what one partition takes, unless the stack says otherwise.
const WRITES_PER_SECOND: u32 = 500;

/// Ten times what anybody's device needs, unless the stack says otherwise.
const CALLS_PER_SECOND: u32 = 100;

fn number(lookup: Lookup<'_>, name: &'static str, usual: u32) -> Result<u32, SettingsError> {
    let Some(value) = lookup(name).filter(|value| !value.is_empty()) else { return Ok(usual) };
    let number = value.parse().ok().filter(|number| *number > 0);
    number.ok_or(SettingsError::Invalid { name, value, expected: "a whole number above 0" })
}

/// One level for our own code, and nothing finer: a filter by module could turn on what the SDK logs of requests,
/// which is what people wrote.
fn level(lookup: Lookup<'_>) -> Result<LevelFilter, SettingsError> {
    let Some(value) = lookup("FREEHOLD_LOG").filter(|value| !value.is_empty()) else {
        return Ok(LevelFilter::INFO);
    };
    match value.as_str() {
        "off" => Ok(LevelFilter::OFF),
        "error" => Ok(LevelFilter::ERROR),
        "warn" => Ok(LevelFilter::WARN),
        "info" => Ok(LevelFilter::INFO),
        "debug" => Ok(LevelFilter::DEBUG),
        "trace" => Ok(LevelFilter::TRACE),
        _ => Err(SettingsError::Invalid {
            name: "FREEHOLD_LOG",
            value,
            expected: "off, error, warn, info, debug or trace",
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lookup(without: &'static str, log: &'static str) -> impl Fn(&str) -> Option<String> {
        move |name| match name {
            _ if name == without => None,
            "FREEHOLD_LOG" => Some(log.to_owned()),
            "FREEHOLD_WRITES_PER_SECOND" | "FREEHOLD_CALLS_PER_SECOND" => Some("250".to_owned()),
            _ => Some(format!("value of {name}")),
        }
    }

    #[test]
    fn a_missing_variable_is_named() {
        for name in ["FREEHOLD_STACK", "FREEHOLD_DATA_TABLE", "FREEHOLD_CONFIG"] {
            let error = Settings::from(&lookup(name, "info")).unwrap_err();
            assert!(error.to_string().contains(name), "{error}");
        }
        let names = ["FREEHOLD_ISSUER", "FREEHOLD_CLIENT_ID", "FREEHOLD_USERINFO_URL", "FREEHOLD_KEYS_URL"];
        for name in names {
            assert_eq!(ApiSettings::from(&lookup(name, "")), Err(SettingsError::Missing(name)));
        }
        let settings = Settings::from(&lookup("FREEHOLD_JOBS_QUEUE_URL", "")).unwrap();
        assert!(settings.jobs_queue_url().unwrap_err().to_string().contains("FREEHOLD_JOBS_QUEUE_URL"));
    }

    #[test]
    fn the_log_level_cannot_be_a_filter_by_module() {
        assert_eq!(Settings::from(&lookup("", "debug")).unwrap().level, LevelFilter::DEBUG);
        assert_eq!(Settings::from(&lookup("", "")).unwrap().level, LevelFilter::INFO);
        assert!(Settings::from(&lookup("", "aws_smithy_runtime=trace")).is_err());
    }
}
