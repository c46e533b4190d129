//! New identifiers, from the operating system's randomness.

use domain::id::{DriveId, GroupId, InvitationId, ItemId, JobId, Name, UserId};
use domain::time::Timestamp;
use sha2::{Digest, Sha256};

fn bits() -> u128 {
    // A ULID: its first bits are the time, so that rows made together lie together; 80 random bits keep it unguessable.
    ulid::Ulid::generate().0
}

/// A new user id.
pub fn user() -> UserId {
    UserId::from_bits(bits())
}
/// A new drive id.
pub fn drive() -> DriveId {
    DriveId::from_bits(bits())
}
/// A new group id.
pub fn group() -> GroupId {
    GroupId::from_bits(bits())
}
/// A new invitation id.
pub fn invitation() -> InvitationId {
    InvitationId::from_bits(bits())
}
/// A new job id.
pub fn job() -> JobId {
    JobId::from_bits(bits())
}
/// The id of a job that another one makes of a membership, always the same.
pub fn job_of(parent: &JobId, drive: &DriveId, epoch: u64) -> JobId {
    let digest = Sha256::new()
        .chain_update(parent.as_str())
        .chain_update(drive.as_str())
        .chain_update(epoch.to_be_bytes())
        .finalize();
    JobId::from_bits(digest.iter().take(16).fold(0, |bits, byte| (bits << 8) | u128::from(*byte)))
}
/// A new item id.
pub fn item(time: Timestamp, data_type: &Name) -> ItemId {
    ItemId::new(time, data_type, (bits() & u128::from(u64::MAX)) as u64)
}
