//! `GET /user/data/export`: everything that is the caller's, page by page.
//!
//! A page is of one section and holds as many entries as were asked for, whatever there is in all; the cursor says in
//! which section the next one goes on, and where.

use serde_json::{Value as Json, json};
use store::directory::{Caller, GroupRow, Invitation, MemberId};
use store::page::{Direction, Window};

use super::data::item_json;
use super::paging::Paging;
use super::{Answer, Call};
use crate::problem::Problem;

/// What an export consists of, in its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Section {
    Profile,
    Memberships,
    Invitations,
    Receipts,
    Ledger,
    Items,
}

impl Section {
    const ALL: [(&'static str, Self); 6] = [
        ("profile", Self::Profile),
        ("memberships", Self::Memberships),
        ("invitations", Self::Invitations),
        ("receipts", Self::Receipts),
        ("ledger", Self::Ledger),
        ("items", Self::Items),
    ];

    fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, section)| *section == self).map_or("", |(name, _)| name)
    }

    fn next(self) -> Option<Self> {
        let at = Self::ALL.iter().position(|(_, section)| *section == self)?;
        Self::ALL.get(at + 1).map(|(_, section)| *section)
    }

    /// Where a page goes on: in which section, and behind which of its entries.
    fn parse(position: &str) -> Option<(Self, Option<String>)> {
        let (name, after) = position.split_once('/')?;
        let (_, section) = Self::ALL.iter().find(|(known, _)| *known == name)?;
        Some((*section, Some(after.to_owned()).filter(|after| !after.is_empty())))
    }
}

/// Entries with their positions, and whether there are more behind them.
struct Part {
    entries: Vec<(String, Json)>,
    next: Option<String>,
}

fn entry(kind: &str, json: Json) -> Json {
    json!({ "kind": kind, kind: json })
}

/// The first entries behind a position, of a list that is read as a whole.
fn slice(mut all: Vec<(String, Json)>, after: Option<&str>, limit: usize) -> Part {
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all.retain(|(position, _)| after.is_none_or(|after| position.as_str() > after));
    let more = all.len() > limit;
    all.truncate(limit);
    let next = all.last().filter(|_| more).map(|(position, _)| position.clone());
    Part { entries: all, next }
}

impl Call<'_> {
    pub(super) async fn export_data(&self) -> Answer {
        let caller = self.caller().await?;
        let paging = Paging::of_everything(self, &[caller.user.as_str()])?;
        let begin = match paging.window.after.as_deref() {
            Some(position) => Section::parse(position),
            None => Some((Section::Profile, None)),
        };
        let mut at = begin;
        while let Some((section, after)) = at {
            let part = self.part(&caller, section, after, paging.window.limit).await?;
            let behind = match &part.next {
                Some(next) => Some(format!("{}/{next}", section.name())),
                None => section.next().map(|next| format!("{}/", next.name())),
            };
            if part.entries.is_empty() {
                at = behind.as_deref().and_then(Section::parse);
                continue;
            }
            let positioned = |(position, json)| (format!("{}/{position}", section.name()), json);
            let entries = part.entries.into_iter().map(positioned).collect();
            return Ok(paging.answer_sized(self, entries, behind));
        }
        Ok(paging.answer(self, Vec::new(), None))
    }

    async fn part(
        &self,
        caller: &Caller,
        section: Section,
        after: Option<String>,
        limit: usize,
    ) -> Result<Part, Problem> {
        let after_text = after.as_deref();
        let numbered = |entries: Vec<Json>, next| Part {
            // A page of these is short: it is never cut where it becomes too large.
            entries: entries.into_iter().map(|json| (String::new(), json)).collect(),
            next,
        };
        Ok(match section {
            Section::Profile => {
                let user = self.with_verified_address(self.store().user(&caller.user).await?).await?;
                numbered(vec![entry("profile", super::user::profile(&user))], None)
            }
            Section::Memberships => slice(self.exported_memberships(caller).await?, after_text, limit),
            Section::Invitations => {
                let user = self.with_verified_address(self.store().user(&caller.user).await?).await?;
                let (open, next) = self.store().user_invitations(&user, self.now, after, limit).await?;
                let json = |(invitation, group): &(Invitation, GroupRow)| {
                    entry("invitation", super::invitations::for_invitee(invitation, group))
                };
                numbered(open.iter().map(json).collect(), next)
            }
            Section::Receipts => {
                let (receipts, next) = self.store().receipts(&caller.drive, after, limit).await?;
                let json = |receipt| entry("receipt", super::contracts::receipt_json(receipt));
                numbered(receipts.iter().map(json).collect(), next)
            }
            Section::Ledger => {
                let (shown, next) = self.store().ledger(&caller.drive, after, limit).await?;
                let json = |shown| entry("ledger", super::ledger::entry_json(shown));
                numbered(shown.iter().map(json).collect(), next)
            }
            Section::Items => {
                let types: Vec<_> = self.document().data_types.values().collect();
                let window = Window { from: None, to: None, limit, direction: Direction::Asc, after };
                let page =
                    self.store().items(&caller.drive, &types, &window, self.document(), self.now).await?;
                let json = |item| entry("item", item_json(item));
                let entries = page.items.iter().map(|item| (item.id.to_string(), json(item))).collect();
                Part { entries, next: page.next }
            }
        })
    }

    /// The caller's memberships; those as provider with the contract.
    async fn exported_memberships(&self, caller: &Caller) -> Result<Vec<(String, Json)>, Problem> {
        let mut all = Vec::new();
        for member in self.store().memberships(caller).await? {
            let roles = super::groups::names(&member.roles);
            let mut json = json!({
                "group": member.group.as_str(), "roles": roles, "joined": member.joined.to_string(),
            });
            let kind = match member.id {
                MemberId::User(_) => "user",
                MemberId::Drive(drive) => {
                    let provider = self.store().provider(&member.group, &drive, self.document()).await?;
                    if let (Some(provider), Some(json)) = (provider, json.as_object_mut()) {
                        let contract = &provider.terms.contract;
                        json.insert("contract".into(), json!(contract.written()));
                        json.insert("contractRevision".into(), contract.revision.into());
                        json.insert("rules".into(), contract.agreement().mode().into());
                        if let Some(revision) = contract.agreement().revision() {
                            json.insert("agreedRevision".into(), revision.into());
                        }
                    }
                    "drive"
                }
            };
            all.push((format!("{}#{kind}", member.group), entry("membership", json)));
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_tells_the_section_and_the_place_in_it() {
        for (name, section) in Section::ALL {
            assert_eq!(Section::parse(&format!("{name}/")), Some((section, None)));
            assert_eq!(Section::parse(&format!("{name}/a/b")), Some((section, Some("a/b".into()))));
        }
        assert_eq!(Section::parse("secrets/"), None);
        assert_eq!(Section::Items.next(), None);
    }

    #[test]
    fn a_list_is_cut_behind_a_position_and_says_where_it_goes_on() {
        let all = || ["c", "a", "b"].map(|name| (name.to_owned(), Json::Null)).to_vec();
        let part = slice(all(), None, 2);
        assert_eq!((part.entries.len(), part.next.as_deref()), (2, Some("b")));
        let part = slice(all(), Some("b"), 2);
        assert_eq!((part.entries[0].0.as_str(), part.next), ("c", None));
    }
}
