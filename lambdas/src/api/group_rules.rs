//! `PUT /groups/{group_id}/rules`: what a group that people made receives.
//!
//! Its owners decide within what stack.yaml allows: the stack's data types, and of those the types and fields that
//! `groupDefaults` names, if it names any. Conditions and history windows are theirs to choose. What a provider has
//! not allowed by their contract stays theirs under any rules.

use domain::id::Name;
use domain::rules::compare::only_takes_away;
use domain::rules::{CompiledRules, RuleError, RulePart, accept, compile};
use domain::stack::{Rule, RuleSet};
use serde::Deserialize;
use serde_json::{Value as Json, json};
use store::StoreError;
use store::directory::{Extent, GroupRow};

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
            match serde_json::from_value::<Rule>(json) {
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

/// What the rules share beyond what the stack lets people's groups share.
fn beyond(limits: &RuleSet, allowed: &CompiledRules, rules: &RuleSet) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    if limits.rules.is_empty() {
        return mistakes;
    }
    for (index, rule) in rules.rules.iter().enumerate() {
        for (at, data_type) in rule.types.iter().enumerate() {
            if !allowed.covers(data_type) {
                let message = format!("`{data_type}` is not among what this stack lets groups share");
                mistakes.push(Mistake::at(format!("rules.{index}.types.{at}"), message));
                continue;
            }
            let Some(fields) = allowed.fields(data_type) else { continue };
            let known = fields.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", ");
            let shown = rule.fields.as_ref();
            let outside = |name: &&Name| !fields.contains(*name);
            match shown.map(|shown| shown.iter().find(outside)) {
                Some(None) => {}
                Some(Some(name)) => mistakes.push(Mistake::at(
                    format!("rules.{index}.fields"),
                    format!("of `{data_type}` this stack lets groups share {known}, and not `{name}`"),
                )),
                None => mistakes.push(Mistake::at(
                    format!("rules.{index}.fields"),
                    format!("must name fields: of `{data_type}` this stack lets groups share {known}"),
                )),
            }
        }
    }
    mistakes
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
            if let Some(answer) = self.try_rules(&group, &rules).await? {
                return Ok(answer);
            }
            group = self.standing(&caller).await?.group;
        }
        Err(Problem::unavailable("the rules keep changing; repeat in a moment"))
    }

    /// None if somebody else changed them meanwhile.
    async fn try_rules(&self, group: &GroupRow, rules: &RuleSet) -> Result<Option<Response>, Problem> {
        let before = self.store().rule_set(&group.id, group.rule_revision).await?;
        if before == *rules {
            let body = json!({ "rules": rules, "revision": group.rule_revision });
            return Ok(Some(Response::json(200, &body)));
        }
        let shards = group.layout.current().shards;
        let narrower = only_takes_away(&self.document().data_types, &before, rules);
        let extent = if narrower { Extent::Narrower } else { Extent::Any };
        match self.store().change_rules(group, (rules, extent), shards, self.now).await {
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
        let limits = &document.group_defaults;
        // The stack's own rules were checked when it was deployed; if they cannot be used, nothing is allowed by them.
        let allowed = compile(&document.data_types, limits).unwrap_or_default();
        let mistakes = beyond(limits, &allowed, rules);
        if mistakes.is_empty() { Ok(()) } else { Err(Problem::invalid(mistakes)) }
    }
}
