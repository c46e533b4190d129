//! Saved plans, drift, adopting what is there, and what is protected.

use std::path::PathBuf;
use std::sync::Arc;

use journeys::{Emulator, World, stack_yaml, until};
use provision::error::{Error, Exit};
use provision::event::{Collected, Event};
use provision::plan::{Action, Found, iam};
use provision::resource::Address;
use provision::session::{
    Approval, Options, Origin, Session, Target, adopt, adoptable, apply, apply_saved, read_saved, rebuild,
    write_saved,
};

/// Plans, saves the plan, and says where.
async fn save(world: &World) -> PathBuf {
    let session = Session::open(&world.options()).await.unwrap();
    let seen = session.plan(&session.desired().await.unwrap()).await.unwrap();
    let path = world.file.with_extension("plan.json");
    write_saved(&path, &session.saved(&seen).unwrap()).unwrap();
    path
}

/// What a stale plan is refused with.
async fn stale(world: &World, plan: &std::path::Path) -> Vec<String> {
    let error = apply_saved(&world.options(), plan).await.unwrap_err();
    assert_eq!((error.exit(), error.code()), (Exit::Stale, "FH0412"), "{error}");
    match error {
        Error::Stale { changed } => changed,
        other => panic!("{other}"),
    }
}

async fn tag_queue(world: &World, name: &str, value: &str) {
    let sqs = world.clients.sqs();
    let url = sqs.get_queue_url().queue_name(format!("{}-{name}", world.name)).send().await.unwrap();
    sqs.tag_queue().queue_url(url.queue_url().unwrap()).tags("team", value).send().await.unwrap();
}

#[tokio::test]
async fn a_saved_plan_is_carried_out_exactly_or_refused_with_what_changed() {
    let world = World::new("saved").await;
    world.rewrite(
        "resource.mgdl > 180\n        fields: [takenAt, mgdl]\ngroupDefaults",
        "resource.mgdl > 250\n        fields: [takenAt, mgdl]\ngroupDefaults",
    );
    let plan = save(&world).await;
    let saved = read_saved(&plan).unwrap();
    let changes = saved.plan.nodes.iter().filter(|node| node.action != Action::NoOp);
    assert_eq!(changes.map(|node| node.address.to_string()).collect::<Vec<_>>(), ["group.clinic"]);

    tag_queue(&world, "jobs", "by-hand").await;
    assert_eq!(stale(&world, &plan).await, ["`tags/team` of `queue.jobs`, as it is live"]);
    let plan = save(&world).await;
    world.rewrite("resource.mgdl > 250", "resource.mgdl > 260");
    assert_eq!(stale(&world, &plan).await, ["the configuration: file `stack.yaml`"]);

    let plan = save(&world).await;
    let applied = apply_saved(&world.options(), &plan).await.unwrap();
    assert_eq!(applied.summary.updated, 2, "{:?}", applied.summary);
    let again = stale(&world, &plan).await;
    assert!(again.contains(&"the recorded state of `group.clinic`".to_owned()), "{again:?}");
    assert_eq!(world.apply().await.1, 0);

    let other = World::shared("saved-elsewhere").await;
    let error = apply_saved(&other.options(), &plan).await.unwrap_err();
    assert_eq!((error.code(), error.exit()), ("FH0415", Exit::Failed), "{error}");
}

#[tokio::test]
async fn drift_is_what_somebody_changed_and_not_what_the_file_says() {
    let world = World::new("drifting").await;
    let drift = async || Session::open(&world.options()).await.unwrap().drift().await.unwrap();
    assert!(drift().await.is_empty());
    world.rewrite("mgdl > 180", "mgdl > 200");
    assert!(drift().await.is_empty(), "a change of the file is no drift");
    tag_queue(&world, "jobs-dead", "by-hand").await;
    let group = format!("/aws/lambda/{}-api", world.name);
    world.clients.logs().delete_log_group().log_group_name(group).send().await.unwrap();
    let seen: Vec<_> = drift().await.into_iter().map(|one| (one.address.to_string(), one.found)).collect();
    let expected =
        [("log_group.api".to_owned(), Found::Deleted), ("queue.jobs-dead".to_owned(), Found::Changed)];
    assert_eq!(seen, expected);
    world.apply().await;
    assert!(drift().await.is_empty());
}

/// A stack's file that nothing was made of yet.
fn options(emulator: &Emulator, name: &str, events: Arc<Collected>) -> Options {
    let file = emulator.dir.join(format!("{name}.yaml"));
    std::fs::write(&file, stack_yaml(name)).unwrap();
    Options { local: Some(emulator.options()), events, ..Options::new(file, Target::Local) }
}

