//! A process that dies anywhere leaves what the next one completes.

use hostile::crash::{Matrix, Next, matrix};
use hostile::{Aws, Snapshot, Switches, When, World};
use provision::event::Event;
use std::collections::BTreeSet;

#[track_caller]
fn complete(what: &str, matrix: &Matrix) {
    eprintln!("{what}: {} of {} deaths are taken up", matrix.converged, matrix.all);
    assert!(matrix.failures.is_empty(), "{:#?}", matrix.failures);
    assert_eq!(matrix.converged, matrix.all);
}

/// Runs on a clock of its own.
fn blocking<T>(work: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().start_paused(true).build().unwrap().block_on(work)
}

/// A stack that is deployed, for another clock.
fn deployed() -> (World, Snapshot) {
    blocking(async {
        let world = crate::deployed().await;
        let snapshot = world.aws.snapshot("everything");
        (world, snapshot)
    })
}

/// Does something, and gives the account after every call that changed something, the last of which is the end.
fn watched(world: &World, work: impl AsyncFnOnce(&World)) -> Vec<Snapshot> {
    blocking(async {
        world.aws.keep_snapshots();
        work(world).await;
        world.aws.take_snapshots()
    })
}

#[test]
fn an_apply_that_dies_after_any_call_is_completed_by_the_next() {
    let world = blocking(async { World::new(Switches::default()) });
    let snapshots = watched(&world, async |world| _ = world.apply().await);
    assert!(snapshots.len() > 150, "{}", snapshots.len());
    let whole = world.aws.state().inventory();
    complete("apply", &matrix(&world, &snapshots, Next::Apply, &whole));
}

#[test]
fn a_destroy_that_dies_after_any_call_is_completed_by_the_next() {
    let (world, deployed) = deployed();
    let world = blocking(async { world.elsewhere(Aws::restored(&deployed)) });
    let snapshots = watched(&world, async |world| _ = world.destroy().await);
    assert!(snapshots.len() > 100, "{}", snapshots.len());
    complete("destroy", &matrix(&world, &snapshots, Next::Destroy, &[]));
}

/// Changes something of every kind, in the file or by hand.
fn change_everything(world: &World) {
    world.recode("api", "other code");
    world.rewrite("\ntags:\n", "\napi:\n  throttling: { rateLimit: 7 }\n\ntags:\n  more: than before\n");
    world.rewrite(
        "  mfa: optional",
        "  mfa: optional\n  domainPrefix: acme-people\n  oauth: { callbackUrls: [\"https://a.example/\"] }",
    );
    world.rewrite("maxLength: 64", "maxLength: 65");
    world.rewrite("resource.mgdl > 180", "resource.mgdl > 200");
    let mut state = world.aws.state();
    state.mappings.values_mut().for_each(|mapping| mapping.doc["BatchSize"] = 7.into());
    for pool in state.pools.values_mut() {
        pool.doc["LambdaConfig"]["PostConfirmation"] = "another".into();
        pool.servers.values_mut().for_each(|server| server["Name"] = "another".into());
    }
    for api in state.apis.values_mut() {
        api.integrations.values_mut().for_each(|doc| doc["timeoutInMillis"] = 7.into());
        api.authorizers
            .values_mut()
            .for_each(|doc| doc["jwtConfiguration"]["audience"] = vec!["another"].into());
        api.routes.values_mut().take(2).for_each(|doc| doc["authorizationScopes"] = vec!["another"].into());
    }
    for function in state.functions.values_mut() {
        function.statements.iter_mut().for_each(|(_, said)| said["Action"] = "lambda:Another".into());
    }
}

#[test]
fn an_update_of_every_kind_that_dies_after_any_call_is_completed_by_the_next() {
    let (world, deployed) = deployed();
    let world = blocking(async { world.elsewhere(Aws::restored(&deployed)) });
    change_everything(&world);
    let kinds = std::cell::RefCell::new(BTreeSet::new());
    let snapshots = watched(&world, async |world| {
        let events = std::sync::Arc::new(hostile::world::Timed::default());
        let options = provision::Options { events: events.clone(), ..world.options() };
        provision::apply(&options, &provision::Approval::Given).await.unwrap();
        for (_, event) in events.events() {
            if let Event::ResourceDone { address, .. } = event {
                kinds.borrow_mut().insert(address.kind);
            }
        }
    });
    let all: BTreeSet<String> = provision::kinds::all().iter().map(|kind| kind.name().to_owned()).collect();
    assert_eq!(kinds.into_inner(), all, "every kind was changed");
    let whole = world.aws.state().inventory();
    complete("update", &matrix(&world, &snapshots, Next::Apply, &whole));
}

#[test]
fn a_migration_to_roles_of_the_region_that_dies_after_any_call_is_completed_by_the_next() {
    let (world, former) = blocking(async {
        let world = crate::regions::former().await;
        let snapshot = world.aws.snapshot("everything");
        (world, snapshot)
    });
    let world = blocking(async { world.elsewhere(Aws::restored(&former)) });
    let snapshots = watched(&world, async |world| _ = world.apply().await);
    assert!(snapshots.len() > 60, "{}", snapshots.len());
    let whole = world.aws.state().inventory();
    let roles: Vec<&String> = whole.iter().filter(|name| name.starts_with("role ")).collect();
    assert!(roles.len() == 5 && roles.iter().all(|role| role.contains("acme-eu-west-1-")), "{roles:?}");
    complete("migration", &matrix(&world, &snapshots, Next::Apply, &whole));
}

#[tokio::test(start_paused = true)]
async fn a_future_that_is_dropped_at_a_call_leaves_no_more_than_the_account() {
    for when in [When::Before, When::After] {
        for number in [1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144] {
            let world = World::new(Switches::default());
            let mut dead = world.aws.kill_at(number, when);
            tokio::select! {
                ended = world.try_apply() => panic!("it ended: {:?}", ended.map(|applied| applied.summary)),
                died = dead.wait_for(|dead| *dead) => drop(died.unwrap()),
            }
            world.settle().await;
        }
    }
}
