//! Erasing somebody: what is theirs, and what of theirs is in what belongs to others.
//!
//! The call ends their memberships, their identities and their profile, which is all that readers and they themselves
//! can reach. The rest is a job's, which looks at every row of the directory once, because nothing else finds each place
//! that names somebody. It goes through everything twice: the second time when every function has ended that may have
//! read, before the call, that there is such a user.

mod traces;

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem, Update};
use domain::id::{DriveId, GroupId, JobId, UserId};
use domain::time::Timestamp;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use serde::{Deserialize, Serialize};

use traces::{Trace, trace};

use crate::attr::{self, Row};
use crate::data::BATCH;
use crate::directory::{AUDIENCE, Caller, EMAIL, ERASED_AT, HOLDER, Job, JobKind, User};
use crate::error::{Result, StoreError, sdk};
use crate::keys::{self, Key, PK, SK};
use crate::quotas::Quota;
use crate::{Store, batches};

/// Whose traces a job removes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erased {
    /// The user.
    pub user: UserId,
    /// Their drive.
    pub drive: DriveId,
    /// The partition of what is addressed to their e-mail address, which has the address's hash only.
    pub address: Option<String>,
}

impl Erased {
    /// Somebody, by their profile.
    pub fn of(user: &User) -> Self {
        let address = user.email.as_ref().map(keys::email_partition);
        Self { user: user.id.clone(), drive: user.drive.clone(), address }
    }

    /// The partitions that have only rows of theirs. That of the address may have rows of its next holder.
    fn partitions(&self) -> [String; 3] {
        [
            keys::user_partition(&self.user),
            keys::ledger_partition(&self.drive),
            keys::drive_partition(&self.drive),
        ]
    }

    fn is_named_in(&self, text: &str) -> bool {
        text.contains(self.user.as_str()) || text.contains(self.drive.as_str())
    }
}

/// What is left to say of an erasure. It does not say whose it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Erasure {
    /// Its identifier, which only whoever asked for it was told.
    pub id: JobId,
    /// When it was asked for.
    pub requested: Timestamp,
    /// When nothing was left.
    pub finished: Option<Timestamp>,
    /// Items that were removed.
    pub items: u64,
    /// Rows of copies that were removed after the purges, tombstones included.
    pub copies: u64,
    /// Rows of the directory that were removed or had a name taken out.
    pub records: u64,
}

/// Where a scan of the directory goes on: both keys of a row.
pub type Position = (String, String);

/// What a stretch of the directory had to do with somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stretch {
    /// Rows that were removed or changed.
    pub records: u64,
    /// Whether copies are still being removed by a job of its own: look at the stretch again when it is done.
    pub purging: bool,
    /// Where the next stretch begins.
    pub next: Option<Position>,
}

fn erasure_of(row: &Row) -> Result<Erasure> {
    let read = || -> std::result::Result<Erasure, String> {
        Ok(Erasure {
            id: JobId::parse(attr::get_text(row, "erasure")?).map_err(|e| e.to_string())?,
            requested: attr::get_time(row, "requested")?,
            finished: attr::get_time(row, "finished").ok(),
            items: attr::get_number_opt(row, "items")?.unwrap_or(0),
            copies: attr::get_number_opt(row, "copies")?.unwrap_or(0),
            records: attr::get_number_opt(row, "records")?.unwrap_or(0),
        })
    };
    read().map_err(|what| StoreError::corrupt("directory", what))
}

fn built(error: aws_sdk_dynamodb::error::BuildError) -> StoreError {
    StoreError::Unavailable(error.to_string())
}

/// How often an erasure is tried whose user's address keeps changing hands.
const ATTEMPTS: usize = 8;

/// The partition that an erasure's job lies in, as if it were a group's: jobs are found by their group.
fn partition_of(job: &JobId) -> GroupId {
    GroupId::from_bits(job.bits())
}

