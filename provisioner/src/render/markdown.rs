//! A plan as a comment on a pull request: the summary first, what is long folded away, and never longer than such a
//! comment may be.
//!
//! Whatever people wrote stands between `<code>` and `</code>` with every special character as an entity. So it can
//! neither break a table nor call for somebody with an `@`.

mod losses;

use std::fmt::Write as _;

use serde_json::Value;

use super::plan::{counts, drifted, is_drift_alone};
use super::value::{one, pair};
use crate::error::count;
use crate::kinds::Effect;
use crate::plan::{Action, Change, Losses, Node, Plan, Purpose};

/// The most characters that GitHub takes in a comment. Bytes are counted here, which are never fewer.
pub const MOST: usize = 65_536;
/// The longest value that is shown whole.
const LONGEST: usize = 160;
/// More entries than these are folded away.
const FOLDED_FROM: usize = 8;
/// Changes of sharing are told one by one until a comment is so long: the resources need room too.
const MOST_SHARING: usize = MOST / 2;
/// Kept free for the headings and ends of what is folded, and for saying how much was left out.
const SPARE: usize = 2_048;

/// Begins every comment, so that a workflow finds the one it made before.
pub fn marker(stack: &str) -> String {
    format!("<!-- freehold plan of {stack} -->")
}

/// A plan, with what it would take away for good, as Markdown of at most [`MOST`] bytes.
pub fn plan(plan: &Plan, lost: &Losses) -> String {
    let mut text = format!("{}\n", marker(&plan.stack));
    if plan.is_empty() {
        let what = match plan.purpose {
            Purpose::Apply => "is as its file says: nothing to do",
            Purpose::Destroy => "is not there: nothing to do",
        };
        let _ = writeln!(text, "### {} {what}", code(&plan.stack));
        return text;
    }
    let doing = if plan.purpose == Purpose::Destroy { "plan to destroy" } else { "plan for" };
    let _ = writeln!(text, "### {doing} {}: {}\n", code(&plan.stack), counts(plan));
    losses::section(&mut text, plan, lost);
    sharing(&mut text, plan);
    summary(&mut text, plan);
    let mut room = MOST.saturating_sub(text.len()).saturating_sub(SPARE);
    for section in SECTIONS {
        section.write(&mut text, plan, &mut room);
    }
    text
}

/// What one has to know before anything else.
fn summary(text: &mut String, plan: &Plan) {
    let refused = plan.refusals().count();
    if refused > 0 {
        let (is, it) = if refused == 1 { ("is", "it") } else { ("are", "they") };
        let what = count(refused, "resource");
        let _ = writeln!(
            text,
            "> [!CAUTION]\n> {what} {is} refused: this plan cannot be applied until {it} {is} mended\n"
        );
    }
    let drifted = plan.nodes.iter().filter(|node| drifted(node).next().is_some()).count();
    if drifted > 0 {
        let were = if drifted == 1 { "was" } else { "were" };
        let _ = writeln!(
            text,
            "> [!WARNING]\n> {} {were} changed outside of the file; applying sets that back\n",
            count(drifted, "resource"),
        );
    }
    let _ = writeln!(text, "| | resources |\n|---|---:|");
    for section in SECTIONS {
        let n = plan.nodes.iter().filter(|node| section.has(node)).count();
        if n > 0 {
            let _ = writeln!(text, "| {} | {n} |", section.title);
        }
    }
    let unchanged = plan.nodes.iter().filter(|node| node.action == Action::NoOp).count();
    if unchanged > 0 {
        let _ = writeln!(text, "| unchanged | {unchanged} |");
    }
    text.push('\n');
}

/// Who comes to see what: before the resources, since it is what a reviewer is asked for.
fn sharing(text: &mut String, plan: &Plan) {
    let all = super::sharing::ordered(plan);
    if all.is_empty() {
        return;
    }
    let waiting = all.iter().filter(|sharing| sharing.needs_approval()).count();
    if waiting > 0 {
        let (groups, share) = (count(waiting, "group"), if waiting == 1 { "shares" } else { "share" });
        let _ = writeln!(
            text,
            "> [!IMPORTANT]\n> {groups} {share} more than before, or may: that needs an approval\n"
        );
    }
    let _ = writeln!(text, "| group | data type | who sees what | |\n|---|---|---|---|");
    for (at, sharing) in all.iter().enumerate() {
        if text.len() > MOST_SHARING {
            let _ = writeln!(text, "\n… and {} more: `provision plan` shows all of them", all.len() - at);
            break;
        }
        for (position, (name, one)) in sharing.types.iter().enumerate() {
            let mut notes: Vec<String> =
                super::sharing::examples(one).iter().map(|note| sentence(note)).collect();
            notes.push(sentence(super::sharing::work(one)));
            // Told once: it is about the whole group.
            if position == 0 {
                let about =
                    super::sharing::moves(sharing).into_iter().chain(super::sharing::consents(sharing));
                notes.extend(about.map(|note| sentence(&note)));
            }
            if sharing.needs_approval() {
                notes.push(sentence(&super::sharing::approval(sharing)));
            }
            let verdict = match sharing.needs_approval() {
                true => format!("**{}**", super::sharing::known(one)),
                false => super::sharing::known(one),
            };
            let (group, name) = (code(sharing.group.as_str()), code(name.as_str()));
            let _ = writeln!(text, "| {group} | {name} | {verdict} | {} |", notes.join("<br>"));
        }
    }
    text.push('\n');
}

