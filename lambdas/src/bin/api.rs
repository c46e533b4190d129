//! The HTTP API on Lambda.

use lambda_runtime::{Error, LambdaEvent, service_fn};
use lambdas::api::gateway::{Event, Reply};
use lambdas::api::{Api, Request};

// One request at a time is what Lambda gives a process; more threads would only cost memory and start-up time.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let api = &Api::start().await?;
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Event>| async move {
        let request = Request::from(event.payload);
        Ok::<_, Error>(Reply::from(api.handle(request, store::clock::now()).await))
    }))
    .await
}
