//! What a corrected `owner:` of a declared group does to the invitation of the previous one.

use domain::id::Name;
use domain::time::Timestamp;
use store::clock::now;
use store::directory::{Invitation, InvitationStatus, Invitee, Role, Writer};
use store::{Store, StoreError};

use super::Session;
use super::reconcile::store_of;
use crate::error::Error;
use crate::kinds::stackdoc::{failed, no_table};
use crate::plan::{Action, Node, Plan};

/// Notes at each group whose `owner:` changes which invitation the change revokes, or who has accepted it already.
///
/// # Errors
/// Those of the database.
pub(super) async fn note_owner_changes(session: &Session, plan: &mut Plan) -> Result<(), Error> {
    for node in plan.nodes.iter_mut().filter(|node| changes_owner(node)) {
        let Some(name) = current_name(node) else { continue };
        let note = match of_group(&store_of(session), &name).await {
            Ok(note) => note,
            Err(error) if no_table(&error) => None,
            Err(error) => return Err(failed(&error).into()),
        };
        if let Some(note) = note {
            node.reason =
                Some(node.reason.take().map_or_else(|| note.clone(), |why| format!("{why}; {note}")));
        }
    }
    Ok(())
}

fn changes_owner(node: &Node) -> bool {
    let changed = |change: &crate::plan::Change| change.path == "owner" && change.before.is_some();
    node.address.kind == "group" && node.action == Action::Update && node.changes.iter().any(changed)
}

/// The name that the group has now; the plan may give it another one.
fn current_name(node: &Node) -> Option<Name> {
    let renamed = node.changes.iter().find(|change| change.path == "name");
    let before = renamed.and_then(|change| change.before.as_ref()?.as_str());
    Name::parse(before.unwrap_or(&node.address.name)).ok()
}

async fn of_group(store: &Store, name: &Name) -> Result<Option<String>, StoreError> {
    let Some(group) = store.declared_group(name).await?.filter(|group| group.active) else { return Ok(None) };
    let Some(invitation) = store.stack_offer(&group).await? else { return Ok(None) };
    let owns = match &invitation.answered_by {
        Some(user) => store
            .user_membership(&group.id, user)
            .await?
            .is_some_and(|membership| membership.roles.contains(&Role::Owner)),
        None => false,
    };
    Ok(note(&invitation, owns, now()))
}

/// What changing the owner means for the invitation of the previous one; `owns` says whether whoever accepted it still
/// owns the group.
fn note(invitation: &Invitation, owns: bool, now: Timestamp) -> Option<String> {
    let to = match &invitation.invitee {
        Invitee::Email(address) => address.as_str(),
        Invitee::User(user) => user.as_str(),
    };
    match (invitation.status, &invitation.answered_by) {
        (InvitationStatus::Pending, _) if invitation.writer == Writer::Stack && invitation.expires > now => {
            Some(format!("revokes the open invitation to `{to}`"))
        }
        (InvitationStatus::Accepted, Some(user)) if owns => Some(format!(
            "`{to}` has accepted already and owns the group as `{user}`; after the new owner has accepted, they can \
             remove `{user}` with `DELETE /groups/{}/members/{user}`",
            invitation.group
        )),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use domain::id::{GroupId, InvitationId, UserId};
    use serde_json::json;

    use super::*;
    use crate::plan::{Change, Purpose, VERSION};
    use crate::render::{Style, plan::plan};
    use crate::resource::Address;

    fn invitation(status: InvitationStatus) -> Invitation {
        let created = Timestamp::from_millis(0);
        Invitation {
            id: InvitationId::from_bits(1),
            group: GroupId::from_bits(2),
            role: Role::Owner,
            invitee: Invitee::Email("wrnog@example.org".into()),
            writer: Writer::Stack,
            created,
            offered: created,
            revision: 1,
            expires: created.plus_millis(1_000),
            status,
            answered_by: (status == InvitationStatus::Accepted).then(|| UserId::from_bits(3)),
        }
    }

    fn node(reason: Option<String>) -> Node {
        let change = Change {
            path: "owner".into(),
            before: Some(json!("wrnog@example.org")),
            after: Some(json!("right@example.org")),
            known_after_apply: false,
            drift: false,
            effect: crate::kinds::Effect::Update,
        };
        Node {
            address: Address::new("group", "endocrinology"),
            action: Action::Update,
            reason,
            changes: vec![change],
            depends_on: vec![],
            uses: vec![],
            desired: None,
            prior: None,
        }
    }

    #[test]
    fn a_plan_names_the_invitation_that_a_corrected_owner_revokes_and_the_owner_who_accepted_it() {
        let before = Timestamp::from_millis(500);
        let notes = [
            note(&invitation(InvitationStatus::Pending), false, before),
            note(&invitation(InvitationStatus::Accepted), true, before),
            note(&invitation(InvitationStatus::Accepted), false, before),
            note(&invitation(InvitationStatus::Pending), false, Timestamp::from_millis(1_000)),
            note(&invitation(InvitationStatus::Declined), false, before),
        ];
        assert_eq!(notes.iter().filter(|note| note.is_some()).count(), 2, "{notes:?}");
        assert!(changes_owner(&node(None)));
        let nodes = notes.into_iter().flatten().map(|note| node(Some(note))).collect();
        let made =
            Plan { version: VERSION, stack: "study".into(), purpose: Purpose::Apply, nodes, sharing: vec![] };
        insta::assert_snapshot!(plan(&made, Style::default(), false));
    }

    #[test]
    fn only_a_group_whose_owner_was_another_one_before_is_looked_up() {
        let mut made = node(None);
        made.changes[0].before = None;
        assert!(!changes_owner(&made));
        let mut other = node(None);
        other.changes[0].path = "rules".into();
        assert!(!changes_owner(&other));
        let mut renamed = node(None);
        renamed.changes.push(Change {
            path: "name".into(),
            before: Some(json!("endo")),
            ..renamed.changes[0].clone()
        });
        assert_eq!(current_name(&renamed).unwrap().as_str(), "endo");
        assert_eq!(current_name(&node(None)).unwrap().as_str(), "endocrinology");
    }
}
