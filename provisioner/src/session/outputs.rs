//! What a stack gives to its users.

use std::collections::BTreeMap;
use std::path::Path;

use domain::example::example;
use serde_json::json;

use super::{Session, wanted};
use crate::desired::stack_outputs;
use crate::engine::Execution;
use crate::error::Error;
use crate::kinds::Read;
use crate::resource::{Address, Outputs};

/// Outputs from what was read.
pub fn outputs_of(session: &Session, observed: &BTreeMap<Address, Read>) -> Outputs {
    of(session, &|address| match observed.get(address) {
        Some(Read::Owned(found)) => Some(found.outputs.clone()),
        _ => None,
    })
}

/// Outputs from what was just done.
pub(super) fn of_execution(session: &Session, execution: &Execution) -> Outputs {
    of(session, &|address| execution.outputs.get(address).cloned())
}

/// Outputs as the state remembers them; nothing but the state is read.
///
/// # Errors
/// If there is no state.
pub async fn recorded_outputs(session: &Session) -> Result<Outputs, Error> {
    let entries = session.entries().await?;
    Ok(of(session, &|address| entries.get(address).map(|entry| entry.recorded.outputs.clone())))
}

fn of(session: &Session, outputs: &dyn Fn(&Address) -> Option<Outputs>) -> Outputs {
    stack_outputs(&session.stack, &wanted::options(session, BTreeMap::new()), outputs)
}

/// What to do next, ready to be pasted into a shell.
pub fn next_steps(session: &Session, outputs: &Outputs) -> Vec<String> {
    let Some(api) = outputs.get("apiUrl") else { return Vec::new() };
    let bearer = r#"-H "authorization: Bearer $TOKEN""#;
    let mut steps = vec![
        format!("  export TOKEN=$({})", command(session, "token")),
        format!("  curl -sS -X POST {bearer} '{api}/user'   # make your profile"),
    ];
    if let Some(data_type) = session.stack.data_types.values().next() {
        let item = json!({ "type": data_type.name, "fields": example(data_type, store::clock::now()) });
        // Within single quotes a shell takes everything as it is, but the quote itself.
        let item = item.to_string().replace('\'', r"'\''");
        let json = r#"-H "content-type: application/json""#;
        steps.push(format!(
            "  curl -sS -X POST {bearer} {json} -d '{item}' '{api}/user/data'   # write an item"
        ));
        steps.push(format!("  curl -sS {bearer} '{api}/user/data'   # see it"));
    }
    steps
}

/// How to watch the jobs that are left to run.
pub(super) fn follow_step(session: &Session, groups: &[String]) -> String {
    let command = command(session, "status --follow");
    format!("  {command}   # how far the copies of {} are", groups.join(", "))
}

/// A command line for this program and this stack.
fn command(session: &Session, command: &str) -> String {
    let options = &session.options;
    let mut line = format!("{} {command}", program());
    if options.file != Path::new(crate::cli::DEFAULT_FILE) {
        line.push_str(&format!(" --file '{}'", options.file.display()));
    }
    for (flag, value) in
        [("--env", &options.env), ("--region", &options.region), ("--profile", &options.profile)]
    {
        if let Some(value) = value {
            line.push_str(&format!(" {flag} '{value}'"));
        }
    }
    if session.clients.is_local() {
        line.push_str(" --target local");
    }
    line
}

/// How this program was called, as somebody would type it here.
fn program() -> String {
    let Ok(exe) = std::env::current_exe() else { return "provision".to_owned() };
    let on_path = std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|dir| exe.parent() == Some(dir.as_path())));
    if on_path {
        return "provision".to_owned();
    }
    let here = std::env::current_dir().ok();
    let shown = here.as_deref().and_then(|here| exe.strip_prefix(here).ok()).unwrap_or(&exe);
    shown.display().to_string()
}
