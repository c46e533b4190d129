//! What each operation takes and gives. A new route has one line here, and its forms in `schemas.json`.

use crate::routes::Operation;

/// Groups of operations, with what they are about.
pub(super) const TAGS: &[(&str, &str)] = &[
    ("profile", "Who the caller is, and what concerns them"),
    ("data", "The caller's own items"),
    ("groups", "Groups, and who is in them"),
    ("sharing", "What groups share, and what providers allow"),
    ("invitations", "Inviting, accepting, declining"),
    ("api", "The API itself"),
];

/// What an operation takes and gives, beyond what its route says.
#[derive(Debug, Clone)]
pub(super) struct Doc {
    pub tag: &'static str,
    pub summary: &'static str,
    pub description: &'static str,
    /// Names in `components/parameters`, besides those of the path.
    pub parameters: Vec<&'static str>,
    /// A form in `components/schemas`, and whether it has to be sent.
    pub body: Option<(&'static str, bool)>,
    pub media: Vec<&'static str>,
    /// Status, what it means, and the form of its body.
    pub answers: Vec<(u16, &'static str, Option<&'static str>)>,
    /// Names in `components/headers`, of good answers.
    pub headers: Vec<&'static str>,
    /// Problems that only some operations have.
    pub refuses: Vec<(u16, &'static str)>,
}

fn new(tag: &'static str, summary: &'static str, description: &'static str) -> Doc {
    Doc {
        tag,
        summary,
        description,
        parameters: Vec::new(),
        body: None,
        media: vec!["application/json"],
        answers: Vec::new(),
        headers: Vec::new(),
        refuses: Vec::new(),
    }
}

impl Doc {
    fn gives(mut self, status: u16, text: &'static str, schema: &'static str) -> Self {
        self.answers.push((status, text, Some(schema)));
        self
    }
    fn gives_nothing(mut self, text: &'static str) -> Self {
        self.answers.push((204, text, None));
        self
    }
    fn takes(self, schema: &'static str) -> Self {
        Self { body: Some((schema, true)), ..self }
    }
    fn may_take(self, schema: &'static str) -> Self {
        Self { body: Some((schema, false)), ..self }
    }
    fn with(mut self, parameters: &[&'static str]) -> Self {
        self.parameters.extend(parameters);
        self
    }
    fn says(mut self, headers: &[&'static str]) -> Self {
        self.headers.extend(headers);
        self
    }
    fn refuses(mut self, problems: &[(u16, &'static str)]) -> Self {
        self.refuses.extend(problems);
        self
    }
    /// What makes something, and can be repeated without harm under a key.
    fn once(self) -> Self {
        self.with(&["idempotencyKey"]).refuses(&[(422, "idempotency-mismatch")])
    }
    fn gives_nothing_new(mut self) -> Self {
        self.answers.push((304, "The caller has this version already", None));
        self
    }
    /// A page of items in the order of their time.
    fn items(self, schema: &'static str) -> Self {
        self.with(&["from", "to", "limitItems", "order", "cursor"]).gives(200, "A page", schema)
    }
    /// A page of something else.
    fn entries(self, schema: &'static str) -> Self {
        self.with(&["limitEntries", "cursor"]).gives(200, "A page", schema)
    }
}

const VERSION: &[(u16, &str)] = &[(412, "version-mismatch")];
const QUOTA: &[(u16, &str)] = &[(429, "quota-exceeded")];
const DECLARED: &[(u16, &str)] = &[(409, "declared-group"), (409, "conflict")];
const LAST_OWNER: &[(u16, &str)] = &[(409, "last-owner"), (409, "conflict")];

pub(super) fn doc(operation: Operation) -> Doc {
    match operation {
        Operation::GetUser => new("profile", "Show the caller's profile", "Not found if there is none. The address is the one that the user pool has verified, at most five minutes ago.")
            .gives(200, "The profile", "User")
            .refuses(&[(404, "no-profile")]),
        Operation::CreateUser => new(
            "profile",
            "Make the caller's profile, with a drive of their own",
            "Takes no body: the address is the one that the user pool has verified. If profiles wait for this address, the \
             caller gets the one that was created first. If another profile had the address, it no longer has. Repeating \
             the call corrects the address.",
        )
        .gives(200, "They had it already, or it waited for them", "User")
        .gives(201, "Made", "User")
        .says(&["location"]),
        Operation::DeleteUser => new(
            "profile",
            "Erase the caller",
            "Gone for everybody who reads when this is answered; a job removes the rest. Whoever owns a group alone hands it \
             over or deletes it first.",
        )
        .gives(202, "Under way; keep the identifier to look how far it is", "Erasure")
        .says(&["location"])
        .refuses(LAST_OWNER)
        .refuses(&[(404, "not-found")])
        .refuses(QUOTA),
        Operation::GetErasure => {
            new("profile", "Show how far an erasure is", "For whoever was told its identifier.").gives(200, "So far", "Erasure")
        }
        Operation::CreateProfile => new(
            "profile",
            "Make a profile for somebody who has not signed in yet",
            "It can be invited into groups at once. Whoever has the invite's secret takes it over; so does, without it, whoever \
             signs up with the address that it waits for. If several profiles wait for one address, the oldest is linked.",
        )
        .may_take("NewProfile")
        .gives(201, "Made", "MadeProfile")
        .refuses(QUOTA),
        Operation::ReissueInvite => new(
            "profile",
            "Make another invite for such a profile",
            "By whoever made it, until it is taken over. The invite before counts no longer.",
        )
        .gives(201, "Made", "MadeInvite"),
        Operation::ClaimProfile => new(
            "profile",
            "Take a profile over",
            "For somebody who is signed in and has none. It can be done once; what does not count is answered alike, \
             whatever the reason.",
        )
        .takes("Claim")
        .gives(200, "The profile, which is the caller's now", "User")
        .says(&["location"])
        .refuses(&[(404, "no-invite"), (409, "has-profile")]),
        Operation::ListLedger => new(
            "profile",
            "List who was shown what of the caller's",
            "One entry for each page of a group's data that showed something, latest first.",
        )
        .entries("ShownPage"),
        Operation::ListUserMembers => new("profile", "List the caller's memberships", "As user and through their drive.")
            .entries("MembershipPage"),
        Operation::ListUserInvitations => {
            new("profile", "List the open invitations to the caller", "By their id, or by the address that the user pool has verified, at most five minutes ago; with the current names of the groups. A page may be short although more follow.")
                .entries("InvitationToMePage")
        }
        Operation::ListReceipts => new(
            "profile",
            "List the receipts of removed copies",
            "One for each time that the caller stopped sharing into a group, once its copies are gone.",
        )
        .entries("ReceiptPage"),
        Operation::ListData => {
            new("data", "List the caller's items", "All types, by the time that the items are about.")
                .items("ItemPage")
                .with(&["types"])
        }
        Operation::ListDataOfType => {
            new("data", "List the caller's items of one type", "By the time that the items are about.")
                .items("ItemPage")
        }
        Operation::CreateData => new("data", "Create an item", "Groups receive it as their rules say, a moment later.")
            .takes("NewItem")
            .gives(201, "Created", "Item")
            .says(&["location", "etag"])
            .once(),
        Operation::UpdateDataBatch => new(
            "data",
            "Change many items",
            "Each as by its own merge patch, and each succeeds or fails on its own; see `results`, in the same order.",
        )
        .takes("ItemPatches")
        .media_of_patches()
        .gives(200, "What became of each", "BatchResults"),
        Operation::DeleteDataBatch => {
            new("data", "Delete many items", "With their copies. Each succeeds or fails on its own; see `results`.")
                .takes("ItemRemovals")
                .gives(200, "What became of each", "BatchResults")
        }
        Operation::ExportData => new(
            "data",
            "Show everything that is the caller's",
            "Page by page: profile, memberships with contracts, open invitations, receipts, who was shown what, items.",
        )
        .with(&["limitExport", "cursor"])
        .gives(200, "A page", "ExportPage"),
        Operation::CreateDataBatch => {
            new("data", "Create many items", "Each succeeds or fails on its own; see `results`, in the same order.")
                .takes("NewItems")
                .gives(200, "What became of each", "BatchResults")
                .once()
        }
        Operation::GetData => {
            new("data", "Show an item", "One of the caller's own.")
                .with(&["ifNoneMatch"])
                .gives(200, "The item", "Item")
                .gives_nothing_new()
                .says(&["etag"])
        }
        Operation::UpdateData => new(
            "data",
            "Change an item",
            "A merge patch (RFC 7396) over its fields: `null` takes a field away. What groups may no longer see is gone \
             from them when this is answered.",
        )
        .takes("ItemPatch")
        .media_of_patches()
        .with(&["ifMatch"])
        .gives(200, "The item as it is now", "Item")
        .says(&["etag"])
        .refuses(VERSION)
        .refuses(&[(422, "time-immutable")]),
        Operation::DeleteData => {
            new("data", "Delete an item", "With its copies in every group, before this is answered.")
                .with(&["ifMatch"])
                .gives_nothing("Gone")
                .refuses(VERSION)
        }
        Operation::CreateGroup => new("groups", "Create a group", "The caller owns it. It begins with the stack's default rules.")
            .takes("NewGroup")
            .gives(201, "Made", "Group")
            .says(&["location"])
            .once()
            .refuses(&[(404, "not-found")])
        .refuses(QUOTA),
        Operation::ListGroups => {
            new("groups", "List the caller's groups", "With their roles in each.").entries("GroupPage")
        }
        Operation::UpdateGroup => new(
            "groups",
            "Change a group's name or purpose",
            "By its owners. A merge patch (RFC 7396): `\"description\": null` removes the purpose.",
        )
            .takes("GroupPatch")
            .media_of_patches()
            .gives(200, "The group as it is now", "Group")
            .refuses(DECLARED),
        Operation::TransferGroup => new(
            "groups",
            "Hand a group over",
            "Another member owns it, and the caller does so no longer, in one step. Their other roles stay.",
        )
        .takes("Transfer")
        .gives_nothing("Handed over")
        .refuses(LAST_OWNER),
        Operation::ReplaceGroupRules => new(
            "groups",
            "Replace what a group receives",
            "By its owners, inside the stack's default rules: no rule may share an item, a field or a past that they do not. \
             What it takes away is gone when this is answered; what it adds comes by the job that is named.",
        )
        .takes("NewRules")
        .gives(200, "The rules as they are now", "RulesState")
        .refuses(DECLARED)
        .refuses(QUOTA),
        Operation::ListRulesHistory => new(
            "groups",
            "List the revisions of a group's rules",
            "Newest first, each with its verdict against the revision before. To the group's members; consumers see the rules \
             of the current revision only. Rules that are declared in other words keep their revision.",
        )
        .entries("RulesRevisionPage"),
        Operation::ChangeMemberRoles => new(
            "groups",
            "Give a member other roles",
            "By owners, to those who read or own. What people share is theirs to begin and to end.",
        )
        .takes("NewRoles")
        .gives(200, "The member as they are now", "MemberRoles")
        .refuses(LAST_OWNER),
        Operation::GetGroup => {
            new("groups", "Show a group", "To its members; for others there is no such group.").gives(200, "The group", "Group")
        }
        Operation::DeleteGroup => new("groups", "Delete a group", "Gone for everybody when this is answered.")
            .gives_nothing("Gone"),
        Operation::ListGroupMembers => new("groups", "List a group's members", "To its members.").entries("MemberPage"),
        Operation::RemoveGroupMember => new(
            "groups",
            "End a membership",
            "Anybody's by an owner, one's own by everybody. A drive's id ends providing, a user's id the rest.",
        )
        .gives_nothing("Ended; readers see nothing of it any more")
        .refuses(LAST_OWNER),
        Operation::LeaveGroup => new("groups", "Leave a group", "In one role, or in all.")
            .with(&["role"])
            .gives_nothing("Left; readers see nothing of it any more")
            .refuses(LAST_OWNER),
        Operation::ListGroupData => {
            new("sharing", "List what a group shares", "To its consumers. All types, by the time that the items are about.")
                .items("SharedItemPage")
                .with(&["types"])
        }
        Operation::GetAudience => new(
            "sharing",
            "Show whom the caller lets read what they share into a group",
            "Everybody, unless they want to be asked.",
        )
        .gives(200, "The audience", "Audience"),
        Operation::SetAudience => new(
            "sharing",
            "Say whether the caller is asked about new consumers",
            "Whoever reads already is agreed to. A new consumer sees nothing of the caller's until they agree.",
        )
        .takes("NewAudience")
        .gives(200, "The audience as it is now", "Audience")
        .refuses(&[(409, "conflict")]),
        Operation::AgreeToConsumer => {
            new("sharing", "Let a consumer read what the caller shares", "Until they leave, or the caller refuses.")
                .gives(200, "The audience as it is now", "Audience")
                .refuses(&[(409, "conflict")])
        }
        Operation::RefuseConsumer => new(
            "sharing",
            "Let a consumer read no longer what the caller shares",
            "What they saw is gone for them when this is answered. From then on the caller is asked about new ones.",
        )
        .gives(200, "The audience as it is now", "Audience")
        .refuses(&[(409, "conflict")]),
        Operation::ListGroupDataOfType => {
            new("sharing", "List what a group shares of one type", "To its consumers.").items("SharedItemPage")
        }
        Operation::GetContract => new("sharing", "Show the caller's contract with a group", "What they allow as its provider.")
            .gives(200, "The contract", "ContractState"),
        Operation::ReplaceContract => new(
            "sharing",
            "Replace the caller's contract with a group",
            "What it takes away is gone when this is answered; what it adds comes by the job that is named.",
        )
        .takes("Contract")
        .gives(200, "The contract as it is now", "ContractState")
        .refuses(&[(409, "conflict")])
        .refuses(QUOTA),
        Operation::GetConsent => new(
            "sharing",
            "Show which of the group's rules the caller agreed to",
            "And what the current rules share beyond them, by data type, as long as the caller has not agreed to that.",
        )
        .gives(200, "The consent", "Consent"),
        Operation::SetConsent => new(
            "sharing",
            "Agree to the group's rules",
            "To the current revision, which the caller names so that nobody agrees to what they have not seen; what that adds \
             comes by the job that is named. `rules` chooses whether later widenings are asked about, or followed. Repeating \
             it changes nothing.",
        )
        .takes("NewConsent")
        .gives(200, "The consent as it is now", "Consent")
        .refuses(&[(409, "rules-moved-on"), (409, "conflict")])
        .refuses(QUOTA),
        Operation::ListGroupInvitations => {
            new("invitations", "List a group's invitations", "To its owners. Those that no longer count are listed as revoked.").entries("InvitationPage")
        }
        Operation::CreateInvitation => new(
            "invitations",
            "Invite somebody into a group",
            "By address or by user id; the response does not depend on whether anybody has it. It replaces an open invitation of the same invitee to the same role. It counts as long as the caller owns the group, and ends when the invitee loses a role. A group has at most 1,000 open invitations. An invitation to an address can be seen and answered by whoever has this address, as the user pool verifies it, at most five minutes ago.",
        )
        .takes("NewInvitation")
        .gives(201, "Invited", "Invitation")
        .once()
        .refuses(&[(409, "role-held"), (409, "too-many-invitations"), (409, "conflict")]),
        Operation::RevokeInvitation => {
            new("invitations", "Take an open invitation back", "Repeating it changes nothing.")
                .gives_nothing("Revoked; nobody is let in by it any more")
                .refuses(&[(409, "not-open"), (409, "conflict")])
        }
        Operation::ResendInvitation => new(
            "invitations",
            "Offer an open invitation for longer",
            "Also one that has expired or whose writer no longer owns the group: it is then the caller's, and can be accepted for the full time again.",
        )
        .gives(200, "The invitation as it is now", "Invitation")
        .refuses(&[
            (409, "not-open"),
            (409, "role-held"),
            (409, "too-many-invitations"),
            (409, "conflict"),
        ]),
        Operation::AcceptInvitation => new(
            "invitations",
            "Accept an invitation",
            "A provider may say what of their past comes along and what they allow. Repeating it changes nothing.",
        )
        .may_take("Acceptance")
        .gives(200, "Joined", "Joined")
        .refuses(&[(409, "not-acceptable"), (409, "conflict")]),
        Operation::DeclineInvitation => new("invitations", "Decline an invitation", "For good.")
            .gives_nothing("Declined")
            .refuses(&[(409, "not-declinable"), (409, "conflict")]),
        Operation::PreviewInvitation => new(
            "invitations",
            "Show what accepting an invitation would share, and with whom",
            "The parameters are what the acceptance would say.",
        )
        .with(&["past", "types", "contractFrom", "contractTo", "when"])
        .gives(200, "What would be shared", "Preview")
        .refuses(&[(409, "not-acceptable"), (422, "invalid")]),
        Operation::ShowOpenApi => new("api", "Show this description", "With the data types of this stack. Takes no token.")
            .gives(200, "An OpenAPI document", "OpenApi"),
    }
}

impl Doc {
    fn media_of_patches(self) -> Self {
        Self { media: vec!["application/merge-patch+json", "application/json"], ..self }
    }
}
