//! A stack of a test's own.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use freehold_client::connections;
use glucose_study::people::Place;
use glucose_study::target::place;
use provision::aws::Clients;
use provision::error::Error;
use provision::event::{Collected, Summary};
use provision::session::{Applied, Approval, Options, Session, Target, apply, destroy};
use provision::state::StateError;
use provision::token::Pool;
use tokio::sync::{OnceCell, Semaphore, SemaphorePermit};

use crate::people::Person;
use crate::{Emulator, until_within};

/// The stack that most journeys use; `NAME` stands for its name.
pub const STACK: &str = "\
version: 1
name: NAME
region: eu-west-1
dataTypes:
  glucose:
    time: takenAt
    fields:
      takenAt: { type: datetime, required: true }
      mgdl: { type: integer, required: true, min: 0, max: 1000 }
      device: { type: string, maxLength: 64 }
      note: { type: string }
  weight:
    time: at
    fields:
      at: { type: datetime, required: true }
      kg: { type: decimal, required: true }
groups:
  clinic:
    owner: lead@example.org
    rules:
      - types: [glucose]
        when: resource.mgdl > 180
        fields: [takenAt, mgdl]
groupDefaults:
  rules:
    - types: [glucose]
      when: resource.mgdl > 180
      fields: [takenAt, mgdl]
protection:
  deletionProtection: false
  pointInTimeRecovery: true
";

/// Stacks of tests' own that are up at once in one process: more would only wait for each other.
static PLACES: Semaphore = Semaphore::const_new(3);

/// The stack that tests share: where it is, and its name.
static SHARED: OnceCell<Place> = OnceCell::const_new();
const SHARED_NAME: &str = "shared";

/// The usual stack's file under a name.
pub fn stack_yaml(name: &str) -> String {
    STACK.replace("NAME", name)
}

/// A stack, deployed in an emulator.
pub struct World {
    /// Its name.
    pub name: String,
    /// Its file.
    pub file: PathBuf,
    /// Where its people sign in and where its API is.
    pub place: Place,
    /// The clients of its account.
    pub clients: Clients,
    /// The emulator it is in.
    pub emulator: &'static Emulator,
    /// What tells the people of tests apart that share the stack.
    family: Option<String>,
    _turn: Option<SemaphorePermit<'static>>,
}

impl World {
    /// The usual stack for a test that leaves it as it found it: all of them share one, each with people of its own.
    /// That is isolation enough for whoever looks only at their own groups and drives.
    pub async fn shared(family: &str) -> Self {
        let emulator = Emulator::shared().await;
        let file = stack_file(emulator, SHARED_NAME);
        let deployed = async || {
            let options = options(emulator, &write_stack(emulator, SHARED_NAME, &stack_yaml(SHARED_NAME)));
            deploy(&options).await.0
        };
        let shared = SHARED.get_or_init(deployed).await.clone();
        // Connections end with the runtime of the test that made them.
        let clients = emulator.clients().await;
        let place = Place { cognito: clients.cognito().clone(), http: connections().unwrap(), ..shared };
        let name = SHARED_NAME.to_owned();
        Self { name, file, place, clients, emulator, family: Some(family.to_owned()), _turn: None }
    }

    /// The usual stack, in the shared emulator, for one test alone.
    pub async fn new(name: &str) -> Self {
        Self::with(Emulator::shared().await, name, &stack_yaml(name)).await
    }

    /// A stack of this text, for one test alone.
    pub async fn with(emulator: &'static Emulator, name: &str, yaml: &str) -> Self {
        let turn = PLACES.acquire().await.unwrap();
        let file = write_stack(emulator, name, yaml);
        let (place, clients) = deploy(&options(emulator, &file)).await;
        Self { name: name.to_owned(), file, place, clients, emulator, family: None, _turn: Some(turn) }
    }

    /// Somebody new, or the one of that name: signed in, with a profile.
    pub async fn person(&self, name: &str) -> Person {
        Person::new(self.place.person(&self.address(name)).await.unwrap()).await
    }

    /// An address for a name; one that is an address stays.
    pub fn address(&self, name: &str) -> String {
        match &self.family {
            _ if name.contains('@') => name.to_owned(),
            Some(family) => format!("{name}.{family}@example.org"),
            None => format!("{name}@example.org"),
        }
    }

    /// How `provision` is told about it.
    pub fn options(&self) -> Options {
        options(self.emulator, &self.file)
    }

    /// Rewrites its file.
    pub fn rewrite(&self, from: &str, to: &str) {
        let text = std::fs::read_to_string(&self.file).unwrap();
        assert!(text.contains(from), "`{from}` is not in the file");
        std::fs::write(&self.file, text.replace(from, to)).unwrap();
    }

    /// Applies it again, and says how many calls could have changed something.
    pub async fn apply(&self) -> (Applied, usize) {
        let events = Arc::new(Collected::default());
        let options = Options { events: events.clone(), ..self.options() };
        let applied = apply(&options, &Approval::Given).await.unwrap_or_else(|error| told(&error));
        (applied, events.mutating_calls())
    }

    /// Takes it down.
    ///
    /// # Errors
    /// Those of `provision`.
    pub async fn destroy(&self) -> Result<Summary, Error> {
        destroy(&self.options(), &Approval::Given).await
    }
}

/// Applies a stack. Somebody who was killed may still hold its lock, for a minute.
async fn deploy(options: &Options) -> (Place, Clients) {
    let applied = until_within(Duration::from_secs(150), "the stack's lock is free", async || {
        match apply(options, &Approval::Given).await {
            Err(Error::State(StateError::Held(_))) => None,
            Err(error) => told(&error),
            Ok(applied) => Some(applied),
        }
    })
    .await;
    let session = Session::open(options).await.unwrap();
    (place(&session, &applied.outputs, Pool::Local).unwrap(), session.clients.clone())
}

/// Puts a stack's file where its functions' source and its emulator are found from.
pub fn write_stack(emulator: &Emulator, name: &str, yaml: &str) -> PathBuf {
    let file = stack_file(emulator, name);
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(&file, yaml).unwrap();
    file
}

fn stack_file(emulator: &Emulator, name: &str) -> PathBuf {
    emulator.dir.join(name).join("stack.yaml")
}

/// How `provision` is told about a stack's file.
pub fn options(emulator: &Emulator, file: &std::path::Path) -> Options {
    Options { local: Some(emulator.options()), ..Options::new(file, Target::Local) }
}

fn told<T>(error: &Error) -> T {
    panic!("{error} ({}): {}", error.code(), error.help())
}
