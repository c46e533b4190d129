//! Text that is made to end a function, through the deployed API.

use std::collections::BTreeSet;

use journeys::{World, processes, with_query};
use serde_json::json;

#[tokio::test]
async fn texts_of_any_depth_leave_the_functions_process_alive() {
    let world = World::shared("hostile").await;
    let (owner, invitee) = (world.person("owner").await, world.person("invitee").await);
    let group = owner.make_group("Nested").await;
    owner.join(&owner, &group, "provider").await;
    let invitation = owner.invites(&group, invitee.who(), "provider").await;
    let invitation = format!("/groups/{}/invitations/{}", group.id, invitation.id);
    let function = format!("{}-api", world.name);
    let running = async || -> BTreeSet<u32> {
        processes::of_function(world.emulator.pid().await, &function).into_iter().collect()
    };
    let before = running().await;
    assert!(!before.is_empty(), "the function's process was not found");
    let mut count = 0;
    for levels in [1_000, 20_000, 60_000] {
        for (open, inner, close) in
            [("(", "true", ")"), ("[", "1", "]"), ("!", "true", ""), ("if true then true else ", "true", "")]
        {
            let text = open.repeat(levels) + inner + &close.repeat(levels);
            let contract = json!({"types": ["glucose"], "when": text});
            let rules = json!({"rules": [{"types": ["glucose"], "when": text}]});
            let mut answers = vec![
                ("rules", owner.ask("PUT", &format!("/groups/{}/rules", group.id), Some(rules)).await),
                (
                    "contract",
                    owner.ask("PUT", &format!("/groups/{}/contract", group.id), Some(contract.clone())).await,
                ),
                (
                    "acceptance",
                    invitee.post(&format!("{invitation}/accept"), json!({ "contract": contract })).await,
                ),
            ];
            // What is longer does not fit a request's line.
            if levels == 1_000 {
                let preview =
                    with_query(&format!("{invitation}/preview"), &[("types", "glucose"), ("when", &text)]);
                answers.push(("preview", invitee.get(&preview).await));
            }
            for (what, answer) in answers {
                assert!(answer.status.is_client_error(), "{what} with {levels} `{open}`: {}", answer.status);
                count += 1;
            }
        }
    }
    let gone: Vec<u32> = before.difference(&running().await).copied().collect();
    eprintln!("{count} requests were refused, {} of {} processes ended", gone.len(), before.len());
    assert!(gone.is_empty(), "processes of the function ended: {gone:?}");
    assert_eq!(owner.get(&format!("/groups/{}", group.id)).await.status, 200);
}
