//! What in a row of the directory has to do with somebody who is being erased.

use domain::id::UserId;

use super::Erased;
use crate::attr::{self, Row};
use crate::directory::{AUDIENCE, Job, LOST_BY, MADE_BY, OFFERED, WAITS};
use crate::keys::{self, PK, SK};

/// Attributes that name somebody in a row that belongs to others: the name goes and the row stays.
const NAMES: [&str; 5] = [crate::ledger::READER, "invitedBy", "answeredBy", MADE_BY, WAITS];
/// Attributes with the partition of an address.
const ADDRESSES: [&str; 3] = [PK, LOST_BY, WAITS];

/// What is to be done about a row.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Trace {
    None,
    Purging,
    Names(Vec<&'static str>),
    /// Somebody has agreed that they read; so it reads before and after.
    Audience {
        before: String,
        after: String,
    },
    Row,
}

/// Rows that are about one person, so that they go with them. Of all others only names are taken out: the rules of a
/// group, say, may quote anything.
fn is_about_one(pk: &str, sk: &str) -> bool {
    let of_pk = ["EMAIL#", "IDENTITY#", "INVITE#", keys::REPAIRS];
    let of_sk = ["ENDED#", "INVITE#", "JOB#"];
    of_pk.iter().any(|prefix| pk.starts_with(prefix)) || of_sk.iter().any(|prefix| sk.starts_with(prefix))
}

pub(super) fn trace(row: &Row, whom: &Erased, job: &Job) -> Trace {
    let text = |name: &str| attr::get_text(row, name).unwrap_or_default();
    let own = keys::job(&job.group, &job.id);
    // What is their own goes at the end, with the receipts that say where copies were; the mark of the erasure too.
    if (text(PK), text(SK)) == (&own.pk, &own.sk)
        || whom.partitions().iter().any(|pk| pk == text(PK))
        || text(SK) == keys::ERASED
    {
        return Trace::None;
    }
    let named = |name: &&str| whom.is_named_in(text(name));
    if named(&AUDIENCE) {
        let before = text(AUDIENCE).to_owned();
        let after = without(&before, &whom.user);
        return Trace::Audience { before, after };
    }
    // Nobody has a user's id again. But an address may be somebody else's by now: what was written to it after the
    // erasure was requested is theirs.
    let addressed = |name: &&str| whom.address.as_deref() == Some(text(name)) && existed(row, job);
    let others = row.keys().map(String::as_str).filter(|name| !NAMES.contains(name));
    let theirs = others.into_iter().any(|name| named(&name));
    let invited = whom.address.is_some()
        && row.get("email").and_then(|email| email.as_s().ok()).map(|email| keys::email_partition(email))
            == whom.address
        && existed(row, job);
    let addressed_to = ADDRESSES.iter().filter(|name| !NAMES.contains(name)).any(addressed);
    if (theirs || invited || addressed_to) && is_about_one(text(PK), text(SK)) {
        let purge = text("status") == "open" && text("what").contains("\"kind\":\"purge\"");
        return if purge { Trace::Purging } else { Trace::Row };
    }
    let is_name = |name: &&str| named(name) || (ADDRESSES.contains(name) && addressed(name));
    let names: Vec<&'static str> = NAMES.iter().copied().filter(is_name).collect();
    if names.is_empty() { Trace::None } else { Trace::Names(names) }
}

/// Whether a row said what it says when the erasure was requested.
fn existed(row: &Row, job: &Job) -> bool {
    let written = attr::get_time(row, OFFERED).or_else(|_| attr::get_time(row, "created"));
    written.is_ok_and(|written| written <= job.created)
}

