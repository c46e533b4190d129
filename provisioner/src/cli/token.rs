//! `provision token`

use std::time::Duration;

use clap::Args;

use super::App;
use crate::error::{Error, Exit};
use crate::resource::{Address, Outputs};
use crate::session::{Session, Target, recorded_outputs};
use crate::token::{App as Client, Pool, SignIn, Tokens, ensure_user, sign_in, sign_in_browser};

/// Who signs in on the local target, unless somebody is named. Neither protects anything: only this machine reaches it.
const LOCAL_USER: &str = "you@example.org";
const LOCAL_PASSWORD: &str = "Local-only-1";
/// How long a person may take in the browser.
const PATIENCE: Duration = Duration::from_secs(300);

/// Sign in and print an access token for the API
///
/// On the local target the user is made if need be. In AWS you sign in with your browser, or with `--user` and the
/// password in FREEHOLD_PASSWORD.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  export TOKEN=$(provision token --target local --user ann@example.org)")]
pub(super) struct Token {
    /// Who signs in
    #[arg(long, value_name = "EMAIL")]
    user: Option<String>,
    /// The password; better in the environment, where others do not see it
    #[arg(long, env = "FREEHOLD_PASSWORD", hide_env_values = true)]
    password: Option<String>,
    /// Sign in with a browser
    #[arg(long, conflicts_with = "user")]
    browser: bool,
}

impl Token {
    pub(super) async fn run(self, app: &App) -> Result<Exit, Error> {
        let mut options = app.options();
        // Only the token may reach stdout.
        options.events = std::sync::Arc::new(crate::event::Silent);
        let session = Session::open(&options).await?;
        let outputs = recorded_outputs(&session).await?;
        let client = client(&session, &outputs).await?;
        let tokens = self.sign_in(app, &session, client, &outputs).await?;
        let document = serde_json::json!({
            "accessToken": tokens.access_token,
            "idToken": tokens.id_token,
            "refreshToken": tokens.refresh_token,
            "expiresIn": tokens.expires_in,
        });
        app.show(&document, || format!("{}\n", tokens.access_token));
        Ok(Exit::Done)
    }

    async fn sign_in(
        self,
        app: &App,
        session: &Session,
        client: Client,
        outputs: &Outputs,
    ) -> Result<Tokens, Error> {
        let local = session.options.target == Target::Local;
        let (user, password) = match (self.user, self.password) {
            _ if self.browser => (None, None),
            (user, password) if local => (
                Some(user.unwrap_or_else(|| LOCAL_USER.to_owned())),
                Some(password.unwrap_or_else(|| LOCAL_PASSWORD.to_owned())),
            ),
            (user, password) => (user, password),
        };
        match (user, password) {
            (Some(username), Some(password)) => {
                if local {
                    let pool = output(session, outputs, "poolId")?;
                    ensure_user(session.clients.cognito(), Pool::Local, &pool, &username, &password).await?;
                }
                Ok(sign_in(&SignIn { app: client, username, password }).await?)
            }
            (Some(_), None) => Err(Error::Usage("`--user` needs the password in FREEHOLD_PASSWORD".into())),
            _ => {
                let printer = app.printer.clone();
                let show = move |url: &str| printer.talk(&format!("open this address to sign in:\n{url}"));
                Ok(sign_in_browser(&client, &show, PATIENCE).await?)
            }
        }
    }
}

async fn client(session: &Session, outputs: &Outputs) -> Result<Client, Error> {
    let entries = session.entries().await?;
    let domain = entries.get(&Address::new("user_pool_domain", "main"));
    let hosted_url = domain.and_then(|entry| entry.recorded.outputs.get("baseUrl")).cloned();
    let redirect_uri = session.stack.identity.callback_urls.first().cloned().ok_or_else(|| {
        Error::Usage(
            "signing in needs one of `identity.oauth.callbackUrls` in stack.yaml, and there is none".into(),
        )
    })?;
    let standard = ["openid", "email"].map(str::to_owned);
    let scopes = domain::routes::Scope::ALL.iter().map(|scope| scope.full()).chain(standard).collect();
    Ok(Client {
        hosted_url: hosted_url.ok_or_else(|| Error::NotDeployed(session.name().to_owned()))?,
        client_id: output(session, outputs, "clientId")?,
        redirect_uri,
        scopes,
    })
}

fn output(session: &Session, outputs: &Outputs, name: &str) -> Result<String, Error> {
    outputs.get(name).cloned().ok_or_else(|| Error::NotDeployed(session.name().to_owned()))
}
