//! Where a drive's items go: its memberships and the rules of their groups, as of now for every batch.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use domain::id::{DriveId, GroupId};
use domain::replication::{Former, ProviderMembership, Rulebook, Spread};
use domain::rules::{CompiledContract, CompiledRules, Terms, compile};
use domain::stack::RuleSet;

use crate::Store;
use crate::attr::{self, Row};
use crate::directory::{Consent, GroupRow, SPREAD};
use crate::document::Document;
use crate::error::{Result, StoreError};
use crate::keys::{self, Key};
use crate::layout::parse_spread;
use crate::remembered::Head;
use crate::rows::Freshness;

/// Compiled rules by group and revision.
///
/// What a revision says never changes, so remembering it is no cache that can go stale; *which* revision counts is
/// read consistently every time.
#[derive(Debug, Default)]
pub(crate) struct RulesCache(Mutex<HashMap<(GroupId, u32), Arc<CompiledRules>>>);

/// Revisions remembered at most; a function that serves more groups than that compiles some again.
const REMEMBERED: usize = 4096;

impl RulesCache {
    fn get(&self, key: &(GroupId, u32)) -> Option<Arc<CompiledRules>> {
        self.0.lock().ok()?.get(key).cloned()
    }
    fn put(&self, key: (GroupId, u32), rules: Arc<CompiledRules>) {
        if let Ok(mut map) = self.0.lock() {
            if map.len() >= REMEMBERED {
                map.clear();
            }
            map.insert(key, rules);
        }
    }
}

const NO_REVISION: StoreError = StoreError::Missing("revision of the rules");

/// A membership's contract and agreement of one revision.
pub(crate) type ContractKey = (GroupId, DriveId, u64, u32);

/// Compiled contracts; like a revision of the rules, one of a contract never changes.
#[derive(Debug, Default)]
pub(crate) struct ContractsCache(Mutex<HashMap<ContractKey, Arc<CompiledContract>>>);

impl ContractsCache {
    pub(crate) fn get(&self, key: &ContractKey) -> Option<Arc<CompiledContract>> {
        self.0.lock().ok()?.get(key).cloned()
    }
    pub(crate) fn put(&self, key: ContractKey, contract: Arc<CompiledContract>) {
        if let Ok(mut map) = self.0.lock() {
            if map.len() >= REMEMBERED {
                map.clear();
            }
            map.insert(key, contract);
        }
    }
}

fn book_of(group: Head, document: &Document, rules: Arc<CompiledRules>) -> Rulebook {
    let Head { rule_revision: revision, rules_since: since, spread, .. } = group;
    Rulebook { revision, era: document.era, since, spread, rules }
}

/// One group that a drive shares into.
#[derive(Debug, Clone)]
pub struct Outlet {
    /// The drive's membership.
    pub membership: ProviderMembership,
    /// The group's rules of now.
    pub book: Rulebook,
}

