//! Rules, as JSON or as one condition: acceptance, compilation and evaluation.
#![no_main]

use domain::rules::{Question, Terms, accept, compile};
use domain::stack::RuleSet;
use domain::time::Timestamp;
use fuzz::{on_a_worker, reading, rule, types};
use libfuzzer_sys::fuzz_target;
use serde_json::json;

fuzz_target!(|text: &str| {
    on_a_worker(|| {
        let types = types();
        let rules = serde_json::from_str::<RuleSet>(text).unwrap_or_else(|_| rule(text));
        let compiled = compile(&types, &rules);
        let Ok(accepted) = accept(&types, &rules) else { return };
        assert!(compiled.is_ok(), "accepted, and not compiled");
        let data_type = reading();
        let item = json!({"at": "2026-01-01T00:00:00Z", "mgdl": 192, "note": "high ".repeat(40).trim_end(), "tags": ["a"]});
        let fields = data_type.validate(item.as_object().expect("an object")).expect("an item");
        let time = data_type.time_of(&fields).expect("a time");
        let terms = Terms::of_everything(Timestamp::from_millis(0));
        let question = Question { data_type: &data_type.name, time, fields: &fields, terms: &terms };
        let (seen, copied) = (accepted.visible(question), accepted.replica(question));
        assert_eq!(seen.is_some(), copied.is_some(), "a copy is made exactly of what is seen");
    });
});
