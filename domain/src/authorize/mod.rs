//! Who may call what: the policies of `policies/cedar`, asked with the facts that a handler has gathered.
//!
//! The policies and their schema are embedded when this is built, and a test holds one against the other, so what is
//! deployed has been validated. They are read once in the life of a process; a decision then takes microseconds.
//! *Fails closed*: what no policy permits is refused, and so is everything if a policy cannot be evaluated.
//!
//! A refusal is one of two kinds. Whoever may not even know that something exists gets [`Verdict::Hidden`], which is
//! answered exactly as if it did not; members of a group who lack a role get [`Verdict::Forbidden`], which says which.

mod entities;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::LazyLock;

use cedar_policy::{
    Authorizer, Context, Decision, Entities, EntityUid, Policy, PolicyId, PolicySet, Request, Schema,
};

use crate::address::Address;
use crate::id::{DriveId, GroupId, UserId};
use crate::replication::Roster;
use crate::routes::{Operation, ROUTES};

const SCHEMA: &str = include_str!("../../../policies/cedar/schema.cedarschema");
const POLICIES: &str = include_str!("../../../policies/cedar/policies.cedar");

/// Who calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Actor<'a> {
    /// Somebody without a token.
    Nobody,
    /// Somebody who is signed in and has no profile.
    Visitor,
    /// Somebody with a profile.
    User {
        /// Who.
        id: &'a UserId,
        /// Their own drive.
        drive: &'a DriveId,
        /// The address that the user pool has verified as theirs; needed only for invitations to an address.
        address: Option<&'a Address>,
    },
}

/// The roles that a caller holds in a group.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Roles {
    /// Administers it.
    pub owner: bool,
    /// Shares into it.
    pub provider: bool,
    /// Reads from it.
    pub consumer: bool,
}

impl Roles {
    /// What a roster says of a user and their drive.
    pub fn of(roster: &Roster, user: &UserId, drive: &DriveId) -> Self {
        Self {
            owner: roster.owners.contains(user),
            provider: roster.providers.contains_key(drive),
            consumer: roster.consumers.contains(user),
        }
    }
}

/// A group as the caller finds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupFacts<'a> {
    /// Which.
    pub id: &'a GroupId,
    /// False once it was deleted.
    pub active: bool,
    /// What the caller is in it.
    pub roles: Roles,
}

/// What a call is about: [`About`] says which of these an operation needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject<'a> {
    /// Nobody's things.
    Api,
    /// What is in a drive.
    Drive(&'a DriveId),
    /// A group.
    Group(GroupFacts<'a>),
    /// Somebody in a group, named by the id of a user or of a drive.
    Member(GroupFacts<'a>, &'a str),
    /// An invitation.
    Invitation {
        /// Into which group.
        group: GroupFacts<'a>,
        /// The user whom it is for.
        user: Option<&'a UserId>,
        /// Or the address.
        address: Option<&'a Address>,
    },
}

/// What kind of subject an operation is about, as the schema says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum About {
    /// [`Subject::Api`].
    Api,
    /// [`Subject::Drive`].
    Drive,
    /// [`Subject::Group`].
    Group,
    /// [`Subject::Member`].
    Member,
    /// [`Subject::Invitation`].
    Invitation,
}

impl About {
    fn of_type(name: &str) -> Option<Self> {
        Some(match name {
            "Api" => Self::Api,
            "Drive" => Self::Drive,
            "Group" => Self::Group,
            "Member" => Self::Member,
            "Invitation" => Self::Invitation,
            _ => return None,
        })
    }
}

