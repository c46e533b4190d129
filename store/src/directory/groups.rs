//! Groups and their rules.

use aws_sdk_dynamodb::types::{TransactWriteItem, Update};
use domain::id::{GroupId, InvitationId, Name, UserId};
use domain::purpose::Purpose;
use domain::replication::Spread;
use domain::rules::compare::Judged;
use domain::stack::RuleSet;
use domain::time::Timestamp;

use super::changing::RosterChange;
use super::invitations::Invitation;
use super::jobs::{Job, JobKind, JobStatus};
use super::members::owner_rows;
use super::offers::{MOST_OPEN, OFFER_LIMIT, OFFERS, STACK_OFFER};
use super::rules_history::rules_row;
use super::{built, unreadable};
use crate::Store;
use crate::attr::{self, Row};
use crate::error::{Result, StoreError, sdk};
use crate::layout::Layout;
use crate::once::{Keyed, Stamp};
use crate::quotas::Quota;
use crate::{ids, keys};

/// A group's own row: the one that everything about the group is checked against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupRow {
    /// Its identifier.
    pub id: GroupId,
    /// Its name, for people.
    pub name: String,
    /// Its purpose, which members and invitees see.
    pub description: Option<Purpose>,
    /// Its name in stack.yaml, if it is declared there.
    pub declared: Option<Name>,
    /// Whether it exists; a deleted group keeps this row as its own tombstone.
    pub active: bool,
    /// Grows with every change of its roster.
    pub roster_rev: u64,
    /// When the latest change of its roster began that may still be under way; none if none is.
    pub(super) changing: Option<Timestamp>,
    /// Which revision of its rules counts.
    pub rule_revision: u32,
    /// When that revision began to count.
    pub rules_since: Timestamp,
    /// Where its copies are.
    pub layout: Layout,
    /// How many owners it has.
    pub owners: u32,
    /// The invitation of its first owner that the stack offers now, if it is declared there.
    pub stack_offer: Option<InvitationId>,
    /// How many invitations were ever offered, resent ones included.
    pub(super) offers: u64,
    /// When it was made.
    pub created: Timestamp,
}

/// A group to be made.
#[derive(Debug, Clone)]
pub struct NewGroup<'a> {
    /// Its identifier.
    pub id: GroupId,
    /// Its name, for people.
    pub name: &'a str,
    /// Its purpose.
    pub description: Option<&'a Purpose>,
    /// What it receives.
    pub rules: &'a RuleSet,
    /// Over how many partitions its copies are spread.
    pub shards: u16,
    /// Its first owner, if it already has one.
    pub owner: Option<&'a UserId>,
}

impl GroupRow {
    pub(crate) fn read(row: &Row) -> Result<Self> {
        let read = || -> std::result::Result<Self, String> {
            let declared = attr::get_text(row, "declared").ok().map(Name::parse).transpose();
            let description = attr::get_text(row, "description").ok().map(Purpose::parse).transpose();
            Ok(Self {
                id: GroupId::parse(attr::get_text(row, "group")?).map_err(|e| e.to_string())?,
                name: attr::get_text(row, "name")?.to_owned(),
                description: description.map_err(|e| e.to_string())?,
                declared: declared.map_err(|e| e.to_string())?,
                active: attr::get_text(row, "state")? == "active",
                roster_rev: attr::get_number(row, "rosterRev")?,
                changing: RosterChange::latest(row),
                rule_revision: attr::get_number(row, "ruleRev")?,
                rules_since: attr::get_time(row, "rulesSince")?,
                layout: Layout::parse(attr::get_text(row, LAYOUT)?).ok_or("`layout` is no layout")?,
                owners: attr::get_number(row, "owners")?,
                stack_offer: attr::get_text(row, STACK_OFFER)
                    .ok()
                    .map(InvitationId::parse)
                    .transpose()
                    .map_err(|e| e.to_string())?,
                offers: attr::get_number(row, OFFERS)?,
                created: attr::get_time(row, "created")?,
            })
        };
        read().map_err(unreadable)
    }
}

/// The attribute that says where copies are.
const LAYOUT: &str = "layout";
/// The attribute of a mark that is another one after every change.
pub(crate) const MARK: &str = "mark";

