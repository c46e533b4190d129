//! `/groups/{group_id}/rules`: what a group that was created through the API receives, and what it received before.
//!
//! Its owners decide inside `groupDefaults` of stack.yaml: a rule that shares an item, a field or a past that these do not
//! share is refused, and so is one of which that is not decided. What a provider has not allowed by their contract stays
//! theirs under any rules.

use domain::authorize::{self, GroupFacts, Roles};
use domain::rules::bounds::{Excess, ExcessPart, excesses};
use domain::rules::compare::{Budget, Known, Verdict, compare_rules};
use domain::rules::{RuleError, RulePart, accept};
use domain::stack::{Rule, RuleSet};
use serde::Deserialize;
use serde_json::{Value as Json, json};
use store::StoreError;
use store::directory::{Caller, GroupRow, RulesRevision};

use super::asking::actor;
use super::groups::Standing;
use super::paging::Paging;
use super::request::SINGLE_BODY;
use super::response::Response;
use super::{Answer, Call};
use crate::problem::{Mistake, Problem};

/// How often somebody else may change the rules first.
const ATTEMPTS: u32 = 4;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RulesToHave {
    rules: Vec<Json>,
}

/// What a rule says.
const KEYS: [&str; 4] = ["types", "when", "fields", "history"];

impl RulesToHave {
    /// The rules, if they say nothing that is not understood: a misspelt `when` must not share everything.
    fn read(self) -> Result<RuleSet, Problem> {
        let mut mistakes = Vec::new();
        let mut rules = Vec::new();
        for (index, json) in self.rules.into_iter().enumerate() {
            let strange = json.as_object().and_then(|o| o.keys().find(|key| !KEYS.contains(&key.as_str())));
            if let Some(key) = strange {
                let key: String = key.chars().take(40).collect();
                let message = format!("`{key}` is not known; a rule has {}", KEYS.join(", "));
                mistakes.push(Mistake::at(format!("rules.{index}"), message));
                continue;
            }
            match domain::json::read::<Rule>(json) {
                Ok(rule) if rule.types.is_empty() => {
                    mistakes.push(Mistake::at(format!("rules.{index}.types"), "must name a data type"));
                }
                Ok(rule) => rules.push(rule),
                Err(error) => {
                    mistakes.push(Mistake::at(format!("rules.{index}"), format!("is no rule: {error}")));
                }
            }
        }
        if mistakes.is_empty() { Ok(RuleSet { rules }) } else { Err(Problem::invalid(mistakes)) }
    }
}

fn mistake(error: &RuleError) -> Mistake {
    let part = match error.part {
        RulePart::Type(at) => format!(".types.{at}"),
        RulePart::Field(at) => format!(".fields.{at}"),
        RulePart::When { .. } => ".when".to_owned(),
        RulePart::Rule => String::new(),
    };
    let help = if error.help.is_empty() { String::new() } else { format!("; {}", error.help) };
    Mistake::at(format!("rules.{}{part}", error.rule), format!("{}{help}", error.message))
}

fn outside(excess: Excess) -> Mistake {
    let Excess { rule, part, message } = excess;
    let part = match part {
        ExcessPart::Type(at) => format!(".types.{at}"),
        ExcessPart::Fields => ".fields".to_owned(),
        ExcessPart::Rule => String::new(),
    };
    Mistake::at(format!("rules.{rule}{part}"), message)
}

/// A revision, with its rules if they are shown.
fn revision_json(revision: &RulesRevision, shown: bool) -> Json {
    let mut json = json!({ "revision": revision.revision, "since": revision.since.to_string() });
    let more = [
        ("reworded", revision.reworded.map(|time| time.to_string().into())),
        ("rules", shown.then(|| json!(revision.rules))),
        ("verdict", revision.judged.map(|judged| verdict(judged.verdict).into())),
        ("evidence", revision.judged.map(|judged| evidence(judged.known).into())),
    ];
    if let Some(json) = json.as_object_mut() {
        json.extend(more.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
    }
    json
}

pub(super) fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Unchanged => "unchanged",
        Verdict::Narrows => "narrows",
        Verdict::Widens => "widens",
        Verdict::Both => "both",
        Verdict::Undecided => "undecided",
    }
}

