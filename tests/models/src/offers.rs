//! Offers of a role, and what ends them, in every interleaving.
//!
//! One group with an owner who stays (the *root*), a second owner (the *writer*) and one person who is invited by id or by
//! address (the *invitee*). Each action that reads before it commits has two steps: writing and resending an offer read
//! the roster's revision, accepting reads the offer and the revision, and a loss of a role reads the revision that it
//! records. A commit is one transaction with conditions, as in `store::directory::offers`. A removal, a leave, a
//! demotion and a transfer differ in what they leave to a person; here each is a loss of ownership for the writer and a
//! loss of a role for the invitee.
//!
//! Beside every offer the model keeps what really happened to the rights behind it. An offer *must* end if one of them
//! ended after it was committed, and *may* end if that happened while it was being written.

use stateright::{Model, Property};

/// What is left out of the conditions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Without {
    /// Nothing.
    Nothing,
    /// An acceptance does not look at whether the writer owns the group.
    WriterOwns,
    /// It does, and not at since when.
    OwnsSince,
    /// It does not look at whether the invitee has lost a role since.
    RoleLoss,
    /// A loss of a role records the next revision without the condition that it is still the next one.
    LossAtRevision,
    /// An acceptance does not look at whether the group is active.
    GroupActive,
    /// An offer takes the slot and leaves the previous one open.
    SlotRevokes,
    /// Resending keeps the writer and the revision of the first offer.
    ResendRestamps,
    /// An acceptance does not look at whether the address's holder was erased since.
    ErasureMark,
    /// The erasure's job removes every offer to the address, whenever it was written.
    ErasureLooksAtTime,
}

/// Who offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Writer {
    /// The owner who stays.
    Root,
    /// The one who may lose the group.
    Other,
}

/// An offer of the consumer's role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Offer {
    writer: Writer,
    by_address: bool,
    /// To which of the users who have held the address one after the other.
    user: u8,
    revision: u8,
    since_erasure: bool,
    resent: bool,
    open: bool,
    removed: bool,
    must_end: bool,
    may_end: bool,
}

/// What has read and not committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Pending {
    Write { offer: Offer, resent: Option<u8>, shaken: bool },
    Accept { which: u8, offer: Offer, user: u8, revision: u8 },
    Lose { person: Person, revision: u8 },
}

/// Who loses a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Person {
    /// The owner who writes.
    Writer,
    /// The invitee.
    Invitee,
}

/// Everything.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct State {
    active: bool,
    revision: u8,
    /// Since when the writer owns the group.
    owns_since: Option<u8>,
    /// Whether the invitee has a role besides the one offered, and that one.
    other_role: bool,
    consumer: bool,
    /// Which user holds the address.
    user: u8,
    user_lost: [u8; 2],
    address_lost: u8,
    swept: bool,
    offers: Vec<Offer>,
    pending: Vec<Pending>,
    used: Used,
    /// What went wrong.
    dead_counted: bool,
    live_refused: bool,
    accepted: bool,
    accepted_resent: bool,
}

/// How often what was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
struct Used {
    resends: u8,
    accepts: u8,
    losses: u8,
    promotions: u8,
}

/// One thing that happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// An owner begins to invite, by address or by id.
    Invite(Writer, bool),
    /// An owner begins to resend an offer.
    Resend(Writer, u8),
    /// The invitee begins to accept an offer.
    Accept(u8),
    /// A loss of a role begins.
    Lose(Person),
    /// What was begun commits, or is refused.
    Commit(usize),
    /// The root makes the writer an owner again.
    Promote,
    /// The root deletes the group.
    Delete,
    /// The invitee is erased, and signs up anew with the same address.
    Erase,
    /// The erasure's job removes what was offered to the erased user and to the address.
    Sweep,
}

/// The model, with how often what may happen.
#[derive(Debug, Clone, Copy)]
pub struct Offers {
    /// What is left out.
    pub without: Without,
    /// Invitations that are written.
    pub invitations: usize,
    /// Losses of roles.
    pub losses: u8,
    /// Acceptances.
    pub accepts: u8,
}

/// Somebody was let in by an offer whose right had ended.
pub const DEAD: &str = "no offer counts whose right has ended";
/// An offer was refused or removed although nothing had happened to the right behind it.
pub const LIVE: &str = "every offer counts whose right stands";
/// Two offers to the same invitee count.
pub const ONE: &str = "one offer counts at a time";
/// Somebody was let in.
pub const ACCEPTED: &str = "an offer is accepted";
/// Somebody was let in by an offer that was resent.
pub const RESENT: &str = "a resent offer is accepted";

