//! Why a group gets an item, or does not, as people read it.

use std::fmt::Write as _;

use domain::rules::explain::{Answer, Condition, Explanation, Part, RuleOutcome, Window};
use domain::stack::History;
use serde_json::{Map, Value};

/// Longer parts of conditions do not push what is said about them any further to the right.
const WIDEST: usize = 60;
/// Longer values are cut short.
const LONGEST: usize = 80;

/// `sees mgdl, takenAt`; `verb` is `sees` or `see`.
pub(super) fn sees(found: &Explanation, fields: &Map<String, Value>, verb: &str) -> String {
    if !found.shared {
        let not = if verb == "see" { "do not" } else { "does not" };
        return format!("{not} see it");
    }
    format!("{verb} {}", names(&found.sees.iter().map(ToString::to_string).collect::<Vec<_>>(), fields))
}

/// What each rule says, a line for each and one for each of its reasons.
pub(super) fn rules(text: &mut String, found: &Explanation, fields: &Map<String, Value>) {
    if found.rules.is_empty() {
        let _ = writeln!(text, "  there is no rule");
    }
    for outcome in &found.rules {
        rule(text, outcome, fields);
    }
}

fn rule(text: &mut String, outcome: &RuleOutcome, fields: &Map<String, Value>) {
    let number = outcome.rule;
    if !outcome.is_about_type {
        let types = outcome.types.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let _ = writeln!(text, "  rule {number} is about {types} alone");
        return;
    }
    let does = if outcome.selects {
        let shown: Vec<String> = outcome.shows.iter().map(ToString::to_string).collect();
        format!("selects it and shows {}", names(&shown, fields))
    } else {
        "does not select it".to_owned()
    };
    let whole = outcome.condition.as_ref().filter(|condition| condition.parts.len() > 1);
    let whole = whole.map(|condition| format!(": {}", one_line(&condition.text))).unwrap_or_default();
    let _ = writeln!(text, "  rule {number} {does}{whole}");
    if let Some(condition) = &outcome.condition {
        parts(text, condition);
    }
    if let Some(found) = &outcome.window {
        let Window { history, from, within } = found;
        let _ = writeln!(text, "    {} history {}: from {from}", mark(*within), window(*history));
    }
}

fn parts(text: &mut String, condition: &Condition) {
    let shown: Vec<String> = condition.parts.iter().map(|part| one_line(&part.text)).collect();
    let width =
        shown.iter().map(|part| part.chars().count()).filter(|width| *width <= WIDEST).max().unwrap_or(0);
    for (part, shown) in condition.parts.iter().zip(shown) {
        let (sign, said) = match part.answer {
            Answer::True | Answer::False => (mark(part.answer == Answer::True), asked(part)),
            Answer::Failed => {
                ("!", format!("failed: {}", part.failure.as_deref().unwrap_or("nobody knows why")))
            }
            Answer::NotAsked => ("·", "not asked".to_owned()),
        };
        let line = format!("    {sign} {shown:width$}  {said}");
        let _ = writeln!(text, "{}", line.trim_end());
    }
}

fn mark(is_so: bool) -> &'static str {
    if is_so { "✓" } else { "✗" }
}

fn asked(part: &Part) -> String {
    let said = part.asks.iter().map(|asked| match &asked.value {
        Some(value) => format!("`{}` is {}", asked.field, short(&value.to_string())),
        None => format!("`{}` is absent", asked.field),
    });
    said.collect::<Vec<_>>().join(", ")
}

/// `every field` if nothing of the item is missing.
fn names(shown: &[String], fields: &Map<String, Value>) -> String {
    match shown.len() {
        0 => "that it is there, but no field of it".to_owned(),
        n if n == fields.len() && n > 1 => "every field".to_owned(),
        _ => shown.join(", "),
    }
}

fn window(history: History) -> String {
    match history {
        History::None => "none".to_owned(),
        History::All => "all".to_owned(),
        History::Days(days) => format!("{days}d"),
        History::Since(time) => format!("since {time}"),
    }
}

/// A condition may have several lines in the file.
pub(super) fn one_line(text: &str) -> String {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

/// Values may be as long as an item.
pub(super) fn short(text: &str) -> String {
    if text.chars().count() <= LONGEST {
        return text.to_owned();
    }
    text.chars().take(LONGEST).chain(['…']).collect()
}
