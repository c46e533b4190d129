//! 16 and 17: queues, log groups, and what must be cleared.

use hostile::services::logs::LogGroup;
use hostile::{Switches, World};

use crate::{deployed, of, refused, secs};

#[tokio::test(start_paused = true)]
async fn gotcha_16_the_name_of_a_deleted_queue_is_waited_for() {
    let world = deployed().await;
    world.aws.switches().queue_name_blocked = secs(60);
    world.destroy().await;
    let gone = world.aws.now();
    world.settle().await;
    assert!(world.aws.now() >= gone + secs(55));
    assert!(refused(&world.aws.take_calls(), "CreateQueue", "QueueDeletedRecently") > 0);
}

#[tokio::test(start_paused = true)]
async fn gotcha_16_a_queue_hides_its_messages_long_enough_before_a_function_gets_them() {
    let world = deployed().await;
    {
        let mut state = world.aws.state();
        let queue = state.queues.get_mut("acme-jobs").unwrap();
        queue.attributes.insert("VisibilityTimeout".to_owned(), "30".to_owned());
        state.mappings.retain(|_, mapping| mapping.function != "acme-worker");
    }
    world.settle().await;
    let state = world.aws.state();
    let visible: i64 = state.queues["acme-jobs"].attributes["VisibilityTimeout"].parse().unwrap();
    let timeout = state.functions["acme-worker"].doc["Timeout"].as_i64().unwrap();
    assert!(visible >= 6 * timeout, "six times is advised: {visible} for {timeout}");
    drop(state);
    assert_eq!(refused(&world.aws.take_calls(), "CreateEventSourceMapping", ""), 0);
}

#[tokio::test(start_paused = true)]
async fn gotcha_17_log_groups_are_there_before_the_first_invocation() {
    let world = World::new(Switches { invoked_at_once: true, ..Switches::default() });
    world.settle().await;
    let state = world.aws.state();
    assert_eq!(state.log_groups.len(), 5);
    assert!(state.log_groups.values().all(|group| group.retention == Some(30) && !group.tags.is_empty()));
    drop(state);
    assert_eq!(refused(&world.aws.take_calls(), "CreateLogGroup", "AlreadyExists"), 0);
}

#[tokio::test(start_paused = true)]
async fn gotcha_17_a_log_group_that_came_about_by_itself_is_adopted() {
    let world = World::new(Switches::default());
    let name = "/aws/lambda/acme-api".to_owned();
    world.aws.state().log_groups.insert(name.clone(), LogGroup::default());
    world.settle().await;
    let group = world.aws.state().log_groups[&name].clone();
    assert_eq!((group.retention, group.tags["freehold:stack"].as_str()), (Some(30), "acme"));
}

#[tokio::test(start_paused = true)]
async fn gotcha_17_log_groups_that_are_changed_at_once_are_changed_again() {
    let world = World::new(Switches { log_conflicts: 6, ..Switches::default() });
    world.settle().await;
    world.aws.switches().log_conflicts = 6;
    world.destroy().await;
}

#[tokio::test(start_paused = true)]
async fn gotcha_17_a_field_that_is_taken_out_of_the_file_is_cleared() {
    let world = World::new(Switches::default());
    world.rewrite(
        "\ntags:\n",
        "\napi:\n  cors: { origins: [\"https://app.example.org\"] }\n\ntags:\n  more: than before\n",
    );
    world.settle().await;
    let cors =
        |world: &World| world.aws.state().apis.values().next().unwrap().doc.get("corsConfiguration").cloned();
    assert!(cors(&world).is_some());
    world.rewrite(
        "\napi:\n  cors: { origins: [\"https://app.example.org\"] }\n\ntags:\n  more: than before\n",
        "\ntags:\n",
    );
    world.aws.take_calls();
    world.settle().await;
    assert_eq!(cors(&world), None);
    assert_eq!(of(&world.aws.take_calls(), "DeleteCorsConfiguration").len(), 1);
    let state = world.aws.state();
    let tagged = state.tables.values().map(|t| &t.tags).chain(state.functions.values().map(|f| &f.tags));
    let tagged =
        tagged.chain(state.queues.values().map(|q| &q.tags)).chain(state.roles.values().map(|r| &r.tags));
    let mut tagged = tagged.chain(state.log_groups.values().map(|g| &g.tags));
    assert!(tagged.all(|tags| !tags.contains_key("more")), "tags are taken away as well");
}
