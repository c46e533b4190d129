//! Private Python environments, made from lock files, in the user's cache so that clones share them.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use sha2::{Digest, Sha256};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

use super::lock;
use crate::local::Progress;

/// The oldest Python that the locked packages run on.
const OLDEST: (u32, u32) = (3, 10);
const CANDIDATES: [&str; 7] =
    ["python3", "python3.14", "python3.13", "python3.12", "python3.11", "python3.10", "python"];
/// Prints the version, and dies after it where Debian and others leave out what makes environments.
const PROBE: &str = "import sys\nprint('%d.%d' % sys.version_info[:2], flush=True)\nimport venv, ensurepip";
const TAIL_LINES: usize = 15;

/// Why no Python environment could be made.
#[derive(Debug, thiserror::Error)]
pub enum PythonError {
    /// No Python at all.
    #[error(
        "no Python was found (looked for {0}): install Python 3.10 or newer, or point `FREEHOLD_PYTHON` to one"
    )]
    Missing(String),
    /// Only an old one.
    #[error(
        "`{python}` is Python {version}, and 3.10 or newer is needed: install one, or point `FREEHOLD_PYTHON` to it"
    )]
    TooOld {
        /// The interpreter.
        python: String,
        /// Its version.
        version: String,
    },
    /// A Python that cannot make environments.
    #[error(
        "`{python}` cannot make virtual environments: install its `venv` module (Debian and Ubuntu: `python3-venv`)"
    )]
    NoVenv {
        /// The interpreter.
        python: String,
    },
    /// The packages could not be fetched.
    #[error(
        "the first use installs {what} and needs a network, which does not answer; pip's last lines:\n{tail}"
    )]
    NoNetwork {
        /// What was to be installed.
        what: &'static str,
        /// The end of what pip said.
        tail: String,
    },
    /// Installing failed otherwise.
    #[error("{what} could not be installed; the last lines were:\n{tail}")]
    Install {
        /// What was to be installed.
        what: &'static str,
        /// The end of what was said.
        tail: String,
    },
    /// A file or program cannot be used.
    #[error("cannot use `{}`: {source}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
}

impl PythonError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Missing(_) | Self::TooOld { .. } | Self::NoVenv { .. } => "FH0501",
            Self::NoNetwork { .. } | Self::Install { .. } => "FH0502",
            Self::Io { .. } => "FH0506",
        }
    }
}

/// Where Python and its environments are looked for. From the environment, except in tests.
#[derive(Debug, Clone, Default)]
pub struct PythonSettings {
    /// `FREEHOLD_PYTHON`: the interpreter to use.
    pub python: Option<PathBuf>,
    /// `FREEHOLD_VENV_DIR`: the folder that environments are made in; otherwise the user's cache folder.
    pub venv_dir: Option<PathBuf>,
}

impl PythonSettings {
    /// As the process's environment has it.
    pub fn from_env() -> Self {
        let path = |name| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
        Self { python: path("FREEHOLD_PYTHON"), venv_dir: path("FREEHOLD_VENV_DIR") }
    }

    fn folder(&self) -> PathBuf {
        let path = |name| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
        self.venv_dir.clone().unwrap_or_else(|| {
            path("XDG_CACHE_HOME")
                .or_else(|| path("HOME").map(|home| home.join(".cache")))
                .unwrap_or_else(std::env::temp_dir)
                .join("freehold")
        })
    }
}

/// A set of locked packages.
#[derive(Debug, Clone, Copy)]
pub struct Packages {
    /// The environment's name, and what people read: `the emulator`.
    pub what: &'static str,
    /// The lock file's text.
    pub lock: &'static str,
}

/// An environment that is complete.
#[derive(Debug, Clone)]
pub struct Venv {
    /// Its folder.
    pub dir: PathBuf,
}

impl Venv {
    /// A program of it: `python`.
    pub fn program(&self, name: &str) -> PathBuf {
        self.dir.join("bin").join(name)
    }
}

/// Makes the environment unless it is there. Any number of processes may ask at once; one makes it.
pub async fn ensure(
    settings: &PythonSettings,
    packages: Packages,
    progress: Progress<'_>,
) -> Result<Venv, PythonError> {
    let hash: String =
        Sha256::digest(packages.lock).iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    let folder = settings.folder();
    let venv = Venv { dir: folder.join(format!("venv-{hash}")) };
    if complete(&venv) {
        return Ok(venv);
    }
    std::fs::create_dir_all(&folder).map_err(io(&folder))?;
    let python = find(settings).await?;
    let path = folder.join(format!("venv-{hash}.lock"));
    // Others may be installing: that ends by itself, or its lock ends with it.
    let _lock = lock::wait(&path, None).await.map_err(io(&path))?;
    if complete(&venv) {
        return Ok(venv);
    }
    install(&python, &venv, packages, progress).await?;
    Ok(venv)
}

