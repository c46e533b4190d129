//! What accepting an invitation as provider would share: asked before, answered without changing anything.

use domain::datatype::DataType;
use domain::id::Name;
use domain::replication::Rulebook;
use domain::rules::{Contract, Question, Terms};
use domain::time::Timestamp;
use serde_json::{Value as Json, json};
use store::directory::{Caller, Role};
use store::page::{Direction, Window};

use super::contracts::{Joining, Past};
use super::groups::described;
use super::request::bound;
use super::response::Response;
use super::{Answer, Call};
use crate::problem::{Mistake, Problem};

/// Items of one type that are looked at, at most; beyond that the counts are lower bounds, and the answer says so.
pub(super) const MOST_ITEMS: usize = 5_000;
/// Items read at once.
pub(super) const PAGE: usize = 1_000;
/// Consumers that are named.
const MOST_CONSUMERS: usize = 50;

/// What would be shared of one data type.
#[derive(Debug, Default)]
struct Shared {
    count: usize,
    oldest: Option<Timestamp>,
    newest: Option<Timestamp>,
    complete: bool,
}

impl Call<'_> {
    pub(super) async fn preview_invitation(&self) -> Answer {
        let joining = self.joining_from_query()?;
        let caller = self.caller().await?;
        let invitation = self.my_invitation(&caller).await?;
        // What an answered invitation leads to is for members to see, and who has left is none.
        if !self.store().is_acceptable(&invitation, &caller.user, self.now).await? {
            return Err(Problem::conflict("not-acceptable", "the invitation is no longer open"));
        }
        let group = self.live_group(&invitation.group).await?;
        let book = self.store().rulebook(&group, self.document()).await?;
        let roster = self.store().roster(&group, self.document()).await?;
        let mut types = Vec::new();
        if invitation.role == Role::Provider {
            let terms = Terms { joined: self.now, contract: self.joining_contract(joining)? };
            for data_type in self.document().data_types.values() {
                if book.rules.covers(&data_type.name) && terms.contract.covers(&data_type.name) {
                    let shared = self.would_share(&caller, data_type, &book, &terms).await?;
                    types.push(type_json(data_type, &book, &shared));
                }
            }
        }
        let mut consumers = Vec::new();
        // Who provides shall know who reads, and who owns answers for it; other readers need no list of readers.
        let named = if invitation.role == Role::Consumer { 0 } else { MOST_CONSUMERS };
        for user in roster.consumers.iter().take(named) {
            let user = self.store().user(user).await?;
            consumers.push(json!({ "id": user.id.as_str(), "email": user.email }));
        }
        let body = json!({
            "group": group.id.as_str(), "groupName": group.name, "role": invitation.role.as_str(), "types": types,
            "ruleRevision": group.rule_revision,
            "consumers": { "count": roster.consumers.len(), "first": consumers },
        });
        Ok(Response::json(200, &described(body, "groupDescription", group.description.as_ref())))
    }

    /// The parameters of a preview: what an acceptance would say in its body.
    fn joining_from_query(&self) -> Result<Joining, Problem> {
        let parameters = self.request.parameters(&["past", "types", "from", "to", "when"])?;
        let text = |name: &str| parameters.get(name).map(String::as_str);
        let past = match text("past") {
            None | Some("all") => Past::All,
            Some("none") => Past::None,
            Some(_) => {
                let wrong = |_| Problem::parameter("past", "it must be all, none, or the time since when");
                bound(&parameters, "past").map_err(wrong)?.map_or(Past::All, Past::Since)
            }
        };
        let types = text("types").map(|names| {
            let names = names.split(',').map(|name| {
                Name::parse(name.trim())
                    .map_err(|error| Problem::invalid([Mistake::at("types", error.to_string())]))
            });
            names.collect::<Result<_, _>>()
        });
        let contract = Contract {
            types: types.transpose()?,
            from: bound(&parameters, "from")?,
            to: bound(&parameters, "to")?,
            when: text("when").map(str::to_owned),
        };
        Ok(Joining::new(past, contract))
    }

    async fn would_share(
        &self,
        caller: &Caller,
        data_type: &DataType,
        book: &Rulebook,
        terms: &Terms,
    ) -> Result<Shared, Problem> {
        let mut shared = Shared::default();
        let mut window = Window {
            from: book.rules.reaches_back_to(&data_type.name, terms),
            to: terms.contract.written().to,
            limit: PAGE,
            direction: Direction::Desc,
            after: None,
        };
        let mut seen = 0;
        while seen < MOST_ITEMS {
            let store = self.store();
            let page = store.items(&caller.drive, &[data_type], &window, self.document(), self.now).await?;
            seen += page.items.len();
            for item in &page.items {
                let question =
                    Question { data_type: &item.data_type, time: item.time(), fields: &item.fields, terms };
                if book.rules.visible(question).is_some() {
                    shared.count += 1;
                    shared.newest = shared.newest.max(Some(item.time()));
                    shared.oldest = Some(shared.oldest.map_or(item.time(), |oldest| oldest.min(item.time())));
                }
            }
            window.after = page.next;
            if window.after.is_none() {
                shared.complete = true;
                break;
            }
        }
        Ok(shared)
    }
}

fn type_json(data_type: &DataType, book: &Rulebook, shared: &Shared) -> Json {
    let fields: Vec<&str> = match book.rules.fields(&data_type.name) {
        Some(fields) => fields.into_iter().map(Name::as_str).collect(),
        None => data_type.fields.keys().map(Name::as_str).collect(),
    };
    json!({
        "type": data_type.name.as_str(), "items": shared.count, "complete": shared.complete,
        "oldest": shared.oldest.map(|time| time.to_string()), "newest": shared.newest.map(|time| time.to_string()),
        "fields": fields,
    })
}
