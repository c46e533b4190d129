//! Work is begun as soon as it can be.

use hostile::spent::{Spent, apply, large};
use hostile::world::usual;

#[track_caller]
fn close(what: &str, spent: Spent) {
    let Spent { resources, took, least } = spent;
    let ratio = spent.ratio();
    eprintln!("{what}: {resources} resources in {took:.1?}, {ratio:.2} x the longest chain of {least:.1?}");
    assert!(ratio <= 1.15, "{what} took {took:?} and must take {least:?}: {ratio:.3} times");
}

#[tokio::test(start_paused = true)]
async fn a_stack_of_forty_resources_takes_little_longer_than_its_longest_chain() {
    for seed in 0..3 {
        close("the usual stack", apply(&usual(), seed).await);
    }
}

#[tokio::test(start_paused = true)]
async fn a_stack_of_four_hundred_resources_takes_little_longer_than_its_longest_chain() {
    let found = apply(&large(350), 7).await;
    assert!(found.resources >= 400);
    close("the large stack", found);
}
