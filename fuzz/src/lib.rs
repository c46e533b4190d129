//! What the fuzz targets share: the data types that conditions are about, and the stack that production parses on.

use std::collections::BTreeMap;

use domain::datatype::DataType;
use domain::id::Name;
use domain::stack::{Rule, RuleSet};
use serde_json::json;

/// The stack of a tokio worker, in bytes: what parses there must not need more.
const WORKER: usize = 2 * 1024 * 1024;

/// Runs a target as a request does.
pub fn on_a_worker(target: impl FnOnce() + Send) {
    std::thread::scope(|scope| {
        let worker = std::thread::Builder::new().stack_size(WORKER).spawn_scoped(scope, target);
        worker.expect("a thread").join().expect("the target to end");
    });
}

/// A data type with a field of every type.
pub fn reading() -> DataType {
    let data_type = json!({
        "name": "reading", "time": "at", "fields": {
            "at": {"type": "datetime", "required": true},
            "mgdl": {"type": "integer", "required": true, "min": 0, "max": 1000},
            "low": {"type": "integer"},
            "ratio": {"type": "decimal"},
            "note": {"type": "string", "maxLength": 200},
            "tags": {"type": "set"},
            "fasting": {"type": "boolean"},
            "raw": {"type": "object"},
        },
    });
    serde_json::from_value(data_type).expect("a data type")
}

/// The data types of a stack with one.
pub fn types() -> BTreeMap<Name, DataType> {
    let data_type = reading();
    BTreeMap::from([(data_type.name.clone(), data_type)])
}

/// The rule with this condition, for readings.
pub fn rule(condition: &str) -> RuleSet {
    let types = vec![reading().name];
    let when = Some(condition.to_owned());
    RuleSet { rules: vec![Rule { types, when, fields: None, history: Default::default() }] }
}
