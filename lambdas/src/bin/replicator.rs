//! The stream function: from changes of *data* to the groups' copies.

use lambda_runtime::{Error, LambdaEvent, service_fn};

use lambdas::invocation::deadline;
use lambdas::replicator::Replicator;
use lambdas::startup::Base;
use serde_json::{Value, json};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let base = Base::read()?;
    let replicator = &Replicator::new(base.store.clone(), base.document().await?);
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Value>| async move {
        let outcome =
            replicator.handle(&event.payload, deadline(&event.context)).await.inspect_err(|error| {
                tracing::error!(%error, "the batch has to come again");
            })?;
        tracing::info!(?outcome, "replicated");
        // Nothing failed on its own: a batch is done as a whole or comes again as a whole.
        Ok::<_, Error>(json!({ "batchItemFailures": [] }))
    }))
    .await
}
