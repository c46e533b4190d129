//! What an answer leads on to: what it has made can be named in the paths of other operations.

use serde_json::{Map, Value as Json, json};

use super::operation_id;
use crate::routes::{Operation, ROUTES, Route};

/// Where the variables of a path come from once an operation has answered.
type Sources = &'static [(&'static str, &'static str)];

const ID: &str = "$response.body#/id";

/// The operations whose answers name something new: the status, and where its names are.
fn names(operation: Operation) -> Option<(u16, Sources)> {
    match operation {
        Operation::CreateData => Some((201, &[("data_id", ID)])),
        Operation::CreateGroup => Some((201, &[("group_id", ID)])),
        Operation::CreateInvitation => {
            Some((201, &[("group_id", "$request.path.group_id"), ("invitation_id", ID)]))
        }
        Operation::CreateProfile => Some((201, &[("user_id", ID)])),
        Operation::DeleteUser => Some((202, &[("erasure_id", ID)])),
        _ => None,
    }
}

fn variables(route: &Route) -> impl Iterator<Item = &'static str> {
    route.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
}

/// The links of an operation's answer of this status, by the operation that each leads to.
pub(super) fn links(route: &Route, status: u16) -> Option<Json> {
    let (of, sources) = names(route.operation)?;
    if of != status {
        return None;
    }
    let newest = sources.last()?.0;
    let source = |name: &str| sources.iter().find(|(known, _)| *known == name).map(|(_, from)| *from);
    let link = |to: &Route| -> Option<(String, Json)> {
        let parameters: Option<Map<String, Json>> =
            variables(to).map(|name| Some((name.to_owned(), source(name)?.into()))).collect();
        let parameters = parameters.filter(|parameters| parameters.contains_key(newest))?;
        let id = operation_id(to);
        Some((id.clone(), json!({ "operationId": id, "parameters": parameters })))
    };
    Some(ROUTES.iter().filter_map(link).collect::<Map<_, _>>().into())
}
