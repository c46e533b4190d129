//! 3, 4, 5, 14: functions, what calls them, and who may.

use hostile::{Switches, World};
use serde_json::json;

use crate::{deployed, mapping, of, refused, secs};

#[tokio::test(start_paused = true)]
async fn gotcha_03_changes_of_a_function_wait_for_each_other() {
    let world = World::new(Switches { function_settles: secs(5), ..Switches::default() });
    world.settle().await;
    world.recode("worker", "other code");
    world.rewrite("\ntags:\n", "\nfunctions:\n  memory: 512\n\ntags:\n  more: than before\n");
    world.aws.take_calls();
    world.settle().await;
    let calls = world.aws.take_calls();
    assert_eq!(
        (of(&calls, "UpdateFunctionCode").len(), of(&calls, "UpdateFunctionConfiguration").len()),
        (1, 5)
    );
    assert_eq!(calls.iter().filter_map(|call| call.refused.as_ref()).count(), 0, "nothing had to be refused");
    assert_eq!(world.aws.state().functions["acme-worker"].doc["MemorySize"], 512);
}

#[tokio::test(start_paused = true)]
async fn gotcha_03_a_change_that_somebody_else_makes_is_waited_for() {
    let world = deployed().await;
    world.aws.switches().function_settles = secs(5);
    let busy = world.aws.now() + secs(30);
    world.aws.state().functions.get_mut("acme-worker").unwrap().change = busy;
    world.recode("worker", "other code");
    world.settle().await;
}

#[tokio::test(start_paused = true)]
async fn gotcha_03_a_function_whose_creation_failed_is_deleted_and_made_again() {
    let fails = ["acme-scrubber".to_owned()].into();
    let settles = secs(5);
    let world =
        World::new(Switches { creation_fails: fails, function_settles: settles, ..Switches::default() });
    let error = world.try_apply().await.unwrap_err();
    assert_eq!(error.code(), "FH0407", "{error}");
    assert!(world.aws.state().inventory().contains(&"function acme-api".to_owned()), "siblings were made");
    world.settle().await;
    let calls = world.aws.take_calls();
    let deleted: Vec<_> =
        of(&calls, "DeleteFunction").iter().map(|c| c.call.text("FunctionName").to_owned()).collect();
    assert_eq!(deleted, ["acme-scrubber"]);
}

#[tokio::test(start_paused = true)]
async fn gotcha_04_a_mapping_is_found_again_when_the_state_is_lost() {
    let world = deployed().await;
    let ids: Vec<String> = world.aws.state().mappings.keys().cloned().collect();
    world.aws.lose_table("acme-control");
    world.settle().await;
    assert_eq!(world.aws.state().mappings.keys().cloned().collect::<Vec<_>>(), ids);
    assert_eq!(of(&world.aws.take_calls(), "CreateEventSourceMapping").len(), 0);
}

#[tokio::test(start_paused = true)]
async fn gotcha_04_a_mapping_is_deleted_before_another_takes_its_place_however_long_that_takes() {
    let world = deployed().await;
    *world.aws.switches() =
        Switches { mapping_settles: secs(15), mapping_deletes: secs(240), ..Switches::default() };
    let before = mapping(&world.aws, "acme-replicator");
    // Somebody makes another stream.
    world.aws.state().tables.get_mut("acme-data").unwrap().stream.as_mut().unwrap().1 = "by-hand".to_owned();
    world.settle().await;
    let after = mapping(&world.aws, "acme-replicator");
    assert_ne!(before.doc["EventSourceArn"], after.doc["EventSourceArn"]);
    assert!(after.made >= before.busy.1 + secs(240));
}

#[tokio::test(start_paused = true)]
async fn gotcha_04_a_mapping_that_is_busy_is_waited_for_before_it_is_changed_or_deleted() {
    let world = deployed().await;
    let busy = ("Updating", world.aws.now() + secs(120));
    for mapping in world.aws.state().mappings.values_mut() {
        mapping.busy = busy;
        mapping.doc["BatchSize"] = 7.into();
    }
    world.settle().await;
    let busy = ("Updating", world.aws.now() + secs(120));
    world.aws.state().mappings.values_mut().for_each(|mapping| mapping.busy = busy);
    world.destroy().await;
    assert!(refused(&world.aws.take_calls(), "DeleteEventSourceMapping", "in use") > 0);
}

#[tokio::test(start_paused = true)]
async fn gotcha_04_a_filter_is_removed_by_an_explicit_nothing() {
    let world = deployed().await;
    let filter = json!({"Filters": [{"Pattern": "{\"eventName\":[\"INSERT\"]}"}]});
    for mapping in world.aws.state().mappings.values_mut() {
        mapping.doc["FilterCriteria"] = filter.clone();
    }
    world.settle().await;
    for function in ["acme-replicator", "acme-worker"] {
        assert!(mapping(&world.aws, function).doc.get("FilterCriteria").is_none(), "every record counts");
    }
}

#[tokio::test(start_paused = true)]
async fn gotcha_05_a_stream_is_read_from_its_beginning_and_an_apply_ends_when_it_is() {
    let world = World::new(Switches { mapping_settles: secs(150), ..Switches::default() });
    world.apply().await;
    let (mapping, now) = (mapping(&world.aws, "acme-replicator"), world.aws.now());
    assert_eq!(mapping.doc["StartingPosition"], "TRIM_HORIZON");
    assert!(now >= mapping.busy.1, "what is copied from now on is copied once the mapping is enabled");
    assert_eq!(world.apply().await.mutating_calls, 0);
}

#[tokio::test(start_paused = true)]
async fn gotcha_14_a_permission_that_differs_is_removed_and_added() {
    let world = deployed().await;
    {
        let mut state = world.aws.state();
        let api = state.functions.get_mut("acme-api").unwrap();
        api.statements[0].1["Condition"]["ArnLike"]["AWS:SourceArn"] = "arn:of:another".into();
        api.statements.push(("by-hand".to_owned(), json!({"Sid": "by-hand"})));
    }
    world.settle().await;
    let state = world.aws.state();
    let statements = &state.functions["acme-api"].statements;
    let ours = statements.iter().find(|(id, _)| id.starts_with("freehold-api-")).unwrap();
    let source = ours.1["Condition"]["ArnLike"]["AWS:SourceArn"].as_str().unwrap();
    assert!(source.contains(":execute-api:"), "{source}");
    assert!(statements.iter().any(|(id, _)| id == "by-hand"), "what others allow is theirs");
    assert_eq!(statements.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn gotcha_14_a_permission_and_its_function_are_never_changed_at_once() {
    let world = World::new(Switches { function_settles: secs(5), ..Switches::default() });
    world.settle().await;
    assert_eq!(refused(&world.aws.take_calls(), "AddPermission", ""), 0);
}
