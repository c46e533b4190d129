//! What a stack wants to be there: what its file says, with the functions' code, and the table for its state.

use std::collections::BTreeMap;
use std::path::Path;

use domain::stack::{self, Stack};

use super::{Session, control};
use crate::desired::{self, DesiredOptions, desired};
use crate::error::Error;
use crate::event::Event;
use crate::kinds::function::Code;
use crate::kinds::table;
use crate::package::{self, Architecture, Artefact};
use crate::resource::Resource;

/// Everything, with functions built.
pub(super) async fn resources(session: &Session) -> Result<Vec<Resource>, Error> {
    let code = artefacts(session).await?.into_iter().map(|artefact| {
        let code = Code { path: artefact.path.display().to_string(), sha256: artefact.sha256_base64 };
        (artefact.name, code)
    });
    let code = code.collect();
    let options = DesiredOptions { era: super::reconcile::era(session).await?, ..options(session, code) };
    Ok(of(session, &options))
}

/// Everything, with functions that have no code: enough to find and delete what is there.
pub(super) fn without_code(session: &Session) -> Vec<Resource> {
    of(session, &options(session, BTreeMap::new()))
}

fn of(session: &Session, options: &DesiredOptions) -> Vec<Resource> {
    let mut resources = vec![control_table(&session.stack, &options.region)];
    resources.extend(desired(&session.stack, options));
    resources
}

pub(super) fn options(session: &Session, code: BTreeMap<String, Code>) -> DesiredOptions {
    DesiredOptions {
        account: session.account.clone(),
        region: session.clients.region().to_owned(),
        target: match session.clients.endpoint() {
            Some(endpoint) => desired::Target::Local { endpoint: endpoint.to_owned() },
            None => desired::Target::Aws,
        },
        code,
        era: 0,
        with_stackdoc: crate::kinds::find("stackdoc").is_some(),
    }
}

async fn artefacts(session: &Session) -> Result<Vec<Artefact>, Error> {
    let events = session.options.events.clone();
    let progress = move |text: &str| events.event(Event::Step { text: text.to_owned() });
    if let Some(ready) = &session.options.functions {
        return Ok(package::prebuilt(ready)?);
    }
    let project = session.options.project_dir();
    let out = std::path::absolute(project.join(".freehold").join("functions"))
        .map_err(|source| Error::File { path: project.clone(), source })?;
    if session.clients.is_local() {
        return Ok(package::for_local(&project, &out.join("local"), &progress).await?);
    }
    Ok(for_aws(&session.stack, &project, &out.join("aws"), &progress).await?)
}

/// Functions for AWS: those that lie ready, or built.
pub(crate) async fn for_aws(
    stack: &Stack,
    project: &Path,
    out: &Path,
    progress: crate::local::Progress<'_>,
) -> Result<Vec<Artefact>, package::PackageError> {
    if let Some(dir) = package::prebuilt_dir() {
        return package::prebuilt(&dir);
    }
    let architecture = match stack.functions.architecture {
        stack::Architecture::X86_64 => Architecture::X86_64,
        stack::Architecture::Arm64 => Architecture::Arm64,
    };
    package::build_aws(&package::find_workspace(project)?, architecture, out, progress).await
}

/// The table that the state is kept in. It is a resource like others, but made before the lock can be taken.
pub(crate) fn control_table(stack: &Stack, region: &str) -> Resource {
    let address = control();
    let attributes = table::Attributes {
        name: format!("{}-control", stack.name),
        keys: table::Keys { hash: "pk".to_owned(), range: "sk".to_owned() },
        billing: table::Billing::OnDemand,
        stream: None,
        ttl: None,
        point_in_time_recovery: stack.protection.point_in_time_recovery,
        deletion_protection: stack.protection.deletion_protection,
        encryption: match stack.protection.encryption {
            stack::Encryption::AwsOwned => table::Encryption::AwsOwned,
            stack::Encryption::CustomerManaged => table::Encryption::CustomerManaged,
        },
        tags: desired::tags(stack, region, &address),
    };
    // Serialising this document cannot fail: its keys are texts and nothing in it is fallible.
    Resource { address, attributes: serde_json::to_value(attributes).unwrap_or_default() }
}
