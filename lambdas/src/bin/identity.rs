//! The sign-up trigger of the user pool.

use lambda_runtime::{Error, LambdaEvent, service_fn};
use lambdas::identity::Identity;
use lambdas::startup::Base;
use serde_json::Value;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let base = Base::read(env!("CARGO_BIN_NAME"))?;
    let identity = &Identity::new(base.store);
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Value>| async move {
        match identity.handle(&event.payload, store::clock::now()).await {
            Ok(linked) => tracing::info!(metric = "sign_up", linked = u8::from(linked), "signed up"),
            Err(error) => {
                tracing::warn!(metric = "sign_up_not_linked", %error, "linked by the first request instead");
            }
        }
        // Cognito wants its event back, and takes an error as a reason to tell the person that signing up has failed.
        Ok::<_, Error>(event.payload)
    }))
    .await
}