impl Store {
    /// Notes that somebody is being erased: from now on they join nothing and make no group. Counted against the quota of
    /// the identity that asks for it.
    ///
    /// # Errors
    /// [`StoreError::Missing`] if they have no profile, [`StoreError::Quota`] if the identity was erased too often.
    pub async fn begin_erasure(
        &self,
        (issuer, subject): (&str, &str),
        user: &UserId,
        now: Timestamp,
    ) -> Result<()> {
        let update = Update::builder()
            .table_name(&self.tables.directory)
            .set_key(Some(attr::key_row(&keys::user(user))))
            .update_expression("SET erasing = :now")
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_values(":now", attr::text(now.to_string()));
        let update = TransactWriteItem::builder().update(update.build().map_err(built)?).build();
        let count = Quota::key_of_erasures(issuer, subject, now);
        match self.transact(vec![update, self.count_at(Quota::Erasures, &count, now)?]).await {
            Err(error) if error.refused_at(0) => Err(StoreError::Missing("user")),
            Err(error) if error.refused_at(1) => Err(Quota::Erasures.exceeded(now)),
            other => other,
        }
    }

    /// Takes [`Store::begin_erasure`] back.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn abandon_erasure(&self, user: &UserId) -> Result<()> {
        let update = self
            .client
            .update_item()
            .table_name(&self.tables.directory)
            .set_key(Some(attr::key_row(&keys::user(user))))
            .update_expression("REMOVE erasing")
            .condition_expression("attribute_exists(pk)");
        match update.send().await.map_err(sdk) {
            Ok(_) | Err(StoreError::Condition) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Ends a profile and its identities, whose memberships have ended, and leaves the job that removes the rest and
    /// the record of it; in one transaction. What was offered to the user or the address before no longer counts.
    ///
    /// # Errors
    /// [`StoreError::Missing`] if the profile is gone already.
    pub async fn erase(
        &self,
        (issuer, subject): (&str, &str),
        caller: &Caller,
        user: &User,
        now: Timestamp,
    ) -> Result<Job> {
        let mut user = user.clone();
        for _ in 0..ATTEMPTS {
            match self.erase_known((issuer, subject), caller, &user, now).await {
                Err(error) if error.refused_at(0) || error.refused_at(1) => {
                    let current = self.user(&caller.user).await?;
                    let text = |user: &User| user.email.as_ref().map(|email| email.as_str().to_owned());
                    if text(&current) == text(&user) {
                        return Err(StoreError::Missing("user"));
                    }
                    user = current;
                }
                other => return other,
            }
        }
        Err(StoreError::Busy("the address keeps changing hands".into()))
    }

    /// The transaction of [`Store::erase`]; refused at its first action if the profile is gone or its address has changed.
    async fn erase_known(
        &self,
        (issuer, subject): (&str, &str),
        caller: &Caller,
        user: &User,
        now: Timestamp,
    ) -> Result<Job> {
        let id = crate::ids::job();
        let kind = JobKind::Erase { whom: Some(Erased::of(user)) };
        let job = Job::new(id.clone(), partition_of(&id), kind, now);
        let profile = keys::user(&caller.user);
        let mut actions = vec![match &user.email {
            Some(email) => self.delete_if(&profile, EMAIL, attr::text(email.as_str()))?,
            None => {
                let unchanged = format!("attribute_exists(pk) AND attribute_not_exists({EMAIL})");
                self.delete_action(&profile, Some(&unchanged))?
            }
        }];
        // An identity that was linked before this was kept track of is known by the call alone.
        let mut links = vec![keys::identity(issuer, subject).pk];
        let known = self.directory_rows(&keys::user_partition(&caller.user), "IDENTITY#").await?;
        links.extend(known.iter().filter_map(|row| attr::get_text(row, SK).ok()).map(str::to_owned));
        links.sort();
        links.dedup();
        for pk in links {
            let link = keys::identity_link(pk);
            actions.push(self.delete_action(&link, Some("attribute_exists(pk)"))?);
        }
        let record = attr::row(
            &keys::erasure(&id),
            [("erasure", attr::text(id.as_str())), ("requested", attr::text(now.to_string()))],
        );
        actions.extend([self.put_new(job.row())?, self.put_new(record)?]);
        let address = user.email.as_ref().map(keys::email_partition);
        for partition in [keys::user_partition(&user.id)].into_iter().chain(address) {
            let mark = attr::row(
                &keys::erased(&partition),
                [(ERASED_AT, attr::number(now.millis())), ("erasure", attr::text(id.as_str()))],
            );
            actions.push(self.put(mark)?);
        }
        if let Some(email) = &user.email {
            // It names the user, since the profile has the address; the next holder's row is never touched.
            actions.push(self.delete_if(&keys::address(email), HOLDER, attr::text(caller.user.as_str()))?);
        }
        self.transact(actions).await.map(|()| job)
    }

    /// What is left to say of an erasure.
    ///
    /// # Errors
    /// [`StoreError::Missing`] if there was none of that identifier.
    pub async fn erasure(&self, id: &JobId) -> Result<Erasure> {
        let row = self.directory_row(&keys::erasure(id)).await?;
        erasure_of(&row.ok_or(StoreError::Missing("erasure"))?)
    }

    /// Removes what names somebody from a stretch of the directory, but for what is their own.
    ///
    /// # Errors
    /// Those of the database; looking again is right.
    pub async fn erase_stretch(&self, job: &Job, whom: &Erased, after: Option<&Position>) -> Result<Stretch> {
        let start = after.map(|(pk, sk)| attr::key_row(&Key { pk: pk.clone(), sk: sk.clone() }));
        let page = self
            .client
            .scan()
            .table_name(&self.tables.directory)
            .consistent_read(true)
            .set_exclusive_start_key(start)
            .send()
            .await
            .map_err(sdk)?;
        let mut stretch = Stretch { records: 0, purging: false, next: None };
        for row in page.items() {
            match trace(row, whom, job) {
                Trace::None => continue,
                Trace::Purging => {
                    stretch.purging = true;
                    continue;
                }
                Trace::Row => self.forget_row(&key_of(row)?).await?,
                Trace::Audience { before, after } => {
                    self.forget_reader(&key_of(row)?, before, after).await?;
                }
                Trace::Names(names) => self.forget_names(&key_of(row)?, &names).await?,
            }
            stretch.records += 1;
        }
        stretch.next = page.last_evaluated_key.as_ref().map(key_of).transpose()?.map(|key| (key.pk, key.sk));
        Ok(stretch)
    }

    async fn forget_row(&self, key: &Key) -> Result<()> {
        let delete = self.client.delete_item().table_name(&self.tables.directory);
        delete.set_key(Some(attr::key_row(key))).send().await.map_err(sdk)?;
        Ok(())
    }

    async fn forget_reader(&self, key: &Key, before: String, after: String) -> Result<()> {
        let update = self
            .client
            .update_item()
            .table_name(&self.tables.directory)
            .set_key(Some(attr::key_row(key)))
            .update_expression("SET #audience = :after")
            .condition_expression("#audience = :before")
            .expression_attribute_names("#audience", AUDIENCE)
            .expression_attribute_values(":before", attr::text(before))
            .expression_attribute_values(":after", attr::text(after));
        match update.send().await.map_err(sdk) {
            // Changed at the same time, which has taken out who reads no more.
            Ok(_) | Err(StoreError::Condition) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn forget_names(&self, key: &Key, names: &[&str]) -> Result<()> {
        let update = self
            .client
            .update_item()
            .table_name(&self.tables.directory)
            .set_key(Some(attr::key_row(key)))
            .update_expression(format!("REMOVE {}", names.join(", ")))
            .condition_expression("attribute_exists(pk)");
        match update.send().await.map_err(sdk) {
            // TTL was first.
            Ok(_) | Err(StoreError::Condition) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Deletes some of a drive's items, of whatever types, and tells how many; none when there are none left.
    ///
    /// # Errors
    /// Those of the database; what was deleted by then stays so.
    pub async fn erase_items(&self, drive: &DriveId) -> Result<u64> {
        let page = self
            .client
            .query()
            .table_name(&self.tables.data)
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", attr::text(drive.as_str()))
            .projection_expression("pk, sk")
            .consistent_read(true)
            .limit(1_000)
            .send()
            .await
            .map_err(sdk)?;
        let rows = page.items.unwrap_or_default();
        for chunk in rows.chunks(BATCH) {
            let deletes = chunk.iter().map(|key| batches::delete(key.clone())).collect::<Result<_>>()?;
            // If some are left the job is delivered again, and goes on with them.
            self.write_whole_batch(&self.tables.data, deletes).await?;
        }
        Ok(rows.len() as u64)
    }

    /// Deletes some of what is somebody's own in the directory, and tells how much; none when there is none left.
    ///
    /// # Errors
    /// Those of the database; what was deleted by then stays so.
    pub async fn erase_own(&self, job: &Job, whom: &Erased) -> Result<u64> {
        for pk in whom.partitions() {
            let (rows, _) = self.directory_page(&pk, "", None, Some(500)).await?;
            if rows.is_empty() {
                continue;
            }
            let keys = rows.iter().map(key_of).collect::<Result<Vec<_>>>()?;
            let deletions = stream::iter(&keys).map(|key| self.forget_row(key));
            deletions.buffer_unordered(BATCH).try_collect::<Vec<()>>().await?;
            return Ok(keys.len() as u64);
        }
        if let Some(address) = &whom.address {
            self.forget_mark(job, address).await?;
        }
        Ok(0)
    }

    /// Removes the mark of an erasure at an address, unless the next holder of the address was erased since.
    async fn forget_mark(&self, job: &Job, address: &str) -> Result<()> {
        let delete = self
            .client
            .delete_item()
            .table_name(&self.tables.directory)
            .set_key(Some(attr::key_row(&keys::erased(address))))
            .condition_expression("attribute_not_exists(pk) OR erasure = :erasure")
            .expression_attribute_values(":erasure", attr::text(job.id.as_str()));
        match delete.send().await.map_err(sdk) {
            Ok(_) | Err(StoreError::Condition) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Writes down what an erasure has done so far; if it is finished, its job no longer knows whose it was.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn note_erasure(&self, job: &Job, finished: Option<Timestamp>) -> Result<()> {
        let counts = [("items", job.done), ("copies", job.changed), ("records", job.expected)];
        let mut set = "SET #items = :items, #copies = :copies, #records = :records".to_owned();
        let mut values: HashMap<String, AttributeValue> =
            counts.iter().map(|(name, count)| (format!(":{name}"), attr::number(count))).collect();
        let mut names: HashMap<String, String> =
            counts.iter().map(|(name, _)| (format!("#{name}"), (*name).to_owned())).collect();
        if let Some(finished) = finished {
            set += ", #finished = :finished";
            names.insert("#finished".into(), "finished".into());
            values.insert(":finished".into(), attr::text(finished.to_string()));
        }
        let update = |key: &Key| {
            Update::builder().table_name(&self.tables.directory).set_key(Some(attr::key_row(key)))
        };
        let record = update(&keys::erasure(&job.id))
            .update_expression(set)
            .set_expression_attribute_names(Some(names))
            .set_expression_attribute_values(Some(values));
        let mut actions = vec![TransactWriteItem::builder().update(record.build().map_err(built)?).build()];
        if finished.is_some() {
            let nobody = serde_json::to_string(&JobKind::Erase { whom: None }).unwrap_or_default();
            let forgets = update(&keys::job(&job.group, &job.id))
                .update_expression("SET what = :nobody")
                .expression_attribute_values(":nobody", attr::text(nobody));
            actions.push(TransactWriteItem::builder().update(forgets.build().map_err(built)?).build());
        }
        self.transact(actions).await
    }
}

fn key_of(row: &Row) -> Result<Key> {
    let text = |name| attr::get_text(row, name).map(str::to_owned);
    let read = || -> std::result::Result<Key, String> { Ok(Key { pk: text(PK)?, sk: text(SK)? }) };
    read().map_err(|what| StoreError::corrupt("directory", what))
}
