//! What a provider allows: when they join, and later.

use std::sync::Arc;

use domain::rules::{CompiledContract, Contract, ContractError, RulePart};
use domain::time::{Timestamp, bound};
use serde::Deserialize;
use serde_json::{Value as Json, json};
use store::StoreError;
use store::directory::{Caller, GroupRow, JoiningTerms};
use store::receipts::Receipt;

use super::consent::RulesMode;
use super::request::{SINGLE_BODY, given};
use super::response::Response;
use super::{Answer, Call};
use crate::problem::{Mistake, Problem};

/// What comes along from before the join.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Past {
    /// Everything that the rules let through.
    #[default]
    All,
    /// Nothing.
    None,
    /// What is of this time or later.
    Since(#[serde(deserialize_with = "bound")] Timestamp),
}

/// What a provider says when they join.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Joining {
    #[serde(default)]
    past: Past,
    #[serde(default)]
    contract: Contract,
    #[serde(default)]
    rules: RulesMode,
    #[serde(default, deserialize_with = "given")]
    revision: Option<u32>,
}

impl Joining {
    /// The contract that this comes to for somebody who joins now.
    fn contract(self, now: Timestamp) -> Contract {
        let since = match self.past {
            Past::All => None,
            Past::None => Some(now),
            Past::Since(time) => Some(time),
        };
        Contract { from: self.contract.from.max(since), ..self.contract }
    }

    /// Whether it says anything that only providers say.
    pub(super) fn says_something(&self) -> bool {
        *self != Self::default()
    }

    pub(super) fn new(past: Past, contract: Contract) -> Self {
        Self { past, contract, ..Self::default() }
    }
}

fn mistake(error: ContractError, within: &str) -> Mistake {
    let field = match &error {
        ContractError::NoTypes => "types".to_owned(),
        ContractError::Empty => "to".to_owned(),
        ContractError::TooLong => "when".to_owned(),
        ContractError::Rule(rule) => match rule.part {
            RulePart::Type(at) => format!("types.{at}"),
            RulePart::When { .. } | RulePart::Field(_) | RulePart::Rule => "when".to_owned(),
        },
    };
    Mistake::at(format!("{within}{field}"), error.to_string())
}

fn contract_json(contract: &CompiledContract) -> Json {
    let agreement = contract.agreement();
    let mut json = json!({
        "contract": contract.written(), "revision": contract.revision, "rules": agreement.mode(),
    });
    if let (Some(revision), Some(json)) = (agreement.revision(), json.as_object_mut()) {
        json.insert("agreedRevision".into(), revision.into());
    }
    json
}

/// A receipt as the one whose data it was sees it.
pub(super) fn receipt_json(receipt: &Receipt) -> Json {
    json!({
        "id": receipt.job.as_str(), "group": receipt.group.as_str(),
        "left": receipt.left.to_string(), "finished": receipt.finished.to_string(),
        "expected": receipt.expected, "deleted": receipt.deleted, "remaining": receipt.remaining,
    })
}

impl Call<'_> {
    /// The contract of somebody who joins, compiled.
    pub(super) fn joining_contract(&self, joining: Joining) -> Result<Arc<CompiledContract>, Problem> {
        let contract = joining.contract(self.now);
        if contract == Contract::default() {
            return Ok(CompiledContract::open());
        }
        self.compiled(contract, 0, "contract.").map(Arc::new)
    }

    /// The terms of somebody who joins.
    pub(super) fn joining_terms(&self, joining: Joining) -> Result<JoiningTerms, Problem> {
        let (follows, seen) = (joining.rules == RulesMode::Follow, joining.revision);
        Ok(JoiningTerms { contract: self.joining_contract(joining)?, follows, seen })
    }

    fn compiled(&self, contract: Contract, revision: u32, within: &str) -> Result<CompiledContract, Problem> {
        CompiledContract::compile(&self.document().data_types, contract, revision)
            .map_err(|errors| Problem::invalid(errors.into_iter().map(|error| mistake(error, within))))
    }

    /// What the body of an acceptance says; nothing said is everything allowed.
    pub(super) fn joining(&self) -> Result<Joining, Problem> {
        if self.request.body.is_empty() { Ok(Joining::default()) } else { self.request.json(SINGLE_BODY) }
    }

    /// The caller's own contract as provider.
    pub(super) async fn get_contract(&self) -> Answer {
        self.request.parameters(&[])?;
        let caller = self.caller().await?;
        let standing = self.standing(&caller).await?;
        let provider = standing.roster.providers.get(&caller.drive);
        let contract = &provider.ok_or_else(|| Problem::not_found("contract"))?.terms.contract;
        Ok(Response::json(200, &contract_json(contract)))
    }

    /// Replaces the caller's contract: what it takes away is gone for readers when this is answered; a job brings the
    /// copies after it.
    pub(super) async fn replace_contract(&self) -> Answer {
        self.request.parameters(&[])?;
        let caller = self.caller().await?;
        let standing = self.standing(&caller).await?;
        let contract: Contract = self.request.json(SINGLE_BODY)?;
        for _ in 0..4 {
            if let Some(answer) = self.try_replace(&standing.group, &caller, &contract).await? {
                return Ok(answer);
            }
        }
        Err(Problem::unavailable("the contract keeps changing; repeat in a moment"))
    }

    /// None if somebody else changed the contract or the membership meanwhile.
    async fn try_replace(
        &self,
        group: &GroupRow,
        caller: &Caller,
        contract: &Contract,
    ) -> Result<Option<Response>, Problem> {
        let membership = self.store().provider(&group.id, &caller.drive, self.document()).await?;
        let membership = membership.ok_or_else(|| Problem::not_found("contract"))?;
        let before = &membership.terms.contract;
        if before.written() == contract {
            return Ok(Some(Response::json(200, &contract_json(before))));
        }
        let revision = before.revision.checked_add(1);
        let revision = revision.ok_or_else(|| Problem::conflict("contract", "leave and join again"))?;
        let compiled = self.compiled(contract.clone(), revision, "")?;
        let compiled = compiled.with_agreed(before.agreed().cloned());
        match self.store().change_contract(&caller.user, group, &membership, &compiled, self.now).await {
            Ok(job) => {
                self.api.announce(&job).await;
                let mut body = contract_json(&compiled);
                if let Some(body) = body.as_object_mut() {
                    body.insert("job".into(), json!({ "id": job.id.as_str(), "status": "open" }));
                }
                Ok(Some(Response::json(200, &body)))
            }
            Err(StoreError::Conflict(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// What is left to say of copies that were removed.
    pub(super) async fn list_receipts(&self) -> Answer {
        let caller = self.caller().await?;
        let paging = super::paging::Paging::of_entries(self, &[caller.user.as_str()])?;
        let window = &paging.window;
        let (receipts, next) =
            self.store().receipts(&caller.drive, window.after.clone(), window.limit).await?;
        Ok(paging.answer(self, receipts.iter().map(receipt_json).collect(), next.as_deref()))
    }
}
