//! The scheduled function: compares what groups see with what they should see.

use std::sync::Arc;

use lambda_runtime::{Error, LambdaEvent, service_fn};
use lambdas::invocation::deadline;
use lambdas::queue::SqsJobs;
use lambdas::scrubber::Scrubber;
use lambdas::startup::Base;
use serde_json::Value;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let base = Base::read(env!("CARGO_BIN_NAME"))?;
    let queue = Arc::new(SqsJobs::new(&base.environment, base.settings.jobs_queue_url()?));
    let scrubber = &Scrubber::new(base.store.clone(), base.document().await?, queue);
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Value>| async move {
        let (order, deadline) = (Scrubber::order(&event.payload), deadline(&event.context));
        let report = scrubber.run(order, deadline, store::clock::now()).await.inspect_err(|error| {
            tracing::error!(%error, "the comparison has to be taken up again");
        })?;
        // Read by whoever invokes it by hand; a schedule reads nothing.
        Ok::<_, Error>(serde_json::to_value(report)?)
    }))
    .await
}
