//! What one provider allows on top of a group's rules: effective sharing is rule *and* contract.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Serialize};

use super::{CompiledRules, MAX_CONDITION, Question, RuleError, Terms, accept, compile};
use crate::datatype::DataType;
use crate::id::Name;
use crate::stack::{History, Rule, RuleSet};
use crate::time::{Timestamp, optional_bound};

/// A contract as it is written: every part that is there narrows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contract {
    /// Only these data types; all that the rules name if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub types: Option<BTreeSet<Name>>,
    /// Only items of this time or later.
    #[serde(default, deserialize_with = "optional_bound", skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// Only items before this time.
    #[serde(default, deserialize_with = "optional_bound", skip_serializing_if = "Option::is_none")]
    pub to: Option<Timestamp>,
    /// Only items that meet this condition, as a Cedar expression about each of `types`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
}

/// How a membership takes a change of the group's rules that widens them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Agreement {
    /// The current rules apply, whatever they are.
    Follow,
    /// Nothing is shared beyond the rules of this revision until the provider agrees to a later one.
    Ask(u32),
}

impl Agreement {
    /// What a membership without a recorded agreement is taken for: no group has rules of this revision, so nothing is
    /// shared.
    pub const NONE: Self = Self::Ask(0);

    /// The revision that was agreed to; `None` if the rules are followed.
    pub fn revision(self) -> Option<u32> {
        match self {
            Self::Follow => None,
            Self::Ask(revision) => Some(revision),
        }
    }

    /// `follow` or `ask`.
    pub fn mode(self) -> &'static str {
        match self {
            Self::Follow => "follow",
            Self::Ask(_) => "ask",
        }
    }
}

/// The rules that a provider agreed to.
#[derive(Debug, Clone)]
pub struct AgreedRules {
    /// Their revision.
    pub revision: u32,
    /// The rules; empty if they cannot be used any more, which shares nothing.
    pub rules: Arc<CompiledRules>,
}

/// What is wrong with a contract.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ContractError {
    /// A condition is about fields, and only types have fields.
    #[error("a condition needs `types`: the data types that it is about")]
    NoTypes,
    /// A condition that nobody could read.
    #[error("the condition is too long; {} bytes are the most", MAX_CONDITION)]
    TooLong,
    /// There can be no such item.
    #[error("`from` must be before `to`")]
    Empty,
    /// The condition, or a type's name.
    #[error("{}: {}", .0.message, .0.help)]
    Rule(RuleError),
}

/// A contract and an agreement, ready to decide, with the place they have in the order of those of a membership.
#[derive(Debug, Clone, Default)]
pub struct CompiledContract {
    /// Grows with every change of the contract or the agreement within a membership; 0 is what it began with.
    pub revision: u32,
    contract: Contract,
    condition: Option<CompiledRules>,
    closed: bool,
    /// `None` if the rules are followed.
    agreed: Option<AgreedRules>,
}

impl PartialEq for CompiledContract {
    fn eq(&self, other: &Self) -> bool {
        self.revision == other.revision
            && self.contract == other.contract
            && self.agreement() == other.agreement()
    }
}

impl Eq for CompiledContract {}

/// The types and the condition as a rule of their own. Its history is open: a contract has dates for that.
fn as_rules(contract: &Contract, when: &str) -> RuleSet {
    let types = contract.types.iter().flatten().cloned().collect();
    RuleSet { rules: vec![Rule { types, when: Some(when.to_owned()), fields: None, history: History::All }] }
}

impl CompiledContract {
    /// Checks a contract against the data types and compiles it.
    ///
    /// # Errors
    /// Every mistake in it.
    pub fn compile(
        types: &BTreeMap<Name, DataType>,
        contract: Contract,
        revision: u32,
    ) -> Result<Self, Vec<ContractError>> {
        Self::with(accept, types, contract, revision)
    }

