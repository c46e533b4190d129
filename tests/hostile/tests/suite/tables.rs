//! 6 to 11: tables.

use std::sync::Arc;

use hostile::world::Timed;
use hostile::{Aws, Switches, When, World};
use provision::error::Exit;
use provision::event::Event;
use provision::resource::Address;
use provision::{Approval, Options};
use store::clock::now;
use store::scrub::{Stage, State};

use crate::{deployed, mapping, of, refused, secs, store};

/// Tables that take their time.
fn slow() -> Switches {
    Switches { table_settles: secs(8), table_deletes: secs(30), ..Switches::default() }
}

#[tokio::test(start_paused = true)]
async fn gotcha_06_a_table_is_changed_in_one_concern_at_a_time() {
    let world = deployed().await;
    *world.aws.switches() = slow();
    world.rewrite("deletionProtection: false", "deletionProtection: true\n  encryption: customer-managed");
    world.aws.state().tables.get_mut("acme-data").unwrap().billing = "PROVISIONED".to_owned();
    world.aws.state().tables.get_mut("acme-data").unwrap().stream = None;
    world.settle().await;
    let calls = world.aws.take_calls();
    let of_data = of(&calls, "UpdateTable").into_iter().filter(|c| c.call.text("TableName") == "acme-data");
    assert_eq!(of_data.filter(|call| call.refused.is_none()).count(), 4);
    assert_eq!(refused(&calls, "UpdateTable", ""), 0, "each waits for the one before");
}

#[tokio::test(start_paused = true)]
async fn gotcha_07_another_view_of_a_stream_is_another_stream_with_another_mapping() {
    let world = deployed().await;
    *world.aws.switches() = Switches { mapping_settles: secs(15), mapping_deletes: secs(60), ..slow() };
    let old = mapping(&world.aws, "acme-replicator").doc["EventSourceArn"].clone();
    world.aws.state().tables.get_mut("acme-data").unwrap().stream.as_mut().unwrap().0 =
        "KEYS_ONLY".to_owned();
    world.settle().await;
    let stream = world.aws.state().tables["acme-data"].stream.clone().unwrap();
    assert_eq!(stream.0, "NEW_AND_OLD_IMAGES");
    let new = mapping(&world.aws, "acme-replicator").doc["EventSourceArn"].clone();
    assert_ne!(old, new);
    assert!(new.as_str().unwrap().ends_with(&stream.1), "the mapping reads the stream of now");
}

/// Whether the scrubber has everything before it.
async fn is_to_compare_everything(world: &World) -> bool {
    let (state, _) = store(world).await.scrub_state().await.unwrap();
    matches!(state.walk.unwrap().stage, Stage::Members { after: None, at: None })
}

/// A stack whose scrubber has been through, and whose stream somebody changed.
async fn with_another_stream() -> World {
    let world = deployed().await;
    let mut state = State::default();
    state.start_over(now());
    state.walk.as_mut().unwrap().stage = Stage::Done;
    assert!(store(&world).await.put_scrub_state(&state, 0).await.unwrap());
    world.settle().await;
    assert!(!is_to_compare_everything(&world).await, "nothing was missed");
    world.aws.state().tables.get_mut("acme-data").unwrap().stream.as_mut().unwrap().0 =
        "KEYS_ONLY".to_owned();
    world
}

#[tokio::test(start_paused = true)]
async fn gotcha_07_a_plan_warns_of_a_gap_in_the_stream_after_which_everything_is_compared() {
    let world = with_another_stream().await;
    *world.aws.switches() = Switches { mapping_settles: secs(15), mapping_deletes: secs(60), ..slow() };
    let events = Arc::new(Timed::default());
    let options = Options { events: events.clone(), ..world.options() };
    provision::apply(&options, &Approval::Given).await.unwrap();
    let plans = events.events().into_iter().filter_map(|(_, event)| match event {
        Event::Plan { plan } => Some(plan),
        _ => None,
    });
    let reason = plans.last().unwrap().node(&Address::new("mapping", "replicator")).unwrap().reason.clone();
    assert!(reason.unwrap().contains("the scrubber then compares everything"));
    assert!(is_to_compare_everything(&world).await);
    let calls = of(&world.aws.take_calls(), "PutItem");
    let told = calls.iter().rfind(|record| record.call.input.to_string().contains("SCRUBBER")).unwrap();
    assert!(
        told.begun >= mapping(&world.aws, "acme-replicator").busy.1,
        "not before the stream is read again"
    );
}

#[tokio::test(start_paused = true)]
async fn gotcha_07_everything_is_compared_after_a_gap_wherever_the_process_died_in_between() {
    let origin = with_another_stream().await;
    let changed = origin.aws.snapshot("another stream");
    let mut deaths = 0;
    loop {
        let world = origin.elsewhere(Aws::restored(&changed));
        let mut dead = world.aws.kill_at(deaths + 1, When::After);
        let died = tokio::select! {
            ended = world.try_apply() => ended.map(|_| false).unwrap(),
            died = dead.wait_for(|dead| *dead) => *died.unwrap(),
        };
        if !died {
            break;
        }
        deaths += 1;
        world.settle().await;
        assert!(is_to_compare_everything(&world).await, "after {deaths} calls");
    }
    assert!(deaths > 8, "{deaths}");
}