/// What is done to resources in one way.
struct Section {
    title: &'static str,
    actions: &'static [Action],
    /// Whether attributes are shown, or only which resources.
    attributes: bool,
    /// Whether it is about what was changed elsewhere, and not about what the file changes.
    drift: bool,
}

const fn section(title: &'static str, actions: &'static [Action], attributes: bool) -> Section {
    Section { title, actions, attributes, drift: false }
}

/// What can hurt comes first.
const SECTIONS: &[Section] = &[
    section("🛑 refused", &[Action::Blocked, Action::Conflict], true),
    section("🗑️ to delete", &[Action::Delete], true),
    section("♻️ to replace", &[Action::Replace], true),
    section("✏️ to change", &[Action::Update], true),
    Section { drift: true, ..section("🔧 drift to set back", &[Action::Update], true) },
    section("✨ to create", &[Action::Create], false),
    section("to forget", &[Action::Forget], true),
];

impl Section {
    fn has(&self, node: &Node) -> bool {
        let told = if self.drift { drifted(node).next().is_some() } else { !is_drift_alone(node) };
        told && self.actions.contains(&node.action)
    }

    /// The changes of a node that this section is about.
    fn changes<'n>(&self, node: &'n Node) -> Vec<&'n Change> {
        match (self.drift, node.action) {
            (true, _) => drifted(node).collect(),
            (false, Action::Update) => node.changes.iter().filter(|change| !change.drift).collect(),
            (false, _) => node.changes.iter().collect(),
        }
    }

    fn write(&self, text: &mut String, plan: &Plan, room: &mut usize) {
        let nodes: Vec<&Node> = plan.nodes.iter().filter(|node| self.has(node)).collect();
        if nodes.is_empty() {
            return;
        }
        let folded = !self.attributes || nodes.len() > FOLDED_FROM;
        let head = format!("{} ({})", self.title, nodes.len());
        let _ = match folded {
            true => writeln!(text, "<details>\n<summary>{head}</summary>\n"),
            false => writeln!(text, "#### {head}\n"),
        };
        let mut left_out = 0;
        for node in nodes {
            let entry = self.entry(node);
            match room.checked_sub(entry.len()) {
                // Once one is left out all are: the order is the plan's, and a gap in it would mislead.
                Some(rest) if left_out == 0 => {
                    *room = rest;
                    text.push_str(&entry);
                }
                _ => left_out += 1,
            }
        }
        if left_out > 0 {
            let _ = writeln!(text, "- … and {left_out} more: `provision plan` shows all of them");
        }
        text.push_str(if folded { "\n</details>\n\n" } else { "\n" });
    }

    fn entry(&self, node: &Node) -> String {
        let mut text = format!("- {}", code(&node.address.to_string()));
        if let Some(reason) = node.reason.as_ref().filter(|_| !self.drift) {
            let _ = write!(text, " – {}", sentence(reason));
        }
        text.push('\n');
        let changes = self.changes(node);
        if !self.attributes || changes.is_empty() {
            return text;
        }
        text.push_str("\n  | attribute | before | after | |\n  |---|---|---|---|\n");
        for change in changes {
            let (before, after) = values(change);
            let _ = writeln!(text, "  | {} | {before} | {after} | {} |", code(&change.path), note(change));
        }
        text.push('\n');
        text
    }
}

fn values(change: &Change) -> (String, String) {
    let show =
        |value: &Option<Value>| value.as_ref().map_or_else(String::new, |value| code(&one(value, LONGEST)));
    match (&change.before, &change.after) {
        (before, _) if change.known_after_apply => (show(before), "*known after apply*".to_owned()),
        (Some(before), Some(after)) => {
            let (before, after) = pair(before, after, LONGEST);
            (code(&before), code(&after))
        }
        (before, after) => (show(before), show(after)),
    }
}

fn note(change: &Change) -> &'static str {
    match change.effect {
        Effect::Blocked => "would lose data",
        Effect::Replace => "forces a replacement",
        Effect::Update => "",
    }
}

/// Text in which nothing means anything to Markdown.
fn code(text: &str) -> String {
    format!("<code>{}</code>", plain(text))
}

/// A sentence of ours, in which backticks stand around what people wrote.
fn sentence(text: &str) -> String {
    let parts: Vec<&str> = text.split('`').collect();
    // Without its partner a backtick stands around nothing.
    if parts.len().is_multiple_of(2) {
        return plain(text);
    }
    let parts = parts.iter().enumerate();
    parts.map(|(at, part)| if at % 2 == 1 { code(part) } else { plain(part) }).collect()
}

/// Text on one line whose special characters are entities.
fn plain(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            char if char.is_alphanumeric() || " .,;/=+()?%\"'-".contains(char) => safe.push(char),
            // `{` and `}` mean nothing, and entities would double the size of documents.
            '{' | '}' | '→' | '…' | '–' => safe.push(char),
            '\n' | '\r' | '\t' => safe.push(' '),
            char if char.is_control() => safe.push('\u{fffd}'),
            char => drop(write!(safe, "&#{};", u32::from(char))),
        }
    }
    safe
}

#[cfg(test)]
mod tests;
