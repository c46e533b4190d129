//! Two conditions, one on each line, compared as a change of rules is.
#![no_main]

use domain::rules::accept;
use domain::rules::bounds::excesses;
use domain::rules::compare::{Budget, Side, Verdict, compare_rules, theorems};
use fuzz::{on_a_worker, reading, rule, types};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    on_a_worker(|| {
        let types = types();
        let (before, after) = text.split_once('\n').unwrap_or((text, text));
        let (before, after) = (rule(before), rule(after));
        let (Ok(old), Ok(new)) = (accept(&types, &before), accept(&types, &after)) else { return };
        let verdict = compare_rules(&types, &before, &after, &mut Budget::request()).verdict();
        if before == after {
            assert!(matches!(verdict, Verdict::Unchanged | Verdict::Undecided), "{verdict:?} of no change");
        }
        let back = compare_rules(&types, &after, &before, &mut Budget::request()).verdict();
        let contradiction = [(Verdict::Widens, Verdict::Widens), (Verdict::Narrows, Verdict::Narrows)];
        assert!(!contradiction.contains(&(verdict, back)), "{verdict:?} in both directions");
        let _ = excesses(&types, ("defaults", &before), &after, &mut Budget::request());
        let data_type = reading();
        let side = |rules, compiled| Side { data_type: &data_type, rules, compiled };
        let _ = theorems(side(&before, &old), side(&after, &new));
    });
});
