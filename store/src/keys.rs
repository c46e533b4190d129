//! The keys of every row. Nothing else in Freehold builds one.

use domain::address::Address;
use domain::id::{DriveId, GroupId, InvitationId, ItemId, JobId, Name, UserId};
use domain::replication::{ReplicaKey, Shard};
use sha2::{Digest, Sha256};

/// Partition key.
pub const PK: &str = "pk";
/// Sort key.
pub const SK: &str = "sk";
/// When a row may be removed, in seconds since 1970: DynamoDB's TTL.
pub const EXPIRES: &str = "exp";

/// A row's key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Partition key.
    pub pk: String,
    /// Sort key.
    pub sk: String,
}

fn key(pk: impl Into<String>, sk: impl Into<String>) -> Key {
    Key { pk: pk.into(), sk: sk.into() }
}

/// An item, in *data*: contiguous by type and, within it, by time.
pub fn item(drive: &DriveId, data_type: &Name, id: &ItemId) -> Key {
    key(drive.as_str(), format!("{data_type}#{id}"))
}

/// The beginning of the sort keys of a data type, in *data*.
pub fn type_prefix(data_type: &Name) -> String {
    format!("{data_type}#")
}

/// A replica, in *replicas*: a group's items of one type in the order of time, whoever provides them.
pub fn replica(replica: &ReplicaKey) -> Key {
    let partition = replica_partition(&replica.group, &replica.data_type, replica.shard);
    key(partition, format!("{}#{}", replica.id, replica.drive))
}

/// The partition of one shard of a group's replicas of one type.
pub fn replica_partition(group: &GroupId, data_type: &Name, shard: Shard) -> String {
    format!("{group}#{data_type}#{shard}")
}

