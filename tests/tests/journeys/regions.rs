//! Stacks of one name in two regions of one account.

use journeys::{World, leftovers};
use provision::aws::Clients;
use provision::session::{Approval, Options, Session, apply, destroy, rebuild};

const EU: &str = "eu-west-1";
const US: &str = "us-east-1";

/// Everything that a stack has in a region, with the roles as IAM gives them and the functions' last change.
async fn everything(clients: &Clients, stack: &str, region: &str) -> Vec<String> {
    let roles = format!("role {stack}-{region}-");
    let mut all = leftovers(clients, stack).await;
    all.retain(|name| !name.starts_with("role ") || name.starts_with(&roles));
    for name in all.clone().iter().filter_map(|name| name.strip_prefix("role ")) {
        let role = clients.iam().get_role().role_name(name).send().await.unwrap().role.unwrap();
        let policy = clients.iam().get_role_policy().role_name(name).policy_name("freehold");
        let policy = policy.send().await.unwrap();
        all.push(format!("{} {:?} {}", role.role_id(), role.tags(), policy.policy_document()));
    }
    for name in all.clone().iter().filter_map(|name| name.strip_prefix("function ")) {
        let function = clients.lambda().get_function_configuration().function_name(name);
        let function = function.send().await.unwrap();
        all.push(format!(
            "{:?} {:?} {:?}",
            function.role(),
            function.revision_id(),
            function.last_modified()
        ));
    }
    all
}

async fn clients(options: &Options) -> Clients {
    Session::open(options).await.unwrap().clients
}

async fn drifted(options: &Options) -> usize {
    Session::open(options).await.unwrap().drift().await.unwrap().len()
}

/// Loses the state and finds everything again; an apply then has nothing to do.
async fn lose_and_rebuild(options: &Options, stack: &str) {
    let table = format!("{stack}-control");
    let session = Session::open(options).await.unwrap();
    let before = session.entries().await.unwrap().len();
    session.clients.dynamodb().delete_table().table_name(&table).send().await.unwrap();
    journeys::until("the table is gone", async || {
        let described = session.clients.dynamodb().describe_table().table_name(&table).send().await;
        described.is_err().then_some(())
    })
    .await;
    let session = Session::open(options).await.unwrap();
    assert_eq!(rebuild(&session).await.unwrap().len() + 1, before, "everything but the control table itself");
    assert_eq!(apply(options, &Approval::Given).await.unwrap().summary.mutating_calls, 0);
}

#[tokio::test]
async fn stacks_of_one_name_in_two_regions_live_and_die_independently() {
    let world = World::new("two-regions").await;
    let name = world.name.clone();
    let eu = Options { region: Some(EU.to_owned()), ..world.options() };
    let us = Options { region: Some(US.to_owned()), ..world.options() };
    let (in_eu, in_us) = (clients(&eu).await, clients(&us).await);
    let person = world.person("somebody").await;
    person.read_glucose("2024-01-01T08:00:00Z", 200).await;

    let before = everything(&in_eu, &name, EU).await;
    assert!(before.len() > 25, "{before:?}");
    apply(&us, &Approval::Given).await.unwrap();
    assert_eq!(everything(&in_eu, &name, EU).await, before, "an apply in {US} touches nothing in {EU}");
    assert_eq!((drifted(&eu).await, drifted(&us).await), (0, 0));

    for (region, here, other, there) in [(EU, &eu, US, &in_us), (US, &us, EU, &in_eu)] {
        let before = everything(there, &name, other).await;
        lose_and_rebuild(here, &name).await;
        assert_eq!(everything(there, &name, other).await, before, "state rebuild in {region}");
    }

    let before = everything(&in_eu, &name, EU).await;
    destroy(&us, &Approval::Given).await.unwrap();
    assert_eq!(everything(&in_us, &name, US).await, Vec::<String>::new());
    assert_eq!(everything(&in_eu, &name, EU).await, before, "a destroy in {US} touches nothing in {EU}");
    assert_eq!(apply(&eu, &Approval::Given).await.unwrap().summary.mutating_calls, 0);
    assert_eq!(person.get("/user/data").await.status, 200);

    apply(&us, &Approval::Given).await.unwrap();
    let before = everything(&in_us, &name, US).await;
    destroy(&eu, &Approval::Given).await.unwrap();
    assert_eq!(everything(&in_eu, &name, EU).await, Vec::<String>::new());
    assert_eq!(everything(&in_us, &name, US).await, before, "a destroy in {EU} touches nothing in {US}");
    assert_eq!(apply(&us, &Approval::Given).await.unwrap().summary.mutating_calls, 0);
    destroy(&us, &Approval::Given).await.unwrap();
    assert_eq!(leftovers(&in_us, &name).await, Vec::<String>::new());
}
