//! The routes of the HTTP API: one table from which the gateway is provisioned and requests are dispatched.

/// What a route does; the API has one handler for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Operation {
    /// Show the caller's profile.
    GetUser,
    /// Make the caller's profile, with a personal drive.
    CreateUser,
    /// Erase the caller.
    DeleteUser,
    /// Show how far an erasure is.
    GetErasure,
    /// Make a profile for somebody who has not signed in yet.
    CreateProfile,
    /// Make another invite to take such a profile over.
    ReissueInvite,
    /// Take a profile over.
    ClaimProfile,
    /// List the caller's items.
    ListData,
    /// Create an item.
    CreateData,
    /// Create many items.
    CreateDataBatch,
    /// Change many items.
    UpdateDataBatch,
    /// Delete many items.
    DeleteDataBatch,
    /// Show an item.
    GetData,
    /// Change an item.
    UpdateData,
    /// Delete an item.
    DeleteData,
    /// List the caller's items of one type.
    ListDataOfType,
    /// Show everything that is the caller's, page by page.
    ExportData,
    /// List the caller's memberships.
    ListUserMembers,
    /// List the invitations addressed to the caller.
    ListUserInvitations,
    /// Make a group.
    CreateGroup,
    /// List the caller's groups.
    ListGroups,
    /// Show a group to a member.
    GetGroup,
    /// Change a group's name or purpose.
    UpdateGroup,
    /// Hand a group over to another member.
    TransferGroup,
    /// Replace what a group receives.
    ReplaceGroupRules,
    /// List the revisions of a group's rules.
    ListRulesHistory,
    /// Delete a group.
    DeleteGroup,
    /// List what a group shares, all types.
    ListGroupData,
    /// List what a group shares, one type.
    ListGroupDataOfType,
    /// List a group's members.
    ListGroupMembers,
    /// Give a member of a group other roles.
    ChangeMemberRoles,
    /// Remove a member from a group.
    RemoveGroupMember,
    /// Leave a group.
    LeaveGroup,
    /// List a group's invitations.
    ListGroupInvitations,
    /// Invite somebody into a group.
    CreateInvitation,
    /// Take an open invitation back.
    RevokeInvitation,
    /// Offer an open invitation for longer.
    ResendInvitation,
    /// Accept an invitation.
    AcceptInvitation,
    /// Decline an invitation.
    DeclineInvitation,
    /// Show what accepting an invitation would share.
    PreviewInvitation,
    /// Show the caller's contract with a group.
    GetContract,
    /// Replace the caller's contract with a group.
    ReplaceContract,
    /// Show the rules that the caller agreed to as provider, and what the current ones share beyond them.
    GetConsent,
    /// Agree to a revision of a group's rules.
    SetConsent,
    /// Show whom the caller lets read what they share into a group.
    GetAudience,
    /// Say whether the caller is asked about new consumers of a group.
    SetAudience,
    /// Let a consumer read what the caller shares.
    AgreeToConsumer,
    /// Let a consumer read no longer what the caller shares.
    RefuseConsumer,
    /// List the receipts of removed copies.
    ListReceipts,
    /// List who was shown what of the caller's.
    ListLedger,
    /// Show the description of the API.
    ShowOpenApi,
}

/// An OAuth 2 scope that a token must carry, below the resource server's identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// See and make one's own profile, memberships and invitations.
    Profile,
    /// Read one's own items.
    DataRead,
    /// Write one's own items.
    DataWrite,
    /// Read groups and what they share.
    GroupsRead,
    /// Make groups, invite, join, leave.
    GroupsWrite,
}

/// The identifier of the resource server that the scopes belong to.
pub const RESOURCE_SERVER: &str = "freehold";

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 5] =
        [Self::Profile, Self::DataRead, Self::DataWrite, Self::GroupsRead, Self::GroupsWrite];

    /// Its name below the resource server: `data.read`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Profile => "profile",
            Self::DataRead => "data.read",
            Self::DataWrite => "data.write",
            Self::GroupsRead => "groups.read",
            Self::GroupsWrite => "groups.write",
        }
    }
    /// What it allows, as the consent page says it.
    pub fn description(self) -> &'static str {
        match self {
            Self::Profile => "See and make your profile, memberships and invitations",
            Self::DataRead => "Read your data",
            Self::DataWrite => "Write and delete your data",
            Self::GroupsRead => "Read groups and what they share",
            Self::GroupsWrite => "Make groups, invite, join and leave",
        }
    }
    /// The whole scope as tokens carry it: `freehold/data.read`.
    pub fn full(self) -> String {
        format!("{RESOURCE_SERVER}/{}", self.name())
    }
}

