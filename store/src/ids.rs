//! New identifiers, from the operating system's randomness.

use domain::id::{DriveId, GroupId, InvitationId, JobId, UserId};
use sha2::{Digest, Sha256};

pub(crate) fn bits() -> u128 {
    // A ULID: its first bits are the time, so that rows made together lie together; 80 random bits keep it unguessable.
    ulid::Ulid::generate().0
}

/// 256 bits that nobody can guess.
pub(crate) fn secret() -> [u8; 32] {
    // Each draw has 80 random bits of the operating system's generator: 320 are hashed down to 256.
    let random = (0..4).flat_map(|_| ulid::Ulid::generate().random().to_be_bytes());
    Sha256::digest(random.collect::<Vec<u8>>()).into()
}

/// A text that no other entry of a ledger has, and that sorts behind all earlier ones.
pub(crate) fn entry() -> String {
    JobId::from_bits(bits()).to_string()
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
