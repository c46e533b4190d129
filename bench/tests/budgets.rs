//! Deterministic counts that must not grow. Sizes are small; the boundaries between batches are among them.

use bench::cases::{create, join, large, page, redeliver, rules, speed};
use bench::report::{Check, Report};

/// What a report says was not shown, but for what is known to be so.
fn missed(report: &Report, known: impl Fn(&Check) -> bool) -> Vec<String> {
    let beyond = report.missed().filter(|check| !known(check));
    beyond.map(|check| format!("{}: {} instead of {:?}", check.what, check.found, check.bound)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_item_is_one_write_for_it_and_one_for_each_group() {
    let report = create::run(&[0, 1, 2, 5, 25, 26, 100]).await.unwrap();
    assert_eq!(missed(&report, |_| false), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_costs_the_same_whoever_provides_and_however_much_there_is() {
    let report = page::run(&[1, 10, 100], &[200, 2_000], 200).await.unwrap();
    assert_eq!(missed(&report, |_| false), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_large_items_reads_little_more_than_it_shows() {
    let report = large::run(&[16_000, 64_000, 99_000]).await.unwrap();
    assert_eq!(missed(&report, |_| false), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn joining_and_leaving_grow_no_faster_than_the_past() {
    let report = join::run(&[100, 400, 1_000, 4_000]).await.unwrap();
    assert_eq!(missed(&report, |_| false), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_rules_writes_what_differs() {
    let report = rules::run(250).await.unwrap();
    assert_eq!(missed(&report, |_| false), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_delivered_again_changes_nothing() {
    let report = redeliver::run(30).await.unwrap();
    assert_eq!(missed(&report, |_| false), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_speed_can_be_measured() {
    // How fast it is depends on the machine; that nothing it calls is unknown to the stub does not.
    assert!(!speed::run(60, 1).await.unwrap().tables.is_empty());
}
