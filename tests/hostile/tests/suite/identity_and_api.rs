//! 12 and 13: user pools and APIs.

use std::time::Duration;

use hostile::{Latency, Quota, Service, Switches, World};
use serde_json::json;

use crate::{deployed, of, refused};

#[tokio::test(start_paused = true)]
async fn gotcha_12_an_update_of_a_pool_or_client_resets_nothing_that_is_not_ours() {
    let world = deployed().await;
    {
        let mut state = world.aws.state();
        let pool = state.pools.values_mut().next().unwrap();
        pool.doc["LambdaConfig"] = json!({"PreSignUp": "arn:of:somebody"});
        pool.doc["EmailConfiguration"] = json!({"EmailSendingAccount": "DEVELOPER"});
        pool.clients.values_mut().for_each(|client| client["ReadAttributes"] = json!(["email"]));
    }
    world.rewrite(
        "  mfa: optional",
        "  mfa: optional\n  passwordPolicy: { minimumLength: 20 }\n  oauth: { callbackUrls: [\"https://a.example/\"] }",
    );
    world.settle().await;
    let state = world.aws.state();
    let pool = state.pools.values().next().unwrap();
    assert_eq!(pool.doc["Policies"]["PasswordPolicy"]["MinimumLength"], 20);
    assert_eq!(pool.doc["LambdaConfig"]["PreSignUp"], "arn:of:somebody");
    assert_eq!(pool.doc["EmailConfiguration"]["EmailSendingAccount"], "DEVELOPER");
    assert_eq!(pool.doc["MfaConfiguration"], "OPTIONAL", "the second factor has a call of its own");
    let client = pool.clients.values().next().unwrap();
    assert_eq!(client["CallbackURLs"], json!(["https://a.example/"]));
    assert_eq!(client["ReadAttributes"], json!(["email"]));
}

#[tokio::test(start_paused = true)]
async fn gotcha_12_the_sign_up_trigger_leaves_the_pool_and_its_other_triggers_as_they_are() {
    let world = deployed().await;
    let ours = {
        let mut state = world.aws.state();
        let pool = state.pools.values_mut().next().unwrap();
        let ours = pool.doc["LambdaConfig"]["PostConfirmation"].as_str().unwrap().to_owned();
        assert!(ours.ends_with(":function:acme-identity"), "{ours}");
        pool.doc["LambdaConfig"] = json!({"PreSignUp": "arn:of:somebody"});
        pool.doc["EmailConfiguration"] = json!({"EmailSendingAccount": "DEVELOPER"});
        ours
    };
    world.settle().await;
    let state = world.aws.state();
    let doc = &state.pools.values().next().unwrap().doc;
    assert_eq!(doc["LambdaConfig"], json!({"PreSignUp": "arn:of:somebody", "PostConfirmation": ours}));
    assert_eq!(doc["EmailConfiguration"]["EmailSendingAccount"], "DEVELOPER");
    assert_eq!(doc["MfaConfiguration"], "OPTIONAL");
    assert_eq!(doc["Policies"]["PasswordPolicy"]["MinimumLength"], 12);
}

#[tokio::test(start_paused = true)]
async fn gotcha_12_a_sign_in_address_that_somebody_has_is_named() {
    let taken = ["acme-111122223333".to_owned()].into();
    let world = World::new(Switches { taken_prefixes: taken, ..Switches::default() });
    let (error, failures) = world.fail().await;
    assert_eq!(error.code(), "FH0407", "{error}");
    assert!(
        failures.contains("`acme-111122223333` is taken") && failures.contains("identity.domainPrefix"),
        "{failures}"
    );
    world.rewrite("  mfa: optional", "  mfa: optional\n  domainPrefix: acme-people");
    world.settle().await;
}

#[tokio::test(start_paused = true)]
async fn gotcha_12_a_pool_is_never_made_again() {
    let world = deployed().await;
    world.aws.state().pools.values_mut().next().unwrap().doc["UsernameAttributes"] = json!([]);
    let error = world.try_apply().await.unwrap_err();
    assert!(error.to_string().contains("user_pool.main"), "{error}");
    assert_eq!(of(&world.aws.take_calls(), "DeleteUserPool").len(), 0);
}

#[tokio::test(start_paused = true)]
async fn gotcha_12_a_pools_sign_in_address_goes_before_the_pool() {
    let world = deployed().await;
    world.destroy().await;
    assert_eq!(refused(&world.aws.take_calls(), "DeleteUserPool", ""), 0);
}

#[tokio::test(start_paused = true)]
async fn gotcha_13_changes_of_an_api_never_overlap() {
    let latency = Latency::Between(Duration::from_millis(50), Duration::from_millis(400), 1);
    let world = World::new(Switches { api_conflicts: true, latency, ..Switches::default() });
    world.settle().await;
    world.destroy().await;
    let calls = world.aws.take_calls();
    let conflicts = calls.iter().filter_map(|call| call.refused.as_ref());
    assert_eq!(conflicts.filter(|why| why.contains("concurrent modification")).count(), 0);
}

#[tokio::test(start_paused = true)]
async fn gotcha_13_a_change_that_overlaps_with_somebody_elses_is_made_again() {
    let world = World::new(Switches::default());
    for operation in ["CreateRoute", "CreateStage", "CreateIntegration", "CreateAuthorizer", "CreateApi"] {
        world.aws.inflict(hostile::Fault::first(4, operation, hostile::What::Conflict));
    }
    world.settle().await;
    assert_eq!(refused(&world.aws.take_calls(), "CreateRoute", "concurrent modification"), 4);
}

#[tokio::test(start_paused = true)]
async fn gotcha_13_an_api_gateway_that_takes_few_calls_is_not_overrun() {
    let quotas = vec![Quota::of(Service::ApiGateway, "", 3)];
    let world = World::new(Switches { quotas, ..Switches::default() });
    world.settle().await;
    world.destroy().await;
}
