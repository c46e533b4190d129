//! What a function remembers of a group's roster, in every interleaving of lists and of what transactions do.
//!
//! A transaction locks the group's row and a member's, then reaches them one after the other, in either order, and is
//! acknowledged when it has reached both. Whoever reads meanwhile may see it in part. After that, its end is noted in the
//! group's row, or its process dies before it does; then it is answered.
//!
//! One group, two members, one function that lists again and again. What is checked of every list: nothing that was
//! answered before it began is missing from it, be it given or taken away.

use stateright::{Model, Property};

/// What keeps half of a change from being remembered, and what is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guard {
    /// The group's row names the changes that are under way.
    Names,
    /// It says that some change is, and no longer when one of them is over.
    Flag,
    /// Nothing but a revision for each change.
    Nothing,
    /// One more revision when a change was acknowledged.
    SecondRevision,
    /// The row names the changes, and is asked for them after the roster was read.
    AskedAfterwards,
}

/// The number of a change, which begins at 1; of a member's row, that which wrote it last.
type Change = u8;

const MEMBERS: usize = 2;

/// A row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Row {
    /// The group's own.
    Group,
    /// A member's in the roster.
    Member(usize),
}

/// The rows of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
struct Group {
    revision: u8,
    /// A bit for each change that is under way; any of them is the flag.
    changing: u8,
    members: [Change; MEMBERS],
}

/// A change that was not answered yet.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Pending {
    number: Change,
    member: usize,
    /// What it has not reached; none if it was acknowledged.
    left: Vec<Row>,
}

/// A list under way.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct List {
    /// What was answered before it began.
    floor: [Change; MEMBERS],
    /// The group's row when it was read, if it was.
    read: Option<Group>,
    left: Vec<usize>,
    members: [Change; MEMBERS],
}

/// Everything.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct State {
    group: Group,
    pending: Vec<Pending>,
    changes: u8,
    answered: [Change; MEMBERS],
    memory: Option<(u8, [Change; MEMBERS])>,
    list: Option<List>,
    lists: u8,
    missed: bool,
    remembered: bool,
}

/// One thing that happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// A change of a member locks its rows.
    Begin(usize),
    /// It reaches one of them.
    Reach(usize, Row),
    /// Its end is noted, and it is answered.
    End(usize),
    /// Its process dies before its end is noted; whoever asked finds out that it was done.
    Die(usize),
    /// A list begins.
    List,
    /// It reads the group's row.
    ReadGroup,
    /// It reads a member's.
    ReadMember(usize),
    /// It reads the group's row again, and is shown.
    Show,
}

/// The model: so many changes and so many lists.
#[derive(Debug, Clone, Copy)]
pub struct Rosters {
    /// What guards.
    pub guard: Guard,
    /// Changes.
    pub changes: u8,
    /// Lists.
    pub lists: u8,
    /// Whether processes die.
    pub deaths: bool,
}

/// A list lacks what was answered before it began.
pub const MISSED: &str = "what was answered is seen";
/// A list used what an earlier one had read.
pub const REMEMBERED: &str = "something is remembered";

impl Rosters {
    fn bit(&self, number: Change) -> u8 {
        match self.guard {
            Guard::Names | Guard::AskedAfterwards => 1 << number,
            Guard::Flag => 1,
            Guard::Nothing | Guard::SecondRevision => 0,
        }
    }

    fn show(&self, state: &mut State, members: [Change; MEMBERS]) {
        if let Some(list) = state.list.take() {
            state.missed |= (0..MEMBERS).any(|at| members[at] < list.floor[at]);
        }
    }
}

impl State {
    fn is_locked(&self, row: Row) -> bool {
        self.pending.iter().any(|one| one.left.contains(&row))
    }

    fn answer(&mut self, which: usize) {
        let Pending { number, member, .. } = self.pending.remove(which);
        self.answered[member] = self.answered[member].max(number);
    }
}

impl Model for Rosters {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State {
            group: Group::default(),
            pending: Vec::new(),
            changes: 0,
            answered: [0; MEMBERS],
            memory: None,
            list: None,
            lists: 0,
            missed: false,
            remembered: false,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if state.changes < self.changes && !state.is_locked(Row::Group) {
            let free = |at: &usize| !state.is_locked(Row::Member(*at));
            actions.extend((0..MEMBERS).filter(free).map(Action::Begin));
        }
        for (which, one) in state.pending.iter().enumerate() {
            actions.extend(one.left.iter().map(|row| Action::Reach(which, *row)));
            if one.left.is_empty() {
                // A row is written by one at a time.
                actions.extend((!state.is_locked(Row::Group)).then_some(Action::End(which)));
                actions.extend(self.deaths.then_some(Action::Die(which)));
            }
        }
        match &state.list {
            None => actions.extend((state.lists < self.lists).then_some(Action::List)),
            Some(List { read: None, .. }) => actions.push(Action::ReadGroup),
            Some(List { left, .. }) if left.is_empty() => actions.push(Action::Show),
            Some(List { left, .. }) => actions.extend(left.iter().copied().map(Action::ReadMember)),
        }
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        let mut next = state.clone();
        match action {
            Action::Begin(member) => {
                next.changes += 1;
                let left = vec![Row::Group, Row::Member(member)];
                next.pending.push(Pending { number: next.changes, member, left });
            }
            Action::Reach(which, row) => {
                let one = &mut next.pending[which];
                one.left.retain(|left| *left != row);
                match row {
                    Row::Group => {
                        next.group.revision += 1;
                        next.group.changing |= self.bit(one.number);
                    }
                    Row::Member(at) => next.group.members[at] = one.number,
                }
            }
            Action::End(which) => {
                next.group.changing &= !self.bit(next.pending[which].number);
                next.group.revision += u8::from(self.guard == Guard::SecondRevision);
                next.answer(which);
            }
            Action::Die(which) => next.answer(which),
            Action::List => {
                next.lists += 1;
                let left = (0..MEMBERS).collect();
                next.list = Some(List { floor: next.answered, read: None, left, members: [0; MEMBERS] });
            }
            Action::ReadGroup => {
                match next.memory.filter(|(revision, _)| *revision == state.group.revision) {
                    Some((_, members)) => {
                        next.remembered |= state.changes > 0;
                        self.show(&mut next, members);
                    }
                    None => next.list.as_mut()?.read = Some(state.group),
                }
            }
            Action::ReadMember(at) => {
                let list = next.list.as_mut()?;
                list.left.retain(|left| *left != at);
                list.members[at] = state.group.members[at];
            }
            Action::Show => {
                let List { read, members, .. } = next.list.clone()?;
                let read = read?;
                let asked = if self.guard == Guard::AskedAfterwards { state.group } else { read };
                if asked.changing == 0 && read.revision == state.group.revision {
                    next.memory = Some((read.revision, members));
                }
                self.show(&mut next, members);
            }
        }
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(MISSED, |_, state: &State| !state.missed),
            Property::sometimes(REMEMBERED, |_, state: &State| state.remembered),
        ]
    }
}