/// A user's profile.
pub fn user(user: &UserId) -> Key {
    key(user_partition(user), "PROFILE")
}
/// Everything about a user.
pub fn user_partition(user: &UserId) -> String {
    format!("USER#{user}")
}
/// A user's membership of a group, as consumer or owner.
pub fn user_member(user: &UserId, group: &GroupId) -> Key {
    key(user_partition(user), format!("MEMBER#{group}"))
}
/// The user that an identity belongs to. Hashed: neither issuer nor subject need to be readable here.
pub fn identity(issuer: &str, subject: &str) -> Key {
    identity_link(format!("IDENTITY#{}", digest(&[issuer.as_bytes(), subject.as_bytes()])))
}
/// The row of an identity, by its partition.
pub(crate) fn identity_link(pk: String) -> Key {
    key(pk, "LINK")
}
/// What is left to say of an erasure.
pub fn erasure(job: &JobId) -> Key {
    key(format!("ERASURE#{job}"), "ERASURE")
}
/// An identity, where its user is found: so that whatever belongs to them can be.
pub fn identity_of(user: &UserId, link: &Key) -> Key {
    key(user_partition(user), &*link.pk)
}
/// An invite to take a profile over, by the hash of its secret.
pub fn profile_invite(hash: &str) -> Key {
    key(format!("INVITE#{hash}"), "PROFILE")
}
/// What is addressed to an e-mail address, before or after its owner has a profile.
pub fn email_partition(address: &Address) -> String {
    format!("EMAIL#{}", address_hash(address))
}
/// Whose profile holds an address.
pub fn address(address: &Address) -> Key {
    key(format!("ADDRESS#{}", address_hash(address)), "HOLDER")
}
fn address_hash(address: &Address) -> String {
    digest(&[address.key().as_bytes()])
}
/// A profile that waits for the owner of an address.
pub fn waiting(partition: &str, user: &UserId) -> Key {
    key(partition, format!("{WAITING}{user}"))
}
/// The beginning of the sort keys of profiles that wait for an address.
pub(crate) const WAITING: &str = "PROFILE#";
/// What a caller's idempotency key stands for.
pub fn once(user: &UserId, key: &str, part: usize) -> Key {
    self::key(user_partition(user), format!("ONCE#{key}#{part}"))
}
/// How much somebody has made of something within a window of time.
pub fn quota(user: &UserId, of: &str, window: i64) -> Key {
    key(user_partition(user), format!("QUOTA#{of}#{window}"))
}
/// How often an identity was erased within a window of time. Hashed with the window: nobody can tell that two windows are
/// about the same identity.
pub fn quota_of_identity(issuer: &str, subject: &str, window: i64) -> Key {
    let hash = digest(&[b"erasures", issuer.as_bytes(), subject.as_bytes(), &window.to_be_bytes()]);
    key(format!("QUOTA#{hash}"), "ERASURES")
}
/// A drive.
pub fn drive(drive: &DriveId) -> Key {
    key(drive_partition(drive), "DRIVE")
}
/// Everything about a drive.
pub fn drive_partition(drive: &DriveId) -> String {
    format!("DRIVE#{drive}")
}
/// A drive's membership of a group as provider, where the stream function finds it.
pub fn provides(drive: &DriveId, group: &GroupId) -> Key {
    key(drive_partition(drive), format!("PROVIDES#{group}"))
}
/// Which groups a drive shares into, at a glance.
pub fn shares(drive: &DriveId) -> Key {
    key(drive_partition(drive), "SHARES")
}
/// What is left to say of copies that were removed, where their owner finds it.
pub fn receipt(drive: &DriveId, job: &JobId) -> Key {
    key(drive_partition(drive), receipt_sort(job))
}
/// Where a receipt stands among its drive's rows.
pub(crate) fn receipt_sort(job: &JobId) -> String {
    format!("RECEIPT#{job}")
}
/// What others were shown of a drive's items.
pub fn ledger_partition(drive: &DriveId) -> String {
    format!("LEDGER#{drive}")
}
/// One entry of it.
pub fn ledger(drive: &DriveId, entry: &str) -> Key {
    key(ledger_partition(drive), format!("SHOWN#{entry}"))
}
/// A group.
pub fn group(group: &GroupId) -> Key {
    key(group_partition(group), "GROUP")
}
/// Everything about a group.
pub fn group_partition(group: &GroupId) -> String {
    format!("GROUP#{group}")
}
/// Rows that say whether any of many groups has changed.
const MARKS: u8 = 16;
/// The row that is written anew whenever a group's rules change or it is deleted, and that it has in common with others.
pub fn mark(group: &GroupId) -> Key {
    let slot = Sha256::digest(group.as_str()).first().copied().unwrap_or_default() % MARKS;
    key(format!("MARK#{slot:02}"), "MARK")
}
/// What the sort keys of revisions of the rules begin with.
pub(crate) const RULES: &str = "RULES#";
/// A group's rules at one revision.
pub fn rules(group: &GroupId, revision: u32) -> Key {
    key(group_partition(group), format!("{RULES}{revision:08}"))
}
/// A provider in the roster.
pub fn roster_provider(group: &GroupId, drive: &DriveId) -> Key {
    key(group_partition(group), format!("ROSTER#DRIVE#{drive}"))
}
/// A consumer or owner in the roster.
pub fn roster_user(group: &GroupId, user: &UserId) -> Key {
    key(group_partition(group), format!("ROSTER#USER#{user}"))
}
/// An invitation, where the group's owners find it.
pub fn invitation(group: &GroupId, invitation: &InvitationId) -> Key {
    key(group_partition(group), format!("INVITE#{invitation}"))
}
/// The invitation that a group offers an invitee for a role, where the invitee finds it. There is one at most.
pub fn invitation_for(partition: &str, group: &GroupId, role: &str) -> Key {
    key(partition, format!("INVITE#{group}#{role}"))
}
/// The roster revision at which a person last lost a role in a group; by the partition of the user or of the address.
pub fn role_loss(group: &GroupId, partition: &str) -> Key {
    key(group_partition(group), format!("ENDED#{partition}"))
}
/// The time at which the owner of a user's or an address's partition was erased; kept until the erasure is finished.
pub fn erased(partition: &str) -> Key {
    key(partition, ERASED)
}
/// The sort key of [`erased`].
pub(crate) const ERASED: &str = "ERASED";
/// A data job of a group.
pub fn job(group: &GroupId, job: &JobId) -> Key {
    key(group_partition(group), format!("JOB#{job}"))
}
/// The stack's data types and defaults, by the hash of their content.
pub fn document(hash: &str) -> Key {
    key("STACK", format!("DOCUMENT#{hash}"))
}
/// The stack's secret keys.
pub fn secrets() -> Key {
    key("STACK", "SECRETS")
}
/// The group that a name in stack.yaml stands for.
pub fn declared_group(name: &Name) -> Key {
    key("STACK", format!("GROUP#{name}"))
}

/// Everything that needs repair.
pub const REPAIRS: &str = "REPAIR";
/// An item that needs repair.
pub fn repair(drive: &str, sort: &str) -> Key {
    key(REPAIRS, format!("ITEM#{drive}#{sort}"))
}

pub(crate) fn digest(parts: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        // The length first, so that no two lists of parts read the same.
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
