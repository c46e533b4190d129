//! Who is in a group, as far as readers and writers ask.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use domain::id::GroupId;
use domain::replication::{ProviderMembership, ProviderTerms, Roster};

use super::GroupRow;
use super::audience::audience_of;
use super::changing::is_over;
use super::invitations::Role;
use super::members::{Member, MemberId, member_from_row};
use crate::Store;
use crate::attr::Row;
use crate::document::Document;
use crate::error::Result;
use crate::keys;

/// Rosters by group; one counts only while the group's row still names its revision.
#[derive(Debug, Default)]
pub(crate) struct RosterCache(Mutex<HashMap<GroupId, Arc<Roster>>>);

/// Rosters remembered at most.
const REMEMBERED: usize = 1024;

impl RosterCache {
    fn get(&self, group: &GroupId, revision: u64) -> Option<Arc<Roster>> {
        self.0.lock().ok()?.get(group).filter(|roster| roster.revision == revision).cloned()
    }
    fn put(&self, group: GroupId, roster: Arc<Roster>) {
        if let Ok(mut map) = self.0.lock() {
            if map.len() >= REMEMBERED {
                map.clear();
            }
            map.insert(group, roster);
        }
    }
}

impl Store {
    /// The roster that a group's row names; remembered while the row names it.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn roster(&self, group: &GroupRow, document: &Document) -> Result<Arc<Roster>> {
        if let Some(roster) = self.rosters.get(&group.id, group.roster_rev) {
            return Ok(roster);
        }
        let rows = self.directory_rows(&keys::group_partition(&group.id), "ROSTER#").await?;
        let mut roster = Roster { revision: group.roster_rev, ..Roster::default() };
        let providers = || rows.iter().filter(|row| row.contains_key("drive"));
        let current = (&group.id, group.rule_revision);
        let memberships = self.memberships_of(providers(), Some(current), document).await?;
        for (row, membership) in providers().zip(memberships) {
            let ProviderMembership { drive, epoch, terms, .. } = membership;
            if let Some(audience) = audience_of(row)? {
                roster.audiences.insert(drive.clone(), audience);
            }
            roster.providers.insert(drive, ProviderTerms { epoch, terms });
        }
        for row in rows.iter().filter(|row| !row.contains_key("drive")) {
            add_user(&mut roster, row)?;
        }
        let roster = Arc::new(roster);
        // A change between the two reads would be remembered under the revision before it: read the row again. One that was
        // under way at the first may not have reached all rows yet.
        if is_over(group.changing) && self.group(&group.id).await?.roster_rev == group.roster_rev {
            self.rosters.put(group.id.clone(), roster.clone());
        }
        Ok(roster)
    }
}

fn add_user(roster: &mut Roster, row: &Row) -> Result<()> {
    let Member { id: MemberId::User(user), roles, reads, .. } = member_from_row(row)? else {
        return Ok(());
    };
    if let Some(since) = reads {
        roster.reading_since.insert(user.clone(), since);
        roster.consumers.insert(user.clone());
    }
    if roles.contains(&Role::Owner) {
        roster.owners.insert(user);
    }
    Ok(())
}
