//! The HTTP API: one handler for each of `domain::routes::ROUTES`, with one file per group of routes.
//!
//! Nothing here knows of Lambda but `gateway`: [`Api::handle`] takes a request and the time and gives an answer, so
//! that tests, simulations and benchmarks drive the very code that is deployed.

pub mod addresses;
mod asking;
mod audience;
mod auth;
mod consent;
mod contracts;
mod data;
mod data_batch;
mod data_batch_change;
mod data_update;
mod effects;
mod erasure;
mod export;
pub mod gateway;
mod governing;
mod group_data;
mod group_rules;
mod groups;
mod invitations;
pub mod jwt;
pub mod keys;
mod ledger;
mod members;
mod openapi;
mod pace;
mod paging;
mod preview;
mod profiles;
pub mod request;
pub mod response;
pub mod start;
mod user;
pub mod userinfo;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use domain::id::{GroupId, ItemId};
use domain::routes::{self, Match, Operation, Route};
use domain::time::Timestamp;
use futures::future::BoxFuture;
use store::Store;
use store::cursor::CursorKey;
use store::directory::{Caller, Job};
use store::document::Document;
use store::once::Keyed;
use tracing::Instrument as _;

use crate::problem::Problem;
use crate::queue::Jobs;
use crate::settings::ApiSettings;
use addresses::VerifiedAddresses;
use auth::{Identity, KnownCallers};
use keys::KeyRing;
use pace::Pace;
pub use request::Request;
pub use response::Response;
use userinfo::UserInfo;

/// What a handler gives.
type Answer = Result<Response, Problem>;

/// The API of one stack.
pub struct Api {
    /// The tables.
    pub store: Store,
    /// What the stack is.
    pub document: Arc<Document>,
    /// What cursors are sealed with.
    pub cursors: CursorKey,
    /// Whose tokens count.
    pub settings: ApiSettings,
    /// Where data jobs are announced.
    pub jobs: Box<dyn Jobs>,
    /// Where a token's holder can be asked about.
    pub userinfo: Box<dyn UserInfo>,
    known: KnownCallers,
    addresses: VerifiedAddresses,
    keys: KeyRing,
    pace: Pace,
}

impl std::fmt::Debug for Api {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Api").finish_non_exhaustive()
    }
}

impl Api {
    /// The API over its parts.
    pub fn new(
        store: Store,
        document: Arc<Document>,
        cursors: CursorKey,
        settings: ApiSettings,
        jobs: Box<dyn Jobs>,
        userinfo: Box<dyn UserInfo>,
        keys: KeyRing,
    ) -> Self {
        let (known, addresses) = (KnownCallers::default(), VerifiedAddresses::default());
        let pace = Pace::new(settings.calls_per_second);
        Self { store, document, cursors, settings, jobs, userinfo, known, addresses, keys, pace }
    }

    /// Answers a request. Whatever happens, there is an answer.
    pub async fn handle(&self, request: Request, now: Timestamp) -> Response {
        let span = tracing::info_span!("request", id = %request.id);
        async {
            let begun = Instant::now();
            let (operation, answer) = self.route(&request, now).await;
            let response = answer.unwrap_or_else(|problem| self.refuse(&request, problem));
            let millis = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
            // The operation, never the path: a path carries ids.
            let operation = operation.map(|operation| format!("{operation:?}"));
            tracing::info!(
                metric = "request",
                operation = operation.as_deref().unwrap_or("none"),
                status = response.status,
                refused = u8::from((400..500).contains(&response.status)),
                failed = u8::from(response.status >= 500),
                millis,
                "answered"
            );
            response.header("x-request-id", request.id.as_str())
        }
        .instrument(span)
        .await
    }

    fn refuse(&self, request: &Request, problem: Problem) -> Response {
        match &problem.cause {
            Some(cause) => tracing::error!(problem = problem.slug, cause, "a request failed"),
            // Not what the problem says, which may quote the caller.
            None => tracing::info!(problem = problem.slug, status = problem.status, "refused"),
        }
        Response::problem(&problem, &request.id)
    }