#[tokio::test]
async fn what_was_made_by_hand_is_refused_until_it_is_imported_and_then_only_tagged() {
    let emulator = Emulator::shared().await;
    let options = options(emulator, "by-hand", Arc::default());
    let clients = emulator.clients().await;
    let sqs = clients.sqs();
    let made = sqs.create_queue().queue_name("by-hand-jobs").tags("mine", "1").send().await.unwrap();
    let url = made.queue_url().unwrap();
    sqs.send_message().queue_url(url).message_body("kept").send().await.unwrap();

    let refused = apply(&options, &Approval::Given).await.unwrap_err();
    assert_eq!(refused.code(), "FH0405", "{refused}");

    let session = Session::open(&options).await.unwrap();
    let desired = session.desired().await.unwrap();
    let found = adoptable(&session, &desired).await.unwrap();
    let [queue] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!((queue.address.to_string().as_str(), queue.origin), ("queue.jobs", Origin::Untagged));
    assert!(queue.changes.iter().any(|change| change.path == "visibilityTimeout"), "{queue:?}");
    assert_eq!(adopt(&session, &desired, &found).await.unwrap(), 1);

    let tags = sqs.list_queue_tags().queue_url(url).send().await.unwrap().tags.unwrap();
    assert_eq!((tags["freehold:stack"].as_str(), tags["mine"].as_str()), ("by-hand", "1"));
    assert!(adoptable(&session, &desired).await.unwrap().is_empty());
    apply(&options, &Approval::Given).await.unwrap();
    let waiting = sqs.receive_message().queue_url(url).send().await.unwrap();
    assert!(waiting.messages().len() <= 1, "the queue was not made again");
    provision::destroy(&options, &Approval::Given).await.unwrap();
}

#[tokio::test]
async fn a_lost_state_is_rebuilt_from_names_and_tags_and_nothing_is_left_to_do() {
    let world = World::new("lost").await;
    let person = world.person("somebody").await;
    person.read_glucose("2024-01-01T08:00:00Z", 200).await;
    let open = async || Session::open(&world.options()).await.unwrap();
    let before = open().await.state.load().await.unwrap().unwrap();
    let table = format!("{}-control", world.name);
    world.clients.dynamodb().delete_table().table_name(&table).send().await.unwrap();
    until("the table is gone", async || {
        let described = world.clients.dynamodb().describe_table().table_name(&table).send().await;
        described.is_err().then_some(())
    })
    .await;

    let session = open().await;
    let rebuilt = rebuild(&session).await.unwrap();
    let after = session.state.load().await.unwrap().unwrap();
    assert_eq!(after.entries.keys().collect::<Vec<_>>(), before.entries.keys().collect::<Vec<_>>());
    assert_eq!(rebuilt.len() + 1, after.entries.len(), "everything but the control table itself");
    assert!(after.lock.unwrap().token > before.lock.unwrap().token + 1_000_000, "fencing goes on above");
    let plan = session.plan(&session.desired().await.unwrap()).await.unwrap().plan;
    let open: Vec<_> = plan.nodes.iter().filter(|node| node.action != Action::NoOp).collect();
    assert!(open.is_empty(), "{open:?}");
    assert!(rebuild(&session).await.unwrap().is_empty(), "again: nothing to write down");
    assert_eq!(person.sees_own().await, [200]);
}

#[tokio::test]
async fn a_group_or_a_data_type_that_vanishes_is_kept_until_the_file_names_it() {
    let world = World::new("vanishing").await;
    let person = world.person("somebody").await;
    person.read_glucose("2024-01-01T08:00:00Z", 200).await;
    let lead = world.person("lead").await;
    glucose_study::people::own(&lead, "clinic").await.unwrap();

    let text = std::fs::read_to_string(&world.file).unwrap();
    let (before, after) = (text.find("groups:\n").unwrap(), text.find("groupDefaults:").unwrap());
    let without = format!("{}{}", &text[..before], &text[after..]);
    let weight = without.find("  weight:\n").unwrap()..without.find("groupDefaults:").unwrap();
    let mut without = without;
    without.replace_range(weight, "");
    std::fs::write(&world.file, &without).unwrap();
    let refused = apply(&world.options(), &Approval::Given).await.unwrap_err();
    let said = refused.to_string();
    assert_eq!(refused.code(), "FH0406", "{said}");
    assert!(said.contains("it holds 1 member and 0 copies"), "{said}");
    assert!(said.contains("data type `weight` with 0 items"), "{said}");

    let renamed = text.replace("  clinic:\n", "  ward:\n    renamedFrom: clinic\n");
    std::fs::write(&world.file, renamed).unwrap();
    world.apply().await;
    let mine = lead.memberships().all().await.unwrap();
    assert_eq!(mine.iter().map(|one| one.group_name.as_str()).collect::<Vec<_>>(), ["ward"], "its owner is");
    assert_eq!(world.apply().await.1, 0);

    std::fs::write(&world.file, format!("{without}removed:\n  groups: [ward]\n  dataTypes: [weight]\n"))
        .unwrap();
    let (applied, _) = world.apply().await;
    assert_eq!(applied.summary.deleted, 1, "{:?}", applied.summary);
    assert_eq!(world.apply().await.1, 0);
}

