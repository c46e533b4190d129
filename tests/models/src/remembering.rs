//! What a function remembers of where a drive shares, in every interleaving of calls and of what transactions do.
//!
//! A transaction locks the rows that it is about, then reaches them one after the other, in any order, and is acknowledged
//! when it has reached all of them. Whoever reads rows one by one may see it in part; who reads them together is refused
//! while it is under way on one of them. That is as little as DynamoDB promises.
//!
//! Two groups, one drive, one function. What is checked of every answer: nothing that was acknowledged before the call is
//! missing from it, and no contract is beside rules that were changed before that contract was made.

use stateright::{Model, Property};

/// What vouches for groups, and what is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remembering {
    /// The drive's shares; groups are read every time.
    Rows,
    /// The drive's shares, and a mark that both groups have in common.
    Marks,
    /// A token for the drive, read before its memberships, in the place of its shares.
    DriveToken,
    /// What a mark vouches for is read after it.
    MarkApart,
    /// A change of rules does not touch the mark.
    MarkUntouched,
    /// A membership changes without the drive's shares.
    SharesUntouched,
    /// Groups are read before memberships.
    GroupsFirst,
}

use Remembering::{DriveToken, GroupsFirst, MarkApart, MarkUntouched, Marks, SharesUntouched};

/// The row of a membership or of a group: the change that wrote it last.
type Change = u8;

const GROUPS: usize = 2;

/// A row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Row {
    /// A membership, where the drive has it.
    Provides(usize),
    /// All of them.
    Shares,
    /// A group's own.
    Group(usize),
    /// What both groups have in common.
    Mark,
}

/// What people change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum What {
    /// The drive joins, or gets another contract.
    Share(usize),
    /// It leaves.
    Leave(usize),
    /// The rules of a group change.
    Rules(usize),
}

/// The tables, row by row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
struct Tables {
    /// By which change each membership is, and whether there is one.
    provides: [(Change, bool); GROUPS],
    shares: [(Change, bool); GROUPS],
    rules: [Change; GROUPS],
    mark: Change,
    token: Change,
}

/// A transaction that was not acknowledged yet.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Transaction {
    number: Change,
    what: What,
    left: Vec<Row>,
}

/// What was read by a call so far, or by the calls before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
struct Read {
    memberships: [(Change, bool); GROUPS],
    rules: [Change; GROUPS],
    mark: Change,
    token: Change,
}

/// Where a call is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Call {
    /// Asking whether it is still so: rows that are left to read, and what was read.
    Asking(Vec<Row>, Read),
    /// Reading memberships or groups: those that are left of the first kind and of the second.
    Reading(Vec<Row>, Vec<Row>, Read),
}

/// Everything.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct State {
    tables: Tables,
    under_way: Vec<Transaction>,
    /// All changes in the order of their numbers, which begin at 1.
    changes: Vec<What>,
    /// Acknowledged, by group: the last change of the membership and of the rules.
    acknowledged: [(Change, Change); GROUPS],
    memory: Option<Read>,
    call: Option<(Call, [(Change, Change); GROUPS])>,
    calls: u8,
    stale: bool,
    torn: bool,
    remembered: bool,
}

/// One thing that happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// A transaction locks its rows.
    Begin(What),
    /// It reaches one of them.
    Reach(usize, Row),
    /// Where the drive shares is asked.
    Call,
    /// A row is read.
    Look(Row),
    /// Several are read together, or in vain.
    LookTogether,
}

/// The model: so many changes and so many calls.
#[derive(Debug, Clone, Copy)]
pub struct Recall {
    /// What vouches, or is left out.
    pub variant: Remembering,
    /// Changes.
    pub changes: u8,
    /// Calls.
    pub calls: u8,
}

/// An answer lacks what was acknowledged before the call.
pub const STALE: &str = "what was acknowledged is seen";
/// An answer has a contract beside rules of before it.
pub const TORN: &str = "contracts are beside rules that are no older";
/// An answer came from memory after something had changed.
pub const REMEMBERED: &str = "something is remembered";

impl Recall {
    fn uses_marks(&self) -> bool {
        matches!(self.variant, Marks | MarkApart | MarkUntouched)
    }

