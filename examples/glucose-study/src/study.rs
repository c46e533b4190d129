//! The study from its first account to its chart.

use std::collections::BTreeMap;
use std::time::Instant;

use freehold_client::{Client, Group, Role};
use futures::{StreamExt, TryStreamExt};
use provision::token::TokenError;

use crate::load::{Subject, load};
use crate::people::{CONSUMER, LEAD, Place, join, own, subject_address};
use crate::readings::{self, Reading, ReadingsError};
use crate::talk::{Talk, number};
use crate::{chart, check};

/// The group that stack.yaml declares.
pub const GROUP: &str = "endocrinology";

/// How much of it.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// So many subjects; all if none.
    pub subjects: Option<usize>,
    /// So many readings of each; all if none.
    pub readings: Option<usize>,
    /// So many subjects load at once.
    pub at_once: usize,
}

/// What the study found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Findings {
    /// What the consumer sees.
    pub seen: check::Seen,
    /// How many readings the subjects hold.
    pub held: usize,
}

/// Why the study failed.
#[derive(Debug, thiserror::Error)]
pub enum StudyError {
    /// The readings cannot be used.
    #[error(transparent)]
    Readings(#[from] ReadingsError),
    /// The API refused, or is not there.
    #[error(transparent)]
    Api(#[from] freehold_client::Error),
    /// Somebody gets no account.
    #[error("cannot make an account for `{who}`: {source}")]
    Account {
        /// Who.
        who: String,
        /// Why.
        source: TokenError,
    },
    /// The stack could not be deployed.
    #[error("{0}")]
    Stack(String),
    /// The system gives no random numbers.
    #[error("this system gives no random numbers for passwords")]
    NoRandom,
    /// The lead is not invited.
    #[error("`{who}` neither owns the group `{group}` nor is invited to; `--fresh` begins anew")]
    NotInvited {
        /// Which group.
        group: String,
        /// Who.
        who: String,
    },
    /// A batch was refused.
    #[error("a batch of `{subject}` was refused with {status}, after {attempts} attempts")]
    Batch {
        /// Whose.
        subject: String,
        /// The status of an item, or of the whole.
        status: u16,
        /// How often it was tried.
        attempts: u32,
    },
    /// The drives do not hold what was loaded.
    #[error(
        "the subjects' drives differ from the file: {missing} missing, {twice} there twice, {strange} not from this run; `--fresh` begins anew"
    )]
    Drives {
        /// Readings that are not there.
        missing: usize,
        /// Readings that are there more than once.
        twice: usize,
        /// Readings that were not to be loaded.
        strange: usize,
    },
    /// Replication makes no headway.
    #[error("the group sees {seen} readings and should see {expected}; nothing has changed for {seconds} s")]
    Stalled {
        /// What is seen.
        seen: usize,
        /// What should be.
        expected: usize,
        /// For how long nothing changed.
        seconds: u64,
    },
    /// A copy is not as it should be.
    #[error("the copy `{id}` is wrong: {why}")]
    Copy {
        /// Which.
        id: String,
        /// Why.
        why: String,
    },
    /// The group sees something else than the rule selects.
    #[error(
        "the group sees {seen} readings where {expected} were expected: {missing} missing, {extra} too many"
    )]
    Differs {
        /// What the rule selects.
        expected: usize,
        /// What is seen.
        seen: usize,
        /// Selected and not seen.
        missing: usize,
        /// Seen and not selected.
        extra: usize,
    },
}

