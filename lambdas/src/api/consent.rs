//! `/groups/{group_id}/consent`: the rules that a provider agreed to, and what the current ones share beyond them.

use std::collections::BTreeSet;

use domain::datatype::DataType;
use domain::id::Name;
use domain::rules::compare::{Budget, Comparison, Example, Finding, Side, adds_nothing, compare_within};
use domain::rules::{AgreedRules, Agreement, CompiledContract, CompiledRules, Question, Terms, compile};
use domain::stack::{Rule, RuleSet};
use domain::value::fields_to_json;
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};
use store::StoreError;
use store::directory::{Caller, GroupRow, Job};
use store::page::{Direction, Window};

use super::group_rules::verdict;
use super::groups::described;
use super::preview::{MOST_ITEMS, PAGE};
use super::request::SINGLE_BODY;
use super::response::Response;
use super::{Answer, Call};
use crate::problem::Problem;

/// How often the membership may change meanwhile.
const ATTEMPTS: u32 = 4;

/// How a provider takes later changes of the rules.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum RulesMode {
    #[default]
    Ask,
    Follow,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ConsentToGive {
    revision: u32,
    #[serde(default)]
    rules: Option<RulesMode>,
}

/// Two sets of rules, and what is compared of them.
struct Difference<'a> {
    agreed: &'a RuleSet,
    current: &'a RuleSet,
    before: CompiledRules,
    after: CompiledRules,
}

/// Nothing at all.
static NONE: RuleSet = RuleSet { rules: Vec::new() };

