//! Reads the stack's file and its overlay.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use domain::diagnostic::Diagnostic;
use domain::stack::{self, Source, Stack, Values};

use super::Options;
use crate::error::Error;

/// Reads and checks a stack; `env` names the overlay `stack.ENV.yaml` beside `stack.yaml`.
///
/// # Errors
/// If a file cannot be read, or with everything that is wrong with the configuration.
pub fn load(file: &Path, env: Option<&str>) -> Result<Stack, Error> {
    read_all(file, env, &BTreeMap::new())
}

/// Reads and checks the stack that a command is about, with the values given to its variables, in the region that the
/// command names.
///
/// # Errors
/// If a file cannot be read, with everything that is wrong with the configuration, or if `options.region` is no region.
pub fn load_with(options: &Options) -> Result<Stack, Error> {
    let mut stack = read_all(&options.file, options.env.as_deref(), &options.vars)?;
    if let Some(region) = &options.region {
        stack::check_region(region).map_err(Error::Region)?;
        stack.region.clone_from(region);
    }
    Ok(stack)
}

fn read_all(file: &Path, env: Option<&str>, vars: &BTreeMap<String, String>) -> Result<Stack, Error> {
    let base = read(file, 0)?;
    let overlay = env.map(|env| read(&overlay_path(file, env), 1)).transpose()?;
    let shell = |name: &str| std::env::var(name).ok();
    let over = overlay.as_ref().map(|(name, text)| Source { name, text });
    let checked = stack::parse_with(
        Source { name: &base.0, text: &base.1 },
        over,
        Values { shell: &shell, given: vars },
    );
    checked.map_err(|diagnostics| Error::Configuration {
        sources: std::iter::once(base).chain(overlay).collect(),
        diagnostics,
    })
}

/// The files that a stack is read from.
pub(super) fn files(file: &Path, env: Option<&str>) -> Vec<PathBuf> {
    std::iter::once(file.to_owned()).chain(env.map(|env| overlay_path(file, env))).collect()
}

/// `stack.yaml` and `prod` give `stack.prod.yaml`.
fn overlay_path(file: &Path, env: &str) -> PathBuf {
    let extension = file.extension().map_or_else(|| "yaml".into(), |extension| extension.to_string_lossy());
    file.with_extension(format!("{env}.{extension}"))
}

fn read(path: &Path, index: u8) -> Result<(String, String), Error> {
    let name = path.display().to_string();
    let failed = |source| Error::File { path: path.to_owned(), source };
    let wrong = |diagnostics: Vec<Diagnostic>| {
        // The mistake may be in the second file; what cannot be read cannot be shown either.
        let sources = vec![(name.clone(), String::new()); usize::from(index) + 1];
        Error::Configuration { sources, diagnostics }
    };
    let size = std::fs::metadata(path).map_err(failed)?.len();
    stack::check_size(&name, index, size).map_err(wrong)?;
    let bytes = std::fs::read(path).map_err(failed)?;
    let text = Source::from_bytes(&name, index, &bytes).map_err(wrong)?.text.to_owned();
    Ok((name, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_environment_lays_its_file_over_the_stacks() {
        assert_eq!(overlay_path(Path::new("a/stack.yaml"), "prod"), Path::new("a/stack.prod.yaml"));
    }

    #[test]
    fn a_file_that_is_not_there_is_a_configuration_error() {
        let error = load(Path::new("no-such-stack.yaml"), None).unwrap_err();
        assert_eq!((error.code(), error.exit() as i32), ("FH0201", 3));
    }

    #[test]
    fn a_file_of_fifty_megabytes_is_refused_unread() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("stack.yaml");
        std::fs::File::create(&path).unwrap().set_len(50 << 20).unwrap();
        assert!(matches!(load(&path, None), Err(Error::Configuration { .. })));
    }
}
