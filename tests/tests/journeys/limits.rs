//! How large things may become. (The size of the functions' packages is a limit of `provision package` itself.)

use futures::{StreamExt, stream};
use journeys::{World, processes};

const MEGABYTE: u64 = 1024 * 1024;

#[tokio::test]
async fn after_a_thousand_requests_the_api_function_has_at_most_64_mb() {
    let world = World::shared("memory").await;
    let person = world.person("somebody").await;
    let requests = stream::iter(0..1000).map(|n: i64| {
        let person = &person;
        async move {
            let time = format!("2024-01-{:02}T{:02}:{:02}:00Z", 1 + n / 600, (n / 60) % 10, n % 60);
            match n % 4 {
                0 | 1 => drop(person.read_glucose(&time, 150 + n % 100).await),
                2 => assert_eq!(person.get("/user/data?limit=100").await.status, 200),
                _ => assert_eq!(person.get("/user/members").await.status, 200),
            }
        }
    });
    requests.buffer_unordered(4).collect::<Vec<()>>().await;
    let function = format!("{}-api", world.name);
    let pids = processes::of_function(world.emulator.pid().await, &function);
    assert!(!pids.is_empty(), "the function's process was not found");
    for pid in pids {
        let resident = processes::resident(pid).unwrap();
        eprintln!("the process {pid} of `{function}` has {:.1} MB", resident as f64 / MEGABYTE as f64);
        assert!(resident <= 64 * MEGABYTE, "{resident} bytes");
    }
}
