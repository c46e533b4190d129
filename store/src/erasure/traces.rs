//! What in a row of the directory has to do with somebody who is being erased.

use domain::address::Address;
use domain::id::UserId;

use super::Erased;
use crate::attr::{self, Row};
use crate::directory::{AUDIENCE, EMAIL, WAITS};
use crate::keys::{self, Key, PK, SK};

/// Attributes that name somebody in a row that belongs to others: the name goes and the row stays.
const NAMES: [&str; 5] = [crate::ledger::READER, "invitedBy", "answeredBy", "madeBy", WAITS];

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
    let of_pk = ["IDENTITY#", "INVITE#", keys::REPAIRS];
    let of_sk = ["INVITE#", "JOB#"];
    of_pk.iter().any(|prefix| pk.starts_with(prefix)) || of_sk.iter().any(|prefix| sk.starts_with(prefix))
}

pub(super) fn trace(row: &Row, whom: &Erased, job: &Key) -> Trace {
    let text = |name: &str| attr::get_text(row, name).unwrap_or_default();
    let own = whom.partitions();
    // What is their own goes at the end, with the receipts that say where copies were.
    if (text(PK), text(SK)) == (&job.pk, &job.sk) || own.iter().any(|pk| pk == text(PK)) {
        return Trace::None;
    }
    let named = |name: &&str| whom.is_named_in(text(name));
    if named(&AUDIENCE) {
        let before = text(AUDIENCE).to_owned();
        let after = without(&before, &whom.user);
        return Trace::Audience { before, after };
    }
    let others = row.keys().map(String::as_str).filter(|name| !NAMES.contains(name));
    let theirs = others.into_iter().any(|name| named(&name));
    let addressed = whom.address.is_some()
        && attr::get_text(row, EMAIL)
            .ok()
            .and_then(|email| Address::parse(email).ok())
            .map(|address| keys::email_partition(&address))
            == whom.address;
    if (theirs || addressed) && is_about_one(text(PK), text(SK)) {
        let purge = text("status") == "open" && text("what").contains("\"kind\":\"purge\"");
        return if purge { Trace::Purging } else { Trace::Row };
    }
    let names: Vec<&'static str> = NAMES.iter().copied().filter(|name| named(name)).collect();
    if names.is_empty() { Trace::None } else { Trace::Names(names) }
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
    use domain::id::DriveId;

    use super::*;

    fn whom() -> Erased {
        Erased {
            user: UserId::from_bits(7),
            drive: DriveId::from_bits(8),
            address: Some(keys::email_partition(&Address::parse("ann@example.org").unwrap())),
        }
    }

    fn row(pk: &str, sk: &str, texts: &[(&'static str, &str)]) -> Row {
        let key = Key { pk: pk.into(), sk: sk.into() };
        attr::row(&key, texts.iter().map(|(name, value)| (*name, attr::text(*value))))
    }

    #[test]
    fn every_kind_of_trace_is_told_from_what_is_others() {
        let (whom, job) = (whom(), Key { pk: "GROUP#j".into(), sk: "JOB#j".into() });
        let (user, drive) = (whom.user.as_str(), whom.drive.as_str());
        let other = UserId::from_bits(9);
        let found = |row: Row| trace(&row, &whom, &job);
        assert_eq!(found(row("GROUP#g", "INVITE#i", &[("user", other.as_str())])), Trace::None);
        assert_eq!(found(row("GROUP#g", "INVITE#i", &[("email", " Ann@example.org")])), Trace::Row);
        assert_eq!(found(row("GROUP#g", "INVITE#i", &[("email", "bob@example.org")])), Trace::None);
        assert_eq!(found(row("IDENTITY#x", "LINK", &[("user", user)])), Trace::Row);
        assert_eq!(found(row("REPAIR", &format!("ITEM#{drive}#x"), &[])), Trace::Row);
        let invited = row("GROUP#g", "INVITE#i", &[("invitedBy", user), ("user", other.as_str())]);
        assert_eq!(found(invited), Trace::Names(vec!["invitedBy"]));
        let address = keys::email_partition(&Address::parse("ann@example.org").unwrap());
        let waiting = row("INVITE#h", "PROFILE", &[("waitsFor", &address), ("user", other.as_str())]);
        assert_eq!(found(waiting), Trace::Names(vec!["waitsFor"]), "others' profile, without their address");
        assert_eq!(found(row("LEDGER#x", "SHOWN#y", &[("reader", user)])), Trace::Names(vec!["reader"]));
        let what = format!("{{\"kind\":\"purge\",\"drive\":\"{drive}\"}}");
        let purge = |status| row("GROUP#g", "JOB#k", &[("what", &what), ("status", status)]);
        assert_eq!((found(purge("open")), found(purge("done"))), (Trace::Purging, Trace::Row));
        let audience = format!("{{\"{user}\":1,\"{other}\":2}}");
        let after = format!("{{\"{other}\":2}}");
        let of_provider = row("GROUP#g", "ROSTER#DRIVE#d", &[("audience", &audience), ("drive", "d")]);
        assert_eq!(found(of_provider), Trace::Audience { before: audience, after });
        assert_eq!(found(row("GROUP#g", "RULES#1", &[("rules", user)])), Trace::None, "others' words");
        assert_eq!(found(row("GROUP#j", "JOB#j", &[("what", user)])), Trace::None, "its own job");
        assert_eq!(found(row(&keys::drive_partition(&whom.drive), "RECEIPT#r", &[])), Trace::None);
    }
}