    fn rows_of(&self, what: What) -> Vec<Row> {
        match what {
            // Every change of a roster counts in the group's row.
            What::Share(at) | What::Leave(at) => match self.variant {
                SharesUntouched => vec![Row::Provides(at), Row::Group(at)],
                _ => vec![Row::Provides(at), Row::Group(at), Row::Shares],
            },
            What::Rules(at) => match self.variant {
                MarkUntouched => vec![Row::Group(at)],
                _ => vec![Row::Group(at), Row::Mark],
            },
        }
    }

    fn locked(state: &State, row: Row) -> bool {
        state.under_way.iter().any(|one| one.left.contains(&row))
    }

    fn reach(tables: &mut Tables, number: Change, what: What, row: Row) {
        match (row, what) {
            (Row::Provides(at), _) => tables.provides[at] = (number, matches!(what, What::Share(_))),
            (Row::Shares, What::Share(at) | What::Leave(at)) => {
                tables.shares[at] = (number, matches!(what, What::Share(_)));
                tables.token = number;
            }
            (Row::Group(at), What::Rules(_)) => tables.rules[at] = number,
            (Row::Mark, _) => tables.mark = number,
            (Row::Group(_) | Row::Shares, _) => {}
        }
    }

    /// The rows that confirm what is remembered.
    fn vouching(&self, memory: &Read) -> Vec<Row> {
        let mut rows = vec![Row::Shares];
        match self.uses_marks() {
            true => rows.push(Row::Mark),
            false => rows.extend(members(memory).map(Row::Group)),
        }
        rows
    }

    fn look(tables: &Tables, row: Row, asking: bool, read: &mut Read) {
        match row {
            Row::Provides(at) => read.memberships[at] = tables.provides[at],
            Row::Shares if asking => (read.memberships, read.token) = (tables.shares, tables.token),
            Row::Shares => read.token = tables.token,
            Row::Group(at) => read.rules[at] = tables.rules[at],
            Row::Mark => read.mark = tables.mark,
        }
    }

    fn begin_reading() -> Vec<Row> {
        (0..GROUPS).map(Row::Provides).collect()
    }

    /// What comes after the last row of a kind was read.
    fn go_on(&self, state: &mut State) {
        let Some((call, floor)) = state.call.take() else { return };
        match call {
            Call::Asking(left, read) if left.is_empty() => {
                let Some(memory) = state.memory else { return };
                let same_shares = match self.variant {
                    DriveToken => read.token == memory.token,
                    _ => (0..GROUPS).all(|at| said(read.memberships[at]) == said(memory.memberships[at])),
                };
                let same_groups = !self.uses_marks() || read.mark == memory.mark;
                let memberships =
                    if self.variant == DriveToken { memory.memberships } else { read.memberships };
                let rules = if self.uses_marks() { memory.rules } else { read.rules };
                if same_shares && same_groups {
                    state.remembered |= state.changes.len() > 1;
                    Self::answer(state, &Read { memberships, rules, ..memory }, floor);
                } else {
                    state.call = Some((self.reading(), floor));
                }
            }
            Call::Reading(left, next, read) if left.is_empty() && next.is_empty() => {
                state.memory = Some(read);
                Self::answer(state, &read, floor);
            }
            Call::Reading(left, next, read) if left.is_empty() => {
                state.call = Some((Call::Reading(next, Vec::new(), read), floor));
            }
            call => state.call = Some((call, floor)),
        }
    }

    fn reading(&self) -> Call {
        let mut groups: Vec<Row> = (0..GROUPS).map(Row::Group).collect();
        let memberships = Self::begin_reading();
        match self.variant {
            GroupsFirst => Call::Reading(groups, memberships, Read::default()),
            DriveToken => {
                let rest = memberships.into_iter().chain(groups).collect();
                Call::Reading(vec![Row::Shares], rest, Read::default())
            }
            MarkApart => {
                let rest = std::iter::once(Row::Mark).chain(memberships).collect();
                Call::Reading(rest, groups, Read::default())
            }
            Marks | MarkUntouched => {
                groups.push(Row::Mark);
                Call::Reading(memberships, groups, Read::default())
            }
            _ => Call::Reading(memberships, groups, Read::default()),
        }
    }

    /// Whether the rows that come next are read together.
    fn together(&self, left: &[Row]) -> bool {
        matches!(self.variant, Marks | MarkUntouched) && left.contains(&Row::Mark) && left.len() > 1
    }

    fn answer(state: &mut State, answer: &Read, floor: [(Change, Change); GROUPS]) {
        for (at, (membership, rules)) in floor.into_iter().enumerate() {
            let (number, present) = answer.memberships[at];
            state.stale |= number < membership || (present && answer.rules[at] < rules);
            let between = answer.rules[at] + 1..number;
            state.torn |= present && between.into_iter().any(|change| state.is_rules_of(change, at));
        }
        state.call = None;
    }
}