impl Store {
    /// The groups that a drive shares into, with their rules of now. Consistent: what was committed before the call is seen.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn outlets(&self, drive: &DriveId, document: &Document) -> Result<Vec<Outlet>> {
        let sharing = self.sharing_of(drive, document).await?;
        // A group that was deleted after this drive joined it receives nothing.
        let active = sharing
            .each()
            .filter_map(|(membership, group)| Some((membership, group.filter(|group| group.active)?)));
        let active: Vec<(&ProviderMembership, Head)> = active.collect();
        let revisions = active.iter().map(|(membership, group)| (&membership.group, group.rule_revision));
        let unknown =
            revisions.filter(|(id, revision)| self.rules.get(&((*id).clone(), *revision)).is_none());
        let mut unknown: Vec<Key> = unknown.map(|(id, revision)| keys::rules(id, revision)).collect();
        // One by itself is no batch.
        if unknown.len() == 1 {
            unknown.clear();
        }
        let rows = self.rows_at(&self.tables.directory, &unknown, Freshness::Consistent).await?;
        let mut outlets = Vec::with_capacity(active.len());
        for (membership, group) in active {
            let (id, revision) = (&membership.group, group.rule_revision);
            let rules = match rows.get(&keys::rules(id, revision)) {
                Some(row) => self.compiled(row, (id.clone(), revision), document),
                None => self.rules(id, revision, document).await,
            };
            let rules = match rules {
                Ok(rules) => rules,
                // One group's broken rules stop nobody else: that group gets nothing new, and still loses what is
                // deleted.
                Err(error @ StoreError::Corrupt { .. }) => {
                    tracing::error!(group = %membership.group, %error, "a group's rules cannot be used");
                    Arc::default()
                }
                Err(error) => return Err(error),
            };
            outlets.push(Outlet { membership: membership.clone(), book: book_of(group, document, rules) });
        }
        Ok(outlets)
    }

    /// The rules that a group's row names.
    ///
    /// # Errors
    /// Those of [`Store::rules`].
    pub async fn rulebook(&self, group: &GroupRow, document: &Document) -> Result<Rulebook> {
        Ok(book_of(Head::of(group), document, self.rules(&group.id, group.rule_revision, document).await?))
    }

    /// All the terms that copies of a membership may be of besides those of now: every revision of the rules since
    /// `rules_from`, with every one of the consents.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn former_terms(
        &self,
        group: &GroupRow,
        membership: &ProviderMembership,
        rules_from: u32,
        consents: &[Consent],
        document: &Document,
    ) -> Result<Vec<Former>> {
        let joined = membership.terms.joined;
        let mut terms: Vec<Terms> = Vec::with_capacity(consents.len() + 1);
        for consent in consents {
            terms.push(self.terms_of(&group.id, joined, consent.clone(), document).await?);
        }
        terms.push(membership.terms.clone());
        let mut all = Vec::new();
        for revision in rules_from..=group.rule_revision {
            let spread = self.spread_of(&group.id, revision).await?;
            let rules = match self.rules(&group.id, revision, document).await {
                // Rules that no function could use have written nothing.
                Err(StoreError::Corrupt { .. }) => Arc::default(),
                rules => rules?,
            };
            all.extend(terms.iter().map(|terms| Former {
                rules: rules.clone(),
                spread,
                terms: terms.clone(),
            }));
        }
        // The last one is the pair of now.
        all.pop();
        Ok(all)
    }

    async fn spread_of(&self, group: &GroupId, revision: u32) -> Result<Spread> {
        let row = self.directory_row(&keys::rules(group, revision)).await?;
        let row = row.ok_or(NO_REVISION)?;
        let spread = attr::get_text(&row, SPREAD).ok().and_then(parse_spread);
        spread.ok_or_else(|| StoreError::corrupt("directory", "`spread` is none"))
    }

    /// The rules of a group at a revision.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] if they do not compile with today's data types.
    pub async fn rules(
        &self,
        group: &GroupId,
        revision: u32,
        document: &Document,
    ) -> Result<Arc<CompiledRules>> {
        let key = (group.clone(), revision);
        if let Some(rules) = self.rules.get(&key) {
            return Ok(rules);
        }
        let row = self.directory_row(&keys::rules(group, revision)).await?;
        self.compiled(&row.ok_or(NO_REVISION)?, key, document)
    }

    /// Whether asking for this revision of a group's rules costs no request.
    pub(crate) fn remembers_rules(&self, group: &GroupId, revision: u32) -> bool {
        self.remembered_rules(group, revision).is_some()
    }

    /// The rules of a revision, if they are remembered.
    pub(crate) fn remembered_rules(&self, group: &GroupId, revision: u32) -> Option<Arc<CompiledRules>> {
        self.rules.get(&(group.clone(), revision))
    }

    /// Remembers what a revision's row says. Rules that cannot be used are told of by whoever asks for them.
    pub(crate) fn remember_rules(&self, row: &Row, group: &GroupId, revision: u32, document: &Document) {
        let _ = self.compiled(row, (group.clone(), revision), document);
    }

    /// The rules of a revision that a provider agreed to; empty if its row is not there or cannot be used, so that nothing
    /// is shared.
    pub(crate) fn agreed_rules(
        &self,
        group: &GroupId,
        revision: u32,
        row: Option<&Row>,
        document: &Document,
    ) -> Arc<CompiledRules> {
        match row.map(|row| self.compiled(row, (group.clone(), revision), document)) {
            Some(Ok(rules)) => rules,
            Some(Err(error)) => {
                tracing::warn!(%group, revision, %error, "rules that were agreed to cannot be used");
                Arc::default()
            }
            None => Arc::default(),
        }
    }

    /// Compiles the rules of a row, and remembers them.
    fn compiled(&self, row: &Row, key: (GroupId, u32), document: &Document) -> Result<Arc<CompiledRules>> {
        let set = rules_in(row)?.of_types(&document.data_types);
        let compiled = compile(&document.data_types, &set).map_err(|errors| {
            StoreError::corrupt("directory", format!("rules with {} mistakes", errors.len()))
        })?;
        let compiled = Arc::new(compiled);
        self.rules.put(key, compiled.clone());
        Ok(compiled)
    }

    /// The text of a group's rules at a revision.
    ///
    /// # Errors
    /// [`StoreError::Missing`] if there is no such revision.
    pub async fn rule_set(&self, group: &GroupId, revision: u32) -> Result<RuleSet> {
        rules_in(&self.directory_row(&keys::rules(group, revision)).await?.ok_or(NO_REVISION)?)
    }

    /// Groups, deleted ones included; what never was is left out.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn groups_by_id(&self, ids: &[&GroupId]) -> Result<HashMap<GroupId, GroupRow>> {
        let keys: Vec<Key> = ids.iter().map(|id| keys::group(id)).collect();
        let rows = self.rows_at(&self.tables.directory, &keys, Freshness::Consistent).await?;
        let read = |row: &Row| GroupRow::read(row).map(|group| (group.id.clone(), group));
        rows.values().map(read).collect()
    }
}

fn rules_in(row: &Row) -> Result<RuleSet> {
    let text = attr::get_text(row, "rules").map_err(|what| StoreError::corrupt("directory", what))?;
    serde_json::from_str(text).map_err(|error| StoreError::corrupt("directory", error.to_string()))
}