#[tokio::test(start_paused = true)]
async fn gotcha_07_a_stream_that_is_as_wanted_is_never_sent_again() {
    let world = deployed().await;
    world.rewrite("\ntags:\n", "\ntags:\n  more: than before\n");
    world.settle().await;
    assert_eq!(of(&world.aws.take_calls(), "UpdateTable").len(), 0);
}

#[tokio::test(start_paused = true)]
async fn gotcha_08_a_table_that_is_busy_is_waited_for() {
    let world = World::new(Switches { tables_at_once: Some(2), ..slow() });
    world.settle().await;
    assert!(refused(&world.aws.take_calls(), "CreateTable", "simultaneously") > 0);
    let until = world.aws.now() + secs(40);
    world.aws.state().tables.get_mut("acme-data").unwrap().busy = Some(("UPDATING", until));
    world.rewrite("deletionProtection: false", "deletionProtection: true");
    world.settle().await;
    assert!(world.aws.now() >= until);
}

#[tokio::test(start_paused = true)]
async fn gotcha_08_a_table_that_is_being_deleted_is_made_again_when_it_is_gone() {
    let world = deployed().await;
    let (before, gone) = (world.aws.state().tables["acme-replicas"].id.clone(), world.aws.now() + secs(45));
    world.aws.delete_table("acme-replicas", gone);
    world.settle().await;
    let state = world.aws.state();
    assert_ne!(state.tables["acme-replicas"].id, before, "it is another table of the same ARN");
    assert!(state.tables["acme-replicas"].made >= gone);
}

#[tokio::test(start_paused = true)]
async fn gotcha_08_a_table_that_is_still_being_made_is_waited_for_before_it_is_deleted() {
    let world = deployed().await;
    *world.aws.switches() = slow();
    let busy = Some(("CREATING", world.aws.now() + secs(40)));
    world.aws.state().tables.get_mut("acme-replicas").unwrap().busy = busy;
    world.destroy().await;
    assert!(refused(&world.aws.take_calls(), "DeleteTable", "ResourceInUse") > 0);
}

#[tokio::test(start_paused = true)]
async fn gotcha_09_a_time_to_live_that_cools_down_is_left_for_later_and_holds_up_nothing() {
    let world = World::new(Switches { ttl_cools: secs(1800), ..Switches::default() });
    world.settle().await;
    assert_eq!(of(&world.aws.take_calls(), "UpdateTimeToLive").len(), 3, "once for each table that has one");
    let now = world.aws.now();
    {
        let mut state = world.aws.state();
        let table = state.tables.get_mut("acme-data").unwrap();
        (table.ttl, table.ttl_changed) = (None, Some(now));
    }
    world.rewrite("\ntags:\n", "\ntags:\n  more: than before\n");
    world.recode("api", "other code");
    let error = world.try_apply().await.unwrap_err();
    assert_eq!(error.exit(), Exit::Partly, "{error}");
    assert!(world.aws.now() < now + secs(60), "nobody waits for half an hour");
    {
        let state = world.aws.state();
        assert_eq!(state.tables["acme-data"].tags["more"], "than before");
        assert_eq!(
            state.functions["acme-api"].tags["more"], "than before",
            "who uses the table was not held up"
        );
    }
    tokio::time::sleep(secs(1800)).await;
    world.settle().await;
    assert_eq!(world.aws.state().tables["acme-data"].ttl.as_deref(), Some("exp"));
}

#[tokio::test(start_paused = true)]
async fn gotcha_10_recovery_and_tags_that_lag_their_table_are_waited_for() {
    let world = World::new(Switches { recovery_lags: secs(10), tags_lag: secs(5), ..slow() });
    world.settle().await;
    let calls = world.aws.take_calls();
    assert!(refused(&calls, "UpdateContinuousBackups", "Unavailable") > 0);
    assert!(world.aws.state().tables.values().all(|table| table.recovery));
    assert_eq!(of(&calls, "TagResource").len(), 0, "tags are given when things are made");
}

#[tokio::test(start_paused = true)]
async fn gotcha_10_tags_are_written_all_at_once_and_are_no_drift_afterwards() {
    let world = deployed().await;
    tokio::time::sleep(secs(60)).await;
    world.aws.switches().tags_lag = secs(20);
    world.rewrite("\ntags:\n", "\ntags:\n  more: than before\n  and: again\n");
    world.settle().await;
    let calls = world.aws.take_calls();
    let tables =
        of(&calls, "TagResource").into_iter().filter(|c| c.call.text("ResourceArn").contains(":table/"));
    assert_eq!(tables.count(), 4, "one for each table");
}

#[tokio::test(start_paused = true)]
async fn gotcha_11_a_billing_mode_that_was_dropped_silently_is_asked_for_again() {
    let world = deployed().await;
    *world.aws.switches() = Switches { billing_dropped: 1, ..slow() };
    world.aws.state().tables.get_mut("acme-data").unwrap().billing = "PROVISIONED".to_owned();
    world.settle().await;
    assert_eq!(world.aws.state().tables["acme-data"].billing, "PAY_PER_REQUEST");
    assert_eq!(of(&world.aws.take_calls(), "UpdateTable").len(), 2);
}
