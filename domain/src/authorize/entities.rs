//! The facts of a call as Cedar's entities.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::str::FromStr;
use std::sync::LazyLock;

use cedar_policy::{Entities, Entity, EntityId, EntityTypeName, EntityUid, RestrictedExpression};

use super::{Actor, GroupFacts, Subject};

const TYPES: [&str; 10] =
    ["Action", "Nobody", "Visitor", "User", "Roster", "Drive", "Api", "Group", "Member", "Invitation"];

/// The name of an entity. None only if the type is not one of ours, which would be a mistake here.
pub(super) fn uid(kind: &str, id: &str) -> Option<EntityUid> {
    // Read once: reading a name takes longer than deciding.
    static READ: LazyLock<BTreeMap<&'static str, EntityTypeName>> = LazyLock::new(|| {
        TYPES.into_iter().filter_map(|name| Some((name, EntityTypeName::from_str(name).ok()?))).collect()
    });
    Some(EntityUid::from_type_name_and_id(READ.get(kind)?.clone(), EntityId::new(id)))
}

/// The principal, the resource, and everything that is known of both, added to what is known of the action.
pub(super) fn of(
    actor: &Actor<'_>,
    subject: &Subject<'_>,
    action: Entities,
) -> Option<(EntityUid, EntityUid, Entities)> {
    let mut found = Vec::new();
    let resource = match subject {
        Subject::Api => bare(&mut found, uid("Api", "api")?),
        Subject::Drive(drive) => bare(&mut found, uid("Drive", drive.as_str())?),
        Subject::Group(group) => of_group(&mut found, group)?,
        Subject::Member(group, named) => of_member(&mut found, group, named)?,
        Subject::Invitation { group, user, address } => {
            let of = RestrictedExpression::new_entity_uid(of_group(&mut found, group)?);
            let mut attributes = HashMap::from([("group".to_owned(), of)]);
            if let Some(user) = user {
                attributes.insert("user".to_owned(), reference("User", user.as_str())?);
            }
            if let Some(address) = address {
                attributes.insert("address".to_owned(), RestrictedExpression::new_string(address.key()));
            }
            with(&mut found, uid("Invitation", "invitation")?, attributes, HashSet::new())?
        }
    };
    let principal = of_actor(&mut found, actor, subject)?;
    Some((principal, resource, action.add_entities(found, None).ok()?))
}

fn of_actor(found: &mut Vec<Entity>, actor: &Actor<'_>, subject: &Subject<'_>) -> Option<EntityUid> {
    let Actor::User { id, drive, address } = actor else {
        let kind = if *actor == Actor::Nobody { "Nobody" } else { "Visitor" };
        return Some(bare(found, uid(kind, "caller")?));
    };
    let mut attributes = HashMap::from([("drive".to_owned(), reference("Drive", drive.as_str())?)]);
    if let Some(address) = address {
        attributes.insert("address".to_owned(), RestrictedExpression::new_string(address.key()));
    }
    let mut rosters = HashSet::new();
    if let Subject::Group(group) | Subject::Member(group, _) | Subject::Invitation { group, .. } = subject {
        let held = [
            ("owners", group.roles.owner),
            ("providers", group.roles.provider),
            ("consumers", group.roles.consumer),
        ];
        for (role, _) in held.iter().filter(|(_, held)| *held) {
            rosters.insert(roster(group, role)?);
        }
    }
    with(found, uid("User", id.as_str())?, attributes, rosters)
}

fn of_group(found: &mut Vec<Entity>, group: &GroupFacts<'_>) -> Option<EntityUid> {
    let mut attributes = HashMap::from([("active".to_owned(), RestrictedExpression::new_bool(group.active))]);
    for role in ["owners", "providers", "consumers"] {
        attributes.insert(role.to_owned(), RestrictedExpression::new_entity_uid(roster(group, role)?));
    }
    with(found, uid("Group", group.id.as_str())?, attributes, HashSet::new())
}

fn of_member(found: &mut Vec<Entity>, group: &GroupFacts<'_>, named: &str) -> Option<EntityUid> {
    let of = of_group(found, group)?;
    let attributes = HashMap::from([
        ("group".to_owned(), RestrictedExpression::new_entity_uid(of)),
        ("user".to_owned(), reference("User", named)?),
        ("drive".to_owned(), reference("Drive", named)?),
    ]);
    with(found, uid("Member", named)?, attributes, HashSet::new())
}

fn roster(group: &GroupFacts<'_>, role: &str) -> Option<EntityUid> {
    uid("Roster", &format!("{}/{role}", group.id))
}

fn reference(kind: &str, id: &str) -> Option<RestrictedExpression> {
    uid(kind, id).map(RestrictedExpression::new_entity_uid)
}

fn bare(found: &mut Vec<Entity>, uid: EntityUid) -> EntityUid {
    found.push(Entity::new_no_attrs(uid.clone(), HashSet::new()));
    uid
}

fn with(
    found: &mut Vec<Entity>,
    uid: EntityUid,
    attributes: HashMap<String, RestrictedExpression>,
    parents: HashSet<EntityUid>,
) -> Option<EntityUid> {
    found.push(Entity::new(uid.clone(), attributes, parents).ok()?);
    Some(uid)
}