/// Runs the study on a stack that is there.
///
/// # Errors
/// With the first thing that is not as it should be.
pub async fn run(place: &Place, size: Size, talk: Talk) -> Result<Findings, StudyError> {
    let file = chosen(readings::read(&readings::file())?, size);
    let lead = place.person(LEAD).await?;
    lead.ensure_profile().await?;
    let group = own(&lead, GROUP).await?;
    let subjects = enrol(place, &lead, &group, file, talk).await?;
    let consumer = place.person(CONSUMER).await?;
    consumer.ensure_profile().await?;
    join(&lead, &consumer, &group, Role::Consumer).await?;

    let total: usize = subjects.iter().map(|subject| subject.readings.len()).sum();
    let bar = talk.bar("loading readings", total);
    let begun = Instant::now();
    let loaded = load(&subjects, size.at_once, &bar).await?;
    bar.done();
    talk.say(&format!(
        "loaded {} readings in {:.0} s ({} were there already, {} batches were sent again)",
        number(loaded.sent),
        begun.elapsed().as_secs_f64(),
        number(loaded.found),
        loaded.repeated
    ));

    let bar = talk.bar("waiting for the group", check::expected(&subjects).len());
    let items = check::wait(&consumer, &group.id, &subjects, &bar).await?;
    bar.done();
    let seen = check::exactly(&items, &subjects)?;
    let bar = talk.bar("counting the drives", total);
    let held = check::drives(&subjects, &bar).await?;
    bar.done();
    Ok(Findings { seen, held })
}

fn chosen(file: BTreeMap<String, Vec<Reading>>, size: Size) -> BTreeMap<String, Vec<Reading>> {
    let subjects = file.into_iter().take(size.subjects.unwrap_or(usize::MAX));
    let cut = |(id, mut readings): (String, Vec<Reading>)| {
        readings.truncate(size.readings.unwrap_or(usize::MAX));
        (id, readings)
    };
    subjects.map(cut).collect()
}

/// People who get ready at once.
const ENROL_AT_ONCE: usize = 4;

async fn enrol(
    place: &Place,
    lead: &Client,
    group: &Group,
    file: BTreeMap<String, Vec<Reading>>,
    talk: Talk,
) -> Result<Vec<Subject>, StudyError> {
    let bar = talk.bar("subjects sign in, join", file.len());
    let ready = file.into_iter().map(|(id, readings)| {
        let bar = &bar;
        async move {
            let client = place.person(&subject_address(&id)).await?;
            let user = client.ensure_profile().await?;
            join(lead, &client, group, Role::Provider).await?;
            bar.add(1);
            Ok::<_, StudyError>(Subject { id, drive: user.drive, client: client.api(), readings })
        }
    });
    let subjects = futures::stream::iter(ready).buffer_unordered(ENROL_AT_ONCE).try_collect().await?;
    bar.done();
    Ok(subjects)
}

/// The findings, for people.
pub fn report(findings: &Findings) -> String {
    let mut subjects: BTreeMap<String, usize> = BTreeMap::new();
    let mut hours = [0; 24];
    for (subject, taken_at, _) in &findings.seen {
        *subjects.entry(subject.clone()).or_default() += 1;
        if let Some(count) = chart::hour(taken_at).and_then(|hour| hours.get_mut(hour)) {
            *count += 1;
        }
    }
    format!(
        "Readings above {} mg/dL that `{GROUP}` sees, by subject:\n\n{}\nand by hour of day (UTC):\n\n{}\n{} of {}\n",
        readings::HIGH,
        chart::bars(&subjects),
        chart::hours(&hours),
        number(findings.seen.len()),
        number(findings.held)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_ends_with_what_is_seen_of_what_is_held() {
        let file = readings::read(&readings::file()).unwrap();
        let seen = readings::high(file.values().flatten());
        let text = report(&Findings { seen, held: 34_890 });
        assert!(text.ends_with("\n615 of 34,890\n"), "{text}");
        // Fifteen of the nineteen have any.
        assert_eq!(
            text.split("and by hour").next().unwrap().lines().skip(2).filter(|line| !line.is_empty()).count(),
            15
        );
    }

    #[test]
    fn a_smaller_study_takes_the_first_of_each() {
        let file = readings::read(&readings::file()).unwrap();
        let small = chosen(file, Size { subjects: Some(2), readings: Some(350), at_once: 1 });
        assert_eq!(small.values().map(Vec::len).collect::<Vec<_>>(), [350, 350]);
        assert!(!readings::high(small.values().flatten()).is_empty());
    }
}
