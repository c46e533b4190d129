//! The sign-up trigger's walk: a profile that waits for an address, and somebody who signs up with it.

use aws_sdk_lambda::primitives::Blob;
use serde_json::{Value, json};

use super::{Walk, Why, step};

impl Walk<'_> {
    /// Has the function told of a sign-up as Cognito would, since the emulator does not, and looks whether it linked.
    pub(super) async fn identity(&mut self) -> Result<(), Why> {
        let email = format!("waited-for-{}@example.org", self.round);
        let made = step(&self.owner, "POST", "/profiles", json!({"email": email})).await?;
        let profile = made["id"].as_str().unwrap_or_default();
        self.sign_up(&email).await?;
        // Who has been taken over gets no other invite.
        let again = step(&self.owner, "POST", &format!("/profiles/{profile}/invite"), Value::Null).await;
        match again {
            Err(why) if why.contains("404") => Ok(()),
            other => Err(format!("nobody was linked: {other:?}")),
        }
    }

    async fn sign_up(&self, email: &str) -> Result<(), Why> {
        let subject = format!("subject of {email}");
        let event = json!({
            "version": "1", "region": "eu-west-1", "userPoolId": "eu-west-1_pool", "userName": subject,
            "triggerSource": "PostConfirmation_ConfirmSignUp", "response": {},
            "request": {"userAttributes": {"sub": subject, "email": email, "email_verified": "true"}},
        });
        let function = format!("{}-identity", self.world.name);
        let call = self.world.clients.lambda().invoke().function_name(function);
        let answer =
            call.payload(Blob::new(event.to_string())).send().await.map_err(|error| format!("{error:?}"))?;
        let payload = answer.payload.map(Blob::into_inner).unwrap_or_default();
        if answer.function_error.is_some() {
            return Err(String::from_utf8_lossy(&payload).into_owned());
        }
        let back: Value = serde_json::from_slice(&payload).map_err(|error| error.to_string())?;
        if back == event { Ok(()) } else { Err(format!("Cognito gets another event back: {back}")) }
    }
}