/// The first revision of a group's roster.
pub(super) const FIRST_REVISION: u64 = 1;

fn group_row(group: &NewGroup<'_>, declared: Option<(&Name, &Invitation)>, now: Timestamp) -> Row {
    let owners = u32::from(group.owner.is_some());
    let mut row = attr::row(
        &keys::group(&group.id),
        [
            ("group", attr::text(group.id.as_str())),
            ("name", attr::text(group.name)),
            ("state", attr::text("active")),
            ("rosterRev", attr::number(FIRST_REVISION)),
            ("ruleRev", attr::number(1)),
            ("owners", attr::number(owners)),
            (OFFERS, attr::number(0)),
            (OFFER_LIMIT, attr::number(MOST_OPEN)),
            (LAYOUT, attr::text(first_layout(group).text())),
            ("rulesSince", attr::text(now.to_string())),
            ("created", attr::text(now.to_string())),
        ],
    );
    if let Some((name, invitation)) = declared {
        row.insert("declared".into(), attr::text(name.as_str()));
        row.insert(STACK_OFFER.into(), attr::text(invitation.id.as_str()));
    }
    if let Some(purpose) = group.description {
        row.insert("description".into(), attr::text(purpose.as_str()));
    }
    row
}

fn first_layout(group: &NewGroup<'_>) -> Layout {
    Layout::of(Spread { revision: 1, shards: group.shards.max(1) })
}

impl Store {
    /// Makes a group with its first owner and its rules, in one transaction; at most once for a key. If it was made
    /// before, the stamp it was made with.
    ///
    /// # Errors
    /// [`StoreError::KeyReused`] if the key stands for another request; [`StoreError::Quota`] if the owner has made too
    /// many groups; else those of the database.
    pub async fn create_group(
        &self,
        group: &NewGroup<'_>,
        once: Option<(&Keyed, &Stamp)>,
        now: Timestamp,
    ) -> Result<Option<Stamp>> {
        let mut actions = vec![
            self.put_new(group_row(group, None, now))?,
            self.put_new(rules_row(&group.id, 1, (group.rules, first_layout(group).current()), None, now)?)?,
        ];
        if let Some(owner) = group.owner {
            for row in owner_rows(&group.id, owner, now) {
                actions.push(self.put_new(row)?);
            }
            actions.push(self.still_there(owner)?);
            actions.push(self.count_against(Quota::Groups, owner, now)?);
        }
        let (profile, quota) = (actions.len() - 2, actions.len() - 1);
        match self.commit(actions, once).await {
            Err(error) if group.owner.is_some() && error.refused_at(profile) => {
                Err(StoreError::Missing("user"))
            }
            Err(error) if group.owner.is_some() && error.refused_at(quota) => {
                Err(Quota::Groups.exceeded(now))
            }
            other => other,
        }
    }

    /// Makes a group that stack.yaml declares, with its rules and its owner's invitation, in one transaction.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if a group of that name is there already.
    pub async fn create_declared_group(
        &self,
        group: &NewGroup<'_>,
        declared: &Name,
        invitation: &Invitation,
        now: Timestamp,
    ) -> Result<()> {
        let name_row = attr::row(&keys::declared_group(declared), [("group", attr::text(group.id.as_str()))]);
        let mut actions = vec![
            self.put_new(name_row)?,
            self.put_new(group_row(group, Some((declared, invitation)), now))?,
            self.put_new(rules_row(&group.id, 1, (group.rules, first_layout(group).current()), None, now)?)?,
        ];
        for row in invitation.rows() {
            actions.push(self.put_new(row)?);
        }
        match self.transact(actions).await {
            Err(error) if error.refused_at(0) => {
                Err(StoreError::Conflict("a group of that name exists already"))
            }
            other => other,
        }
    }

