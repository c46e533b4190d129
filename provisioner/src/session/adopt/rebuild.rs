//! Recovers a state that was lost.

use std::collections::BTreeSet;

use serde_json::json;

use super::super::reconcile::store_of;
use super::super::{Session, wanted};
use super::{Adoption, Origin, adopt, adoptable, before_anything};
use crate::error::Error;
use crate::kinds::stackdoc::{failed, no_table};
use crate::kinds::{Read, Recorded};
use crate::resource::{Address, Outputs, Resource};

/// Finds everything of the stack by name and tag, also what its file no longer has, and writes down what the state does
/// not know. Only the state is written.
///
/// # Errors
/// If the lock is held, somebody asked to stop, or something cannot be read or written; the next call goes on from there.
pub async fn rebuild(session: &Session) -> Result<Vec<Adoption>, Error> {
    let mut desired = wanted::without_code(session);
    let undeclared = undeclared_groups(session, &desired);
    desired.extend(before_anything(session, undeclared).await?);
    session.options.step("looking for everything that carries the stack's name and tag");
    let mut found = adoptable(session, &desired).await?;
    found.retain(|adoption| adoption.origin == Origin::Unrecorded);
    // Whatever it is like, it is ours: what the file makes of it is for the next plan.
    found.iter_mut().for_each(|adoption| adoption.refused = None);
    if let Some(document) = deployed_document(session, &desired, &found).await? {
        found.retain(|adoption| adoption.address != document.address);
        found.push(document);
    }
    if found.is_empty() {
        return Ok(found);
    }
    adopt(session, &desired, &found).await?;
    Ok(found)
}

/// Groups that were declared once and are not in the file any more.
async fn undeclared_groups(session: &Session, desired: &[Resource]) -> Result<Vec<Resource>, Error> {
    let names = match store_of(session).declared_names().await {
        Ok(names) => names,
        Err(error) if no_table(&error) => Vec::new(),
        Err(error) => return Err(failed(&error).into()),
    };
    let known: BTreeSet<&Address> = desired.iter().map(|resource| &resource.address).collect();
    let unknown = names.into_iter().map(|name| Address::new("group", name.as_str()));
    let unknown = unknown.filter(|address| !known.contains(address));
    let resource = |address: Address| {
        let table = json!({ "$ref": "table.directory#name" });
        let attributes = json!({ "table": table, "name": address.name });
        Resource { address, attributes }
    };
    Ok(unknown.map(resource).collect())
}

/// The document that the functions run with, whatever the file says by now: without it a plan could not tell which data
/// types vanished.
async fn deployed_document(
    session: &Session,
    desired: &[Resource],
    found: &[Adoption],
) -> Result<Option<Adoption>, Error> {
    let api = found.iter().find(|adoption| adoption.address == Address::new("function", "api"));
    let environment = api.and_then(|api| api.found.as_ref()?.attributes.get("environment"));
    let hash = environment.and_then(|environment| environment.get("FREEHOLD_CONFIG")?.as_str());
    let address = Address::new("stackdoc", "main");
    let resource = desired.iter().find(|resource| resource.address == address);
    let (Some(hash), Some(resource)) = (hash, resource) else { return Ok(None) };
    let table = json!(format!("{}-directory", session.name()));
    let known = Recorded {
        address: address.clone(),
        physical_id: hash.to_owned(),
        attributes: json!({ "table": table }),
        outputs: Outputs::new(),
    };
    let wanted = json!({ "table": table });
    let Read::Owned(there) = session.world.read(&address, &wanted, Some(&known)).await? else {
        return Ok(None);
    };
    Ok(Some(Adoption {
        address,
        origin: Origin::Unrecorded,
        physical_id: there.physical_id.clone(),
        changes: Vec::new(),
        refused: None,
        found: Some(there),
        desired: resource.attributes.clone(),
    }))
}