/// One route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// The HTTP method.
    pub method: &'static str,
    /// The path; `{name}` is one variable segment.
    pub path: &'static str,
    /// The scope a token must carry; none if it takes no token.
    pub scope: Option<Scope>,
    /// What it does.
    pub operation: Operation,
}

const fn route(method: &'static str, path: &'static str, scope: Scope, operation: Operation) -> Route {
    Route { method, path, scope: Some(scope), operation }
}

/// A route that takes no token: the policies have to say so too.
const fn open(method: &'static str, path: &'static str, operation: Operation) -> Route {
    Route { method, path, scope: None, operation }
}

/// Every route of the API.
pub const ROUTES: &[Route] = &[
    route("GET", "/user", Scope::Profile, Operation::GetUser),
    route("POST", "/user", Scope::Profile, Operation::CreateUser),
    route("DELETE", "/user", Scope::Profile, Operation::DeleteUser),
    route("GET", "/erasures/{erasure_id}", Scope::Profile, Operation::GetErasure),
    route("POST", "/user/claim", Scope::Profile, Operation::ClaimProfile),
    route("POST", "/profiles", Scope::GroupsWrite, Operation::CreateProfile),
    route("POST", "/profiles/{user_id}/invite", Scope::GroupsWrite, Operation::ReissueInvite),
    route("GET", "/user/data", Scope::DataRead, Operation::ListData),
    route("POST", "/user/data", Scope::DataWrite, Operation::CreateData),
    route("POST", "/user/data/batch", Scope::DataWrite, Operation::CreateDataBatch),
    route("PATCH", "/user/data/batch", Scope::DataWrite, Operation::UpdateDataBatch),
    route("POST", "/user/data/batch/delete", Scope::DataWrite, Operation::DeleteDataBatch),
    route("GET", "/user/data/{data_id}", Scope::DataRead, Operation::GetData),
    route("PATCH", "/user/data/{data_id}", Scope::DataWrite, Operation::UpdateData),
    route("DELETE", "/user/data/{data_id}", Scope::DataWrite, Operation::DeleteData),
    route("GET", "/user/data/types/{type}", Scope::DataRead, Operation::ListDataOfType),
    route("GET", "/user/data/export", Scope::DataRead, Operation::ExportData),
    route("GET", "/user/ledger", Scope::Profile, Operation::ListLedger),
    route("GET", "/user/members", Scope::Profile, Operation::ListUserMembers),
    route("GET", "/user/invitations", Scope::Profile, Operation::ListUserInvitations),
    route("GET", "/user/receipts", Scope::Profile, Operation::ListReceipts),
    route("GET", "/groups", Scope::GroupsRead, Operation::ListGroups),
    route("POST", "/groups", Scope::GroupsWrite, Operation::CreateGroup),
    route("GET", "/groups/{group_id}", Scope::GroupsRead, Operation::GetGroup),
    route("PATCH", "/groups/{group_id}", Scope::GroupsWrite, Operation::UpdateGroup),
    route("POST", "/groups/{group_id}/transfer", Scope::GroupsWrite, Operation::TransferGroup),
    route("PUT", "/groups/{group_id}/rules", Scope::GroupsWrite, Operation::ReplaceGroupRules),
    route("GET", "/groups/{group_id}/rules/history", Scope::GroupsRead, Operation::ListRulesHistory),
    route("DELETE", "/groups/{group_id}", Scope::GroupsWrite, Operation::DeleteGroup),
    route("GET", "/groups/{group_id}/data", Scope::GroupsRead, Operation::ListGroupData),
    route("GET", "/groups/{group_id}/data/types/{type}", Scope::GroupsRead, Operation::ListGroupDataOfType),
    route("GET", "/groups/{group_id}/members", Scope::GroupsRead, Operation::ListGroupMembers),
    route(
        "PATCH",
        "/groups/{group_id}/members/{member_id}",
        Scope::GroupsWrite,
        Operation::ChangeMemberRoles,
    ),
    route(
        "DELETE",
        "/groups/{group_id}/members/{member_id}",
        Scope::GroupsWrite,
        Operation::RemoveGroupMember,
    ),
    route("POST", "/groups/{group_id}/leave", Scope::GroupsWrite, Operation::LeaveGroup),
    route("GET", "/groups/{group_id}/contract", Scope::GroupsRead, Operation::GetContract),
    route("PUT", "/groups/{group_id}/contract", Scope::GroupsWrite, Operation::ReplaceContract),
    route("GET", "/groups/{group_id}/consent", Scope::GroupsRead, Operation::GetConsent),
    route("PUT", "/groups/{group_id}/consent", Scope::GroupsWrite, Operation::SetConsent),
    route("GET", "/groups/{group_id}/audience", Scope::GroupsRead, Operation::GetAudience),
    route("PUT", "/groups/{group_id}/audience", Scope::GroupsWrite, Operation::SetAudience),
    route("PUT", "/groups/{group_id}/audience/{member_id}", Scope::GroupsWrite, Operation::AgreeToConsumer),
    route("DELETE", "/groups/{group_id}/audience/{member_id}", Scope::GroupsWrite, Operation::RefuseConsumer),
    route("GET", "/groups/{group_id}/invitations", Scope::GroupsRead, Operation::ListGroupInvitations),
    route("POST", "/groups/{group_id}/invitations", Scope::GroupsWrite, Operation::CreateInvitation),
    route(
        "DELETE",
        "/groups/{group_id}/invitations/{invitation_id}",
        Scope::GroupsWrite,
        Operation::RevokeInvitation,
    ),
    route(
        "POST",
        "/groups/{group_id}/invitations/{invitation_id}/resend",
        Scope::GroupsWrite,
        Operation::ResendInvitation,
    ),
    route(
        "GET",
        "/groups/{group_id}/invitations/{invitation_id}/preview",
        Scope::GroupsRead,
        Operation::PreviewInvitation,
    ),
    route(
        "POST",
        "/groups/{group_id}/invitations/{invitation_id}/accept",
        Scope::GroupsWrite,
        Operation::AcceptInvitation,
    ),
    route(
        "POST",
        "/groups/{group_id}/invitations/{invitation_id}/decline",
        Scope::GroupsWrite,
        Operation::DeclineInvitation,
    ),
    open("GET", "/openapi.json", Operation::ShowOpenApi),
];

