//! Emulators of the tests' own.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use provision::aws::{Clients, ConnectOptions};
use provision::local::{Lifetime, LocalOptions, Running, ensure_running};
use tokio::sync::{Mutex, OnceCell};

use crate::processes;

/// An emulator with its folder.
pub struct Emulator {
    /// Its project: the folder that holds its state.
    pub dir: PathBuf,
    port: u16,
    running: Mutex<Running>,
}

static SHARED: OnceCell<Emulator> = OnceCell::const_new();
static STARTED: AtomicUsize = AtomicUsize::new(0);

impl Emulator {
    /// The one that this process's tests share.
    pub async fn shared() -> &'static Self {
        SHARED.get_or_init(Self::start).await
    }

    /// One for a single test, which may harm it.
    pub async fn own() -> &'static Self {
        // Never dropped: what it started outlives no process anyway.
        Box::leak(Box::new(Self::start().await))
    }

    async fn start() -> Self {
        let home = workspace().join(".freehold/journeys");
        sweep(&home);
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let dir = home.join(format!("{}-{number}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let running = run(&dir, 0).await;
        Self { dir, port: running.port, running: Mutex::new(running) }
    }

    /// How `provision` finds it.
    pub fn options(&self) -> LocalOptions {
        options(&self.dir, self.port)
    }

    /// Clients of its account.
    pub async fn clients(&self) -> Clients {
        let endpoint = Some(format!("http://127.0.0.1:{}", self.port));
        Clients::new(ConnectOptions { region: "eu-west-1".into(), endpoint, ..ConnectOptions::default() })
            .await
            .unwrap()
    }

    /// Its process.
    pub async fn pid(&self) -> u32 {
        self.running.lock().await.pid
    }

    /// Ends its process without a warning.
    pub async fn kill(&self) {
        processes::kill(self.pid().await);
    }

    /// Starts it again, with what it had kept.
    pub async fn restart(&self) {
        let mut running = self.running.lock().await;
        *running = run(&self.dir, self.port).await;
    }
}

async fn run(dir: &Path, port: u16) -> Running {
    ensure_running(&options(dir, port), &|line| eprintln!("{line}")).await.unwrap()
}

fn options(dir: &Path, port: u16) -> LocalOptions {
    LocalOptions { port: Some(port), owner: Lifetime::WithParent, ..LocalOptions::new(dir) }
}

/// The workspace: stacks must lie in it for their functions' source to be found.
pub(crate) fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// Removes what processes that are gone left.
fn sweep(home: &Path) {
    for entry in std::fs::read_dir(home).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let pid = name.split('-').next().and_then(|pid| pid.parse().ok());
        if pid.is_some_and(|pid| !processes::lives(pid)) {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}
