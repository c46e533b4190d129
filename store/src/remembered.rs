//! What was read before of where drives share, and how it is known to be so still.
//!
//! Guarantee: what is remembered is used only if rows that are read *after* the call began say that it is so still. So it
//! is what reading all of it anew could have found ([ADR 13](../../docs/adr/0013-what-is-remembered.md), and
//! `tests/models/src/remembering.rs` in every interleaving).
//!
//! - **Memberships**: the drive's shares name them, each by an epoch and a revision of its contract, which only grow. If they
//!   name those that are remembered, these are the drive's.
//! - **Groups** are read every time, in the same request as the shares. Of a drive of more groups than a request can name
//!   they are remembered too, and their marks are read instead. There a row vouches for another one, and a transaction
//!   reaches its rows one after the other: so what a mark vouches for is read together with it, as of one moment.
//!
//! What is remembered of memberships is older than what is read or remembered of groups, as writers need it: contracts are
//! read before rules.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use domain::id::{DriveId, GroupId};
use domain::replication::{ProviderMembership, Spread};
use domain::time::Timestamp;

use crate::Store;
use crate::attr::{self, Row};
use crate::directory::{GroupRow, MARK, Shares};
use crate::document::Document;
use crate::error::Result;
use crate::keys::{self, Key};
use crate::rows::{Freshness, KEYS};

/// Memberships remembered at most, of all drives together: some megabytes.
const MEMBERSHIPS: usize = 16_384;
/// For how long one is remembered. Only functions of a version that writes no shares or marks make this matter, see there.
const FOR: Duration = Duration::from_secs(600);

/// What copying an item needs of a group's row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) active: bool,
    pub(crate) rule_revision: u32,
    pub(crate) rules_since: Timestamp,
    pub(crate) spread: Spread,
}

impl Head {
    pub(crate) fn of(group: &GroupRow) -> Self {
        Self {
            active: group.active,
            rule_revision: group.rule_revision,
            rules_since: group.rules_since,
            spread: group.layout.current(),
        }
    }
}

/// What is remembered of a drive.
#[derive(Debug)]
struct Known {
    memberships: Vec<ProviderMembership>,
    /// If they are too many to be read every time.
    groups: Option<Groups>,
    since: Instant,
}

/// Groups, and what their marks said when they were read; none where there was no row.
#[derive(Debug)]
struct Groups {
    heads: HashMap<GroupId, Head>,
    marks: BTreeMap<Key, Option<String>>,
}

/// Where a drive shares.
#[derive(Debug)]
pub(crate) struct Sharing {
    known: Arc<Known>,
    /// Those of the groups, if they are not remembered.
    heads: HashMap<GroupId, Head>,
}

impl Sharing {
    /// The memberships, each with its group unless there never was one.
    pub(crate) fn each(&self) -> impl Iterator<Item = (&ProviderMembership, Option<Head>)> {
        let heads = self.known.groups.as_ref().map_or(&self.heads, |groups| &groups.heads);
        self.known.memberships.iter().map(|membership| (membership, heads.get(&membership.group).copied()))
    }
}

/// Where drives share, as it was when last read.
#[derive(Debug, Default)]
pub(crate) struct Memory(Mutex<Remembered>);

#[derive(Debug, Default)]
struct Remembered {
    drives: HashMap<DriveId, Arc<Known>>,
    memberships: usize,
}

impl Memory {
    fn get(&self, drive: &DriveId) -> Option<Arc<Known>> {
        let known = self.0.lock().ok()?.drives.get(drive).cloned()?;
        (known.since.elapsed() < FOR).then_some(known)
    }

    fn put(&self, drive: &DriveId, known: Option<Arc<Known>>) {
        let Ok(mut all) = self.0.lock() else { return };
        if let Some(former) = all.drives.remove(drive) {
            all.memberships = all.memberships.saturating_sub(former.memberships.len());
        }
        let Some(known) = known.filter(|known| known.memberships.len() <= MEMBERSHIPS) else { return };
        if all.memberships + known.memberships.len() > MEMBERSHIPS {
            *all = Remembered::default();
        }
        all.memberships += known.memberships.len();
        all.drives.insert(drive.clone(), known);
    }
}

impl Store {
    /// Where a drive shares. Consistent: what was committed before the call is seen.
    pub(crate) async fn sharing_of(&self, drive: &DriveId, document: &Document) -> Result<Sharing> {
        if let Some(known) = self.remembered.get(drive)
            && let Some(sharing) = self.confirmed(drive, known).await?
        {
            return Ok(sharing);
        }
        let (sharing, complete) = self.read_sharing(drive, document).await?;
        self.remembered.put(drive, complete.then(|| sharing.known.clone()));
        Ok(sharing)
    }

    /// Whether it is remembered where a drive shares: if not, although it was just asked, its shares may need mending.
    pub(crate) fn remembers(&self, drive: &DriveId) -> bool {
        self.remembered.get(drive).is_some()
    }