/// An audience as it is stored, without somebody.
fn without(audience: &str, user: &UserId) -> String {
    let mut agreed: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(audience).unwrap_or_default();
    agreed.remove(user.as_str());
    serde_json::to_string(&agreed).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use domain::id::{DriveId, GroupId, JobId};
    use domain::time::Timestamp;

    use super::*;
    use crate::directory::JobKind;
    use crate::keys::Key;

    const BEFORE: &str = "2026-01-01T00:00:00.000Z";
    const AFTER: &str = "2026-01-01T00:00:00.002Z";

    fn whom() -> Erased {
        Erased {
            user: UserId::from_bits(7),
            drive: DriveId::from_bits(8),
            address: Some(keys::email_partition("ann@example.org")),
        }
    }

    fn row(pk: &str, sk: &str, texts: &[(&'static str, &str)]) -> Row {
        let key = Key { pk: pk.into(), sk: sk.into() };
        attr::row(&key, texts.iter().map(|(name, value)| (*name, attr::text(*value))))
    }

    #[test]
    fn every_kind_of_trace_is_told_from_what_is_others() {
        let whom = whom();
        let requested = Timestamp::parse(BEFORE).unwrap().plus_millis(1);
        let kind = JobKind::Erase { whom: Some(whom.clone()) };
        let job = Job::new(JobId::from_bits(1), GroupId::from_bits(1), kind, requested);
        let (user, drive) = (whom.user.as_str(), whom.drive.as_str());
        let other = UserId::from_bits(9);
        let found = |row: Row| trace(&row, &whom, &job);
        assert_eq!(found(row("GROUP#g", "INVITE#i", &[("user", other.as_str())])), Trace::None);
        let to_ann =
            |written| row("GROUP#g", "INVITE#i", &[("email", " Ann@example.org"), ("offered", written)]);
        assert_eq!(found(to_ann(BEFORE)), Trace::Row);
        assert_eq!(found(to_ann(AFTER)), Trace::None, "for the next holder of the address");
        assert_eq!(found(row("GROUP#g", "INVITE#i", &[("email", "bob@example.org")])), Trace::None);
        assert_eq!(found(row("IDENTITY#x", "LINK", &[("user", user)])), Trace::Row);
        assert_eq!(found(row("REPAIR", &format!("ITEM#{drive}#x"), &[])), Trace::Row);
        let invited = row("GROUP#g", "INVITE#i", &[("invitedBy", user), ("user", other.as_str())]);
        assert_eq!(found(invited), Trace::Names(vec!["invitedBy"]));
        let address = keys::email_partition("ann@example.org");
        let waiting = |written| {
            row(
                "INVITE#h",
                "PROFILE",
                &[("waitsFor", &address), ("user", other.as_str()), ("offered", written)],
            )
        };
        assert_eq!(
            found(waiting(BEFORE)),
            Trace::Names(vec!["waitsFor"]),
            "others' profile, without the address"
        );
        assert_eq!(found(waiting(AFTER)), Trace::None, "for the next holder of the address");
        let at_address =
            |written| row(&address, "PROFILE#u", &[("user", other.as_str()), ("offered", written)]);
        assert_eq!((found(at_address(BEFORE)), found(at_address(AFTER))), (Trace::Row, Trace::None));
        assert_eq!(found(row(&address, keys::ERASED, &[])), Trace::None, "until the erasure is finished");
        let loss = |of: &str, written| {
            row("GROUP#g", &format!("ENDED#{of}"), &[("lostBy", of), ("created", written)])
        };
        assert_eq!((found(loss(&address, BEFORE)), found(loss(&address, AFTER))), (Trace::Row, Trace::None));
        assert_eq!(found(loss(&keys::user_partition(&whom.user), AFTER)), Trace::Row);
        assert_eq!(found(row("LEDGER#x", "SHOWN#y", &[("reader", user)])), Trace::Names(vec!["reader"]));
        let what = format!("{{\"kind\":\"purge\",\"drive\":\"{drive}\"}}");
        let purge = |status| row("GROUP#g", "JOB#k", &[("what", &what), ("status", status)]);
        assert_eq!((found(purge("open")), found(purge("done"))), (Trace::Purging, Trace::Row));
        let audience = format!("{{\"{user}\":1,\"{other}\":2}}");
        let after = format!("{{\"{other}\":2}}");
        let of_provider = row("GROUP#g", "ROSTER#DRIVE#d", &[("audience", &audience), ("drive", "d")]);
        assert_eq!(found(of_provider), Trace::Audience { before: audience, after });
        assert_eq!(found(row("GROUP#g", "RULES#1", &[("rules", user)])), Trace::None, "others' words");
        let Key { pk, sk } = keys::job(&job.group, &job.id);
        assert_eq!(found(row(&pk, &sk, &[("what", user)])), Trace::None, "its own job");
        assert_eq!(found(row(&keys::drive_partition(&whom.drive), "RECEIPT#r", &[])), Trace::None);
    }
}
