//! The client, held against the API's own description: each operation has a call, the call is what the description
//! says, and its answer is understood with all that is in it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "all of this is test code, which stops where something is wrong"
)]

mod described {
    pub mod calls;
    pub mod document;
}
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use described::calls::every_call;
use described::document::{Document, without_nulls};
use freehold_client as client;
use freehold_client::{Client, Fixed, Patience};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use support::{Api, Reply, Seen};

/// The parameters that each call has ever sent, by operation.
type Sent = Arc<Mutex<BTreeMap<String, BTreeSet<String>>>>;

/// Answers as the description says, and stops at what it does not say.
async fn described_api(sent: Sent) -> Api {
    let document = Document::read();
    Api::new(move |_, request: &Seen| {
        let operation = document.operation(&request.method, &request.path);
        let wrong = document.mistakes(operation, request);
        let id = operation["operationId"].as_str().unwrap().to_owned();
        assert!(wrong.is_empty(), "{id}: {wrong:?}");
        let names = request.query.iter().map(|(name, _)| name.clone());
        let key = request.header("idempotency-key").map(|_| "idempotency-key".to_owned());
        let tags = ["if-match", "if-none-match"].into_iter().filter(|name| request.header(name).is_some());
        let all = names.chain(key).chain(tags.map(str::to_owned));
        sent.lock().unwrap().entry(id).or_default().extend(all);
        match document.answer(operation) {
            (status, Some(body)) => Reply::json(status, &body),
            (status, None) => Reply::empty(status),
        }
    })
    .await
}

#[tokio::test]
async fn every_operation_has_a_call_that_is_what_the_description_says() {
    let document = Document::read();
    let sent = Sent::default();
    let api = described_api(sent.clone()).await;
    let client = Client::new(&api.base, Fixed::new("token")).unwrap().patience(Patience::once());
    every_call(&client).await;
    let sent = sent.lock().unwrap();
    let called: BTreeSet<&str> = sent.keys().map(String::as_str).collect();
    let described = document.operations();
    assert_eq!(called, described.keys().map(String::as_str).collect(), "each operation needs a call");
    for (operation, parameters) in &described {
        assert_eq!(&sent[operation], parameters, "the parameters of `{operation}`");
    }
}

/// What is wrong with how a type of the client reads the samples of a schema: each with all that may be there, and each
/// with no more than what must.
fn mistakes<T: DeserializeOwned + Serialize>(samples: Vec<Value>) -> Vec<String> {
    let mut mistakes = Vec::new();
    for sample in samples {
        let read = match serde_json::from_value::<T>(sample.clone()) {
            Ok(read) => serde_json::to_value(read).unwrap(),
            Err(error) => {
                mistakes.push(format!("{error}: {sample}"));
                continue;
            }
        };
        if without_nulls(&read) != without_nulls(&sample) {
            mistakes.push(format!("of {sample} it keeps {read}"));
        }
        let mut grown = sample;
        if let Some(object) = grown.as_object_mut() {
            object.insert("somethingNew".to_owned(), json!({"a": [1]}));
        }
        if serde_json::from_value::<T>(grown.clone()).is_err() {
            mistakes.push(format!("it may not grow: {grown}"));
        }
    }
    mistakes
}

macro_rules! types {
    ($document:ident, $($name:ident),+ $(,)?) => {
        BTreeMap::from([$((stringify!($name), mistakes::<client::$name>($document.samples(stringify!($name))))),+])
    };
}

/// Schemas without a type of their own: words, what the calls take apart into parameters, and pages, which the calls of
/// lists read.
const NO_TYPE: [&str; 16] = [
    "Id",
    "ItemId",
    "DataType",
    "Instant",
    "Fields",
    "GatewayMessage",
    "OpenApi",
    "ItemPatch",
    "Purpose",
    "GroupName",
    "GroupPatch",
    "Transfer",
    "NewAudience",
    "NewConsent",
    "NewProfile",
    "Claim",
];

#[test]
fn every_schema_is_read_with_all_that_is_in_it() {
    let document = Document::read();
    let mut checked = types!(
        document,
        Role,
        Problem,
        Mistake,
        User,
        Membership,
        Member,
        Receipt,
        Item,
        NewItem,
        BatchResult,
        SharedItem,
        Rule,
        NewGroup,
        Group,
        Contract,
        Job,
        ContractState,
        Consent,
        ConsentOfType,
        Invitation,
        InvitationToMe,
        Acceptance,
        Joined,
        PreviewOfType,
        Preview,
        GroupSummary,
        RulesState,
        RulesRevision,
        MemberRoles,
        Audience,
        Shown,
        Exported,
        Erasure,
        Invite,
        MadeProfile,
        MadeInvite,
    );
    // Whom it is for is one of two.
    let invitees = document.samples("NewInvitation");
    checked.insert("NewInvitation", invitees.into_iter().flat_map(invitee).collect());
    checked.extend(document.pages());
    checked.extend(NO_TYPE.map(|name| (name, Vec::new())));
    let results = document.samples("BatchResults").into_iter();
    let results = results.flat_map(|sample| sample["results"].as_array().unwrap().clone());
    checked.insert("BatchResults", mistakes::<client::BatchResult>(results.collect()));
    checked.insert("NewItems", mistakes::<client::NewItem>(document.examples("NewItems", "items")));
    checked.insert("ItemPatches", mistakes::<client::ItemChange>(document.examples("ItemPatches", "items")));
    checked
        .insert("ItemRemovals", mistakes::<client::ItemRemoval>(document.examples("ItemRemovals", "items")));
    checked.insert("NewRules", mistakes::<client::Rule>(document.examples("NewRules", "rules")));
    checked.insert("NewRoles", mistakes::<client::Role>(document.examples("NewRoles", "roles")));
    let wrong: BTreeMap<_, _> = checked.iter().filter(|(_, mistakes)| !mistakes.is_empty()).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    let known: BTreeSet<&str> = checked.keys().copied().collect();
    assert_eq!(known, document.schemas(), "each schema needs a type");
}

fn invitee(mut sample: Value) -> Vec<String> {
    sample.as_object_mut().unwrap().remove("role");
    let (email, user) = (sample.get("email").cloned(), sample.get("userId").cloned());
    let each = [("email", email), ("userId", user)].into_iter();
    let each = each.filter_map(|(name, value)| value.map(|value| json!({ name: value })));
    each.flat_map(|one| match serde_json::from_value::<client::Invitee>(one.clone()) {
        Ok(read) if serde_json::to_value(&read).unwrap() == one => None,
        other => Some(format!("{other:?}")),
    })
    .collect()
}

#[test]
fn a_word_that_is_not_known_yet_is_no_mistake() {
    assert_eq!(serde_json::from_value::<client::Role>(json!("auditor")).unwrap(), client::Role::Unknown);
    let thing = json!({"kind": "consent", "consent": {"id": "x"}});
    assert_eq!(serde_json::from_value::<client::Exported>(thing).unwrap(), client::Exported::Unknown);
}