    async fn route(&self, request: &Request, now: Timestamp) -> (Option<Operation>, Answer) {
        match routes::find(&request.method, &request.path) {
            Match::Unknown => (None, Err(Problem::not_found("path"))),
            Match::WrongMethod(allowed) => (None, Err(Problem::method(&allowed))),
            Match::Route(route, path) => {
                let answer = match auth::identify(request, &self.settings, &self.keys, route, now).await {
                    Ok(identity) => self.identified(request, route, path, identity, now).await,
                    Err(problem) => {
                        // Why a token is refused is said in words of ours, none of which are the token's.
                        if problem.status == 401 {
                            tracing::warn!(reason = &*problem.detail, "a token is refused");
                        }
                        Err(problem)
                    }
                };
                (Some(route.operation), answer)
            }
        }
    }

    async fn identified<'a>(
        &'a self,
        request: &'a Request,
        route: &'static Route,
        path: Vec<(&'static str, &'a str)>,
        identity: Option<Identity<'a>>,
        now: Timestamp,
    ) -> Answer {
        if let Some(identity) = &identity {
            self.pace.take(&identity.subject, now).map_err(Problem::too_many)?;
        }
        let asked = AtomicBool::new(false);
        Call { api: self, request, route, path, identity, now, asked }.asked_answer().await
    }

    /// Announces a job whose effect on readers is there already. If the queue is out of reach the job stays open in
    /// the directory, where the scrubber finds it, so that the caller need not come back.
    async fn announce(&self, job: &Job) {
        if self.jobs.send(job).await.is_err() {
            tracing::warn!(metric = "jobs_not_announced", job = %job.id, "a data job waits to be found");
        }
    }
}

/// A request on its way through a handler.
struct Call<'a> {
    api: &'a Api,
    request: &'a Request,
    route: &'static Route,
    path: Vec<(&'static str, &'a str)>,
    /// Who the token says that the caller is; none on a route that takes no token.
    identity: Option<Identity<'a>>,
    now: Timestamp,
    /// Whether the policies have been asked, and allowed it.
    asked: AtomicBool,
}

