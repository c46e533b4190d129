//! Memberships: a drive in a group as provider, a user in a group as consumer or owner.

use aws_sdk_dynamodb::types::TransactWriteItem;
use domain::id::{DriveId, GroupId, UserId};
use domain::replication::ProviderMembership;
use domain::rules::{Agreement, Terms};
use domain::time::Timestamp;

use super::changing::RosterChange;
use super::contracts::{JoiningTerms, WrittenMembership};
use super::groups::FIRST_REVISION;
use super::invitations::{CLOSED, Invitation, InvitationStatus, Role, Writer};
use super::jobs::{Job, JobKind};
use super::offers::STACK_OFFER;
use super::users::Caller;
use super::{GroupRow, built, unreadable};
use crate::Store;
use crate::attr::{self, Row};
use crate::document::Document;
use crate::error::{Result, StoreError};
use crate::{ids, keys};

/// The attribute that names a member who is a user. Rows of providers have a `drive` instead, and name the user who
/// joined it as `joinedBy`.
pub(super) const MEMBER_USER: &str = "member";
/// The attribute with a user's roles. A reserved word of DynamoDB: expressions name it through a placeholder.
pub(super) const ROLES: &str = "roles";
/// The attribute that says since when a consumer reads.
pub(super) const READS: &str = "reads";

/// The attribute with the roster revision since which a user owns the group, if they do.
pub(super) const OWNS_SINCE: &str = "ownsSince";

/// Who a member is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MemberId {
    /// A drive, as provider.
    Drive(DriveId),
    /// A user, as consumer or owner.
    User(UserId),
}

/// A member of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The group.
    pub group: GroupId,
    /// Who.
    pub id: MemberId,
    /// In which roles.
    pub roles: Vec<Role>,
    /// When they joined.
    pub joined: Timestamp,
    /// The epoch of a provider's membership.
    pub epoch: Option<u64>,
    /// Since when a consumer reads.
    pub reads: Option<Timestamp>,
    /// The roster revision since which an owner owns the group.
    pub owns_since: Option<u64>,
    /// Which rules a provider agreed to.
    pub agreement: Option<Agreement>,
}

/// A user's membership as consumer or owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserMembership {
    /// The user.
    pub user: UserId,
    /// In which roles.
    pub roles: Vec<Role>,
    /// Since when a consumer reads.
    pub reads: Option<Timestamp>,
    /// The roster revision since which an owner owns the group, without interruption.
    pub owns_since: Option<u64>,
}

/// What accepting an invitation led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acceptance {
    /// The job that copies the past, for a provider.
    pub job: Option<Job>,
    /// Whether the invitation had been accepted before, by the same person.
    pub repeated: bool,
}

/// What leaving takes away.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Leaving {
    /// The drive's membership as provider, with the job that removes its copies.
    pub provider: Option<(ProviderMembership, Job)>,
    /// The user's membership as consumer or owner.
    pub user: Option<UserMembership>,
    /// Of the user's roles, those that stay; none if the membership ends.
    pub keeps: Vec<Role>,
    /// The user whose memberships these are.
    pub who: Option<UserId>,
    /// The owner who removes somebody else; none if people go themselves.
    pub by: Option<UserId>,
}

impl UserMembership {
    /// Whether the user owns the group.
    pub fn owns(&self) -> bool {
        self.roles.contains(&Role::Owner)
    }
}

pub(super) fn roles_text(roles: &[Role]) -> String {
    roles.iter().map(|role| role.as_str()).collect::<Vec<_>>().join(",")
}

fn user_rows(group: &GroupId, member: &UserMembership, joined: Timestamp) -> [Row; 2] {
    let UserMembership { user, roles, reads, owns_since } = member;
    [keys::roster_user(group, user), keys::user_member(user, group)].map(|key| {
        let mut row = attr::row(
            &key,
            [
                ("group", attr::text(group.as_str())),
                (MEMBER_USER, attr::text(user.as_str())),
                ("roles", attr::text(roles_text(roles))),
                ("joined", attr::text(joined.to_string())),
            ],
        );
        row.extend(reads.map(|since| (READS.to_owned(), attr::text(since.to_string()))));
        row.extend(owns_since.map(|since| (OWNS_SINCE.to_owned(), attr::number(since))));
        row
    })
}