impl Offers {
    /// Whether the conditions of an acceptance hold, but for the roster's revision and the role.
    fn counts(&self, state: &State, offer: &Offer, user: u8) -> bool {
        let writer = match (offer.writer, state.owns_since) {
            (Writer::Root, _) => true,
            (Writer::Other, _) if self.without == Without::WriterOwns => true,
            (Writer::Other, None) => false,
            (Writer::Other, Some(since)) => since <= offer.revision || self.without == Without::OwnsSince,
        };
        let lost = |at: u8| at > offer.revision && self.without != Without::RoleLoss;
        let losses =
            lost(state.user_lost[usize::from(user)]) || (offer.by_address && lost(state.address_lost));
        let erased = offer.by_address
            && !offer.since_erasure
            && state.user > 0
            && !state.swept
            && self.without != Without::ErasureMark;
        let to_them = offer.by_address || offer.user == user;
        let active = state.active || self.without == Without::GroupActive;
        offer.open && !offer.removed && to_them && active && writer && !losses && !erased
    }

    fn commit(&self, state: &mut State, pending: Pending) {
        match pending {
            Pending::Write { offer, resent, shaken } => self.write(state, offer, resent, shaken),
            Pending::Accept { which, offer: read, user, revision } => {
                // Read again after any change of the roster: another acceptance.
                if revision != state.revision || user != state.user {
                    return;
                }
                let offer = state.offers[usize::from(which)];
                // Conditions name what was read; whether it is still open they ask the row.
                let decided = Offer { open: offer.open, removed: offer.removed, ..read };
                if !self.counts(state, &decided, user) {
                    let untouched = read == offer && offer.open && !offer.must_end && !offer.may_end;
                    state.live_refused |= untouched && (offer.by_address || offer.user == user);
                    return;
                }
                if state.consumer {
                    return;
                }
                state.dead_counted |= offer.must_end;
                state.accepted = true;
                state.accepted_resent |= offer.resent;
                state.consumer = true;
                state.revision += 1;
                state.offers[usize::from(which)].open = false;
            }
            Pending::Lose { person, revision } => {
                let unchanged = revision == state.revision || self.without == Without::LossAtRevision;
                // A membership that has ended meanwhile, as by an erasure, cannot end again.
                if unchanged && state.active && state.has_role(person) {
                    state.lose(person, revision + 1);
                }
            }
        }
    }

    fn write(&self, state: &mut State, offer: Offer, resent: Option<u8>, shaken: bool) {
        let stands = match (offer.writer, state.owns_since) {
            (Writer::Root, _) => true,
            (Writer::Other, since) => since.is_some_and(|since| since <= offer.revision),
        };
        let answered = resent.is_some_and(|which| {
            let row = state.offers[usize::from(which)];
            !row.open || row.removed
        });
        if !state.active || !stands || answered {
            return;
        }
        for (which, other) in state.offers.iter_mut().enumerate() {
            let same = other.by_address == offer.by_address && (offer.by_address || other.user == offer.user);
            if same && Some(which) != resent.map(usize::from) {
                // Whoever wrote the newest meant it to be the only one.
                other.must_end = true;
                other.open &= self.without == Without::SlotRevokes;
            }
        }
        let offer = Offer { may_end: shaken, must_end: false, ..offer };
        match resent {
            None => state.offers.push(offer),
            Some(which) => {
                let row = &mut state.offers[usize::from(which)];
                *row = match self.without {
                    Without::ResendRestamps => Offer { may_end: shaken, must_end: false, ..*row },
                    _ => offer,
                };
            }
        }
    }
}

impl State {
    fn lose(&mut self, person: Person, recorded: u8) {
        self.revision += 1;
        match person {
            Person::Writer => self.owns_since = None,
            Person::Invitee => {
                (self.consumer, self.other_role) = (false, false);
                self.user_lost[usize::from(self.user)] = recorded;
                self.address_lost = recorded;
            }
        }
        let user = self.user;
        self.end(|offer| match person {
            Person::Writer => offer.writer == Writer::Other,
            Person::Invitee => offer.by_address || offer.user == user,
        });
    }

    /// Notes that a right behind these offers has ended.
    fn end(&mut self, which: impl Fn(&Offer) -> bool) {
        for offer in &mut self.offers {
            offer.must_end |= which(offer);
        }
        for pending in &mut self.pending {
            if let Pending::Write { offer, shaken, .. } = pending {
                *shaken |= which(offer);
            }
        }
    }

    fn has_role(&self, person: Person) -> bool {
        match person {
            Person::Writer => self.owns_since.is_some(),
            Person::Invitee => self.consumer || self.other_role,
        }
    }
}

