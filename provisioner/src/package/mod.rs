//! The functions as packages: built from the workspace, one zip file each, small and reproducible.

mod archive;
mod build;
mod error;
mod workspace;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub use error::PackageError;
use tokio::process::Command;
pub use workspace::find as find_workspace;

use crate::local::Progress;
use crate::local::python::{self, Packages, PythonSettings};

/// The functions, by the names of their programs.
pub const FUNCTIONS: [&str; 5] = ["api", "replicator", "worker", "scrubber", "identity"];
/// The most that a package for AWS may have, in bytes.
pub const LIMIT: u64 = 6 * 1024 * 1024;
const TOOLS: Packages = Packages { what: "the build tools for AWS", lock: include_str!("requirements.lock") };
const NO_CARGO: &str = "install Rust from https://rustup.rs";

/// One function, packed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artefact {
    /// The function: `api`.
    pub name: String,
    /// Its zip file.
    pub path: PathBuf,
    /// The zip file's SHA-256 as Lambda reports it.
    pub sha256_base64: String,
    /// The zip file's size.
    pub bytes: u64,
}

/// The processor of functions on AWS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Architecture {
    /// Intel and AMD.
    X86_64,
    /// Graviton.
    Arm64,
}

impl Architecture {
    fn target(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64-unknown-linux-gnu",
            Self::Arm64 => "aarch64-unknown-linux-gnu",
        }
    }

    fn option(self) -> &'static str {
        match self {
            Self::X86_64 => "--x86-64",
            Self::Arm64 => "--arm64",
        }
    }
}

/// Where functions lie ready, if `FREEHOLD_FUNCTIONS_DIR` says so: then nothing is built.
pub fn prebuilt_dir() -> Option<PathBuf> {
    std::env::var_os("FREEHOLD_FUNCTIONS_DIR").filter(|dir| !dir.is_empty()).map(PathBuf::from)
}

/// The functions that lie ready in a folder.
///
/// # Errors
/// When one is missing.
pub fn prebuilt(dir: &Path) -> Result<Vec<Artefact>, PackageError> {
    FUNCTIONS.iter().map(|name| archive::existing(name, dir)).collect()
}

/// Builds the functions for this machine and packs them into `out_dir`, or takes those that lie ready.
/// `from` is where the search for the workspace begins: the folder of the stack's file.
///
/// # Errors
/// See [`PackageError`].
pub async fn for_local(
    from: &Path,
    out_dir: &Path,
    progress: Progress<'_>,
) -> Result<Vec<Artefact>, PackageError> {
    match prebuilt_dir() {
        Some(dir) => prebuilt(&dir),
        None => build_local(&find_workspace(from)?, out_dir, progress).await,
    }
}

/// Builds the functions for this machine and packs them into `out_dir`.
///
/// # Errors
/// See [`PackageError`].
pub async fn build_local(
    workspace_dir: &Path,
    out_dir: &Path,
    progress: Progress<'_>,
) -> Result<Vec<Artefact>, PackageError> {
    build_local_with(cargo(workspace_dir), workspace_dir, out_dir, progress).await
}

async fn build_local_with(
    mut cargo: Command,
    workspace_dir: &Path,
    out_dir: &Path,
    progress: Progress<'_>,
) -> Result<Vec<Artefact>, PackageError> {
    cargo.args(["build", "--profile", "local", "-p", "lambdas", "--bins"]);
    cargo.args(["--message-format", "json-render-diagnostics"]);
    let programs = build::run(cargo, NO_CARGO, progress).await?;
    pack(out_dir, |name| programs.get(name).cloned().unwrap_or_else(|| workspace_dir.join(name)))
}

