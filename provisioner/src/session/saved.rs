//! Saves a plan, and carries out one that was saved.

use std::collections::BTreeMap;
use std::path::Path;

use super::apply::{Applied, Basis, carry_out};
use super::{Options, Seen, Session, Target, source};
use crate::error::Error;
use crate::plan::{Fingerprints, Place, SAVED_VERSION, SavedPlan, SavedPlanError, fingerprint, iam};
use crate::resource::{Address, Resource};
use crate::state::now;

impl Session {
    /// The stack and where it runs.
    pub fn place(&self) -> Place {
        Place {
            stack: self.name().to_owned(),
            account: self.account.clone(),
            region: self.clients.region().to_owned(),
            target: match self.options.target {
                Target::Aws => "aws".to_owned(),
                Target::Local => "local".to_owned(),
            },
            env: self.options.env.clone(),
        }
    }

    /// A plan with everything that it was made from, to be saved.
    ///
    /// # Errors
    /// If the stack's file cannot be read again.
    pub fn saved(&self, seen: &Seen) -> Result<SavedPlan, Error> {
        let place = self.place();
        Ok(SavedPlan {
            version: SAVED_VERSION,
            made_by: env!("CARGO_PKG_VERSION").to_owned(),
            made: now(),
            seen: self.fingerprints(seen)?,
            losses: seen.losses.clone(),
            permissions: iam::statements(&seen.plan, &place),
            place,
            plan: seen.plan.clone(),
        })
    }

    fn fingerprints(&self, seen: &Seen) -> Result<Fingerprints, Error> {
        let mut files = BTreeMap::new();
        for path in source::files(&self.options.file, self.options.env.as_deref()) {
            let bytes = std::fs::read(&path).map_err(|source| Error::File { path: path.clone(), source })?;
            // By its name alone: a checkout elsewhere is the same configuration.
            let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
            files.insert(name, fingerprint::of_text(&bytes));
        }
        Ok(Fingerprints::of(files, &seen.snapshot.entries, &seen.observed))
    }

    /// Refuses a saved plan that was not made from what is there now; `apart_from` was made meanwhile by ourselves.
    ///
    /// # Errors
    /// [`Error::Stale`], with everything that changed.
    pub(super) fn check_fresh(
        &self,
        saved: &SavedPlan,
        desired: &[Resource],
        seen: &Seen,
        apart_from: Option<&Address>,
    ) -> Result<(), Error> {
        let mut changed = saved.seen.differences(&self.fingerprints(seen)?, apart_from);
        // What a changed file means for each resource says nothing more than that the file changed.
        if !changed.iter().any(|what| what.starts_with("the configuration")) {
            changed.extend(saved.differs_from(desired, self.world.as_ref()));
        }
        if changed.is_empty() && !saved.is(&seen.plan, desired, apart_from) {
            let (then, now) = (&saved.made_by, env!("CARGO_PKG_VERSION"));
            changed.push(format!(
                "the plan itself: version {now} of `provision` plans otherwise than {then} did"
            ));
        }
        if changed.is_empty() { Ok(()) } else { Err(Error::Stale { changed }) }
    }
}

/// Reads a saved plan.
///
/// # Errors
/// If it cannot be read, is none, or is of a newer version.
pub fn read_saved(path: &Path) -> Result<SavedPlan, Error> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| unusable(path, &SavedPlanError::Unreadable(error.to_string())))?;
    SavedPlan::read(&text).map_err(|error| unusable(path, &error))
}

/// Writes a plan to a file: as a whole or not at all.
///
/// # Errors
/// If it cannot be written.
pub fn write_saved(path: &Path, saved: &SavedPlan) -> Result<(), Error> {
    let failed = |error: std::io::Error| Error::Other {
        code: "FH0208",
        message: format!("cannot write `{}`: {error}", path.display()),
        help: "give another place, or make its folder first".to_owned(),
    };
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(dir).map_err(failed)?;
    std::io::Write::write_all(&mut file, saved.text().as_bytes()).map_err(failed)?;
    file.persist(path).map_err(|error| failed(error.error)).map(|_| ())
}

/// Carries out a saved plan as it stands.
///
/// # Errors
/// See [`Error`]; [`Error::Stale`] if anything that it was made from changed, in which case nothing was done.
pub async fn apply_saved(options: &Options, path: &Path) -> Result<Applied, Error> {
    let saved = read_saved(path)?;
    let session = Session::open(options).await?;
    saved.check_place(&session.place()).map_err(|error| unusable(path, &error))?;
    carry_out(session, Basis::Saved(&saved)).await
}

fn unusable(path: &Path, error: &SavedPlanError) -> Error {
    let help = match error {
        SavedPlanError::Unreadable(_) => "make one with `provision plan --out FILE`",
        SavedPlanError::Newer(_) => "use the version of `provision` that made it, or a newer one",
        SavedPlanError::Elsewhere { .. } => {
            "give the `--file`, `--env`, `--target`, `--region` and `--profile` that it was made with"
        }
    };
    let code = if matches!(error, SavedPlanError::Elsewhere { .. }) { "FH0415" } else { "FH0414" };
    let message = format!("the plan in `{}` cannot be carried out: {error}", path.display());
    Error::Other { code, message, help: help.to_owned() }
}