impl<'a> Call<'a> {
    /// Boxed, each by itself: a request then takes the room of its own handler, not of the largest.
    fn answer(&self) -> BoxFuture<'_, Answer> {
        match self.route.operation {
            Operation::GetUser => Box::pin(self.get_user()),
            Operation::CreateUser => Box::pin(self.create_user()),
            Operation::CreateProfile => Box::pin(self.create_profile()),
            Operation::ReissueInvite => Box::pin(self.reissue_invite()),
            Operation::ClaimProfile => Box::pin(self.claim_profile()),
            Operation::DeleteUser => Box::pin(self.delete_user()),
            Operation::GetErasure => Box::pin(self.get_erasure()),
            Operation::ListData => Box::pin(self.list_data()),
            Operation::CreateData => Box::pin(self.create_data()),
            Operation::CreateDataBatch => Box::pin(self.create_data_batch()),
            Operation::UpdateDataBatch => Box::pin(self.update_data_batch()),
            Operation::DeleteDataBatch => Box::pin(self.delete_data_batch()),
            Operation::ExportData => Box::pin(self.export_data()),
            Operation::ListLedger => Box::pin(self.list_ledger()),
            Operation::GetData => Box::pin(self.get_data()),
            Operation::UpdateData => Box::pin(self.update_data()),
            Operation::DeleteData => Box::pin(self.delete_data()),
            Operation::ListDataOfType => Box::pin(self.list_data_of_type()),
            Operation::ListUserMembers => Box::pin(self.list_user_members()),
            Operation::ListUserInvitations => Box::pin(self.list_user_invitations()),
            Operation::CreateGroup => Box::pin(self.create_group()),
            Operation::ListGroups => Box::pin(self.list_groups()),
            Operation::UpdateGroup => Box::pin(self.update_group()),
            Operation::TransferGroup => Box::pin(self.transfer_group()),
            Operation::ReplaceGroupRules => Box::pin(self.replace_group_rules()),
            Operation::ListRulesHistory => Box::pin(self.list_rules_history()),
            Operation::ChangeMemberRoles => Box::pin(self.change_member_roles()),
            Operation::RevokeInvitation => Box::pin(self.revoke_invitation()),
            Operation::ResendInvitation => Box::pin(self.resend_invitation()),
            Operation::GetGroup => Box::pin(self.get_group()),
            Operation::DeleteGroup => Box::pin(self.delete_group()),
            Operation::ListGroupData => Box::pin(self.list_group_data()),
            Operation::ListGroupDataOfType => Box::pin(self.list_group_data_of_type()),
            Operation::ListGroupMembers => Box::pin(self.list_group_members()),
            Operation::RemoveGroupMember => Box::pin(self.remove_group_member()),
            Operation::LeaveGroup => Box::pin(self.leave_group()),
            Operation::ListGroupInvitations => Box::pin(self.list_group_invitations()),
            Operation::CreateInvitation => Box::pin(self.create_invitation()),
            Operation::AcceptInvitation => Box::pin(self.accept_invitation()),
            Operation::PreviewInvitation => Box::pin(self.preview_invitation()),
            Operation::GetContract => Box::pin(self.get_contract()),
            Operation::ReplaceContract => Box::pin(self.replace_contract()),
            Operation::GetConsent => Box::pin(self.get_consent()),
            Operation::SetConsent => Box::pin(self.set_consent()),
            Operation::GetAudience => Box::pin(self.get_audience()),
            Operation::SetAudience => Box::pin(self.set_audience()),
            Operation::AgreeToConsumer => Box::pin(self.agree_to_consumer()),
            Operation::RefuseConsumer => Box::pin(self.refuse_consumer()),
            Operation::ListReceipts => Box::pin(self.list_receipts()),
            Operation::DeclineInvitation => Box::pin(self.decline_invitation()),
            Operation::ShowOpenApi => Box::pin(self.show_open_api()),
        }
    }

    fn store(&self) -> &'a Store {
        &self.api.store
    }

    fn document(&self) -> &'a Document {
        &self.api.document
    }

    /// Who calls, if they have a profile.
    async fn known_caller(&self) -> Result<Option<Caller>, Problem> {
        let Some(Identity { issuer, subject, .. }) = &self.identity else { return Ok(None) };
        if let Some(caller) = self.api.known.get(subject) {
            return Ok(Some(caller));
        }
        let found = self.store().caller(issuer, subject).await?;
        if let Some(caller) = &found {
            self.api.known.put(subject, caller);
        }
        Ok(found)
    }

    /// What the caller's idempotency key makes of this request, if they have sent one.
    fn keyed(&self, caller: &Caller) -> Result<Option<Keyed>, Problem> {
        let Request { method, path, body, .. } = self.request;
        let key = self.request.idempotency_key()?;
        Ok(key.map(|key| Keyed::new(&caller.user, key, &[method.as_bytes(), path.as_bytes(), body])))
    }

    /// A variable segment of the path.
    fn variable(&self, name: &str) -> &'a str {
        self.path.iter().find(|(known, _)| *known == name).map_or("", |(_, value)| *value)
    }

    /// The group that the path names. What cannot be an id is answered as what is not there.
    fn group_id(&self) -> Result<GroupId, Problem> {
        GroupId::parse(self.variable("group_id")).map_err(|_| Problem::not_found("group"))
    }

    /// The item that the path names.
    fn item_id(&self) -> Result<ItemId, Problem> {
        ItemId::parse(self.variable("data_id")).map_err(|_| Problem::not_found("item"))
    }
}