/// Builds the functions for AWS and packs them into `out_dir`. The first use installs the build tools.
///
/// # Errors
/// See [`PackageError`]; a package over [`LIMIT`] is one.
pub async fn build_aws(
    workspace_dir: &Path,
    architecture: Architecture,
    out_dir: &Path,
    progress: Progress<'_>,
) -> Result<Vec<Artefact>, PackageError> {
    require_target(workspace_dir, architecture).await?;
    let venv = python::ensure(&PythonSettings::from_env(), TOOLS, progress).await?;
    let programs_dir = out_dir.join("programs");
    let programs_dir = std::path::absolute(&programs_dir).unwrap_or(programs_dir);
    let mut tool = Command::new(venv.program("cargo-lambda"));
    tool.args(["lambda", "build", "--profile", "function", "-p", "lambdas", architecture.option()]);
    tool.args(["--output-format", "binary"])
        .arg("--lambda-dir")
        .arg(&programs_dir)
        .current_dir(workspace_dir);
    clean(&mut tool);
    // The linker is a Python module of the same environment.
    let path = std::env::var_os("PATH").unwrap_or_default();
    let paths = std::iter::once(venv.dir.join("bin")).chain(std::env::split_paths(&path));
    if let Ok(path) = std::env::join_paths(paths) {
        tool.env("PATH", path);
    }
    build::run(tool, "remove its folder in the cache and try again", progress).await?;
    let artefacts = pack(out_dir, |name| programs_dir.join(name).join("bootstrap"))?;
    within_limit(artefacts, LIMIT)
}

/// Packs programs that are built already into `out_dir`; `program` tells where each lies.
///
/// # Errors
/// When one is missing, or a package cannot be written.
pub fn pack(out_dir: &Path, program: impl Fn(&str) -> PathBuf) -> Result<Vec<Artefact>, PackageError> {
    let packed = FUNCTIONS.iter().map(|name| {
        let program = program(name);
        if !program.is_file() {
            let dir = program.parent().unwrap_or(out_dir).to_owned();
            return Err(PackageError::Missing { name: (*name).to_owned(), dir });
        }
        archive::pack(name, &program, out_dir)
    });
    packed.collect()
}

fn within_limit(artefacts: Vec<Artefact>, limit: u64) -> Result<Vec<Artefact>, PackageError> {
    match artefacts.iter().find(|artefact| artefact.bytes > limit) {
        Some(Artefact { name, bytes, .. }) => {
            Err(PackageError::TooLarge { name: name.clone(), bytes: *bytes, limit })
        }
        None => Ok(artefacts),
    }
}

/// Whether Rust's library for the target is installed. Asked first, since the build would say so late and unclearly.
async fn require_target(workspace_dir: &Path, architecture: Architecture) -> Result<(), PackageError> {
    let target = architecture.target();
    let mut rustc = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    rustc.args(["--print", "target-libdir", "--target", target]).current_dir(workspace_dir);
    let output = rustc.output().await.map_err(|source| PackageError::Tool {
        program: "rustc".to_owned(),
        source,
        remedy: NO_CARGO,
    })?;
    let dir = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
    let any = std::fs::read_dir(dir).is_ok_and(|mut files| files.next().is_some());
    if any { Ok(()) } else { Err(PackageError::NoTarget { target }) }
}

fn cargo(workspace_dir: &Path) -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(workspace_dir);
    clean(&mut cargo);
    cargo
}

/// When `provision` itself is run by cargo, what cargo told it about its own package must not reach the build: it would
/// be taken for a change, and everything built again.
fn clean(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_")
            || text.starts_with("CARGO_MANIFEST_")
            || text.starts_with("CARGO_BIN_")
        {
            command.env_remove(&name);
        }
    }
}

/// Sizes for people: `api 3.1 MB, worker 2.4 MB`.
pub fn sizes(artefacts: &[Artefact]) -> String {
    let of = |artefact: &Artefact| {
        let tenths = (artefact.bytes * 10).div_ceil(1024 * 1024);
        format!("{} {}.{} MB", artefact.name, tenths / 10, tenths % 10)
    };
    artefacts.iter().map(of).collect::<Vec<_>>().join(", ")
}

/// The artefacts by function name.
pub fn by_name(artefacts: Vec<Artefact>) -> BTreeMap<String, Artefact> {
    artefacts.into_iter().map(|artefact| (artefact.name.clone(), artefact)).collect()
}
