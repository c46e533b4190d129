//! A stack of a test's own.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use glucose_study::people::Place;
use glucose_study::target::place;
use provision::aws::Clients;
use provision::error::Error;
use provision::event::{Collected, Summary};
use provision::session::{Applied, Approval, Options, Session, Target, apply, destroy};
use provision::state::StateError;
use provision::token::Pool;
use tokio::sync::{Semaphore, SemaphorePermit};

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

/// Stacks that are up at once in one process: more would only wait for each other.
static PLACES: Semaphore = Semaphore::const_new(3);

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
    _turn: SemaphorePermit<'static>,
}

impl World {
    /// The usual stack, in the shared emulator.
    pub async fn new(name: &str) -> Self {
        Self::with(Emulator::shared().await, name, &stack_yaml(name)).await
    }

    /// A stack of this text.
    pub async fn with(emulator: &'static Emulator, name: &str, yaml: &str) -> Self {
        let turn = PLACES.acquire().await.unwrap();
        let file = write_stack(emulator, name, yaml);
        let options = options(emulator, &file);
        // Somebody who was killed may still hold the lock, for a minute.
        let applied =
            until_within(Duration::from_secs(150), "the stack's lock is free", async || {
                match apply(&options, &Approval::Given).await {
                    Err(Error::State(StateError::Held(_))) => None,
                    Err(error) => told(&error),
                    Ok(applied) => Some(applied),
                }
            })
            .await;
        let session = Session::open(&options).await.unwrap();
        let place = place(&session, &applied.outputs, Pool::Local).unwrap();
        let clients = session.clients.clone();
        Self { name: name.to_owned(), file, place, clients, emulator, _turn: turn }
    }

    /// Somebody new, or the one of that name: signed in, with a profile.
    pub async fn person(&self, name: &str) -> Person {
        Person::new(self.place.person(&address(name)).await.unwrap()).await
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

/// An address for a name; one that is an address stays.
fn address(name: &str) -> String {
    if name.contains('@') { name.to_owned() } else { format!("{name}@example.org") }
}

/// Puts a stack's file where its functions' source and its emulator are found from.
pub fn write_stack(emulator: &Emulator, name: &str, yaml: &str) -> PathBuf {
    let dir = emulator.dir.join(name);
    std::fs::create_dir_all(&dir).unwrap();
    let file = dir.join("stack.yaml");
    std::fs::write(&file, yaml).unwrap();
    file
}

/// How `provision` is told about a stack's file.
pub fn options(emulator: &Emulator, file: &std::path::Path) -> Options {
    Options { local: Some(emulator.options()), ..Options::new(file, Target::Local) }
}

fn told<T>(error: &Error) -> T {
    panic!("{error} ({}): {}", error.code(), error.help())
}
