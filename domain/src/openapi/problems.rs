//! The types of problems, which never change their meaning.

use super::operations::Doc;
use crate::routes::{Operation, Route};

/// When a problem may be the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    /// Always.
    Always,
    /// If a token is needed.
    Token,
    /// If a profile is needed.
    Profile,
    /// If there is a body.
    Body,
    /// If the path names something.
    Named,
    /// If the path names a group, in which a role may be needed.
    Group,
    /// If the operation says so, with `refuses`.
    Told,
}

/// A type of problem.
#[derive(Debug, Clone, Copy)]
pub struct ProblemType {
    /// The last part of its type.
    pub slug: &'static str,
    /// Its status.
    pub status: u16,
    /// When it comes, for people.
    pub meaning: &'static str,
    /// Headers of the answer.
    pub headers: &'static [&'static str],
    when: When,
}

impl ProblemType {
    /// The whole type: `urn:freehold:problem:not-found`.
    pub fn urn(&self) -> String {
        format!("urn:freehold:problem:{}", self.slug)
    }

    pub(super) fn concerns(&self, route: &Route, doc: &Doc) -> bool {
        let no_profile_needed = matches!(
            route.operation,
            Operation::GetUser | Operation::CreateUser | Operation::ClaimProfile | Operation::GetErasure
        ) || route.scope.is_none();
        match self.when {
            When::Always => true,
            When::Token => route.scope.is_some(),
            When::Profile => !no_profile_needed,
            When::Body => doc.body.is_some(),
            When::Named => route.path.contains('{'),
            When::Group => route.path.contains("{group_id}"),
            When::Told => doc.refuses.contains(&(self.status, self.slug)),
        }
    }
}

const fn of(slug: &'static str, status: u16, when: When, meaning: &'static str) -> ProblemType {
    ProblemType { slug, status, meaning, headers: &[], when }
}

const fn with(
    slug: &'static str,
    status: u16,
    when: When,
    headers: &'static [&'static str],
    meaning: &'static str,
) -> ProblemType {
    ProblemType { slug, status, meaning, headers, when }
}

/// Every type of problem that the API answers with.
pub const PROBLEMS: &[ProblemType] = &[
    of("bad-request", 400, When::Always, "the request cannot be understood"),
    of("invalid-parameter", 400, When::Always, "a parameter is wrong, not known here, or given twice"),
    with("unauthorized", 401, When::Token, &["www-authenticate"], "the token is missing or does not count"),
    with(
        "insufficient-scope",
        403,
        When::Token,
        &["www-authenticate"],
        "the token lacks the scope of this operation",
    ),
    of("no-profile", 403, When::Profile, "the caller has no profile yet; `POST /user` makes it"),
    of("no-profile", 404, When::Told, "the caller has no profile yet; `POST /user` makes it"),
    of("forbidden", 403, When::Group, "the caller is a member, in another role than this takes"),
    of("not-found", 404, When::Named, "it does not exist, or not for this caller"),
    of("not-found", 404, When::Told, "it does not exist any more"),
    of("no-invite", 404, When::Told, "the invite does not count: never made, used, replaced or expired"),
    of("declared-group", 409, When::Told, "stack.yaml declares the group, and this is changed there"),
    of("not-open", 409, When::Told, "the invitation was answered or revoked"),
    of("role-held", 409, When::Told, "the invitee holds the role already"),
    of("too-many-invitations", 409, When::Told, "the group has 1,000 open invitations"),
    of("has-profile", 409, When::Told, "the caller has a profile already"),
    of("last-owner", 409, When::Told, "a group keeps one owner at least"),
    of("conflict", 409, When::Told, "somebody else changed it at the same time"),
    of(
        "not-acceptable",
        409,
        When::Told,
        "the invitation is no longer open, the role is held already, or the rules are not those of the preview",
    ),
    of("rules-moved-on", 409, When::Told, "the rules have changed since the revision that is agreed to"),
    of("not-declinable", 409, When::Told, "the invitation was accepted, or is no longer open"),
    with(
        "version-mismatch",
        412,
        When::Told,
        &["etag"],
        "the item has another version; `version` says which",
    ),
    of("too-large", 413, When::Body, "the body, or an item in it, is too large"),
    with(
        "unsupported-media-type",
        415,
        When::Body,
        &["accept", "accept-encoding"],
        "the body is of another type, or compressed",
    ),
    of(
        "invalid",
        422,
        When::Body,
        "what was sent cannot be accepted; `errors` says everything that is wrong",
    ),
    of(
        "invalid",
        422,
        When::Told,
        "what was sent cannot be accepted; `errors` says everything that is wrong",
    ),
    of("idempotency-mismatch", 422, When::Told, "the idempotency key stands for another request"),
    of("time-immutable", 422, When::Told, "an item's time cannot change"),
    with("too-many-requests", 429, When::Always, &["retry-after"], "more calls than the stack lets through"),
    with(
        "quota-exceeded",
        429,
        When::Told,
        &["retry-after"],
        "the caller has made as many as they may in this hour or day; `limit` says how many",
    ),
    of("internal", 500, When::Always, "something is wrong on our side, and was noted"),
    with("unavailable", 503, When::Always, &["retry-after"], "not possible at the moment; repeat it"),
];
