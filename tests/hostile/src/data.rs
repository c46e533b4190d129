//! The items of tables: an embedded DynamoDB, with a journal from which it can be made again as it was at any time.

use std::sync::{Arc, Mutex};

use dynoxide::Database;
use serde_json::Value;

use crate::reply::{Answer, Refusal};

/// A write that took effect: its operation and its input.
pub(crate) type Written = Arc<(String, Value)>;

pub(crate) struct Data {
    database: Database,
    journal: Mutex<Vec<Written>>,
}

macro_rules! dispatch {
    ($database:expr, $operation:expr, $input:expr, $($name:literal => $method:ident,)*) => {
        match $operation {
            $($name => {
                let request = serde_json::from_value($input.clone())
                    .map_err(|error| Refusal::new("SerializationException", error.to_string()))?;
                let answer = $database.$method(request).map_err(refusal)?;
                Ok(serde_json::to_value(answer).expect("an answer is a document"))
            })*
            other => panic!("the hostile AWS has no items' operation `{other}`"),
        }
    };
}

impl Data {
    pub(crate) fn new() -> Self {
        Self { database: Database::memory().expect("a database in memory"), journal: Mutex::default() }
    }

    /// As it was when these had been written.
    pub(crate) fn replayed(journal: Vec<Written>) -> Self {
        let data = Self::new();
        for written in &journal {
            let (operation, input) = (&written.0, &written.1);
            data.run(operation, input).unwrap_or_else(|refused| panic!("replaying {operation}: {refused:?}"));
        }
        *data.journal.lock().unwrap() = journal;
        data
    }

    pub(crate) fn journal(&self) -> Vec<Written> {
        self.journal.lock().unwrap().clone()
    }

    pub(crate) fn call(&self, operation: &str, input: &Value) -> Answer {
        let answer = self.run(operation, input)?;
        if provision::aws::call::is_mutating(operation) {
            self.journal.lock().unwrap().push(Arc::new((operation.to_owned(), input.clone())));
        }
        Ok(answer)
    }

    fn run(&self, operation: &str, input: &Value) -> Answer {
        dispatch! { self.database, operation, input,
            "CreateTable" => create_table,
            "DeleteTable" => delete_table,
            "GetItem" => get_item,
            "PutItem" => put_item,
            "UpdateItem" => update_item,
            "DeleteItem" => delete_item,
            "Query" => query,
            "Scan" => scan,
            "BatchGetItem" => batch_get_item,
            "BatchWriteItem" => batch_write_item,
            "TransactWriteItems" => transact_write_items,
            "TransactGetItems" => transact_get_items,
        }
    }
}

fn refusal(error: dynoxide::DynoxideError) -> Refusal {
    let body: Value = serde_json::from_str(&error.to_json()).unwrap_or_default();
    let text = |key: &str| body.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let code = text("__type");
    Refusal {
        status: error.status_code(),
        code: code.rsplit('#').next().unwrap_or_default().to_owned(),
        message: text("message"),
        body: Some(Box::new(body)),
    }
}
