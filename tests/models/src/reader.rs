//! What a consumer's list returns, and what it may return.

use crate::oracle;
use crate::scenario::Variant;
use crate::state::{Group, ITEMS, Member, State};
use crate::terms::{Contract, Edition, Reading, Row, Rule, View};

/// A list: of every item at most one copy.
pub type Page = [Option<Row>; ITEMS];

/// A list that is under way, and what was promised when it began.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct List {
    /// The group existed.
    active: bool,
    /// There has been a membership at some time since.
    pub provided: bool,
    /// Some rule has selected every reading since.
    pub all_selected: bool,
    /// Some contract has allowed every reading since.
    pub all_allowed: bool,
    /// Below which version nothing was to be shown.
    floors: [u8; ITEMS],
    /// The copies, once they are read.
    page: Option<Page>,
    /// The group's row, once it is read, with the roster of then.
    group: Option<(Group, Option<Member>)>,
}

impl List {
    /// A list that begins now.
    pub fn begin(state: &State) -> Self {
        Self {
            active: state.group.active,
            provided: state.member.is_some(),
            all_selected: state.group.edition().rule == Rule::All,
            all_allowed: state.member.is_some_and(|member| member.contract().allows(Reading::Low)),
            floors: state.floors,
            page: None,
            group: None,
        }
    }

    /// Whether the copies are still to be read.
    pub fn wants_page(&self) -> bool {
        self.page.is_none()
    }

    /// Whether the group's row is still to be read.
    pub fn wants_group(&self) -> bool {
        self.group.is_none()
    }
}

/// Reads the copies.
pub fn read_page(state: &mut State) {
    let page = stored(state);
    if let Some(list) = &mut state.list {
        list.page = Some(page);
    }
}

/// Reads the group's row.
pub fn read_group(state: &mut State) {
    let group = (state.group.clone(), state.member);
    if let Some(list) = &mut state.list {
        list.group = Some(group);
    }
}

/// Ends the list: with the roster of now, or with one that was remembered under the `roster_rev` of the group's row.
pub fn finish(state: &mut State, variant: Variant, remembered: bool) {
    let Some(list) = state.list.take() else { return };
    let (Some(page), Some((group, member))) = (list.page, &list.group) else { return };
    let member = if remembered { *member } else { state.member };
    for (item, row) in
        filtered(&page, group, roster(state, variant, member), state, variant).iter().enumerate()
    {
        let Some(row) = row else { continue };
        let low = row.body.is_some_and(|body| body.reading < crate::terms::Reading::High);
        let taken = !list.active || !list.provided || (low && !(list.all_selected && list.all_allowed));
        let version = row.order.version as u8;
        state.broken.revocation |= taken;
        state.broken.resurrection |= version < list.floors[item];
        state.broken.backwards |= version < state.seen[item];
        state.seen[item] = state.seen[item].max(version);
    }
}

/// A list that begins and ends now.
pub fn listed(state: &State, variant: Variant) -> Page {
    filtered(&stored(state), &state.group, roster(state, variant, state.member), state, variant)
}

fn roster(state: &State, variant: Variant, member: Option<Member>) -> Option<Member> {
    match state.folly.remembered {
        Some(remembered) if variant == Variant::RememberedRoster => remembered,
        _ => member,
    }
}

/// The copies as the query finds them: of those of one item that lie in different layouts, the one of the greatest order.
fn stored(state: &State) -> Page {
    let mut page = Page::default();
    for (place, row) in &state.copies {
        let slot = &mut page[usize::from(place.item)];
        let read = state.group.layouts.iter().any(|layout| oracle::is_in(place, *layout));
        if read && slot.is_none_or(|other| other.order < row.order) {
            *slot = Some(*row);
        }
    }
    page
}

fn filtered(page: &Page, group: &Group, member: Option<Member>, state: &State, variant: Variant) -> Page {
    let mut seen = Page::default();
    if !group.active {
        return seen;
    }
    for (item, row) in page.iter().enumerate() {
        seen[item] = row.filter(|row| passes(item as u8, row, group, member, state, variant));
    }
    seen
}

fn passes(
    item: u8,
    row: &Row,
    group: &Group,
    member: Option<Member>,
    state: &State,
    variant: Variant,
) -> bool {
    let view = |member: Member, epoch: u8| View {
        era: group.era,
        epoch,
        joined: member.joined,
        edition: group.edition(),
        rule_revision: group.rule_revision(),
        contract: match member.contract() {
            Contract::Agreed(_) if variant == Variant::ReaderIgnoresAgreement => Contract::Open,
            contract => contract,
        },
        contract_revision: member.revision(),
    };
    match variant {
        Variant::RevokedList if state.folly.revoked => false,
        Variant::RevokedList => {
            let stranger = Member::new(0, 0, Contract::Open);
            oracle::shown(item, row, &view(member.unwrap_or(stranger), row.order.epoch as u8))
        }
        Variant::GuardDuringJobs if state.jobs.is_empty() => row.body.is_some(),
        _ => member.is_some_and(|member| oracle::shown(item, row, &view(member, member.epoch))),
    }
}

/// Whether the rules and the contract of now select an item's copy, said without the code that is being checked.
pub fn is_selected(state: &State, row: &Row) -> bool {
    let Edition { rule, .. } = state.group.edition();
    row.body.is_some_and(|body| {
        let allowed = state.member.is_some_and(|member| member.contract().allows(body.reading));
        state.group.active && rule.allows(body.reading) && allowed
    })
}
