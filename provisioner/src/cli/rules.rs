//! `provision rules`

use std::fmt::Write as _;

use clap::{Args, Subcommand};
use domain::id::Name;
use domain::rules::explain::{Explanation, explain};
use domain::rules::lint::{Finding, Level, Owner, lint};
use domain::stack::{DeclaredGroup, ExampleItem, Stack};
use domain::time::Timestamp;
use domain::value::fields_to_json;
use serde::Serialize;
use serde_json::{Map, Value};

use super::{App, explained};
use crate::error::{Error, Exit, count};

/// Check what the groups' rules do
#[derive(Debug, Args)]
pub(super) struct Rules {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Hold the rules against the examples that stand beside them
    ///
    /// A group's `shouldShare` and `shouldNotShare` list items that its consumers should see and should not see. Exits with
    /// 1 if any of them is otherwise, and tells why. Reads only the stack's file. The provider of an example had joined by
    /// the time of the item, unless it says when with `joined`.
    Test,
    /// Find rules that are sound and odd all the same
    ///
    /// Conditions that never or always hold, rules that add nothing to the other rules of their group, and, for
    /// information, fields that no rule shows and no condition asks for. Only what is certain is told: what cannot be
    /// decided is passed over. Reads only the stack's file.
    Lint {
        /// Exit with 1 if there is any warning; what is told for information is none
        #[arg(long)]
        deny: bool,
    },
}

impl Rules {
    pub(super) fn run(self, app: &App) -> Result<Exit, Error> {
        let stack = app.stack()?;
        match self.command {
            Command::Test => {
                let tested = tested(&stack);
                app.show(&tested, || tested.text());
                tested.outcome()
            }
            Command::Lint { deny } => {
                let findings = lint(&stack);
                let warnings = findings.iter().filter(|found| found.level == Level::Warning).count();
                let linted = Linted { stack: &stack.name, warnings, findings };
                app.show(&linted, || linted.text());
                linted.outcome(deny)
            }
        }
    }
}

/// All examples, held against the rules.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Tested<'s> {
    stack: &'s Name,
    /// How many examples there are, in how many groups.
    examples: usize,
    groups: usize,
    wrong: Vec<Wrong<'s>>,
}

/// An example that is not as it should be.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Wrong<'s> {
    group: &'s Name,
    /// `shouldShare` or `shouldNotShare`.
    list: &'static str,
    /// Its place in the list, from 1.
    number: usize,
    #[serde(rename = "type")]
    data_type: &'s Name,
    joined: Timestamp,
    fields: Map<String, Value>,
    #[serde(flatten)]
    explanation: Explanation,
}

fn tested(stack: &Stack) -> Tested<'_> {
    let with: Vec<&DeclaredGroup> =
        stack.groups.values().filter(|group| !group.examples.is_empty()).collect();
    let lists = with.iter().flat_map(|group| {
        let examples = &group.examples;
        [("shouldShare", true, &examples.should_share), ("shouldNotShare", false, &examples.should_not_share)]
            .map(|(list, should, items)| (*group, list, should, items))
    });
    let (mut examples, mut wrong) = (0, Vec::new());
    for (group, list, should, items) in lists {
        examples += items.len();
        let each = items.iter().zip(1..);
        wrong.extend(each.filter_map(|(item, number)| wrongly(stack, group, (list, should), number, item)));
    }
    Tested { stack: &stack.name, examples, groups: with.len(), wrong }
}

fn wrongly<'s>(
    stack: &'s Stack,
    group: &'s DeclaredGroup,
    (list, should): (&'static str, bool),
    number: usize,
    item: &'s ExampleItem,
) -> Option<Wrong<'s>> {
    let data_type = stack.data_types.get(&item.data_type)?;
    // The file was checked: its type takes it.
    let fields = data_type.validate(&item.fields).ok()?;
    let joined = item.joined.or_else(|| data_type.time_of(&fields))?;
    let explanation = explain(data_type, &group.rules, &fields, joined);
    (explanation.shared != should).then_some(Wrong {
        group: &group.name,
        list,
        number,
        data_type: &data_type.name,
        joined,
        fields: fields_to_json(&fields),
        explanation,
    })
}

impl Tested<'_> {
    fn text(&self) -> String {
        if self.examples == 0 {
            return format!(
                "no group of `{}` has examples: write some beside its rules, under `shouldShare` and `shouldNotShare`\n",
                self.stack
            );
        }
        let all = format!("{} of {}", count(self.examples, "example"), count(self.groups, "group"));
        let are_as = |n: usize| if n == 1 { ("is", "it") } else { ("are", "they") };
        let (are, they) = are_as(self.examples);
        if self.wrong.is_empty() {
            return format!("{all} {are} as {they} should be\n");
        }
        let (not, they) = are_as(self.wrong.len());
        let mut text = format!("{all}, {} of which {not} not as {they} should be\n", self.wrong.len());
        for wrong in &self.wrong {
            wrong.text(&mut text);
        }
        text
    }

    fn outcome(&self) -> Result<Exit, Error> {
        if self.wrong.is_empty() {
            return Ok(Exit::Done);
        }
        let is = if self.wrong.len() == 1 { "is" } else { "are" };
        Err(Error::Other {
            code: "FH0210",
            message: format!("{} {is} not as the file says", count(self.wrong.len(), "example")),
            help: "correct the rules, or the examples if the rules are right".to_owned(),
        })
    }
}

impl Wrong<'_> {
    fn text(&self, text: &mut String) {
        let is = if self.explanation.shared { "is shared" } else { "is not shared" };
        let _ = writeln!(text, "\n{}, {} {}: it {is}", self.group, self.list, self.number);
        let fields = Value::Object(self.fields.clone()).to_string();
        let _ = writeln!(text, "  `{}` {}", self.data_type, explained::short(&fields));
        explained::rules(text, &self.explanation, &self.fields);
    }
}

/// What is odd.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Linted<'s> {
    stack: &'s Name,
    warnings: usize,
    findings: Vec<Finding>,
}

impl Linted<'_> {
    fn text(&self) -> String {
        if self.findings.is_empty() {
            return format!("nothing is odd about the rules of `{}`\n", self.stack);
        }
        let mut text = String::new();
        for found in &self.findings {
            let level = if found.level == Level::Warning { "warning" } else { "note" };
            let place = found.owner.as_ref().zip(found.rule).map(|(owner, rule)| match owner {
                Owner::Group(name) => format!("group `{name}`, rule {rule}: "),
                Owner::GroupDefaults => format!("`groupDefaults`, rule {rule}: "),
            });
            let _ = writeln!(text, "{level}: {}{}", place.unwrap_or_default(), found.message);
            if let Some(condition) = &found.condition {
                let _ = writeln!(text, "    {}", explained::one_line(condition));
            }
            let _ = writeln!(text, "  help: {}", found.help);
        }
        let notes = self.findings.len() - self.warnings;
        let _ = writeln!(text, "\n{}, {}", count(self.warnings, "warning"), count(notes, "note"));
        text
    }

    fn outcome(&self, deny: bool) -> Result<Exit, Error> {
        if !deny || self.warnings == 0 {
            return Ok(Exit::Done);
        }
        let are = if self.warnings == 1 { "is" } else { "are" };
        Err(Error::Other {
            code: "FH0211",
            message: format!("there {are} {} about the rules", count(self.warnings, "warning")),
            help: "do what each of them says, or leave `--deny` out".to_owned(),
        })
    }
}
