//! Stacks of one name in two regions of one account. AWS has roles once for both regions, and everything else for each.

use std::collections::{BTreeMap, BTreeSet};

use hostile::services::iam::Role;
use hostile::{Record, Switches, World};
use provision::error::Error;
use serde_json::{Value, json};

use crate::deployed;

const EU: &str = "eu-west-1";
const US: &str = "us-east-1";
const FUNCTIONS: [&str; 5] = ["api", "identity", "replicator", "scrubber", "worker"];

/// What a version wrote that did not have the region in the names of roles: the roles, and their rows in its state.
const FORMER: &str = include_str!("../../../../provisioner/src/state/golden/former_roles.json");

/// Two stacks of one name. Each region has an account of its own here; [`Two::work`] gives both the same roles.
struct Two {
    eu: World,
    us: World,
}

/// What a region did, by how it touched the other's roles.
#[derive(Debug, PartialEq, Eq)]
struct Touched {
    calls: usize,
    resources: usize,
}

const NOTHING: Touched = Touched { calls: 0, resources: 0 };

impl Two {
    async fn deployed() -> Self {
        let eu = deployed().await;
        let mut us = World::new(Switches::default());
        us.region = US;
        let two = Self { eu, us };
        let (touched, _) = two.work(US, async |us| us.settle().await).await;
        assert_eq!((touched, roles(&two.us).len(), roles(&two.eu).len()), (NOTHING, 10, 10));
        two
    }

    fn of(&self, region: &str) -> (&World, &World) {
        if region == EU { (&self.eu, &self.us) } else { (&self.us, &self.eu) }
    }

    /// Does something in one region. How many calls named a role of the other, and how many of its roles are not as before.
    async fn work<T>(&self, region: &'static str, work: impl AsyncFnOnce(&World) -> T) -> (Touched, T) {
        let (here, there) = self.of(region);
        let other = if region == EU { US } else { EU };
        here.aws.state().roles = there.aws.state().roles.clone();
        let before = of_region(&roles(here), other);
        here.aws.take_calls();
        let done = work(here).await;
        let after = of_region(&roles(here), other);
        let names_other = |record: &&Record| record.call.text("RoleName").contains(other);
        let calls = here.aws.take_calls().iter().filter(names_other).count();
        let same = before.iter().filter(|(name, role)| after.get(*name) == Some(role)).count();
        there.aws.state().roles = here.aws.state().roles.clone();
        (Touched { calls, resources: before.len().abs_diff(same) + after.len().abs_diff(before.len()) }, done)
    }
}

/// The roles of an account, written out so that they can be compared.
fn roles(world: &World) -> BTreeMap<String, String> {
    world.aws.state().roles.iter().map(|(name, role)| (name.clone(), format!("{role:?}"))).collect()
}

fn of_region(roles: &BTreeMap<String, String>, region: &str) -> BTreeMap<String, String> {
    roles.iter().filter(|(name, _)| name.contains(region)).map(|(n, r)| (n.clone(), r.clone())).collect()
}

#[tokio::test(start_paused = true)]
async fn either_of_two_stacks_of_one_name_is_destroyed_and_the_other_does_not_notice() {
    for (first, second) in [(EU, US), (US, EU)] {
        let two = Two::deployed().await;
        let (touched, gone) = two.work(first, async |world| world.try_destroy().await).await;
        gone.unwrap();
        assert_eq!(touched, NOTHING, "destroy in {first}");
        let left = two.of(first).0.aws.state().inventory();
        assert_eq!(
            left,
            of_region(&roles(&two.eu), second).keys().map(|r| format!("role {r}")).collect::<Vec<_>>()
        );
        assert_eq!(left.len(), 5);

        let (touched, again) = two.work(second, async |world| world.apply().await).await;
        assert_eq!((touched, again.mutating_calls), (NOTHING, 0), "{second} is as it was");
        let (_, gone) = two.work(second, async |world| world.try_destroy().await).await;
        gone.unwrap();
        assert_eq!(two.of(second).0.aws.state().inventory(), Vec::<String>::new());
    }
}