/// A request's path matched against the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Match<'p> {
    /// A route, with its variable segments in order.
    Route(&'static Route, Vec<(&'static str, &'p str)>),
    /// The path exists, but not with this method; these methods do.
    WrongMethod(Vec<&'static str>),
    /// No such path.
    Unknown,
}

/// Finds the route of a method and a path. A fixed segment wins over a variable one.
pub fn find<'p>(method: &str, path: &'p str) -> Match<'p> {
    let segments: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    let mut matches: Vec<(&'static Route, Vec<(&'static str, &'p str)>)> = ROUTES
        .iter()
        .filter_map(|route| variables(route.path, &segments).map(|found| (route, found)))
        .collect();
    let Some(fewest) = matches.iter().map(|(_, found)| found.len()).min() else { return Match::Unknown };
    matches.retain(|(_, found)| found.len() == fewest);
    let methods = matches.iter().map(|(route, _)| route.method).collect();
    match matches.into_iter().find(|(route, _)| route.method == method) {
        Some((route, found)) => Match::Route(route, found),
        None => Match::WrongMethod(methods),
    }
}

fn variables<'p>(template: &'static str, segments: &[&'p str]) -> Option<Vec<(&'static str, &'p str)>> {
    let parts: Vec<&'static str> = template.trim_start_matches('/').split('/').collect();
    if parts.len() != segments.len() {
        return None;
    }
    let mut found = Vec::new();
    for (part, segment) in parts.iter().zip(segments) {
        match part.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
            Some(name) if !segment.is_empty() => found.push((name, *segment)),
            Some(_) => return None,
            None if part == segment => {}
            None => return None,
        }
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_finds_itself() {
        for route in ROUTES {
            let path = route.path.replace(['{', '}'], "");
            match find(route.method, &path) {
                Match::Route(found, _) => assert_eq!(found, route),
                other => panic!("{} {}: {other:?}", route.method, route.path),
            }
        }
    }

    #[test]
    fn a_fixed_segment_wins_over_a_variable_one() {
        assert!(
            matches!(find("POST", "/user/data/batch"), Match::Route(r, _) if r.operation == Operation::CreateDataBatch)
        );
        assert_eq!(find("GET", "/user/data/batch"), Match::WrongMethod(vec!["POST", "PATCH"]));
    }

    #[test]
    fn unknown_paths_and_methods_are_told_apart() {
        assert_eq!(find("GET", "/nowhere"), Match::Unknown);
        assert_eq!(find("GET", "/groups//data"), Match::Unknown);
        assert_eq!(find("PUT", "/user"), Match::WrongMethod(vec!["GET", "POST", "DELETE"]));
    }
}