fn evidence(known: Known) -> &'static str {
    match known {
        Known::Proved => "proved",
        Known::Enumerated => "enumerated",
        Known::NotDecided => "undecided",
    }
}

impl Call<'_> {
    /// Replaces the group's rules: what they take away is gone for readers when this is answered; a job brings the copies
    /// after it.
    pub(super) async fn replace_group_rules(&self) -> Answer {
        self.request.parameters(&[])?;
        let caller = self.caller().await?;
        let standing = self.standing(&caller).await?;
        let rules = self.request.json::<RulesToHave>(SINGLE_BODY)?.read()?;
        self.check_rules(&rules)?;
        let mut group = standing.group;
        for _ in 0..ATTEMPTS {
            if group.declared.is_some() {
                let detail = "the rules of this group are what stack.yaml declares; change them there";
                return Err(Problem::conflict("declared-group", detail));
            }
            if let Some(answer) = self.try_rules(&caller, &group, &rules).await? {
                return Ok(answer);
            }
            group = self.standing(&caller).await?.group;
        }
        Err(Problem::unavailable("the rules keep changing; repeat in a moment"))
    }

    /// None if somebody else changed them meanwhile.
    async fn try_rules(
        &self,
        caller: &Caller,
        group: &GroupRow,
        rules: &RuleSet,
    ) -> Result<Option<Response>, Problem> {
        let before = self.store().rule_set(&group.id, group.rule_revision).await?;
        if before == *rules {
            let body = json!({ "rules": rules, "revision": group.rule_revision });
            return Ok(Some(Response::json(200, &body)));
        }
        let shards = group.layout.current().shards;
        let types = &self.document().data_types;
        let judged = compare_rules(types, &before, rules, &mut Budget::request()).judged();
        let changed = (rules, judged);
        match self.store().change_rules_by(Some(&caller.user), group, changed, shards, self.now).await {
            Ok(job) => {
                self.api.announce(&job).await;
                let job = json!({ "id": job.id.as_str(), "status": "open" });
                let body = json!({ "rules": rules, "revision": group.rule_revision + 1, "job": job });
                Ok(Some(Response::json(200, &body)))
            }
            Err(StoreError::Conflict(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn check_rules(&self, rules: &RuleSet) -> Result<(), Problem> {
        let document = self.document();
        if let Err(errors) = accept(&document.data_types, rules) {
            return Err(Problem::invalid(errors.iter().map(mistake)));
        }
        let limits = ("`groupDefaults` of stack.yaml", &document.group_defaults);
        let beyond = excesses(&document.data_types, limits, rules, &mut Budget::request());
        if beyond.is_empty() { Ok(()) } else { Err(Problem::invalid(beyond.into_iter().map(outside))) }
    }

    /// The revisions of the group's rules, newest first.
    pub(super) async fn list_rules_history(&self) -> Answer {
        let caller = self.caller().await?;
        let id = self.group_id()?;
        let paging = Paging::of_entries(self, &[caller.user.as_str(), id.as_str()])?;
        let Standing { group, roster, .. } = self.standing(&caller).await?;
        let roles = Roles::of(&roster, &caller.user, &caller.drive);
        let facts = GroupFacts { id: &group.id, active: group.active, roles };
        let former = authorize::may_read_former_rules(&actor(&caller), &facts);
        let window = &paging.window;
        let (revisions, next) =
            self.store().rules_history(&group.id, window.after.clone(), window.limit).await?;
        let json = |revision: &RulesRevision| {
            revision_json(revision, former || revision.revision == group.rule_revision)
        };
        Ok(paging.answer(self, revisions.iter().map(json).collect(), next.as_deref()))
    }
}