/// What was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Go on.
    Allowed,
    /// A token is needed.
    SignIn,
    /// A profile is needed.
    NoProfile,
    /// For this caller there is no such thing as is named here.
    Hidden(&'static str),
    /// The caller knows of it, and lacks a role. Says which.
    Forbidden(&'static str),
}

/// Why policies cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the policies cannot be used: {0}")]
pub struct PolicyError(String);

/// The policies, ready to decide.
#[derive(Debug, Clone)]
pub struct Policies {
    schema: Schema,
    set: PolicySet,
    actions: BTreeMap<Operation, Action>,
    know: Action,
    read_former_rules: Action,
}

/// An action, with the groups of actions that it is in.
#[derive(Debug, Clone)]
struct Action {
    uid: EntityUid,
    hierarchy: Entities,
    about: About,
}

impl Policies {
    /// Those that are built in; none if they cannot be used, which a test rules out.
    pub fn built_in() -> Option<&'static Self> {
        static BUILT_IN: LazyLock<Option<Policies>> = LazyLock::new(|| Policies::read(SCHEMA, POLICIES).ok());
        BUILT_IN.as_ref()
    }

    fn read(schema: &str, policies: &str) -> Result<Self, PolicyError> {
        let wrong = |what: String| PolicyError(what);
        let (schema, _) = Schema::from_cedarschema_str(schema).map_err(|error| wrong(error.to_string()))?;
        let mut set = PolicySet::new();
        for policy in PolicySet::from_str(policies).map_err(|error| wrong(error.to_string()))?.policies() {
            let name = policy.annotation("id").ok_or_else(|| wrong(format!("no `@id`: {policy}")))?;
            set.add(policy.new_id(PolicyId::new(name))).map_err(|error| wrong(error.to_string()))?;
        }
        let all = schema.action_entities().map_err(|error| wrong(error.to_string()))?;
        let action =
            |name: &str| Action::new(&schema, &all, name).ok_or_else(|| wrong(format!("no action `{name}`")));
        let operations = ROUTES.iter().map(|route| route.operation);
        let actions = operations.map(|operation| Ok((operation, action(&format!("{operation:?}"))?)));
        let actions = actions.collect::<Result<_, _>>()?;
        let (know, read_former_rules) = (action("Know")?, action("ReadFormerRules")?);
        Ok(Self { schema, set, actions, know, read_former_rules })
    }

    /// The names of the policies.
    pub fn names(&self) -> Vec<String> {
        self.set.policies().map(|policy| policy.id().to_string()).collect()
    }

    /// All but one: for tests, which have to notice.
    #[must_use]
    pub fn without(&self, name: &str) -> Self {
        let rest = self.set.policies().filter(|policy| policy.id().to_string() != name).cloned();
        Self { set: PolicySet::from_policies(rest).unwrap_or_default(), ..self.clone() }
    }

    /// What an operation is about.
    pub fn about(&self, operation: Operation) -> Option<About> {
        self.actions.get(&operation).map(|action| action.about)
    }

    /// Whether somebody may do something.
    pub fn decide(&self, actor: &Actor<'_>, operation: Operation, subject: &Subject<'_>) -> Verdict {
        let Some(action) = self.actions.get(&operation) else { return Verdict::Hidden("path") };
        if let Subject::Group(group) | Subject::Member(group, _) = subject
            && matches!(actor, Actor::User { .. })
            && !self.permits(actor, &self.know, &Subject::Group(*group))
        {
            return Verdict::Hidden("group");
        }
        if self.permits(actor, action, subject) {
            return Verdict::Allowed;
        }
        let is_invitation = matches!((actor, subject), (Actor::User { .. }, Subject::Invitation { .. }));
        if is_invitation && !self.permits(actor, &self.know, subject) {
            return Verdict::Hidden("invitation");
        }
        refusal(actor, operation, subject)
    }

    /// Whether somebody may read the rules that a group had before its current ones.
    pub fn may_read_former_rules(&self, actor: &Actor<'_>, group: &GroupFacts<'_>) -> bool {
        self.permits(actor, &self.read_former_rules, &Subject::Group(*group))
    }

    fn permits(&self, actor: &Actor<'_>, action: &Action, subject: &Subject<'_>) -> bool {
        let ask = || -> Option<bool> {
            let (principal, resource, entities) = entities::of(actor, subject, action.hierarchy.clone())?;
            // The schema also says whom an action is for, and about what: anything else is no request at all.
            let (action, nothing) = (action.uid.clone(), Context::empty());
            let request = Request::new(principal, action, resource, nothing, Some(&self.schema)).ok()?;
            let response = Authorizer::new().is_authorized(&request, &self.set, &entities);
            // A policy that errs is passed over by Cedar, even one that forbids.
            let sound = response.diagnostics().errors().next().is_none();
            Some(sound && response.decision() == Decision::Allow)
        };
        ask().unwrap_or(false)
    }
}

