//! The emulator as a process: its files, its start, its health, its end.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde::Deserialize;
use sha2::{Digest, Sha256};
use tokio::process::{Child, Command};

use super::error::LocalError;
use super::python::{Packages, Venv};
use super::{Lifetime, lock};

/// What the environment of the emulator is made from.
pub(super) const PACKAGES: Packages =
    Packages { what: "the emulator", lock: include_str!("requirements.lock") };
const LAUNCHER: [(&str, &str); 2] =
    [("run.py", include_str!("emulator/run.py")), ("durable.py", include_str!("emulator/durable.py"))];
/// What a Freehold stack uses, and a little for looking around. The emulator has many more.
const SERVICES: &str = "dynamodb,dynamodbstreams,lambda,iam,sts,sqs,cognito-idp,apigateway,logs,tagging,kms,\
    monitoring,events,sns,s3,ssm,ses";
const POLL: Duration = Duration::from_millis(25);
const TAIL_LINES: usize = 12;

/// Where the files of one project's emulator are.
#[derive(Debug, Clone)]
pub(super) struct Home(PathBuf);

/// What the emulator notes of itself.
#[derive(Debug, Clone, Deserialize, PartialEq, Eq)]
pub(super) struct Note {
    pub pid: u32,
    pub port: u16,
    pub build: String,
    pub auth: bool,
}

/// What is to be started.
#[derive(Debug)]
pub(super) struct Start<'a> {
    pub venv: &'a Venv,
    pub port: u16,
    pub auth: bool,
    pub owner: Lifetime,
    pub patience: Duration,
}

impl Home {
    pub fn of(project: &Path) -> Self {
        // The emulator's working folder is another one, so a relative path would not do.
        let project = std::path::absolute(project).unwrap_or_else(|_| project.to_owned());
        Self(project.join(".freehold").join("emulator"))
    }

