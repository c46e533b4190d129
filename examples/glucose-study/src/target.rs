//! Where the study runs: on this machine or in an AWS account, in the stack of the file beside it.

use std::path::Path;
use std::sync::Arc;

use clap::ValueEnum;
use freehold_client::connections;
use provision::event::{Event, Sink};
use provision::resource::Outputs;
use provision::session::{self, Approval, Options, Session};
use provision::token::{App, Pool};

use crate::people::Place;
use crate::study::StudyError;
use crate::talk::Talk;

/// Where to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Target {
    /// This machine, in an emulator.
    Local,
    /// Your AWS account.
    Aws,
}

/// A stack's file, and where it is deployed.
pub struct Stack {
    options: Options,
    target: Target,
    talk: Talk,
}

/// Tells what `provision` does, in a line where something happens.
struct News(Talk);

impl Sink for News {
    fn event(&self, event: Event) {
        match event {
            Event::Step { text } => self.0.say(&text),
            Event::Warning { text } => self.0.say(&format!("warning: {text}")),
            Event::ResourceFailed { address, error, .. } => {
                self.0
                    .say(&format!("`{address}` failed: {} ({}): {}", error.message, error.code, error.help));
            }
            Event::Summary(summary) => self.0.say(&format!(
                "{} created, {} changed, {} deleted, {} unchanged, in {:.1} s",
                summary.created,
                summary.updated + summary.replaced,
                summary.deleted,
                summary.unchanged,
                std::time::Duration::from_millis(summary.duration_ms).as_secs_f64()
            )),
            _ => {}
        }
    }
}

fn failed(error: &provision::error::Error) -> StudyError {
    StudyError::Stack(format!("{error} ({}): {}", error.code(), error.help()))
}

impl Stack {
    /// The study's own file, for a target.
    ///
    /// # Errors
    /// On AWS, unless it was agreed to.
    pub fn open(target: Target, agreed: bool, talk: Talk) -> Result<Self, StudyError> {
        if target == Target::Aws && !agreed {
            let text =
                "this makes resources and 21 accounts with passwords in your AWS account; agree with `--yes`";
            return Err(StudyError::Stack(text.to_owned()));
        }
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("stack.yaml");
        let to = match target {
            Target::Local => session::Target::Local,
            Target::Aws => session::Target::Aws,
        };
        let options = Options { events: Arc::new(News(talk)), ..Options::new(file, to) };
        Ok(Self { options, target, talk })
    }

    /// Brings the stack to what its file says.
    ///
    /// # Errors
    /// With what `provision` says.
    pub async fn apply(&self) -> Result<Place, StudyError> {
        let applied =
            session::apply(&self.options, &Approval::Given).await.map_err(|error| failed(&error))?;
        let session = Session::open(&self.options).await.map_err(|error| failed(&error))?;
        let pool = if self.target == Target::Local { Pool::Local } else { Pool::RealConfirmed };
        let place = place(&session, &applied.outputs, pool)?;
        self.talk.say(&format!("the API is at {}", place.api));
        Ok(place)
    }

    /// Deletes the stack, with all that is in it.
    ///
    /// # Errors
    /// With what `provision` says.
    pub async fn destroy(&self) -> Result<(), StudyError> {
        session::destroy(&self.options, &Approval::Given).await.map(|_| ()).map_err(|error| failed(&error))
    }
}

/// Where people sign in to a stack, and where its API is.
///
/// # Errors
/// If the stack lacks an output, or a callback address to sign in with.
pub fn place(session: &Session, outputs: &Outputs, pool: Pool) -> Result<Place, StudyError> {
    let output = |name: &str| {
        let missing =
            || StudyError::Stack(format!("the stack has no output `{name}`; run `provision apply`"));
        outputs.get(name).cloned().ok_or_else(missing)
    };
    let token_url = output("tokenUrl")?;
    let callback = session.stack.identity.callback_urls.first().cloned();
    let callback =
        callback.ok_or_else(|| StudyError::Stack("the stack's file has no `callbackUrls`".to_owned()))?;
    let ours = domain::routes::Scope::ALL.iter().map(|scope| scope.full());
    let app = App {
        hosted_url: token_url.trim_end_matches("/oauth2/token").to_owned(),
        client_id: output("clientId")?,
        redirect_uri: callback,
        scopes: ["openid", "email"].map(str::to_owned).into_iter().chain(ours).collect(),
    };
    Ok(Place {
        api: output("apiUrl")?,
        app,
        pool_id: output("poolId")?,
        pool,
        cognito: session.clients.cognito().clone(),
        http: connections()?,
    })
}
