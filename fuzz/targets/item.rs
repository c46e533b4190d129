//! Items as JSON: validation, and rules and explanations about what was accepted.
#![no_main]

use domain::rules::explain::explain;
use domain::rules::{Question, Terms, accept};
use domain::time::Timestamp;
use fuzz::{on_a_worker, reading, rule, types};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|json: &[u8]| {
    on_a_worker(|| {
        let Ok(json) = serde_json::from_slice(json) else { return };
        let data_type = reading();
        let Ok(fields) = data_type.validate(&json) else { return };
        let rules = rule("resource.mgdl > 180 || (resource has note && resource.note like \"*high*\")");
        let compiled = accept(&types(), &rules).expect("rules");
        let time = data_type.time_of(&fields).expect("an accepted item has its time");
        let terms = Terms::of_everything(Timestamp::from_millis(0));
        let question = Question { data_type: &data_type.name, time, fields: &fields, terms: &terms };
        let seen = compiled.visible(question);
        let selected = explain(&data_type, &rules, &fields, terms.joined);
        assert_eq!(selected.rules.len(), 1);
        assert!(seen.is_none_or(|seen| seen == fields), "a rule without `fields` shows all of them");
    });
});