/// The rows of a group's first owner.
pub(super) fn owner_rows(group: &GroupId, user: &UserId, joined: Timestamp) -> [Row; 2] {
    let owner = UserMembership {
        user: user.clone(),
        roles: vec![Role::Owner],
        reads: None,
        owns_since: Some(FIRST_REVISION),
    };
    user_rows(group, &owner, joined)
}

pub(super) fn member_from_row(row: &Row) -> Result<Member> {
    if row.contains_key("drive") {
        let provider = WrittenMembership::read(row)?;
        return Ok(Member {
            group: provider.group,
            id: MemberId::Drive(provider.drive),
            roles: vec![Role::Provider],
            joined: provider.joined,
            epoch: Some(provider.epoch),
            reads: None,
            owns_since: None,
            agreement: Some(provider.agreement),
        });
    }
    let read = || -> std::result::Result<Member, String> {
        let roles: Vec<Role> = attr::get_text(row, "roles")?.split(',').filter_map(Role::parse).collect();
        let joined = attr::get_time(row, "joined")?;
        // Rows that were written before this was told.
        let reads = || attr::get_time(row, READS).unwrap_or(joined);
        Ok(Member {
            group: GroupId::parse(attr::get_text(row, "group")?).map_err(|e| e.to_string())?,
            id: MemberId::User(UserId::parse(attr::get_text(row, MEMBER_USER)?).map_err(|e| e.to_string())?),
            reads: roles.contains(&Role::Consumer).then(reads),
            owns_since: attr::get_number_opt(row, OWNS_SINCE)?.filter(|_| roles.contains(&Role::Owner)),
            roles,
            joined,
            epoch: None,
            agreement: None,
        })
    };
    read().map_err(unreadable)
}

/// Why somebody cannot accept an invitation to be what they are.
const HELD: &str = "you have this role in the group already";
/// Why somebody cannot agree to rules that they have seen.
const MOVED_ON: &str =
    "the group's rules have changed since the revision that you name; read the preview again";

/// Whether the caller wrote the invitation.
fn is_own(invitation: &Invitation, caller: &Caller) -> bool {
    matches!(&invitation.writer, Writer::User(by) if *by == caller.user)
}

