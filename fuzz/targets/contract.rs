//! Contracts as JSON: acceptance, and reading what was accepted before.
#![no_main]

use domain::rules::{CompiledContract, Contract};
use fuzz::{on_a_worker, types};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|json: &[u8]| {
    on_a_worker(|| {
        let Ok(contract) = serde_json::from_slice::<Contract>(json) else { return };
        let types = types();
        let accepted = CompiledContract::compile(&types, contract.clone(), 1).is_ok();
        let read = CompiledContract::accepted(&types, contract.clone(), 1);
        assert_eq!(*read.written(), contract);
        if accepted {
            let text = serde_json::to_vec(&contract).expect("JSON");
            let again: Contract = serde_json::from_slice(&text).expect("what was written can be read");
            assert!(CompiledContract::compile(&types, again, 1).is_ok(), "accepted once, refused later");
        }
    });
});
