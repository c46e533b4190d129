//! Asking whether something may be done.

use crate::error::Error;
use crate::render::Printer;

impl Printer {
    /// Asks; only `yes` agrees. `what` is named if nobody can be asked.
    pub(super) fn agree(&self, question: &str, what: &str) -> Result<(), Error> {
        match self.ask(&format!("{question} (only `yes` does)")).as_deref() {
            Some("yes") => Ok(()),
            Some(_) => Err(Error::Declined),
            None => Err(Error::NeedsApproval { what: what.to_owned(), flag: "--yes".into() }),
        }
    }
}