fn marker(venv: &Venv) -> PathBuf {
    venv.dir.join(".complete")
}

/// The interpreter is a link to the system's, which may have gone since.
fn complete(venv: &Venv) -> bool {
    marker(venv).exists() && venv.program("python").exists()
}

/// An interpreter that will do.
async fn find(settings: &PythonSettings) -> Result<PathBuf, PythonError> {
    let candidates: Vec<PathBuf> = match &settings.python {
        Some(python) => vec![python.clone()],
        None => CANDIDATES.iter().map(PathBuf::from).collect(),
    };
    let mut refused = None;
    for candidate in &candidates {
        match probe(candidate).await {
            Ok(true) => return Ok(candidate.clone()),
            Ok(false) => {}
            Err(error) => refused = refused.or(Some(error)),
        }
    }
    Err(refused.unwrap_or_else(|| {
        let names: Vec<String> = candidates.iter().map(|path| format!("`{}`", path.display())).collect();
        PythonError::Missing(names.join(", "))
    }))
}

/// Whether it is there and will do; an error says what it lacks.
async fn probe(python: &Path) -> Result<bool, PythonError> {
    let name = python.display().to_string();
    let Ok(output) = command(python).args(["-c", PROBE]).output().await else { return Ok(false) };
    let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let Some((major, minor)) = version.split_once('.') else { return Ok(false) };
    let (Ok(major), Ok(minor)) = (major.parse::<u32>(), minor.parse::<u32>()) else { return Ok(false) };
    if (major, minor) < OLDEST {
        return Err(PythonError::TooOld { python: name, version });
    }
    if output.status.success() { Ok(true) } else { Err(PythonError::NoVenv { python: name }) }
}

async fn install(
    python: &Path,
    venv: &Venv,
    packages: Packages,
    progress: Progress<'_>,
) -> Result<(), PythonError> {
    let what = packages.what;
    if venv.dir.exists() {
        std::fs::remove_dir_all(&venv.dir).map_err(io(&venv.dir))?;
    }
    progress(&format!("installing {what} (once; about a minute)"));
    let failed = |tail: String| PythonError::Install { what, tail };
    run(command(python).arg("-m").arg("venv").arg(&venv.dir), progress)
        .await
        .map_err(io(python))?
        .map_err(failed)?;
    let lock = venv.dir.join("requirements.lock");
    std::fs::write(&lock, packages.lock).map_err(io(&lock))?;
    let interpreter = venv.program("python");
    let mut pip = command(&interpreter);
    pip.args(["-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--progress-bar", "off"]);
    pip.args(["--require-hashes", "--no-deps", "--prefer-binary", "-r"]).arg(&lock);
    run(&mut pip, progress).await.map_err(io(&interpreter))?.map_err(|tail| {
        if is_offline(&tail) { PythonError::NoNetwork { what, tail } } else { failed(tail) }
    })?;
    let marker = marker(venv);
    std::fs::write(&marker, "").map_err(io(&marker))
}

/// pip does not say so in one way.
fn is_offline(tail: &str) -> bool {
    let signs =
        ["NewConnectionError", "ConnectTimeout", "name resolution", "Network is unreachable", "ProxyError"];
    let more = ["Connection refused", "Read timed out", "Could not find a version", "nodename nor servname"];
    signs.iter().chain(&more).any(|sign| tail.contains(sign))
}

/// Runs a program, its lines as progress; a failure gives the last of them.
async fn run(command: &mut Command, progress: Progress<'_>) -> std::io::Result<Result<(), String>> {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true).spawn()?;
    let mut tail = std::collections::VecDeque::new();
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let mut out = out.map(|out| BufReader::new(out).lines());
    let mut err = err.map(|err| BufReader::new(err).lines());
    while out.is_some() || err.is_some() {
        let line = tokio::select! {
            line = next(&mut out), if out.is_some() => line?,
            line = next(&mut err), if err.is_some() => line?,
        };
        let Some(line) = line else { continue };
        progress(line.trim());
        tail.push_back(line);
        if tail.len() > TAIL_LINES {
            tail.pop_front();
        }
    }
    let status = child.wait().await?;
    Ok(if status.success() { Ok(()) } else { Err(tail.into_iter().collect::<Vec<_>>().join("\n")) })
}

/// The next line; at the end the reader is put away.
async fn next<R: tokio::io::AsyncRead + Unpin>(
    lines: &mut Option<tokio::io::Lines<BufReader<R>>>,
) -> std::io::Result<Option<String>> {
    let Some(reader) = lines else { return Ok(None) };
    let line = reader.next_line().await?;
    if line.is_none() {
        *lines = None;
    }
    Ok(line)
}

fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null()).env_remove("PYTHONHOME").env_remove("PYTHONPATH");
    command
}

fn io(path: &Path) -> impl FnOnce(std::io::Error) -> PythonError {
    let path = path.to_owned();
    move |source| PythonError::Io { path, source }
}
