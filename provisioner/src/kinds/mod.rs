//! The kinds of resources, one file each, and what they have in common.
//!
//! Adding a kind: one file here, one line in [`all`], one use in `crate::desired`
//! (see docs/adding-a-resource-kind.md).

use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::aws::{AwsError, Clients};
use crate::resource::{Address, Outputs};

pub mod authorizer;
pub mod function;
pub mod group;
pub mod http_api;
pub mod integration;
mod listings;
pub mod log_group;
pub mod mapping;
pub mod permission;
pub mod queue;
pub mod resource_server;
pub mod role;
pub mod route;
pub mod schedule;
pub mod sign_up_trigger;
pub mod stackdoc;
pub mod stage;
pub mod table;
mod typed;
pub mod user_pool;
pub mod user_pool_client;
pub mod user_pool_domain;

pub use listings::Listings;
pub use typed::{REGION_TAG, STACK_TAG};

/// Every kind.
pub fn all() -> &'static [&'static dyn Kind] {
    &[
        &table::Table,
        &role::Role,
        &log_group::LogGroup,
        &queue::Queue,
        &function::Function,
        &mapping::Mapping,
        &permission::Permission,
        &schedule::Schedule,
        &user_pool::UserPool,
        &user_pool_domain::UserPoolDomain,
        &resource_server::ResourceServer,
        &user_pool_client::UserPoolClient,
        &sign_up_trigger::SignUpTrigger,
        &http_api::HttpApi,
        &authorizer::Authorizer,
        &integration::Integration,
        &route::Route,
        &stage::Stage,
        &stackdoc::StackDoc,
        &group::Group,
    ]
}

/// The kind of a name.
pub fn find(name: &str) -> Option<&'static dyn Kind> {
    all().iter().copied().find(|kind| kind.name() == name)
}

/// What a kind needs to do its work.
#[derive(Debug, Clone)]
pub struct Context {
    /// The clients of one account and region.
    pub clients: Clients,
    /// The stack's name.
    pub stack: String,
    /// Whether a resource with this stack's name and without ownership tags counts as this stack's, as in
    /// `provision import`.
    pub adopting: bool,
    /// What was listed for many at once.
    pub listings: Listings,
}

/// What the stack's state remembers of a resource.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recorded {
    /// Where it stands.
    pub address: Address,
    /// The name or id that AWS knows it by.
    pub physical_id: String,
    /// The attributes that were last applied, all known.
    pub attributes: Value,
    /// Its outputs when it was last applied: a cache, never the truth.
    pub outputs: Outputs,
}

/// What is really there.
#[derive(Debug, Clone, PartialEq)]
pub enum Read {
    /// Nothing.
    Missing,
    /// The stack's own resource.
    Owned(Observed),
    /// A resource of that name which is not this stack's: of another stack, of another region, or without tags. The
    /// string says what and whose.
    Foreign(String),
}

/// A resource as it was found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Observed {
    /// The name or id that AWS knows it by.
    pub physical_id: String,
    /// Its attributes, in the same shape as the kind's desired document and normalised, so that an unchanged
    /// resource compares equal. Attributes the kind cannot read back are simply left out.
    pub attributes: Value,
    /// Its outputs.
    pub outputs: Outputs,
}

/// What changing one attribute means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// It can be changed in place.
    Update,
    /// The resource must be deleted and made again; nothing that people own is lost.
    Replace,
    /// The resource would have to be made again, and it holds data: refused.
    Blocked,
}

/// One kind of resource. Everything but `classify` and `serial_key` talks to AWS.
///
/// Guarantees a kind gives: `converge` may be called again after any crash and finishes what an earlier call began
/// (it observes before it acts, so creating, resuming, adopting and updating are the same code); `delete` of what is
/// not there succeeds; each waits until what it did can be relied on by those who depend on it.
pub trait Kind: Send + Sync {
    /// Its name in addresses: `table`.
    fn name(&self) -> &'static str;

    /// Finds out what is there. `desired` may still hold unknown values; kinds look a resource up by `recorded`'s id
    /// or by its deterministic name, never by something unknown.
    fn read<'a>(
        &'a self,
        ctx: &'a Context,
        address: &'a Address,
        desired: &'a Value,
        recorded: Option<&'a Recorded>,
    ) -> BoxFuture<'a, Result<Read, AwsError>>;

    /// What changing the attribute at this path (`billing/mode`) would mean.
    fn classify(&self, path: &str) -> Effect;

    /// Attributes whose change does not count as one, because AWS does not give them back.
    fn write_only(&self) -> &'static [&'static str] {
        &[]
    }

    /// Makes it so: creates or updates until it is as desired (all known), and returns its outputs.
    fn converge<'a>(
        &'a self,
        ctx: &'a Context,
        address: &'a Address,
        desired: &'a Value,
        recorded: Option<&'a Recorded>,
    ) -> BoxFuture<'a, Result<Observed, AwsError>>;

    /// Deletes it and waits until it is gone.
    fn delete<'a>(&'a self, ctx: &'a Context, recorded: &'a Recorded) -> BoxFuture<'a, Result<(), AwsError>>;

    /// Calls on resources with the same key must not overlap (one function, one API).
    fn serial_key(&self, _address: &Address, _attributes: &Value) -> Option<String> {
        None
    }

    /// Whether it holds what people own, so that losing it must be confirmed.
    fn holds_data(&self) -> bool {
        false
    }

    /// Whether AWS has it once for all regions of an account, so that its name must contain the region.
    fn is_global(&self) -> bool {
        false
    }

    /// Outputs that change when the attribute at this path is changed in place, so that a plan must not rely on them.
    fn moves_outputs(&self, _path: &str) -> &'static [&'static str] {
        &[]
    }
}
