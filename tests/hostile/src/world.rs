//! A stack of a test's own in an AWS of its own.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use provision::aws::Network;
use provision::error::Error;
use provision::event::{Event, Sink, Summary};
use provision::state::LeaseTimes;
use provision::{Applied, Approval, Options, Target};
use tempfile::TempDir;
use tokio::time::Instant;

use crate::server::Aws;
use crate::switches::Switches;

/// The name of the stacks.
pub const NAME: &str = "acme";

/// The usual stack: that of `stack.yaml`, but that it can be taken down.
pub fn usual() -> String {
    let text = include_str!("../../../stack.yaml");
    let text = text.replace("name: freehold\n", &format!("name: {NAME}\n"));
    text.replace("deletionProtection: true", "deletionProtection: false")
}

/// A stack's file, with functions that need not be built, and the account that it goes to.
pub struct World {
    /// The account.
    pub aws: Aws,
    dir: Arc<TempDir>,
    /// The region that `provision` is told. ARNs name [`crate::REGION`] all the same.
    pub region: &'static str,
    /// How long its lock holds. At first no time at all: whoever comes next takes it over.
    pub lease: LeaseTimes,
}

/// Every event, with its time on the tests' clock.
#[derive(Default)]
pub struct Timed(Mutex<Vec<(Instant, Event)>>);

impl Sink for Timed {
    fn event(&self, event: Event) {
        self.0.lock().unwrap().push((Instant::now(), event));
    }
}

impl Timed {
    /// The events so far.
    pub fn events(&self) -> Vec<(Instant, Event)> {
        self.0.lock().unwrap().clone()
    }

    /// The warnings so far.
    pub fn warnings(&self) -> Vec<String> {
        let text = |(_, event)| if let Event::Warning { text } = event { Some(text) } else { None };
        self.events().into_iter().filter_map(text).collect()
    }
}

impl World {
    /// The usual stack in an account of these switches.
    pub fn new(switches: Switches) -> Self {
        Self::with(Aws::new(switches), &usual())
    }

    /// A stack of this text in that account.
    pub fn with(aws: Aws, yaml: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for name in provision::package::FUNCTIONS {
            std::fs::write(dir.path().join(format!("{name}.zip")), name).unwrap();
        }
        std::fs::write(dir.path().join("stack.yaml"), yaml).unwrap();
        let lease = LeaseTimes {
            lease: Duration::ZERO,
            heartbeat: Duration::from_secs(86_400),
            ..LeaseTimes::default()
        };
        Self { aws, dir: Arc::new(dir), region: crate::REGION, lease }
    }

    /// The same file for another account.
    pub fn elsewhere(&self, aws: Aws) -> Self {
        Self { aws, dir: self.dir.clone(), region: self.region, lease: self.lease }
    }

    /// The file.
    pub fn file(&self) -> PathBuf {
        self.dir.path().join("stack.yaml")
    }

    /// Rewrites the file.
    pub fn rewrite(&self, from: &str, to: &str) {
        let text = std::fs::read_to_string(self.file()).unwrap();
        assert!(text.contains(from), "`{from}` is not in the file");
        std::fs::write(self.file(), text.replace(from, to)).unwrap();
    }

    /// Gives a function other code.
    pub fn recode(&self, function: &str, code: &str) {
        std::fs::write(self.dir.path().join(format!("{function}.zip")), code).unwrap();
    }

    /// How `provision` is told about it.
    pub fn options(&self) -> Options {
        Options {
            network: Some(Network(self.aws.network())),
            functions: Some(self.dir.path().to_owned()),
            region: Some(self.region.to_owned()),
            lease: self.lease,
            // No function runs here that could work a job off.
            detach: true,
            ..Options::new(self.file(), Target::Aws)
        }
    }

    /// Applies it.
    ///
    /// # Errors
    /// Those of `provision`.
    pub async fn try_apply(&self) -> Result<Applied, Error> {
        provision::apply(&self.options(), &Approval::Given).await
    }

    /// Applies it, which fails; says what failed.
    pub async fn fail(&self) -> (Error, String) {
        let events = Arc::new(Timed::default());
        let options = Options { events: events.clone(), ..self.options() };
        let error = provision::apply(&options, &Approval::Given).await.expect_err("a failure");
        (error, failures(&events))
    }

    /// Applies it, which works.
    pub async fn apply(&self) -> Summary {
        let events = Arc::new(Timed::default());
        let options = Options { events: events.clone(), ..self.options() };
        match provision::apply(&options, &Approval::Given).await {
            Ok(applied) => applied.summary,
            Err(error) => panic!("{error}: {}\n{}", error.help(), failures(&events)),
        }
    }

    /// Applies it once more, which changes nothing.
    #[track_caller]
    pub fn expect_unchanged(&self, again: &Summary) {
        assert_eq!(again.mutating_calls, 0, "{again:?}");
        assert_eq!(self.aws.state().duplicates(), Vec::<String>::new());
    }

    /// Applies it, then once more, which changes nothing.
    pub async fn settle(&self) -> Summary {
        let first = self.apply().await;
        let again = self.apply().await;
        self.expect_unchanged(&again);
        first
    }

    /// Takes it down.
    ///
    /// # Errors
    /// Those of `provision`.
    pub async fn try_destroy(&self) -> Result<Summary, Error> {
        provision::destroy(&self.options(), &Approval::Given).await
    }

    /// Takes it down, which works and leaves nothing.
    pub async fn destroy(&self) -> Summary {
        let events = Arc::new(Timed::default());
        let options = Options { events: events.clone(), ..self.options() };
        let summary = match provision::destroy(&options, &Approval::Given).await {
            Ok(summary) => summary,
            Err(error) => panic!("{error}: {}\n{}", error.help(), failures(&events)),
        };
        assert_eq!(self.aws.state().inventory(), Vec::<String>::new());
        summary
    }
}

fn failures(events: &Timed) -> String {
    let failed = events.events().into_iter().filter_map(|(_, event)| match event {
        Event::ResourceFailed { address, error, .. } => Some(format!("{address}: {error:?}\n")),
        _ => None,
    });
    failed.collect()
}
