//! Addresses that change hands in the user pool.

use aws_sdk_cognitoidentityprovider::types::AttributeType;
use freehold_client::{Acceptance, Invitee, Role};
use journeys::World;

/// Gives an account another verified address.
async fn verify(world: &World, username: &str, email: &str) {
    let attribute =
        |name: &str, value: &str| AttributeType::builder().name(name).value(value).build().unwrap();
    let update = world.place.cognito.admin_update_user_attributes().user_pool_id(&world.place.pool_id);
    let update = update.username(username).user_attributes(attribute("email", email));
    update.user_attributes(attribute("email_verified", "true")).send().await.unwrap();
}

#[tokio::test]
async fn an_address_that_changes_hands_takes_its_invitations_along() {
    let world = World::shared("addresses").await;
    let olga = world.person("olga").await;
    let ann = world.person("desk").await;
    let desk = ann.who().to_owned();
    assert_eq!(ann.user.email.as_deref(), Some(desk.as_str()));
    let group = olga.make_group("practice").await;

    let anns = world.address("ann");
    verify(&world, &desk, &anns).await;
    let bob = world.place.person(&world.address("bob")).await.unwrap();
    // Signs in under the address that the account has until then.
    assert_eq!(bob.profile().await.unwrap_err().status(), Some(404));
    verify(&world, bob.who(), &desk).await;
    let bobs = bob.ensure_profile().await.unwrap();
    assert_eq!(bobs.email.as_deref(), Some(desk.as_str()));

    let owner = olga.invite(&group.id, &Invitee::email(&desk), Role::Owner).await.unwrap();
    assert!(ann.invitations().all().await.unwrap().is_empty());
    let refused = ann.accept_invitation(&group.id, &owner.id, &Acceptance::plain()).await.unwrap_err();
    assert_eq!(refused.status(), Some(404), "{refused}");
    assert_eq!(ann.profile().await.unwrap().email, Some(anns.clone()));
    assert_eq!(bob.invitations().all().await.unwrap().len(), 1);
    let accepted = bob.accept_invitation(&group.id, &owner.id, &Acceptance::plain()).await.unwrap();
    assert_eq!(accepted.member_id, bobs.id);

    let consumer = olga.invite(&group.id, &Invitee::email(&anns), Role::Consumer).await.unwrap();
    assert_eq!(ann.invitations().all().await.unwrap()[0].id, consumer.id);
    ann.accept_invitation(&group.id, &consumer.id, &Acceptance::plain()).await.unwrap();
}
