//! `provision who-sees`

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Read as _;
use std::path::PathBuf;

use clap::Args;
use domain::id::Name;
use domain::rules::explain::{Explanation, explain};
use domain::stack::Stack;
use domain::time::Timestamp;
use domain::value::{Fields, fields_to_json};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::live::{self, Deployed, Live};
use super::{App, explained};
use crate::error::{Error, Exit, count};
use crate::session::Session;
use crate::state::now;

const AFTER: &str = "\
The item is a JSON object as people send it to the API, with its data type and its fields:
  {\"type\": \"glucose\", \"fields\": {\"takenAt\": \"2026-01-01T08:00:00Z\", \"mgdl\": 192}}

Examples:
  provision who-sees item.json
  provision who-sees item.json --live
  provision who-sees item.json --group care-team --joined 2026-06-01T00:00:00Z
  echo '{…}' | provision who-sees - --json";

/// Show which groups get an item, what of it they see, and why
///
/// Reads only the stack's file and the item. For each group it tells which rule selects the item, with each part of its
/// condition marked true or false, and how far back its history window reaches. What a provider's own contract leaves out
/// is not looked at: it is no part of the file. With `--live` it asks the deployed stack instead: its rules of now, who
/// reads each group, and how many of its providers would share such an item, by when they joined and what they allow.
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub(super) struct WhoSees {
    /// The file with the item; `-` is stdin
    item: PathBuf,
    /// When the item's provider joined the groups; now if left out
    #[arg(long, value_name = "TIME", value_parser = time)]
    joined: Option<Timestamp>,
    /// Ask the deployed stack, with the people who are in its groups
    #[arg(long)]
    live: bool,
    /// Only this group; may be given more than once
    #[arg(long = "group", value_name = "NAME")]
    groups: Vec<String>,
}

fn time(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse(text).map_err(|why| why.to_string())
}

/// An item as people write it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(rename = "type")]
    data_type: String,
    fields: Map<String, Value>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'s> {
    #[serde(rename = "type")]
    data_type: &'s Name,
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<Timestamp>,
    /// When its retention ended, if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    expired: Option<Timestamp>,
    joined: Timestamp,
    fields: Map<String, Value>,
    groups: Vec<Row<'s>>,
    /// Groups that people make through the API.
    #[serde(skip_serializing_if = "Option::is_none")]
    group_defaults: Option<Explanation>,
}

#[derive(Serialize)]
struct Row<'s> {
    group: &'s Name,
    #[serde(flatten)]
    explanation: Explanation,
    /// Who is in it, if that was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    live: Option<Live>,
}

impl WhoSees {
    pub(super) async fn run(self, app: &App) -> Result<Exit, Error> {
        let written = read(&self.item)?;
        let (stack, deployed) = match self.live {
            true => live::look(&Session::open(&app.options_for_document()).await?).await?,
            false => (app.stack()?, BTreeMap::new()),
        };
        let now = now();
        let (joined, groups) = (self.joined.unwrap_or(now), &self.groups);
        let document = document((&stack, &deployed), written, joined, now, groups)?;
        app.show(&document, || text(&document));
        Ok(Exit::Done)
    }
}

fn read(path: &PathBuf) -> Result<Written, Error> {
    let mut text = String::new();
    let name = path.display();
    let read = if path.as_os_str() == "-" {
        std::io::stdin().lock().read_to_string(&mut text).map(drop)
    } else {
        std::fs::read_to_string(path).map(|read| text = read)
    };
    read.map_err(|why| {
        refused(
            format!("cannot read the item `{name}`: {why}"),
            "give a JSON file with the item, or `-` for stdin",
        )
    })?;
    let written = domain::json::parse(text.as_bytes()).map_err(|why| why.to_string());
    written.and_then(|written| domain::json::read(written).map_err(|why| why.to_string())).map_err(|why| {
        let help = "write it as `{\"type\": \"glucose\", \"fields\": {…}}`, as people send it to the API";
        refused(format!("`{name}` is not an item: {why}"), help)
    })
}

fn refused(message: String, help: &str) -> Error {
    Error::Other { code: "FH0209", message, help: help.to_owned() }
}

fn document<'s>(
    (stack, deployed): (&'s Stack, &BTreeMap<Name, Deployed>),
    written: Written,
    joined: Timestamp,
    now: Timestamp,
    only: &[String],
) -> Result<Document<'s>, Error> {
    let Some((name, data_type)) = stack.data_types.get_key_value(written.data_type.as_str()) else {
        let known = stack.data_types.keys().map(ToString::to_string).collect();
        return Err(Error::Unknown { what: "the data type", name: written.data_type, known });
    };
    if let Some(name) = only.iter().find(|name| !stack.groups.contains_key(name.as_str())) {
        let known = stack.groups.keys().map(ToString::to_string).collect();
        return Err(Error::Unknown { what: "the group", name: name.clone(), known });
    }
    let fields: Fields = data_type.validate(&written.fields).map_err(|errors| {
        let mut each: Vec<String> =
            errors.iter().map(|error| format!("`{}`: {}", error.field, error.message)).collect();
        each.sort();
        let head = format!("`{name}` does not take this item: {}", count(each.len(), "mistake"));
        refused(
            format!("{head}\n{}", each.join("\n")),
            "correct the item; the API would refuse it for the same reasons",
        )
    })?;
    let time = data_type.time_of(&fields);
    let wanted = |name: &Name| only.is_empty() || only.iter().any(|only| only == name.as_str());
    let groups = stack.groups.iter().filter(|(name, _)| wanted(name)).map(|(name, group)| Row {
        group: name,
        explanation: explain(data_type, &group.rules, &fields, joined),
        live: deployed.get(name).map(|deployed| deployed.of(&data_type.name, time, &fields)),
    });
    let defaults = stack.group_defaults.as_ref().filter(|_| only.is_empty());
    Ok(Document {
        data_type: name,
        time,
        expired: time.and_then(|time| data_type.expiry(time)).filter(|end| *end <= now),
        joined,
        groups: groups.collect(),
        group_defaults: defaults.map(|rules| explain(data_type, rules, &fields, joined)),
        fields: fields_to_json(&fields),
    })
}

fn text(document: &Document<'_>) -> String {
    let mut text = String::new();
    let time = document.time.map(|time| format!(" of {time}")).unwrap_or_default();
    let _ =
        writeln!(text, "`{}`{time}, from a provider who joined at {}", document.data_type, document.joined);
    if let Some(end) = document.expired {
        let _ = writeln!(text, "its retention ended at {end}: it would not be kept");
    }
    for Row { group, explanation, live } in &document.groups {
        let _ = writeln!(text, "\n{group} {}", explained::sees(explanation, &document.fields, "sees"));
        explained::rules(&mut text, explanation, &document.fields);
        if let Some(live) = live {
            let _ = writeln!(text, "{}", live.text());
        }
    }
    if let Some(explanation) = &document.group_defaults {
        let does = explained::sees(explanation, &document.fields, "see");
        let _ = writeln!(text, "\ngroups that people make through the API {does}");
        explained::rules(&mut text, explanation, &document.fields);
    }
    text
}