impl Store {
    /// A page of a group's members.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn members(
        &self,
        group: &GroupId,
        after: Option<String>,
        limit: usize,
    ) -> Result<(Vec<Member>, Option<String>)> {
        let pk = keys::group_partition(group);
        let (rows, next) = self.directory_page(&pk, "ROSTER#", after, Some(limit)).await?;
        Ok((rows.iter().map(member_from_row).collect::<Result<_>>()?, next))
    }

    /// The users who read a group, with the time since when, latest first.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn consumers(&self, group: &GroupId) -> Result<Vec<(UserId, Timestamp)>> {
        let rows = self.directory_rows(&keys::group_partition(group), "ROSTER#USER#").await?;
        let mut found = Vec::new();
        for row in &rows {
            if let Member { id: MemberId::User(user), reads: Some(since), .. } = member_from_row(row)? {
                found.push((user, since));
            }
        }
        found.sort_by_key(|(_, since)| std::cmp::Reverse(*since));
        Ok(found)
    }

    /// A page of a group's providers.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn providers(
        &self,
        group: &GroupId,
        after: Option<String>,
        document: &Document,
    ) -> Result<(Vec<ProviderMembership>, Option<String>)> {
        let pk = keys::group_partition(group);
        let (rows, next) = self.directory_page(&pk, "ROSTER#DRIVE#", after, Some(100)).await?;
        Ok((self.memberships_of(&rows, None, document).await?, next))
    }

    /// A caller's memberships, as user and through their drive.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn memberships(&self, caller: &Caller) -> Result<Vec<Member>> {
        let (user, drive) = (keys::user_partition(&caller.user), keys::drive_partition(&caller.drive));
        let (as_user, as_drive) = futures::future::try_join(
            self.directory_rows(&user, "MEMBER#"),
            self.directory_rows(&drive, "PROVIDES#"),
        )
        .await?;
        let mut found = as_user.iter().chain(&as_drive).map(member_from_row).collect::<Result<Vec<_>>>()?;
        found.sort_by(|a, b| a.group.cmp(&b.group));
        Ok(found)
    }

    /// A user's membership of a group as consumer or owner.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn user_membership(&self, group: &GroupId, user: &UserId) -> Result<Option<UserMembership>> {
        let row = self.directory_row(&keys::roster_user(group, user)).await?;
        let member = row.as_ref().map(member_from_row).transpose()?;
        Ok(member.map(|member| UserMembership {
            user: user.clone(),
            roles: member.roles,
            reads: member.reads,
            owns_since: member.owns_since,
        }))
    }

    /// A drive's membership of a group as provider.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn provider(
        &self,
        group: &GroupId,
        drive: &DriveId,
        document: &Document,
    ) -> Result<Option<ProviderMembership>> {
        let row = self.directory_row(&keys::provides(drive, group)).await?;
        match &row {
            Some(row) => self.membership_of(row, document).await.map(Some),
            None => Ok(None),
        }
    }

    /// Accepts an invitation: one transaction that makes the membership, answers the invitation, bumps the roster
    /// and, for a provider, leaves the job that copies the past. Accepting it again gives the same answer again.
    ///
    /// # Errors
    /// [`StoreError::Missing`] if the group is gone, [`StoreError::Conflict`] if the invitation is no longer open or
    /// the role is held already.
    pub async fn accept(
        &self,
        invitation: &Invitation,
        caller: &Caller,
        terms: &JoiningTerms,
        now: Timestamp,
    ) -> Result<Acceptance> {
        // The epoch is the roster's next revision, so somebody else's join in between means looking again.
        for _ in 0..8 {
            let group = self.group(&invitation.group).await?;
            if !group.active {
                return Err(StoreError::Missing("group"));
            }
            let by_stack = invitation.writer == Writer::Stack;
            if invitation.writer == Writer::Erased
                || (by_stack && group.stack_offer.as_ref() != Some(&invitation.id))
            {
                return self.accepted_before(invitation, caller, CLOSED).await;
            }
            if terms.seen.is_some_and(|seen| seen != group.rule_revision) {
                return self.accepted_before(invitation, caller, MOVED_ON).await;
            }
            let change = RosterChange::begin();
            let joining = self.joining(&group, &change, invitation, caller, (terms, now)).await;
            let (mut actions, job) = match joining {
                // Their own earlier acceptance is one way to hold the role already.
                Err(StoreError::Conflict(why)) => return self.accepted_before(invitation, caller, why).await,
                joining => joining?,
            };
            let answer = actions.len();
            actions.extend(self.answer(invitation, InvitationStatus::Accepted, &caller.user, now)?);
            let profile = actions.len();
            actions.push(self.still_there(&caller.user)?);
            let offer = actions.len();
            actions.extend(self.offer_stands(invitation, caller)?);
            // A transaction names a row once: whoever accepts what they wrote themselves is looked at in `joining`.
            if invitation.role == Role::Provider || !is_own(invitation, caller) {
                actions.extend(self.writer_stands(invitation)?);
            }
            let checks = offer..actions.len();
            match self.change_roster(&group.id, &change, actions).await {
                Ok(()) => return Ok(Acceptance { job, repeated: false }),
                Err(error) if error.refused_at(answer) => {
                    return self.accepted_before(invitation, caller, CLOSED).await;
                }
                Err(error) if error.refused_at(profile) => return Err(StoreError::Missing("user")),
                Err(error) if checks.clone().any(|check| error.refused_at(check)) => {
                    return Err(StoreError::Conflict(CLOSED));
                }
                Err(error) if error.refused_at(0) => {
                    tokio::time::sleep(std::time::Duration::from_millis(5 + fastrand::u64(..40))).await;
                }
                Err(StoreError::Refused(_)) => {
                    return Err(StoreError::Conflict(HELD));
                }
                Err(error) => return Err(error),
            }
        }
        Err(StoreError::Busy("the roster keeps changing".into()))
    }

    /// The result of an earlier acceptance by the same caller. `why` an invitation that is still open was refused.
    async fn accepted_before(
        &self,
        invitation: &Invitation,
        caller: &Caller,
        why: &'static str,
    ) -> Result<Acceptance> {
        let current = self.invitation(&invitation.group, &invitation.id).await?;
        if current.status != InvitationStatus::Accepted || current.answered_by.as_ref() != Some(&caller.user)
        {
            let open = current.status == InvitationStatus::Pending;
            return Err(StoreError::Conflict(if open { why } else { CLOSED }));
        }
        // After a leave the same invitation does not let anybody in again.
        let row = self.directory_row(&keys::provides(&caller.drive, &invitation.group)).await?;
        let Some(provider) = row.as_ref().map(WrittenMembership::read).transpose()? else {
            let held = self.user_membership(&invitation.group, &caller.user).await?;
            return match held.is_some_and(|held| held.roles.contains(&invitation.role)) {
                true => Ok(Acceptance { job: None, repeated: true }),
                false => Err(StoreError::Conflict(CLOSED)),
            };
        };
        let jobs = self.jobs(&invitation.group).await?;
        let mine = JobKind::Backfill { drive: provider.drive, epoch: provider.epoch };
        Ok(Acceptance { job: jobs.into_iter().find(|job| job.kind == mine), repeated: true })
    }

    /// The actions of a join; the first one is refused if the roster has changed since the group was read.
    async fn joining(
        &self,
        group: &GroupRow,
        change: &RosterChange,
        invitation: &Invitation,
        caller: &Caller,
        (offered, now): (&JoiningTerms, Timestamp),
    ) -> Result<(Vec<TransactWriteItem>, Option<Job>)> {
        let epoch = group.roster_rev + 1;
        let mut owners = group.owners;
        let mut actions = Vec::new();
        let mut job = None;
        if invitation.role == Role::Provider {
            let membership = ProviderMembership {
                group: group.id.clone(),
                drive: caller.drive.clone(),
                epoch,
                terms: Terms { joined: now, contract: offered.contract.clone() },
            };
            let agreement = offered.agreement(group.rule_revision);
            actions.extend(self.share_begins(&membership, agreement, &caller.user)?);
            let kind = JobKind::Backfill { drive: caller.drive.clone(), epoch };
            let backfill = Job::new(ids::job(), group.id.clone(), kind, now);
            actions.push(self.put_new(backfill.row())?);
            job = Some(backfill);
        } else {
            owners += u32::from(invitation.role == Role::Owner);
            let before = self.user_membership(&group.id, &caller.user).await?;
            let nobody = || UserMembership {
                user: caller.user.clone(),
                roles: Vec::new(),
                reads: None,
                owns_since: None,
            };
            let mut member = before.unwrap_or_else(nobody);
            if member.roles.contains(&invitation.role) {
                return Err(StoreError::Conflict(HELD));
            }
            // Guarded by the roster's revision, like the rows below.
            let owned = member.owns_since.is_some_and(|since| since <= invitation.revision);
            if is_own(invitation, caller) && !owned {
                return Err(StoreError::Conflict(CLOSED));
            }
            member.roles.push(invitation.role);
            if invitation.role == Role::Owner {
                member.owns_since = Some(epoch);
            }
            if invitation.role == Role::Consumer {
                member.reads = Some(now);
            }
            for row in user_rows(&group.id, &member, now) {
                // Guarded by the roster's revision: nobody else can have written the row in between.
                actions.push(self.put(row)?);
            }
        }
        let update = change
            .of_group(self, &group.id)
            .update_expression("SET rosterRev = :next, owners = :owners ADD changing :change")
            .condition_expression(match invitation.writer {
                Writer::Stack => "rosterRev = :before AND #state = :active AND #stack = :id",
                Writer::User(_) | Writer::Erased => "rosterRev = :before AND #state = :active",
            })
            .expression_attribute_values(":next", attr::number(epoch))
            .expression_attribute_values(":before", attr::number(group.roster_rev))
            .expression_attribute_values(":owners", attr::number(owners));
        let update = match invitation.writer {
            Writer::Stack => update
                .expression_attribute_names("#stack", STACK_OFFER)
                .expression_attribute_values(":id", attr::text(invitation.id.as_str())),
            Writer::User(_) | Writer::Erased => update,
        };
        actions.insert(0, TransactWriteItem::builder().update(update.build().map_err(built)?).build());
        Ok((actions, job))
    }
}