impl Model for Offers {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State {
            active: true,
            revision: 1,
            owns_since: Some(1),
            other_role: true,
            consumer: false,
            user: 0,
            user_lost: [0; 2],
            address_lost: 0,
            swept: false,
            offers: Vec::new(),
            pending: Vec::new(),
            used: Used::default(),
            dead_counted: false,
            live_refused: false,
            accepted: false,
            accepted_resent: false,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        actions.extend((0..state.pending.len()).map(Action::Commit));
        let writing = state.pending.iter().filter(|one| matches!(one, Pending::Write { resent: None, .. }));
        let invited = state.offers.len() + writing.count();
        let room = state.pending.len() < 2;
        let writers = [Writer::Root, Writer::Other];
        let writers = writers.into_iter().filter(|by| *by == Writer::Root || state.owns_since.is_some());
        if room && state.active {
            for by in writers {
                if invited < self.invitations {
                    actions.extend([Action::Invite(by, false), Action::Invite(by, true)]);
                }
                if state.used.resends == 0 && !state.offers.is_empty() {
                    actions.push(Action::Resend(by, 0));
                }
            }
            if state.used.losses < self.losses {
                let people = [Person::Writer, Person::Invitee];
                let people = people.into_iter().filter(|person| state.has_role(*person));
                actions.extend(people.map(Action::Lose));
            }
        }
        if room && state.used.accepts < self.accepts {
            actions.extend((0..state.offers.len() as u8).map(Action::Accept));
        }
        if state.active {
            if state.owns_since.is_none() && state.used.promotions == 0 {
                actions.push(Action::Promote);
            }
            actions.push(Action::Delete);
        }
        match (state.user, state.swept) {
            (0, _) => actions.push(Action::Erase),
            (_, false) => actions.push(Action::Sweep),
            _ => {}
        }
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        let mut next = state.clone();
        let offer = |writer, by_address| Offer {
            writer,
            by_address,
            user: state.user,
            revision: state.revision,
            since_erasure: state.user > 0,
            resent: false,
            open: true,
            removed: false,
            must_end: false,
            may_end: false,
        };
        match action {
            Action::Invite(by, by_address) => {
                let offer = offer(by, by_address);
                next.pending.push(Pending::Write { offer, resent: None, shaken: false });
            }
            Action::Resend(by, which) => {
                next.used.resends += 1;
                let Offer { by_address, user, .. } = state.offers[usize::from(which)];
                let offer = Offer { user, resent: true, ..offer(by, by_address) };
                next.pending.push(Pending::Write { offer, resent: Some(which), shaken: false });
            }
            Action::Accept(which) => {
                next.used.accepts += 1;
                let offer = state.offers[usize::from(which)];
                let (user, revision) = (state.user, state.revision);
                next.pending.push(Pending::Accept { which, offer, user, revision });
            }
            Action::Lose(person) => {
                next.used.losses += 1;
                next.pending.push(Pending::Lose { person, revision: state.revision });
            }
            Action::Commit(which) => {
                let pending = next.pending.remove(which);
                self.commit(&mut next, pending);
            }
            Action::Promote => {
                next.used.promotions += 1;
                next.revision += 1;
                next.owns_since = Some(next.revision);
            }
            Action::Delete => {
                next.active = false;
                next.end(|_| true);
            }
            Action::Erase => {
                // As in the product, the memberships have ended by then, each with a loss; the invitee had one at most.
                if next.active && next.has_role(Person::Invitee) {
                    let recorded = next.revision + 1;
                    next.lose(Person::Invitee, recorded);
                }
                next.user = 1;
                next.end(|offer| offer.by_address || offer.user == 0);
            }
            Action::Sweep => {
                next.swept = true;
                let all = self.without == Without::ErasureLooksAtTime;
                for offer in &mut next.offers {
                    let theirs = match offer.by_address {
                        true => all || !offer.since_erasure,
                        false => offer.user == 0,
                    };
                    if theirs {
                        next.live_refused |=
                            offer.by_address && offer.open && !offer.must_end && !offer.may_end;
                        offer.removed = true;
                    }
                }
                // What names the address in the roster's losses goes too, if it existed then.
                next.address_lost = if next.user_lost[1] == 0 { 0 } else { next.address_lost };
            }
        }
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(DEAD, |_, state: &State| !state.dead_counted),
            Property::always(LIVE, |_, state: &State| !state.live_refused),
            Property::always(ONE, |model: &Self, state: &State| {
                [true, false].into_iter().all(|by_address| {
                    let counting = |offer: &&Offer| {
                        offer.by_address == by_address && model.counts(state, offer, state.user)
                    };
                    state.offers.iter().filter(counting).count() <= 1
                })
            }),
            Property::sometimes(ACCEPTED, |_, state: &State| state.accepted),
            Property::sometimes(RESENT, |_, state: &State| state.accepted_resent),
        ]
    }
}
