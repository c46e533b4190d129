//! The stream function: from changes of *data* to the groups' copies.

use std::time::Instant;

use lambda_runtime::{Error, LambdaEvent, service_fn};

use lambdas::invocation::deadline;
use lambdas::replicator::Replicator;
use lambdas::startup::Base;
use serde_json::{Value, json};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let base = Base::read(env!("CARGO_BIN_NAME"))?;
    let replicator = &Replicator::new(base.store.clone(), base.document().await?);
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Value>| async move {
        let begun = Instant::now();
        let outcome =
            replicator.handle(&event.payload, deadline(&event.context)).await.inspect_err(|error| {
                tracing::error!(metric = "batch_failed", %error, "the batch has to come again");
            })?;
        outcome.tell(begun.elapsed());
        // Nothing failed on its own: a batch is done as a whole or comes again as a whole.
        Ok::<_, Error>(json!({ "batchItemFailures": [] }))
    }))
    .await
}