fn said((number, present): (Change, bool)) -> Option<Change> {
    present.then_some(number)
}

fn members(read: &Read) -> impl Iterator<Item = usize> {
    let memberships = read.memberships;
    (0..GROUPS).filter(move |at| memberships[*at].1)
}

impl State {
    fn is_rules_of(&self, change: Change, at: usize) -> bool {
        change > 0 && self.changes[usize::from(change) - 1] == What::Rules(at)
    }

    /// Notes what a transaction has done to all who ask from now on.
    fn acknowledge(&mut self, number: Change, what: What) {
        match what {
            What::Share(at) | What::Leave(at) => {
                self.acknowledged[at].0 = self.acknowledged[at].0.max(number);
            }
            What::Rules(at) => self.acknowledged[at].1 = self.acknowledged[at].1.max(number),
        }
    }
}

impl Model for Recall {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State {
            tables: Tables::default(),
            under_way: Vec::new(),
            changes: Vec::new(),
            acknowledged: Default::default(),
            memory: None,
            call: None,
            calls: 0,
            stale: false,
            torn: false,
            remembered: false,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if state.changes.len() < usize::from(self.changes) {
            let of = |at: usize| {
                let leave = state.tables.provides[at].1.then_some(What::Leave(at));
                [Some(What::Share(at)), Some(What::Rules(at)), leave].into_iter().flatten()
            };
            let free = |what: &What| self.rows_of(*what).iter().all(|row| !Self::locked(state, *row));
            actions.extend((0..GROUPS).flat_map(of).filter(free).map(Action::Begin));
        }
        for (which, one) in state.under_way.iter().enumerate() {
            actions.extend(one.left.iter().map(|row| Action::Reach(which, *row)));
        }
        match &state.call {
            None if state.calls < self.calls => actions.push(Action::Call),
            None => {}
            Some((Call::Asking(left, _), _)) => actions.extend(left.iter().copied().map(Action::Look)),
            Some((Call::Reading(left, ..), _)) if self.together(left) => actions.push(Action::LookTogether),
            // What is read before something else is first in its list.
            Some((Call::Reading(left, ..), _)) if left.contains(&Row::Mark) => {
                actions.push(Action::Look(Row::Mark));
            }
            Some((Call::Reading(left, ..), _)) => actions.extend(left.iter().copied().map(Action::Look)),
        }
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        let mut next = state.clone();
        match action {
            Action::Begin(what) => {
                next.changes.push(what);
                let number = Change::try_from(next.changes.len()).unwrap();
                next.under_way.push(Transaction { number, what, left: self.rows_of(what) });
            }
            Action::Reach(which, row) => {
                let one = &mut next.under_way[which];
                one.left.retain(|left| *left != row);
                let (number, what, done) = (one.number, one.what, one.left.is_empty());
                Self::reach(&mut next.tables, number, what, row);
                if done {
                    next.under_way.remove(which);
                    next.acknowledge(number, what);
                }
            }
            Action::Call => {
                next.calls += 1;
                let call = match &next.memory {
                    Some(memory) => Call::Asking(self.vouching(memory), Read::default()),
                    None => self.reading(),
                };
                next.call = Some((call, next.acknowledged));
            }
            Action::Look(row) => {
                let (call, _) = next.call.as_mut()?;
                let asking = matches!(call, Call::Asking(..));
                let (Call::Asking(left, read) | Call::Reading(left, _, read)) = call;
                left.retain(|other| *other != row);
                Self::look(&state.tables, row, asking, read);
                self.go_on(&mut next);
            }
            Action::LookTogether => {
                let (Call::Reading(left, _, read), _) = next.call.as_mut()? else { return None };
                let rows = std::mem::take(left);
                // In vain: they are read one by one instead, and nothing is remembered.
                let refused = rows.iter().any(|row| Self::locked(state, *row));
                for row in rows {
                    Self::look(&state.tables, row, false, read);
                }
                self.go_on(&mut next);
                if refused {
                    next.memory = None;
                }
            }
        }
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(STALE, |_, state: &State| !state.stale),
            Property::always(TORN, |_, state: &State| !state.torn),
            Property::sometimes(REMEMBERED, |_, state: &State| state.remembered),
        ]
    }
}