    fn with(
        compile: impl Fn(&BTreeMap<Name, DataType>, &RuleSet) -> Result<CompiledRules, Vec<RuleError>>,
        types: &BTreeMap<Name, DataType>,
        contract: Contract,
        revision: u32,
    ) -> Result<Self, Vec<ContractError>> {
        let mut errors = Vec::new();
        if contract.from.zip(contract.to).is_some_and(|(from, to)| from >= to) {
            errors.push(ContractError::Empty);
        }
        let when = contract.when.as_deref();
        if when.is_some() && contract.types.is_none() {
            errors.push(ContractError::NoTypes);
        }
        if when.is_some_and(|when| when.len() > MAX_CONDITION) {
            return Err(vec![ContractError::TooLong]);
        }
        // A contract without a condition still has its types' names looked up.
        let condition = match compile(types, &as_rules(&contract, when.unwrap_or("true"))) {
            Ok(rules) => when.map(|_| rules),
            Err(found) => {
                errors.extend(found.into_iter().map(ContractError::Rule));
                None
            }
        };
        if errors.is_empty() {
            Ok(Self { revision, contract, condition, closed: false, agreed: None })
        } else {
            Err(errors)
        }
    }

    /// Compiles a contract that was accepted once. What it says of types that are gone is passed over; what cannot be
    /// understood any more allows nothing.
    pub fn accepted(types: &BTreeMap<Name, DataType>, contract: Contract, revision: u32) -> Self {
        // Nearly every membership has no contract of its own, and there may be thousands of them to read.
        if contract == Contract::default() {
            return Self { revision, ..Self::default() };
        }
        let mut known = contract.clone();
        if let Some(named) = &mut known.types {
            named.retain(|name| types.contains_key(name));
        }
        match Self::with(compile, types, known, revision) {
            Ok(compiled) => Self { contract, ..compiled },
            Err(_) => Self { revision, contract, condition: None, closed: true, agreed: None },
        }
    }

    /// The same contract of a provider who agreed to these rules; who follows the rules if `None`.
    #[must_use]
    pub fn with_agreed(self, agreed: Option<AgreedRules>) -> Self {
        Self { agreed, ..self }
    }

    /// The rules that the provider agreed to; `None` if the rules are followed.
    pub fn agreed(&self) -> Option<&AgreedRules> {
        self.agreed.as_ref()
    }

    /// How the membership takes a widening.
    pub fn agreement(&self) -> Agreement {
        self.agreed.as_ref().map_or(Agreement::Follow, |agreed| Agreement::Ask(agreed.revision))
    }

    /// The contract that allows all that the rules select, of a provider who follows them.
    pub fn open() -> Arc<Self> {
        static OPEN: OnceLock<Arc<CompiledContract>> = OnceLock::new();
        OPEN.get_or_init(Arc::default).clone()
    }

    /// The contract as it is written.
    pub fn written(&self) -> &Contract {
        &self.contract
    }

    /// Whether it allows anything of a data type.
    pub fn covers(&self, data_type: &Name) -> bool {
        !self.closed
            && self.contract.types.as_ref().is_none_or(|types| types.contains(data_type))
            && self.agreed.as_ref().is_none_or(|agreed| agreed.rules.covers(data_type))
    }

    /// Whether the contract itself allows an item; what the agreed rules say of it is asked apart.
    pub(super) fn allows(&self, question: Question<'_>) -> bool {
        let Contract { from, to, .. } = self.contract;
        let in_time = from.is_none_or(|from| question.time >= from) && to.is_none_or(|to| question.time < to);
        let free = Terms::of_everything(question.time);
        self.covers(question.data_type)
            && in_time
            && self
                .condition
                .as_ref()
                .is_none_or(|rules| rules.visible(Question { terms: &free, ..question }).is_some())
    }

    /// The fields of a data type that its condition and the agreed rules look at.
    pub(super) fn asked(&self, data_type: &Name) -> impl Iterator<Item = &Name> {
        let agreed = self.agreed.as_ref().map(|agreed| &*agreed.rules);
        self.condition.iter().chain(agreed).flat_map(|rules| rules.own_asked(data_type))
    }
}