impl Action {
    fn new(schema: &Schema, all: &Entities, name: &str) -> Option<Self> {
        let uid = entities::uid("Action", name)?;
        let about = schema.resources_for_action(&uid)?.find_map(|kind| About::of_type(&kind.to_string()))?;
        // Its own ancestors and no other action's: there are many, and every decision carries these along.
        let mut kept = vec![all.get(&uid)?.clone()];
        kept.extend(all.ancestors(&uid)?.filter_map(|ancestor| all.get(ancestor)).cloned());
        let hierarchy = Entities::from_entities(kept, None).ok()?;
        Some(Self { uid, hierarchy, about })
    }
}

/// What somebody is told whom no policy permits this.
fn refusal(actor: &Actor<'_>, operation: Operation, subject: &Subject<'_>) -> Verdict {
    match (actor, subject) {
        (Actor::Nobody, _) => Verdict::SignIn,
        (Actor::Visitor, _) => Verdict::NoProfile,
        (_, Subject::Api) => Verdict::Forbidden("this is not for you"),
        (_, Subject::Drive(_)) => Verdict::Hidden("item"),
        (_, Subject::Invitation { .. }) => Verdict::Forbidden("only whom an invitation is for may answer it"),
        (_, Subject::Group(_) | Subject::Member(..)) => match operation {
            Operation::GetContract
            | Operation::ReplaceContract
            | Operation::GetConsent
            | Operation::SetConsent => {
                Verdict::Forbidden("only providers of the group have a contract with it")
            }
            Operation::GetAudience
            | Operation::SetAudience
            | Operation::AgreeToConsumer
            | Operation::RefuseConsumer => Verdict::Forbidden("only providers of the group have an audience"),
            Operation::ListGroupData | Operation::ListGroupDataOfType => Verdict::Forbidden(
                "only consumers of the group read what it shares; ask an owner to invite you as one",
            ),
            _ => Verdict::Forbidden("only owners of the group may do this"),
        },
    }
}

/// Decides by the built-in policies.
pub fn decide(actor: &Actor<'_>, operation: Operation, subject: &Subject<'_>) -> Verdict {
    match Policies::built_in() {
        Some(policies) => policies.decide(actor, operation, subject),
        None => Verdict::Forbidden("the policies cannot be read; tell the operators"),
    }
}

/// Whether somebody may read the rules that a group had before its current ones, by the built-in policies.
pub fn may_read_former_rules(actor: &Actor<'_>, group: &GroupFacts<'_>) -> bool {
    Policies::built_in().is_some_and(|policies| policies.may_read_former_rules(actor, group))
}

/// What an operation is about, by the built-in policies.
pub fn about(operation: Operation) -> Option<About> {
    Policies::built_in()?.about(operation)
}

/// The text of each policy by its name, for whoever shows or checks them.
///
/// # Errors
/// If they cannot be read, which a test rules out.
pub fn texts() -> Result<BTreeMap<String, String>, PolicyError> {
    let set = PolicySet::from_str(POLICIES).map_err(|error| PolicyError(error.to_string()))?;
    let named = |policy: &Policy| Some((policy.annotation("id")?.to_owned(), policy.to_string()));
    Ok(set.policies().filter_map(named).collect())
}