    /// Makes the folder; what is in it is nobody else's business.
    pub fn make(&self) -> Result<(), LocalError> {
        use std::os::unix::fs::DirBuilderExt;
        for dir in [self.0.clone(), self.state(), self.temporary()] {
            let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&dir);
            made.map_err(LocalError::io("make the folder", &dir))?;
        }
        Ok(())
    }

    pub fn log(&self) -> PathBuf {
        self.0.join("emulator.log")
    }

    fn state(&self) -> PathBuf {
        self.0.join("state")
    }

    fn temporary(&self) -> PathBuf {
        self.0.join("tmp")
    }

    /// Whether the emulator's process lives. It holds this lock as long as it does.
    pub fn is_alive(&self) -> bool {
        lock::is_held(&self.0.join("alive.lock"))
    }

    /// What the emulator that runs, or the last one that ran, noted.
    pub fn note(&self) -> Option<Note> {
        serde_json::from_slice(&std::fs::read(self.0.join("emulator.json")).ok()?).ok()
    }

    /// Keeps others from starting and stopping while we do.
    pub async fn reserve(&self, at_most: Duration) -> Result<std::fs::File, LocalError> {
        let path = self.0.join("start.lock");
        lock::wait(&path, Some(at_most)).await.map_err(|error| match error.kind() {
            std::io::ErrorKind::TimedOut => LocalError::Busy(at_most.as_secs()),
            _ => LocalError::io("lock", path)(error),
        })
    }

    /// Forgets everything.
    pub fn wipe(&self) -> Result<(), LocalError> {
        for dir in [self.state(), self.temporary()] {
            if dir.exists() {
                std::fs::remove_dir_all(&dir).map_err(LocalError::io("remove", &dir))?;
            }
        }
        Ok(())
    }

    /// The log's last lines.
    pub fn tail(&self) -> String {
        let text = std::fs::read(self.log()).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
        let tail: Vec<&str> = lines.iter().rev().take(TAIL_LINES).rev().copied().collect();
        if tail.is_empty() { "(it is empty)".to_owned() } else { tail.join("\n") }
    }

    /// Starts the emulator and waits until it answers.
    pub async fn start(&self, start: &Start<'_>) -> Result<Child, LocalError> {
        for (name, text) in LAUNCHER {
            let path = self.0.join(name);
            std::fs::write(&path, text).map_err(LocalError::io("write", &path))?;
        }
        let mut child = self.spawn(start)?;
        let begun = Instant::now();
        loop {
            if answers(start.port).await {
                return Ok(child);
            }
            if let Ok(Some(_)) = child.try_wait() {
                return Err(LocalError::Died { log: self.log(), tail: self.tail() });
            }
            if begun.elapsed() > start.patience {
                // It may yet come up and take the port from the next try.
                let _ = child.kill().await;
                return Err(self.not_healthy(start.patience));
            }
            tokio::time::sleep(POLL).await;
        }
    }

    pub fn not_healthy(&self, patience: Duration) -> LocalError {
        LocalError::NotHealthy { seconds: patience.as_secs(), log: self.log(), tail: self.tail() }
    }

    fn spawn(&self, start: &Start<'_>) -> Result<Child, LocalError> {
        let log = self.log();
        let _ = std::fs::rename(&log, log.with_extension("log.1"));
        let file = std::fs::File::create(&log).map_err(LocalError::io("write", &log))?;
        let errors = file.try_clone().map_err(LocalError::io("write", &log))?;
        let python = start.venv.program("python");
        let mut command = Command::new(&python);
        command.args(["-E", "-s"]).arg(self.0.join("run.py")).arg("--home").arg(&self.0);
        command.args(["--port", &start.port.to_string(), "--build", &build()]);
        command.current_dir(&self.0).stdout(file).stderr(errors).process_group(0);
        self.environment(&mut command, start);
        match start.owner {
            Lifetime::Detached => command.stdin(Stdio::null()),
            Lifetime::WithParent => command.arg("--with-parent").stdin(Stdio::piped()),
        };
        command.spawn().map_err(LocalError::io("start", python))
    }

    /// Nothing of the user's AWS settings may reach the emulator or the functions, which inherit what it has.
    fn environment(&self, command: &mut Command, start: &Start<'_>) {
        command.env_clear();
        for name in ["PATH", "HOME", "LANG", "LC_ALL", "TZ"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command.env("TMPDIR", self.temporary()).env("STATE_DIR", self.state());
        command.env("GATEWAY_PORT", start.port.to_string()).env("AUTH", start.auth.to_string());
        command.envs([
            ("PERSIST_STATE", "1"),
            ("BIND_HOST", "127.0.0.1"),
            ("MINISTACK_HOST", "127.0.0.1"),
            ("MINISTACK_ACCOUNT_ID", super::ACCOUNT),
            ("AWS_ACCESS_KEY_ID", super::ACCESS_KEY),
            ("AWS_SECRET_ACCESS_KEY", super::SECRET_KEY),
            ("SERVICES", SERVICES),
            ("LOG_LEVEL", "WARNING"),
            ("SFTP_ENABLED", "0"),
            ("IOT_MTLS_ENABLED", "0"),
            // It would clear away other projects' containers.
            ("DOCKER_HOST", "unix:///nonexistent"),
            ("LAMBDA_EXECUTOR", "local"),
            ("PYTHONDONTWRITEBYTECODE", "1"),
        ]);
    }

    /// Stops the emulator: first asks, then insists.
    pub async fn stop(&self, patience: Duration) -> Result<bool, LocalError> {
        if !self.is_alive() {
            return Ok(false);
        }
        let pid = match self.noted(patience).await {
            Some(note) => note.pid,
            None if self.is_alive() => return Err(self.not_healthy(patience)),
            None => return Ok(false),
        };
        for signal in ["-TERM", "-KILL"] {
            // The lock is held, so the id is still the emulator's.
            let _ = Command::new("kill").args([signal, &pid.to_string()]).status().await;
            if self.gone(patience).await {
                return Ok(true);
            }
        }
        Err(LocalError::WillNotStop { pid })
    }

    /// The note of the process that lives: one that has only just begun writes it a little later.
    pub async fn noted(&self, patience: Duration) -> Option<Note> {
        let begun = Instant::now();
        while self.is_alive() && begun.elapsed() < patience {
            if let Some(note) = self.note()
                && answers(note.port).await
            {
                return Some(note);
            }
            tokio::time::sleep(POLL).await;
        }
        self.note().filter(|_| self.is_alive())
    }

    async fn gone(&self, patience: Duration) -> bool {
        let begun = Instant::now();
        while self.is_alive() {
            if begun.elapsed() > patience {
                return false;
            }
            tokio::time::sleep(POLL).await;
        }
        true
    }
}

/// Names what this `provision` would start: a running emulator of another build is replaced.
pub(super) fn build() -> String {
    let mut hash = Sha256::new();
    hash.update(PACKAGES.lock);
    LAUNCHER.iter().for_each(|(_, text)| hash.update(text));
    hash.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}

/// Whether an emulator answers on the port.
pub(super) async fn answers(port: u16) -> bool {
    let ask = async {
        let client = reqwest::Client::builder().timeout(Duration::from_secs(2)).no_proxy().build()?;
        client.get(format!("http://127.0.0.1:{port}/_ministack/health")).send().await?.error_for_status()
    };
    ask.await.is_ok()
}