#[tokio::test]
async fn a_field_that_vanishes_is_kept_and_refused_until_the_file_names_it() {
    let world = World::new("fields").await;
    let person = world.person("somebody").await;
    let id = person.read_glucose("2024-01-01T08:00:00Z", 200).await;
    let text = std::fs::read_to_string(&world.file).unwrap();
    let device = text.lines().find(|line| line.trim_start().starts_with("device:")).unwrap();
    let without = text.replacen(&format!("{device}\n"), "", 1);

    std::fs::write(&world.file, &without).unwrap();
    let refused = apply(&world.options(), &Approval::Given).await.unwrap_err();
    let said = refused.to_string();
    assert_eq!(refused.code(), "FH0406", "{said}");
    assert!(said.contains("field `glucose.device` with values in 1 item"), "{said}");
    assert!(said.contains("`removed: { fields: [glucose.device] }`"), "{said}");

    std::fs::write(&world.file, format!("{without}removed:\n  fields: [glucose.device]\n")).unwrap();
    world.apply().await;
    let hidden = async || {
        let item = person.item(&id).await.unwrap();
        item.fields.get("device").is_none().then_some(())
    };
    until("the functions have the new document", hidden).await;
    person.update_item(&id, &serde_json::json!({ "mgdl": 210 }), None).await.unwrap();

    std::fs::write(&world.file, &text).unwrap();
    world.apply().await;
    let shown = async || person.item(&id).await.unwrap().fields.get("device").cloned();
    assert_eq!(until("the field is there again", shown).await, "sensor");
    assert_eq!(person.sees_own().await, [210]);
}

/// `iam:GetRole` for a call; none for what needs no permission, or is a transaction of what others are listed for.
fn action(call: &provision::aws::CallEvent) -> Option<String> {
    let operation = call.operation.as_str();
    let service = match call.service.as_str() {
        "DynamoDB" if operation == "TransactWriteItems" => return None,
        "DynamoDB" => "dynamodb",
        "Lambda" => "lambda",
        "SQS" => "sqs",
        "IAM" => "iam",
        "EventBridge" => "events",
        "CloudWatch Logs" => "logs",
        "Cognito Identity Provider" => "cognito-idp",
        "ApiGatewayV2" => {
            let verb = ["Get", "Create", "Tag", "Update", "Delete", "Untag"];
            let method = ["GET", "POST", "POST", "PATCH", "DELETE", "DELETE"];
            let at = verb.iter().position(|verb| operation.starts_with(verb)).unwrap();
            return Some(format!("apigateway:{}", method[at]));
        }
        "STS" => return None,
        other => panic!("{other}"),
    };
    Some(format!("{service}:{operation}"))
}

#[tokio::test]
async fn the_policy_of_a_plan_allows_every_call_of_its_apply() {
    let emulator = Emulator::shared().await;
    let events = Arc::new(Collected::default());
    let options = options(emulator, "allowed", events.clone());
    let session = Session::open(&options).await.unwrap();
    let plan = session.plan(&session.desired().await.unwrap()).await.unwrap().plan;
    let allowed: Vec<String> = iam::statements(&plan, &session.place())
        .into_iter()
        .flat_map(|statement| statement.actions)
        .collect();
    apply(&options, &Approval::Given).await.unwrap();
    let mut made = 0;
    for event in events.events() {
        let Event::Call(call) = event else { continue };
        let Some(action) = action(&call) else { continue };
        assert!(allowed.contains(&action), "{action} is not in the policy");
        made += 1;
    }
    assert!(made > 100, "{made} calls were looked at");
    assert!(plan.node(&Address::new("table", "data")).is_some_and(|node| node.action == Action::Create));
    provision::destroy(&options, &Approval::Given).await.unwrap();
}
