//! Every call of the client, with all that it can say.

use freehold_client::{
    Acceptance, AudienceMode, Client, Contract, History, Invitee, ItemChange, ItemRemoval, List, NewGroup,
    NewItem, Past, Role, Rule, RulesMode, Timed,
};
use serde::de::DeserializeOwned;
use serde_json::json;

const ID: &str = "01ARZ3NDEKTSV4RRFFQ69G5FAV";

/// Calls everything once. What is called is noted where it arrives.
pub async fn every_call(client: &Client) {
    profile(client).await;
    items(client).await;
    groups(client).await;
    sharing(client).await;
    invitations(client).await;
}

/// A list with all that can be said of it, but its types.
async fn whole<T: DeserializeOwned + Timed>(list: List<T>) {
    let list = list.from("2026-01-01T00:00:00Z").to("2026-02-01T00:00:00Z").oldest_first();
    page(list).await;
}

async fn page<T: DeserializeOwned>(list: List<T>) {
    assert_eq!(list.limit(10).after("cursor").all().await.unwrap().len(), 1);
}

async fn profile(client: &Client) {
    client.profile().await.unwrap();
    client.ensure_profile().await.unwrap();
    client.erase_profile().await.unwrap();
    client.erasure(ID).await.unwrap();
    client.create_profile(None).await.unwrap();
    client.create_profile(Some("zoe@example.org")).await.unwrap();
    client.reissue_invite(ID).await.unwrap();
    client.claim_profile("secret").await.unwrap();
    client.description().await.unwrap();
    page(client.memberships()).await;
    page(client.receipts()).await;
    page(client.ledger()).await;
    page(client.export()).await;
}

async fn items(client: &Client) {
    let fields = json!({"mgdl": 93});
    whole(client.items().types(&["glucose", "weight"])).await;
    whole(client.items_of("glucose")).await;
    client.create_item("glucose", &fields).await.unwrap();
    client.item(ID).await.unwrap();
    client.item_unless(ID, 1).await.unwrap();
    client.update_item(ID, &fields, None).await.unwrap();
    client.update_item(ID, &fields, Some(1)).await.unwrap();
    client.delete_item(ID, Some(1)).await.unwrap();
    client.create_items(&[NewItem::new("glucose", &fields).unwrap()]).await.unwrap();
    client.update_items(&[ItemChange::new(ID, &fields).unwrap()]).await.unwrap();
    client.delete_items(&[ItemRemoval::new(ID)]).await.unwrap();
}

async fn groups(client: &Client) {
    page(client.groups()).await;
    client.create_group("Clinic").await.unwrap();
    client.create_group(NewGroup::named("Clinic").description("For the doctors")).await.unwrap();
    client.group(ID).await.unwrap();
    client.rename_group(ID, "Clinic").await.unwrap();
    client.describe_group(ID, Some("For the doctors")).await.unwrap();
    client.describe_group(ID, None).await.unwrap();
    client.delete_group(ID).await.unwrap();
    client.transfer_group(ID, ID).await.unwrap();
    let rule = Rule::of(&["glucose"]).when("resource.mgdl > 180").fields(&["mgdl"]);
    let histories =
        [History::All, History::None, History::Days(3), History::Since("2026-01-01T00:00:00Z".into())];
    client.set_rules(ID, &histories.map(|history| rule.clone().history(history))).await.unwrap();
    page(client.rules_history(ID)).await;
    page(client.members(ID)).await;
    client.set_roles(ID, ID, &[Role::Owner, Role::Consumer]).await.unwrap();
    client.remove_member(ID, ID).await.unwrap();
    client.leave_group(ID, Some(Role::Provider)).await.unwrap();
}

async fn sharing(client: &Client) {
    whole(client.group_items(ID).types(&["glucose"])).await;
    whole(client.group_items_of(ID, "glucose")).await;
    client.contract(ID).await.unwrap();
    client.set_contract(ID, &contract()).await.unwrap();
    client.consent(ID).await.unwrap();
    client.set_consent(ID, 2, Some(RulesMode::Follow)).await.unwrap();
    client.set_consent(ID, 2, None).await.unwrap();
    client.audience(ID).await.unwrap();
    client.set_audience(ID, AudienceMode::Ask).await.unwrap();
    client.agree_to(ID, ID).await.unwrap();
    client.refuse(ID, ID).await.unwrap();
}

fn contract() -> Contract {
    let narrow = Contract::everything().types(&["glucose", "weight"]).when("resource.mgdl > 180");
    narrow.from("2026-01-01T00:00:00Z").to("2027-01-01T00:00:00Z")
}

async fn invitations(client: &Client) {
    client.invite(ID, &Invitee::email("bob@example.org"), Role::Provider).await.unwrap();
    client.invite(ID, &Invitee::user(ID), Role::Consumer).await.unwrap();
    page(client.group_invitations(ID)).await;
    page(client.invitations()).await;
    client.revoke_invitation(ID, ID).await.unwrap();
    client.resend_invitation(ID, ID).await.unwrap();
    let since = Past::Since("2026-01-01T00:00:00Z".into());
    for acceptance in
        [Acceptance::plain(), Acceptance::plain().past(since).contract(contract()).following().of_revision(2)]
    {
        client.preview_invitation(ID, ID, &acceptance).await.unwrap();
        client.accept_invitation(ID, ID, &acceptance).await.unwrap();
    }
    client.decline_invitation(ID, ID).await.unwrap();
}
