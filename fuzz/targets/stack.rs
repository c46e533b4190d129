//! Stack files: every mistake is reported, and what is accepted can be checked for oddities.
#![no_main]

use domain::rules::lint::lint;
use domain::stack::parse;
use fuzz::on_a_worker;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    on_a_worker(|| match parse(text, &|_: &str| None) {
        Ok(stack) => drop(lint(&stack)),
        Err(diagnostics) => assert!(!diagnostics.is_empty(), "refused without a reason"),
    });
});
