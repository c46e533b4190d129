//! Asking whether something may be done.

use crate::error::Error;
use crate::render::{Answer, Printer};

impl Printer {
    /// Asks; only `yes` agrees. `what` is named if nobody can be asked.
    pub(super) fn agree(&self, question: &str, what: &str) -> Result<(), Error> {
        match self.answer(&format!("{question} (only `yes` does)"), what, "--yes")?.as_str() {
            "yes" => Ok(()),
            _ => Err(Error::Declined),
        }
    }

    /// Asks for a line. If nobody can be asked, that is an error which names `what` and the `flag` that answers beforehand.
    pub(super) fn answer(&self, question: &str, what: &str, flag: &str) -> Result<String, Error> {
        match self.ask(question) {
            Answer::Line(line) => Ok(line),
            Answer::Nobody => Err(Error::NeedsApproval { what: what.to_owned(), flag: flag.to_owned() }),
            Answer::Stop => Err(Error::Interrupted { open: 0 }),
        }
    }
}
