//! The job function: the past of those who joined, the leavings of those who left.

use std::sync::Arc;

use lambda_runtime::{Error, LambdaEvent, service_fn};
use lambdas::invocation::deadline;
use lambdas::queue::SqsJobs;
use lambdas::startup::Base;
use lambdas::worker::{Pace, Worker};
use serde_json::Value;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let base = Base::read(env!("CARGO_BIN_NAME"))?;
    let queue = Arc::new(SqsJobs::new(&base.environment, base.settings.jobs_queue_url()?));
    let pace = Pace::new(base.settings.writes_per_second);
    let worker = &Worker::new(base.store.clone(), base.document().await?, queue, pace);
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Value>| async move {
        worker.handle(&event.payload, deadline(&event.context)).await.inspect_err(|error| {
            tracing::error!(metric = "job_failed", %error, "the job has to be taken up again");
        })?;
        Ok::<_, Error>(())
    }))
    .await
}
