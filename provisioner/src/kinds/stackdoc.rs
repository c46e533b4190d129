//! The stack document: what functions know of the data types, in the directory under the hash of its content.
//!
//! Documents are never changed. A new one is written beside the old one; a function goes over to it when its
//! environment names the new hash, and until then works on with the one it began with.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::document::Document;
use store::{Store, StoreError, Tables};

use super::typed::{At, Found, Seen, Typed, outputs};
use super::{Context, Effect, Recorded};
use crate::aws::{AwsError, ErrorKind};
use crate::resource::{Address, Input, Resource};

/// The kind.
#[derive(Debug)]
pub struct StackDoc;

/// A stack document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Attributes {
    /// The directory table.
    pub table: String,
    /// What it says.
    pub document: Document,
}

/// The document that a stack wants.
pub fn resource(document: &Document, directory: Input) -> Resource {
    Resource {
        address: Address::new(StackDoc::NAME, "main"),
        attributes: json!({ "table": directory, "document": document }),
    }
}

impl Typed for StackDoc {
    const NAME: &'static str = "stackdoc";
    type Attributes = Attributes;

    async fn find(at: At<'_>) -> Result<Seen<Attributes>, AwsError> {
        let Some(table) = at.text("table") else { return Ok(Seen::Missing) };
        let wanted =
            at.desired.get("document").cloned().and_then(|d| serde_json::from_value::<Document>(d).ok());
        let Some(hash) = at.id().map(str::to_owned).or_else(|| wanted.map(|d| d.hash())) else {
            return Ok(Seen::Missing);
        };
        let store = store_of(at.ctx, table);
        let found = async {
            let document = store.document(&hash).await?;
            // Without the key functions cannot start: half made is not made.
            if store.has_cursor_key().await? { Ok(document) } else { Err(StoreError::Missing("cursor key")) }
        };
        match found.await {
            Ok(document) => Ok(Seen::Owned(of(table, document))),
            Err(StoreError::Missing(_)) => Ok(Seen::Missing),
            // Written by another version of the tool: made anew under its own hash.
            Err(StoreError::Corrupt { .. }) => Ok(Seen::Missing),
            Err(error) if no_table(&error) => Ok(Seen::Missing),
            Err(error) => Err(failed(&error)),
        }
    }

    async fn make(at: At<'_>, want: Attributes) -> Result<Found<Attributes>, AwsError> {
        if !at.is_new()
            && let Seen::Owned(have) = Self::find(at).await?
            && have.attributes == want
        {
            return Ok(have);
        }
        let store = store_of(at.ctx, &want.table);
        store.ensure_cursor_key().await.map_err(|error| failed(&error))?;
        store.put_document(&want.document).await.map_err(|error| failed(&error))?;
        Ok(of(&want.table, want.document))
    }

    async fn remove(ctx: &Context, recorded: &Recorded) -> Result<(), AwsError> {
        let Some(table) = recorded.attributes.get("table").and_then(Value::as_str) else { return Ok(()) };
        match store_of(ctx, table).delete_document(&recorded.physical_id).await {
            Err(error) if !no_table(&error) => Err(failed(&error)),
            _ => Ok(()),
        }
    }

    fn effect(path: &str) -> Effect {
        if path == "table" { Effect::Replace } else { Effect::Update }
    }

    fn moves_outputs(path: &str) -> &'static [&'static str] {
        if path.starts_with("document") { &["hash"] } else { &[] }
    }
}

fn of(table: &str, document: Document) -> Found<Attributes> {
    let hash = document.hash();
    let outputs = outputs([("hash", &hash)]);
    Found { id: hash, attributes: Attributes { table: table.to_owned(), document }, outputs }
}

/// The data plane, as far as the provisioner needs it.
pub(super) fn store_of(ctx: &Context, directory: &str) -> Store {
    let tables = Tables { directory: directory.to_owned(), ..Tables::of_stack(&ctx.stack) };
    Store::new(ctx.clients.dynamodb().clone(), tables)
}

/// Whether the table itself is not there, and so nothing in it is.
pub(crate) fn no_table(error: &StoreError) -> bool {
    matches!(error, StoreError::Unavailable(what) if what.starts_with("ResourceNotFoundException"))
}

/// The data plane's error as the provisioner reports it.
pub(crate) fn failed(error: &StoreError) -> AwsError {
    let kind = match error {
        StoreError::Busy(_) | StoreError::Quota { .. } => ErrorKind::Throttled,
        StoreError::Denied(_) | StoreError::Forbidden(_) => ErrorKind::Denied,
        StoreError::Conflict(_) | StoreError::Condition | StoreError::KeyReused | StoreError::Refused(_) => {
            ErrorKind::Conflict
        }
        StoreError::Missing(_) => ErrorKind::NotFound,
        StoreError::Unavailable(_) | StoreError::Corrupt { .. } => ErrorKind::Other,
    };
    AwsError::new(kind, error.to_string())
}