    /// Where a drive shares, if that is what is remembered. One request, whatever the number of groups.
    async fn confirmed(&self, drive: &DriveId, known: Arc<Known>) -> Result<Option<Sharing>> {
        let shares = keys::shares(drive);
        let ids = || known.memberships.iter().map(|membership| &membership.group);
        let mut keys: Vec<Key> = match &known.groups {
            None => ids().map(keys::group).collect(),
            Some(groups) => groups.marks.keys().cloned().collect(),
        };
        keys.push(shares.clone());
        let rows = self.rows_at(&self.tables.directory, &keys, Freshness::Consistent).await?;
        if Shares::read(rows.get(&shares)) != Shares::of(&known.memberships) {
            return Ok(None);
        }
        let heads = match &known.groups {
            None => heads(&rows, ids())?,
            Some(groups) if groups.marks.iter().all(|(key, said)| mark(rows.get(key)) == *said) => {
                HashMap::new()
            }
            Some(_) => return Ok(None),
        };
        Ok(Some(Sharing { known, heads }))
    }

    /// Where a drive shares, and whether its shares are complete, so that it can be confirmed by them.
    async fn read_sharing(&self, drive: &DriveId, document: &Document) -> Result<(Sharing, bool)> {
        let rows = self.directory_rows(&keys::drive_partition(drive), "PROVIDES#").await?;
        let since = Instant::now();
        let read = self.read_memberships(&rows)?;
        let shares = keys::shares(drive);
        let ids: Vec<GroupId> = read.groups().cloned().collect();
        let found = |memberships, heads, groups| {
            let told = Shares::of(&memberships);
            (Sharing { known: Arc::new(Known { memberships, groups, since }), heads }, told)
        };
        // One request has told that there are none, and it would take one to confirm it.
        if ids.is_empty() {
            return Ok((found(Vec::new(), HashMap::new(), None).0, false));
        }
        // After the memberships, in any case: contracts are read before rules.
        let many = ids.len() >= KEYS;
        if many && let Some((rows, groups)) = self.groups_and_marks(&shares, &ids).await? {
            let agreed = self.rules_rows(&read.wanted).await?;
            let memberships = self.compile_memberships(read, &agreed, document);
            let (sharing, told) = found(memberships, HashMap::new(), Some(groups));
            return Ok((sharing, Shares::read(rows.get(&shares)) == told));
        }
        // Rules that were agreed to never change, so it does not matter that they are read together with the groups.
        let keys = ids.iter().map(keys::group).chain([shares.clone()]).chain(read.wanted.iter().cloned());
        let keys: Vec<Key> = keys.collect();
        let rows = self.rows_at(&self.tables.directory, &keys, Freshness::Consistent).await?;
        let memberships = self.compile_memberships(read, &rows, document);
        let (sharing, told) = found(memberships, heads(&rows, ids.iter())?, None);
        let complete = !many && Shares::read(rows.get(&shares)) == told;
        Ok((sharing, complete))
    }

    /// Many groups, each as of one moment with its mark, and the rows that were read; none if that cannot be had.
    async fn groups_and_marks(
        &self,
        shares: &Key,
        groups: &[GroupId],
    ) -> Result<Option<(HashMap<Key, Row>, Groups)>> {
        let mut of_mark: BTreeMap<Key, Vec<Key>> = BTreeMap::new();
        for group in groups {
            of_mark.entry(keys::mark(group)).or_default().push(keys::group(group));
        }
        let marks: Vec<Key> = of_mark.keys().cloned().collect();
        let mut requests: Vec<Vec<Key>> = vec![vec![shares.clone()]];
        for (mark, mut keys) in of_mark {
            keys.push(mark);
            match requests.last_mut() {
                Some(last) if last.len() + keys.len() <= KEYS => last.append(&mut keys),
                _ => requests.push(keys),
            }
        }
        if requests.iter().any(|keys| keys.len() > KEYS) {
            return Ok(None);
        }
        let mut rows = HashMap::new();
        for keys in &requests {
            let Some(found) = self.rows_at_once(&self.tables.directory, keys).await? else { return Ok(None) };
            rows.extend(found);
        }
        let marks = marks.into_iter().map(|key| (key.clone(), mark(rows.get(&key)))).collect();
        let heads = heads(&rows, groups.iter())?;
        Ok(Some((rows, Groups { heads, marks })))
    }
}

fn heads<'a>(
    rows: &HashMap<Key, Row>,
    groups: impl Iterator<Item = &'a GroupId>,
) -> Result<HashMap<GroupId, Head>> {
    let found = groups.filter_map(|id| rows.get(&keys::group(id)));
    found.map(|row| GroupRow::read(row).map(|group| (group.id.clone(), Head::of(&group)))).collect()
}

fn mark(row: Option<&Row>) -> Option<String> {
    row.map(|row| attr::get_text(row, MARK).unwrap_or_default().to_owned())
}