impl Call<'_> {
    /// The rules that the caller agreed to as provider, and what the current ones share beyond them.
    pub(super) async fn get_consent(&self) -> Answer {
        self.request.parameters(&[])?;
        let caller = self.caller().await?;
        let standing = self.standing(&caller).await?;
        let provider = standing.roster.providers.get(&caller.drive);
        let terms = &provider.ok_or_else(|| Problem::not_found("membership"))?.terms;
        let group = &standing.group;
        let agreement = terms.contract.agreement();
        let unagreed = self.unagreed(group, agreement).await?;
        let pending = unagreed.is_some();
        let types = match unagreed {
            Some((agreed, current)) => self.difference(&caller, terms, &agreed, &current).await?,
            None => Vec::new(),
        };
        let mut body = consent_json(group, agreement, pending);
        body.insert("groupName".into(), group.name.clone().into());
        body.insert("types".into(), types.into());
        let body = described(body.into(), "groupDescription", group.description.as_ref());
        Ok(Response::json(200, &body))
    }

    /// The agreed rules and the current ones, unless it is known that the current ones share nothing beyond the agreed
    /// ones.
    async fn unagreed(
        &self,
        group: &GroupRow,
        agreement: Agreement,
    ) -> Result<Option<(RuleSet, RuleSet)>, Problem> {
        let Some(revision) = agreement.revision().filter(|revision| *revision != group.rule_revision) else {
            return Ok(None);
        };
        let types = &self.document().data_types;
        let current = self.store().rule_set(&group.id, group.rule_revision).await?.of_types(types);
        let agreed = match self.store().rule_set(&group.id, revision).await {
            // What a membership says that does not say what was agreed to.
            Err(StoreError::Missing(_)) => NONE.clone(),
            rules => rules?.of_types(types),
        };
        let within = adds_nothing(types, &agreed, &current, &mut Budget::request());
        Ok((!within).then_some((agreed, current)))
    }

    /// What the current rules share beyond the agreed ones, by data type.
    async fn difference(
        &self,
        caller: &Caller,
        terms: &Terms,
        agreed: &RuleSet,
        current: &RuleSet,
    ) -> Result<Vec<Json>, Problem> {
        let types = &self.document().data_types;
        // Rules that cannot be used share nothing.
        let of =
            |rules| compile(types, rules).map_or((&NONE, CompiledRules::default()), |done| (rules, done));
        let ((agreed, before), (current, after)) = (of(agreed), of(current));
        let difference = Difference { agreed, current, before, after };
        let mut all = Vec::new();
        for data_type in types.values() {
            if let Some(found) = difference.of_type(data_type) {
                let (items, complete) =
                    self.newly_shared(caller, data_type, &difference.after, terms).await?;
                all.push(difference.json(data_type, &found, (items, complete)));
            }
        }
        Ok(all)
    }

    /// How many of the caller's items would be shared, or more of them, if the current rules were agreed to; and whether
    /// all were looked at.
    async fn newly_shared(
        &self,
        caller: &Caller,
        data_type: &DataType,
        current: &CompiledRules,
        terms: &Terms,
    ) -> Result<(usize, bool), Problem> {
        let free = CompiledContract::clone(&terms.contract).with_agreed(None);
        let free = Terms { joined: terms.joined, contract: free.into() };
        let mut window = Window {
            from: current.reaches_back_to(&data_type.name, &free),
            to: free.contract.written().to,
            limit: PAGE,
            direction: Direction::Desc,
            after: None,
        };
        let (mut seen, mut count) = (0, 0);
        while seen < MOST_ITEMS {
            let page =
                self.store().items(&caller.drive, &[data_type], &window, self.document(), self.now).await?;
            seen += page.items.len();
            for item in &page.items {
                let of = |terms| {
                    let (data_type, time, fields) = (&item.data_type, item.time(), &item.fields);
                    current.visible(Question { data_type, time, fields, terms })
                };
                let more = match (of(terms), of(&free)) {
                    (Some(now), Some(then)) => then.len() > now.len(),
                    (None, then) => then.is_some(),
                    (Some(_), None) => false,
                };
                count += usize::from(more);
            }
            window.after = page.next;
            if window.after.is_none() {
                return Ok((count, true));
            }
        }
        Ok((count, false))
    }

    /// Agrees to a revision of the rules, or chooses whether to be asked about later ones.
    pub(super) async fn set_consent(&self) -> Answer {
        self.request.parameters(&[])?;
        let caller = self.caller().await?;
        let mut standing = self.standing(&caller).await?;
        let wanted: ConsentToGive = self.request.json(SINGLE_BODY)?;
        for _ in 0..ATTEMPTS {
            if let Some(answer) = self.try_consent(&standing.group, &caller, &wanted).await? {
                return Ok(answer);
            }
            standing = self.standing(&caller).await?;
        }
        Err(Problem::unavailable("the membership keeps changing; repeat in a moment"))
    }

    /// None if somebody else changed the membership meanwhile.
    async fn try_consent(
        &self,
        group: &GroupRow,
        caller: &Caller,
        wanted: &ConsentToGive,
    ) -> Result<Option<Response>, Problem> {
        let membership = self.store().provider(&group.id, &caller.drive, self.document()).await?;
        let membership = membership.ok_or_else(|| Problem::not_found("membership"))?;
        let before = &membership.terms.contract;
        let mode = wanted.rules.unwrap_or(match before.agreement() {
            Agreement::Follow => RulesMode::Follow,
            Agreement::Ask(_) => RulesMode::Ask,
        });
        let agreement = match mode {
            RulesMode::Follow => Agreement::Follow,
            RulesMode::Ask => Agreement::Ask(wanted.revision),
        };
        // Repeating what was agreed to is no question of what the rules are by now.
        let repeated = before.agreement() == agreement;
        if wanted.revision != group.rule_revision && !(repeated && mode == RulesMode::Ask) {
            let detail = "the rules have changed since the revision that you name; read the consent again";
            return Err(Problem::conflict("rules-moved-on", detail));
        }
        if repeated {
            let pending = self.unagreed(group, agreement).await?.is_some();
            return Ok(Some(Response::json(200, &consent_json(group, agreement, pending).into())));
        }
        let agreed = match agreement.revision() {
            None => None,
            Some(revision) => {
                let rules = self.store().rules(&group.id, revision, self.document()).await?;
                Some(AgreedRules { revision, rules })
            }
        };
        let revision = before.revision.checked_add(1);
        let revision = revision.ok_or_else(|| Problem::conflict("contract", "leave and join again"))?;
        let mut contract = CompiledContract::clone(before).with_agreed(agreed);
        contract.revision = revision;
        match self.store().change_contract(&caller.user, group, &membership, &contract, self.now).await {
            Ok(job) => {
                self.api.announce(&job).await;
                Ok(Some(Response::json(200, &given_json(group, agreement, &job))))
            }
            Err(StoreError::Conflict(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

fn consent_json(group: &GroupRow, agreement: Agreement, pending: bool) -> Map<String, Json> {
    let mut json = Map::from_iter([
        ("group".to_owned(), group.id.as_str().into()),
        ("rules".to_owned(), agreement.mode().into()),
        ("currentRevision".to_owned(), group.rule_revision.into()),
        ("pending".to_owned(), pending.into()),
    ]);
    if let Some(revision) = agreement.revision() {
        json.insert("agreedRevision".into(), revision.into());
    }
    json
}

fn given_json(group: &GroupRow, agreement: Agreement, job: &Job) -> Json {
    let mut json = consent_json(group, agreement, false);
    json.insert("job".into(), json!({ "id": job.id.as_str(), "status": "open" }));
    json.into()
}

impl Difference<'_> {
    /// What is known of a data type, unless the current rules share nothing of it that the agreed ones do not.
    fn of_type(&self, data_type: &DataType) -> Option<Comparison> {
        if !self.after.covers(&data_type.name) {
            return None;
        }
        let side = |rules, compiled| Side { data_type, rules, compiled };
        let sides = (side(self.agreed, &self.before), side(self.current, &self.after));
        let found = compare_within(sides.0, sides.1, &mut Budget::request());
        (found.appears != Finding::Never).then_some(found)
    }

    fn json(&self, data_type: &DataType, found: &Comparison, (items, complete): (usize, bool)) -> Json {
        let mut json = json!({
            "type": data_type.name.as_str(),
            "verdict": verdict(found.verdict()),
            "agreed": side_json(data_type, self.agreed, &self.before),
            "current": side_json(data_type, self.current, &self.after),
            "items": items, "complete": complete,
        });
        if let (Finding::Example(example), Some(json)) = (&found.appears, json.as_object_mut()) {
            json.insert("example".into(), example_json(example));
        }
        json
    }
}

/// What one set of rules says about a data type: the fields that may be seen, and the rules.
fn side_json(data_type: &DataType, rules: &RuleSet, compiled: &CompiledRules) -> Json {
    let about = rules.rules.iter().filter(|rule| rule.types.contains(&data_type.name));
    let rules: Vec<Rule> =
        about.map(|rule| Rule { types: vec![data_type.name.clone()], ..rule.clone() }).collect();
    let fields: Vec<&str> = match compiled.fields(&data_type.name) {
        Some(fields) => fields.into_iter().map(Name::as_str).collect(),
        None => data_type.fields.keys().map(Name::as_str).collect(),
    };
    json!({ "fields": fields, "rules": rules })
}

fn names(seen: Option<&BTreeSet<Name>>) -> Option<Vec<&str>> {
    seen.map(|names| names.iter().map(Name::as_str).collect())
}

fn example_json(example: &Example) -> Json {
    let Example { fields, joined, before, after } = example;
    json!({
        "fields": fields_to_json(fields), "joined": joined.to_string(),
        "agreed": names(before.as_ref()), "current": names(after.as_ref()),
    })
}