#[tokio::test(start_paused = true)]
async fn apply_drift_and_state_rebuild_touch_nothing_of_the_stack_of_that_name_in_another_region() {
    let two = Two::deployed().await;
    for region in [EU, US] {
        let (touched, applied) = two.work(region, async |world| world.apply().await).await;
        assert_eq!((touched, applied.mutating_calls), (NOTHING, 0), "apply in {region}");

        let (touched, drift) =
            two.work(region, async |world| world.command(&["drift", "--json"]).await).await;
        assert_eq!((touched, drift.document()), (NOTHING, json!({"stack": "acme", "drift": []})), "{region}");

        two.of(region).0.aws.lose_table("acme-control");
        let rebuild = async |world: &World| world.command(&["state", "rebuild", "--json"]).await;
        let (touched, rebuilt) = two.work(region, rebuild).await;
        let recorded = rebuilt.document()["recorded"].as_array().unwrap().clone();
        let own = recorded.iter().filter(|address| address.as_str().unwrap().starts_with("role.")).count();
        assert_eq!((touched, own), (NOTHING, 5), "state rebuild in {region}");
        assert!(recorded.len() > 40, "{recorded:?}");
        let (touched, _) = two.work(region, async |world| world.settle().await).await;
        assert_eq!(touched, NOTHING, "apply after the rebuild in {region}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_role_of_another_region_is_not_imported_adopted_rebuilt_changed_or_deleted() {
    let world = deployed().await;
    world.aws.lose_table("acme-control");
    let name = "acme-eu-west-1-api";
    let tag = ("freehold:region".to_owned(), US.to_owned());
    world.aws.state().roles.get_mut(name).unwrap().tags.extend([tag]);
    let before = roles(&world)[name].clone();
    let why = "role `acme-eu-west-1-api` belongs to stack `acme` in region `us-east-1`";

    let import = world.command(&["import", "role.api-execution", "--yes"]).await;
    assert_eq!(import.code, 1, "{import:#?}");
    assert!(import.err.contains("FH0405") && import.err.contains(why), "{}", import.err);
    let rebuilt = world.command(&["state", "rebuild", "--json"]).await.document();
    let recorded: Vec<&str> =
        rebuilt["recorded"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert!(
        recorded.contains(&"role.worker-execution") && !recorded.contains(&"role.api-execution"),
        "{rebuilt}"
    );
    let (error, _) = world.fail().await;
    assert!(error.code() == "FH0405" && error.to_string().contains(why), "{error}");
    world.try_destroy().await.unwrap();
    assert_eq!(roles(&world), BTreeMap::from([(name.to_owned(), before)]));
    assert_eq!(world.aws.state().inventory(), [format!("role {name}")]);
}

#[tokio::test(start_paused = true)]
async fn every_kind_that_has_tags_leaves_a_resource_of_another_region_alone() {
    let world = deployed().await;
    retag(&world, |tags| drop(tags.insert("freehold:region".into(), US.into())));
    let inventory = world.aws.state().inventory();
    let error = world.try_apply().await.map(drop).unwrap_err();
    let Error::Refused(refusals) = &error else { panic!("{error}") };
    let foreign = refusals.iter().filter(|refusal| refusal.reason.contains("in region `us-east-1`"));
    let kinds: BTreeSet<&str> = foreign.map(|refusal| refusal.address.kind.as_str()).collect();
    let tagged = ["function", "http_api", "log_group", "queue", "role", "schedule", "table", "user_pool"];
    assert_eq!(kinds, BTreeSet::from(tagged));
    assert_eq!(world.aws.take_calls().iter().filter(|record| record.call.is_mutating()).count(), 0);
    assert_eq!(world.aws.state().inventory(), inventory);
}

/// Changes the tags of everything that a stack owns by its tags.
fn retag(world: &World, change: impl Fn(&mut BTreeMap<String, String>)) {
    let mut state = world.aws.state();
    state.tables.values_mut().for_each(|table| change(&mut table.tags));
    state.roles.values_mut().for_each(|role| change(&mut role.tags));
    state.functions.values_mut().for_each(|function| change(&mut function.tags));
    state.queues.values_mut().for_each(|queue| change(&mut queue.tags));
    state.log_groups.values_mut().for_each(|group| change(&mut group.tags));
    state.rules.values_mut().for_each(|rule| change(&mut rule.tags));
    let document = |tags: &mut Value| {
        let mut all = serde_json::from_value(tags.take()).unwrap_or_default();
        change(&mut all);
        *tags = json!(all);
    };
    state.pools.values_mut().for_each(|pool| document(&mut pool.doc["UserPoolTags"]));
    state.apis.values_mut().for_each(|api| document(&mut api.doc["tags"]));
    state.apis.values_mut().flat_map(|api| api.stages.values_mut()).for_each(|s| document(&mut s["tags"]));
}

/// The rows of the stack's state, which say what is recorded.
fn state_rows(world: &World) -> Vec<Value> {
    let rows = world.aws.items("Scan", &json!({"TableName": "acme-control"})).unwrap();
    let rows = rows["Items"].as_array().unwrap().iter();
    rows.filter(|row| row["pk"]["S"] == "STATE").cloned().collect()
}

/// Writes a row as a version did that neither had the region in the names of roles nor in tags.
fn as_formerly(mut row: Value, roles: &Value) -> Value {
    let mut document: Value = serde_json::from_str(row["document"]["S"].as_str().unwrap()).unwrap();
    let attributes = &mut document["recorded"]["attributes"];
    if let Some(tags) = attributes["tags"].as_object_mut() {
        tags.remove("freehold:region");
    }
    if let Some(function) = row["sk"]["S"].as_str().unwrap().strip_prefix("function.") {
        let name = format!("acme-{function}");
        attributes["role"] = format!("arn:aws:iam::{}:role/{name}", hostile::ACCOUNT).into();
        attributes["roleId"] = roles[name]["id"].clone();
        let used = document["dependsOn"].to_string().replace("-execution\"", "\"");
        document["dependsOn"] = serde_json::from_str(&used).unwrap();
    }
    row["document"]["S"] = document.to_string().into();
    row
}

/// A stack that a version deployed which did not have the region in the names of roles, nor in tags.
pub(crate) async fn former() -> World {
    let world = deployed().await;
    let former: Value = serde_json::from_str(FORMER).unwrap();
    for function in FUNCTIONS {
        forget(&world, &format!("role.{function}-execution"));
    }
    let rows = state_rows(&world).into_iter().map(|row| as_formerly(row, &former["roles"]));
    for row in rows.chain(former["rows"].as_array().unwrap().iter().cloned()) {
        world.aws.items("PutItem", &json!({"TableName": "acme-control", "Item": row})).unwrap();
    }
    retag(&world, |tags| drop(tags.remove("freehold:region")));
    let now = world.aws.now();
    let mut state = world.aws.state();
    state.roles.clear();
    for (name, role) in former["roles"].as_object().unwrap() {
        let text = |key: &str| role[key].as_str().unwrap().to_owned();
        let made = Role {
            id: text("id"),
            description: text("description"),
            trust: text("trust"),
            policies: serde_json::from_value(role["policies"].clone()).unwrap(),
            attached: BTreeSet::new(),
            tags: serde_json::from_value(role["tags"].clone()).unwrap(),
            made: now,
            changed: now,
        };
        let function = state.functions.get_mut(name).unwrap();
        function.doc["Role"] = format!("arn:aws:iam::{}:role/{name}", hostile::ACCOUNT).into();
        function.role_id.clone_from(&made.id);
        function.tags.insert("freehold:role".into(), made.id.clone());
        state.roles.insert(name.clone(), made);
    }
    drop(state);
    world.aws.take_calls();
    world
}

/// Takes a resource out of the state.
fn forget(world: &World, address: &str) {
    let key = json!({"pk": {"S": "STATE"}, "sk": {"S": address}});
    world.aws.items("DeleteItem", &json!({"TableName": "acme-control", "Key": key})).unwrap();
}

/// Whether there are the roles with the region in their names, which functions have, and no row of a former one.
fn assert_migrated(world: &World, left: &[String]) {
    let state = world.aws.state();
    let mut expected: Vec<String> = FUNCTIONS.map(|function| format!("acme-{EU}-{function}")).to_vec();
    expected.extend_from_slice(left);
    expected.sort();
    assert_eq!(state.roles.keys().cloned().collect::<Vec<_>>(), expected);
    for function in FUNCTIONS {
        let (role, name) =
            (&state.functions[&format!("acme-{function}")].doc["Role"], format!("role/acme-{EU}-{function}"));
        assert!(role.as_str().unwrap().ends_with(&name), "{role}");
        assert_eq!(state.roles[&format!("acme-{EU}-{function}")].tags["freehold:region"], EU);
    }
    drop(state);
    let keys: Vec<String> = state_rows(world).iter().map(|row| row["sk"]["S"].to_string()).collect();
    for function in FUNCTIONS {
        assert!(!keys.contains(&format!("\"role.{function}\"")), "{keys:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_plan_for_a_former_stack_says_why_its_roles_are_replaced() {
    let world = former().await;
    assert_eq!(
        world.command(&["drift", "--json"]).await.document()["drift"],
        json!([]),
        "it is as it was applied"
    );
    let plan = world.command(&["plan", "--json"]).await;
    let lines: Vec<Value> = plan.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let plan = lines.iter().find_map(|line| line.get("plan")).unwrap_or_else(|| panic!("{plan:#?}"));
    let nodes = plan["nodes"].as_array().unwrap();
    let node = |address: &str| nodes.iter().find(|node| node["address"] == address).unwrap();
    let position = |address: &str| nodes.iter().position(|node| node["address"] == address).unwrap();
    for function in FUNCTIONS {
        let (old, new) = (format!("role.{function}"), format!("role.{function}-execution"));
        assert_eq!((&node(&old)["action"], &node(&new)["action"]), (&json!("delete"), &json!("create")));
        for (address, other) in [(&old, &new), (&new, &old)] {
            let reason = node(address)["reason"].as_str().unwrap();
            assert!(
                reason.contains("the role's name now contains the region") && reason.contains(other.as_str()),
                "{reason}"
            );
        }
        let function = format!("function.{function}");
        let changes: Vec<&str> = node(&function)["changes"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|c| c["path"].as_str())
            .collect();
        assert_eq!(node(&function)["action"], "update");
        assert!(changes.contains(&"role") && changes.contains(&"roleId"), "{changes:?}");
        assert!(position(&new) < position(&function) && position(&function) < position(&old));
        assert!(node(&old)["dependsOn"].as_array().unwrap().contains(&json!(function)));
    }
    let others = nodes.iter().filter(|node| {
        !["role", "function"].contains(&node["address"].as_str().unwrap().split('.').next().unwrap())
    });
    for node in others.filter(|node| node["action"] != "no-op") {
        assert_eq!(node["action"], "update", "{node}");
        for change in node["changes"].as_array().unwrap() {
            assert_eq!(change["path"], "tags/freehold:region", "{node}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_former_stack_gets_new_roles_before_it_loses_the_former_ones() {
    let world = former().await;
    world.apply().await;
    let calls = world.aws.take_calls();
    let when = |operation: &str, key: &str, name: &str| {
        let of = calls.iter().filter(|r| r.refused.is_none() && r.call.operation == operation);
        of.filter(|r| r.call.text(key).rsplit(':').next() == Some(name))
            .map(|r| r.ended)
            .next_back()
            .unwrap_or_else(|| panic!("{operation} {name}"))
    };
    for function in FUNCTIONS {
        let former = format!("acme-{function}");
        let made = when("CreateRole", "RoleName", &format!("acme-{EU}-{function}"));
        let given = when("UpdateFunctionConfiguration", "FunctionName", &former);
        let deleted = when("DeleteRole", "RoleName", &former);
        assert!(made <= given && given <= deleted, "{function}: {made:?} {given:?} {deleted:?}");
    }
    assert_migrated(&world, &[]);
    let again = world.apply().await;
    world.expect_unchanged(&again);
}

#[tokio::test(start_paused = true)]
async fn a_former_role_that_is_not_in_the_state_is_left_alone() {
    let world = former().await;
    for function in FUNCTIONS {
        forget(&world, &format!("role.{function}"));
    }
    let before = roles(&world);
    world.settle().await;
    world.command(&["state", "rebuild"]).await;
    assert_migrated(&world, &before.keys().cloned().collect::<Vec<_>>());
    world.try_destroy().await.unwrap();
    assert_eq!(roles(&world), before);
}

#[tokio::test(start_paused = true)]
async fn a_former_role_that_another_region_took_over_is_left_to_it() {
    let world = former().await;
    for role in world.aws.state().roles.values_mut() {
        role.policies.values_mut().for_each(|policy| *policy = policy.replace(EU, US));
    }
    let before = roles(&world);
    let plan = world.command(&["plan"]).await;
    assert!(plan.out.contains("role `acme-api` serves region `us-east-1`"), "{plan:#?}");
    world.settle().await;
    assert_migrated(&world, &before.keys().cloned().collect::<Vec<_>>());
    let migrated = roles(&world);
    assert!(before.iter().all(|(name, role)| migrated.get(name) == Some(role)), "they are as they were");
    world.try_destroy().await.unwrap();
    assert_eq!(roles(&world), before);
}

#[tokio::test(start_paused = true)]
async fn a_former_stack_is_destroyed_with_its_roles() {
    let world = former().await;
    world.destroy().await;
}
