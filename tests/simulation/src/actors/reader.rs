//! One list by a consumer.

use domain::replication::{ReplicaRow, Roster, Spread, shown};
use domain::time::Timestamp;
use domain::value::Fields;

use super::Step;
use crate::check::{Memory, Promise};
use crate::copies::merge;
use crate::directory::{Group, PLAIN, entry};
use crate::judge::following;
use crate::terms;
use crate::variant::{Variant, Violation};
use crate::world::{DRIVES, Part, World, group};

/// A list.
#[derive(Debug, Clone)]
pub struct Reader {
    who: usize,
    at: usize,
    promise: Promise,
    group: Option<Group>,
    roster: Option<Roster>,
    rows: usize,
    reread: bool,
    pages: Vec<Vec<ReplicaRow>>,
    page_first: bool,
    guess: Vec<Spread>,
}

impl Reader {
    /// A list that starts now. The group's row and the page are asked for at once, so either may be answered first.
    pub fn new(world: &World, memory: &Memory, who: usize, at: usize, page_first: bool) -> Self {
        let guess = memory.layouts.get(&at).cloned();
        let guess = guess.unwrap_or_else(|| vec![PLAIN]);
        let promise = Promise::now(world, memory, at);
        let (group, roster, pages) = (None, None, Vec::new());
        Self { who, at, promise, group, roster, rows: 0, reread: false, pages, page_first, guess }
    }

    pub(super) fn step(&mut self, world: &mut World, memory: &mut Memory) -> Result<Step, Violation> {
        let part = if self.group.is_none() { Part::Directory } else { Part::Copies(self.at) };
        if world.ask(part).is_err() {
            // The list fails, and shows nothing.
            return Ok(Step::Done);
        }
        if self.group.is_some() || self.page_first {
            // One partition after another, by the layout that is known so far.
            let layout =
                self.group.as_ref().filter(|_| self.reread).map_or(&self.guess, |group| &group.layout);
            if let Some(spread) = layout.get(self.pages.len()).copied() {
                let rows = world.copies.spread(&group(self.at), terms::glucose(), spread);
                self.pages.push(rows);
                return Ok(Step::More);
            }
        }
        let Some(state) = &self.group else {
            self.group = world.groups.get(self.at).cloned();
            if let Some(group) = &self.group {
                memory.layouts.insert(self.at, group.layout.clone());
            }
            return Ok(Step::More);
        };
        if !state.active {
            return Ok(Step::Done);
        }
        if !self.reread && self.guess != state.layout {
            (self.reread, self.pages) = (true, Vec::new());
            return Ok(Step::More);
        }
        let revision = state.roster_rev;
        let Some(roster) = &self.roster else {
            self.read_roster(world, revision);
            return Ok(Step::More);
        };
        if self.rows < DRIVES {
            return Ok(self.read_row(world, revision));
        }
        for (row, fields) in seen(world.variant, &self.pages, state, roster) {
            self.promise.check(world, memory, (self.who, self.at), &row, &fields)?;
        }
        Ok(Step::Done)
    }

    /// The roster that the group's row names, as it is remembered; else it is read, row by row.
    fn read_roster(&mut self, world: &World, revision: u64) {
        match world.rosters.get(&self.at).filter(|roster| roster.revision == revision) {
            Some(roster) => (self.roster, self.rows) = (Some(roster.clone()), DRIVES),
            None => self.roster = Some(Roster { revision, ..Roster::default() }),
        }
    }

    fn read_row(&mut self, world: &mut World, revision: u64) -> Step {
        let member = world.members.get(&(self.at, self.rows));
        if let (Some(member), Some(roster)) = (member, &mut self.roster) {
            roster.providers.extend([entry(&member.membership)]);
        }
        self.rows += 1;
        // Remembered only if nothing changed while it was read.
        let same = world.groups.get(self.at).is_some_and(|group| group.roster_rev == revision);
        if let (DRIVES, true, Some(roster)) = (self.rows, same, &self.roster) {
            world.rosters.insert(self.at, roster.clone());
        }
        Step::More
    }
}

/// What a list shows of what it read.
fn seen(
    variant: Variant,
    pages: &[Vec<ReplicaRow>],
    group: &Group,
    roster: &Roster,
) -> Vec<(ReplicaRow, Fields)> {
    let book = group.book();
    let merged = merge(pages.iter().flatten().cloned(), variant == Variant::FirstLayout);
    let each = merged.into_iter().filter_map(|row| {
        let fields = match variant {
            Variant::NoGuard => (!row.order.dead).then(|| row.carried.fields.clone()),
            Variant::NoAskedGuard => {
                // As if whatever is missing were said to be absent.
                let terms = roster.providers.get(&row.drive)?;
                let mut row = row.clone();
                let asked = book.rules.asked(&row.data_type, &terms.terms);
                row.carried.absent.extend(asked.into_iter().cloned());
                shown(&row, roster, &book, Timestamp::from_millis(0))
            }
            Variant::ReaderIgnoresAgreement => {
                let mut roster = roster.clone();
                roster
                    .providers
                    .values_mut()
                    .for_each(|provider| provider.terms = following(&provider.terms));
                shown(&row, &roster, &book, Timestamp::from_millis(0))
            }
            _ => shown(&row, roster, &book, Timestamp::from_millis(0)),
        };
        fields.map(|fields| (row, fields))
    });
    each.collect()
}

/// What a list shows if everything is read at once.
pub fn list(world: &World, at: usize) -> Vec<(ReplicaRow, Fields)> {
    let Some(state) = world.groups.get(at).filter(|state| state.active) else { return Vec::new() };
    let spread = |spread: &Spread| world.copies.spread(&group(at), terms::glucose(), *spread);
    let pages: Vec<_> = state.layout.iter().map(spread).collect();
    seen(world.variant, &pages, state, &world.roster(at))
}