    /// The group that a name in stack.yaml stands for.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn declared_group(&self, name: &Name) -> Result<Option<GroupRow>> {
        let Some(row) = self.directory_row(&keys::declared_group(name)).await? else { return Ok(None) };
        let id = attr::get_text(&row, "group").map_err(unreadable)?;
        self.group(&GroupId::parse(id).map_err(|e| unreadable(e.to_string()))?).await.map(Some)
    }

    /// Gives up a declared group's name, so that the name can be declared afresh.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn forget_declared_group(&self, name: &Name) -> Result<()> {
        let key = attr::key_row(&keys::declared_group(name));
        self.client
            .delete_item()
            .table_name(&self.tables.directory)
            .set_key(Some(key))
            .send()
            .await
            .map_err(sdk)?;
        Ok(())
    }

    /// Replaces a group's rules and its number of shards: the next revision, which counts as soon as this returns,
    /// with the job that brings the copies after it. `judged` is what is known of the change; it is stored with the revision.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if somebody else changed them in the meantime.
    pub async fn change_rules(
        &self,
        group: &GroupRow,
        rules: (&RuleSet, Judged),
        shards: u16,
        now: Timestamp,
    ) -> Result<Job> {
        self.change_rules_by(None, group, rules, shards, now).await
    }

    /// Like [`Store::change_rules`], counted against the quota of the person who changes them, if one does.
    ///
    /// # Errors
    /// Those of [`Store::change_rules`]; [`StoreError::Quota`] if they have changed rules too often.
    pub async fn change_rules_by(
        &self,
        by: Option<&UserId>,
        group: &GroupRow,
        (rules, judged): (&RuleSet, Judged),
        shards: u16,
        now: Timestamp,
    ) -> Result<Job> {
        let next = group.rule_revision + 1;
        let layout = group.layout.moving_to(shards, next);
        let update = Update::builder()
            .table_name(&self.tables.directory)
            .set_key(Some(attr::key_row(&keys::group(&group.id))))
            .update_expression("SET ruleRev = :next, rulesSince = :now, #layout = :layout")
            .condition_expression("ruleRev = :before AND #state = :active")
            .expression_attribute_names("#state", "state")
            .expression_attribute_names("#layout", LAYOUT)
            .expression_attribute_values(":next", attr::number(next))
            .expression_attribute_values(":now", attr::text(now.to_string()))
            .expression_attribute_values(":layout", attr::text(layout.text()))
            .expression_attribute_values(":before", attr::number(group.rule_revision))
            .expression_attribute_values(":active", attr::text("active"));
        let update = TransactWriteItem::builder().update(update.build().map_err(built)?).build();
        // From the last revision that every copy agreed with: a job of a revision in between may not have got far.
        let (rules_from, revision) = (self.settled_revision(group).await?, next);
        // Every copy is of the rules before and lies where it belongs: then those that are there are all that matter.
        let settled = rules_from == group.rule_revision && layout.given_up().is_none();
        let kind = match judged.adds_nothing() {
            true if settled => JobKind::Sift { rules_from, revision },
            _ => JobKind::Spread { rules_from, revision },
        };
        let job = Job::new(ids::job(), group.id.clone(), kind, now);
        let mut actions = vec![
            update,
            self.put_new(rules_row(&group.id, next, (rules, layout.current()), Some(judged), now)?)?,
            self.put_new(job.row())?,
            self.mark(&group.id)?,
        ];
        let quota = actions.len();
        if let Some(by) = by {
            actions.push(self.count_against(Quota::RuleChanges, by, now)?);
        }
        match self.transact(actions).await {
            Ok(()) => Ok(job),
            Err(error) if error.refused_at(0) || error.refused_at(1) => {
                Err(StoreError::Conflict("the group's rules were changed by somebody else at the same time"))
            }
            Err(error) if error.refused_at(quota) => Err(Quota::RuleChanges.exceeded(now)),
            Err(error) => Err(error),
        }
    }

    /// Puts a group's rules in other words: they must select and show exactly what they did, and look at the same fields
    /// to tell. Then copies of this revision are as they should be, whoever reads or writes them by either text. The revision
    /// keeps its number, its time and its verdict.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if somebody else changed them in the meantime.
    pub async fn reword_rules(&self, group: &GroupRow, rules: &RuleSet, now: Timestamp) -> Result<()> {
        // Changes nothing: it is there for its condition.
        let unchanged = Update::builder()
            .table_name(&self.tables.directory)
            .set_key(Some(attr::key_row(&keys::group(&group.id))))
            .update_expression("SET ruleRev = :before")
            .condition_expression("ruleRev = :before AND #state = :active")
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":before", attr::number(group.rule_revision))
            .expression_attribute_values(":active", attr::text("active"));
        let text =
            serde_json::to_string(rules).map_err(|error| StoreError::Unavailable(error.to_string()))?;
        let reworded = Update::builder()
            .table_name(&self.tables.directory)
            .set_key(Some(attr::key_row(&keys::rules(&group.id, group.rule_revision))))
            .update_expression("SET #rules = :rules, reworded = :now")
            .expression_attribute_names("#rules", "rules")
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_values(":rules", attr::text(text))
            .expression_attribute_values(":now", attr::text(now.to_string()));
        let actions = vec![
            TransactWriteItem::builder().update(unchanged.build().map_err(built)?).build(),
            TransactWriteItem::builder().update(reworded.build().map_err(built)?).build(),
        ];
        match self.transact(actions).await {
            Err(error) if error.refused_at(0) || error.refused_at(1) => {
                Err(StoreError::Conflict("the group's rules were changed by somebody else at the same time"))
            }
            other => other,
        }
    }

    /// The revision from which on copies may still be of different revisions.
    async fn settled_revision(&self, group: &GroupRow) -> Result<u32> {
        let open = self.jobs(&group.id).await?.into_iter().filter(|job| job.status == JobStatus::Open);
        Ok(open.filter_map(|job| job.rules_from()).min().unwrap_or(group.rule_revision))
    }

    /// Notes that no copy lies in a former layout any more, unless the rules have changed again.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn settle_layout(&self, group: &GroupRow) -> Result<()> {
        let layout = group.layout.settled();
        if group.layout == layout {
            return Ok(());
        }
        let update = self
            .client
            .update_item()
            .table_name(&self.tables.directory)
            .set_key(Some(attr::key_row(&keys::group(&group.id))))
            .update_expression("SET #layout = :layout")
            .condition_expression("ruleRev = :revision")
            .expression_attribute_names("#layout", LAYOUT)
            .expression_attribute_values(":layout", attr::text(layout.text()))
            .expression_attribute_values(":revision", attr::number(group.rule_revision));
        match update.send().await.map_err(sdk) {
            Ok(_) | Err(StoreError::Condition) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// The layout that a group had when it was last seen: worth reading by before the group's row is there.
    pub fn guessed_layout(&self, group: &GroupId) -> Layout {
        self.layouts.get(group)
    }

    /// A group's own row, deleted or not, read consistently.
    ///
    /// # Errors
    /// [`StoreError::Missing`] if there never was such a group.
    pub async fn group(&self, group: &GroupId) -> Result<GroupRow> {
        let row = self.directory_row(&keys::group(group)).await?.ok_or(StoreError::Missing("group"))?;
        self.group_of(&row)
    }

    /// The group of a row; its layout is remembered.
    pub(super) fn group_of(&self, row: &Row) -> Result<GroupRow> {
        let group = GroupRow::read(row)?;
        self.layouts.put(&group);
        Ok(group)
    }

    /// Deletes a group for its readers at once, and leaves a job that removes what is left of it.
    ///
    /// # Errors
    /// [`StoreError::Missing`] if it is gone already.
    pub async fn delete_group(&self, group: &GroupId, job: &Job) -> Result<()> {
        debug_assert!(matches!(job.kind, JobKind::Dissolve));
        let update = Update::builder()
            .table_name(&self.tables.directory)
            .set_key(Some(attr::key_row(&keys::group(group))))
            .update_expression("SET #state = :deleted ADD rosterRev :one")
            .condition_expression("#state = :active")
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":deleted", attr::text("deleted"))
            .expression_attribute_values(":active", attr::text("active"))
            .expression_attribute_values(":one", attr::number(1));
        let update = TransactWriteItem::builder().update(update.build().map_err(built)?).build();
        match self.transact(vec![update, self.put_new(job.row())?, self.mark(group)?]).await {
            Err(error) if error.refused_at(0) => Err(StoreError::Missing("group")),
            other => other,
        }
    }

    /// Says that something has changed of which [`crate::remembered`] is true: part of every transaction that does.
    fn mark(&self, group: &GroupId) -> Result<TransactWriteItem> {
        self.put(attr::row(&keys::mark(group), [(MARK, attr::text(ids::entry()))]))
    }
}
