//! One command's view of a stack: its file, its account, its state, and what it wants to be there.

mod adopt;
mod apply;
mod destroy;
mod follow;
mod impact;
mod losses;
mod outputs;
mod owners;
mod reconcile;
mod saved;
mod source;
pub(crate) mod wanted;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use domain::stack::Stack;

pub use adopt::{Adoption, Origin, adopt, adoptable, rebuild};
pub use apply::{Applied, Approval, apply};
pub use destroy::{destroy, destroy_plan, losses};
pub use follow::{Followed, follow, kind as kind_of_job};
pub use outputs::{next_steps, outputs_of, recorded_outputs};
pub use reconcile::{Reconciled, begin_era, data_plane, reconcile};
pub use saved::{apply_saved, read_saved, write_saved};
pub use source::{load, load_with};

use crate::aws::{CallEvent, Clients, ConnectOptions, Network, Observer};
use crate::engine::{AwsWorld, CONCURRENCY, Engine, Interrupt, Wanted, World, read_all};
use crate::error::Error;
use crate::event::{Event, Events, Silent, Summary};
use crate::kinds::{Context, Listings, Read};
use crate::local::{self, LocalOptions, Running};
use crate::plan::{
    Drift, Losses, Plan, drift, explain_former_roles, plan, plan_destroy, protect, rule_changes,
    settle_renames, vanishing,
};
use crate::resource::{Address, Resource};
use crate::state::{self, DynamoState, Entry, Lease, LeaseTimes, Owner, Snapshot, StateStore};
use crate::verdict::Judge;

/// Where a stack runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Target {
    /// In an AWS account.
    #[default]
    Aws,
    /// On this machine, in the emulator.
    Local,
}

/// What a command is told.
#[derive(Clone)]
pub struct Options {
    /// The stack's file.
    pub file: PathBuf,
    /// The environment whose overlay is laid over it.
    pub env: Option<String>,
    /// Values of the variables that the file declares.
    pub vars: BTreeMap<String, String>,
    /// Where the stack runs.
    pub target: Target,
    /// Another region than the file's.
    pub region: Option<String>,
    /// A profile of the AWS configuration.
    pub profile: Option<String>,
    /// Which emulator; the project's own if none.
    pub local: Option<LocalOptions>,
    /// What calls are sent through; the network if none.
    pub network: Option<Network>,
    /// Where functions lie ready, so that none are built.
    pub functions: Option<PathBuf>,
    /// Who is told.
    pub events: Events,
    /// When to stop.
    pub interrupt: Interrupt,
    /// How many resources are worked on at once.
    pub concurrency: usize,
    /// How long the lock's lease holds.
    pub lease: LeaseTimes,
    /// Groups that may share more than before.
    pub allow_widening: BTreeSet<String>,
    /// Whether jobs that bring copies after a change are left to run, rather than followed to their end.
    pub detach: bool,
}

impl Options {
    /// The usual for that file and target: silent, never interrupted.
    pub fn new(file: impl Into<PathBuf>, target: Target) -> Self {
        Self {
            file: file.into(),
            env: None,
            vars: BTreeMap::new(),
            target,
            region: None,
            profile: None,
            local: None,
            network: None,
            functions: None,
            events: Arc::new(Silent),
            interrupt: Interrupt::never(),
            concurrency: CONCURRENCY,
            lease: LeaseTimes::default(),
            allow_widening: BTreeSet::new(),
            detach: false,
        }
    }

    /// The project that the stack's file belongs to: the checkout around it, or else its own folder.
    pub fn project_dir(&self) -> PathBuf {
        let beside = self.file.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let whole = std::path::absolute(beside).unwrap_or_else(|_| beside.to_owned());
        // Where an emulator was started before, it stays. All stacks of a checkout share one, as all stacks of a team
        // share an account.
        let started =
            whole.ancestors().find(|dir| dir.join(".freehold/emulator").is_dir()).map(Path::to_owned);
        started.or_else(|| crate::package::find_workspace(beside).ok()).unwrap_or_else(|| beside.to_owned())
    }

    /// Which emulator.
    pub fn local(&self) -> LocalOptions {
        self.local.clone().unwrap_or_else(|| LocalOptions::new(self.project_dir()))
    }

    pub(crate) fn step(&self, text: impl Into<String>) {
        self.events.event(Event::Step { text: text.into() });
    }
}

/// Counts calls to AWS.
#[derive(Debug, Default)]
struct Calls {
    all: AtomicU64,
    mutating: AtomicU64,
}

/// A stack with its account and its state.
pub struct Session {
    /// What the command was told.
    pub options: Options,
    /// The checked stack.
    pub stack: Stack,
    /// The clients of its account and region.
    pub clients: Clients,
    /// Its account.
    pub account: String,
    /// What is acted on.
    pub world: Arc<dyn World>,
    /// Its state.
    pub state: Arc<dyn StateStore>,
    /// The emulator, on the local target.
    pub emulator: Option<Running>,
    calls: Arc<Calls>,
    judge: Judge,
    started: Instant,
}

/// What was seen of a stack, and the plan that follows from it.
pub struct Seen {
    /// The state.
    pub snapshot: Snapshot,
    /// What is there.
    pub observed: BTreeMap<Address, Read>,
    /// What is to be done.
    pub plan: Plan,
    /// What that would take away for good.
    pub losses: Losses,
}

impl Session {
    /// Reads the file and connects; on the local target, sees to it that the emulator runs.
    ///
    /// # Errors
    /// If the configuration is wrong, there are no credentials, or the emulator does not run.
    pub async fn open(options: &Options) -> Result<Self, Error> {
        let started = Instant::now();
        let stack = load_with(options)?;
        let events = options.events.clone();
        let emulator = match options.target {
            Target::Aws => None,
            Target::Local => {
                let progress = |text: &str| events.event(Event::Step { text: text.to_owned() });
                Some(local::ensure_running(&options.local(), &progress).await?)
            }
        };
        let calls = Arc::new(Calls::default());
        let clients = Clients::new(ConnectOptions {
            region: stack.region.clone(),
            profile: options.profile.clone(),
            endpoint: emulator.as_ref().map(|emulator| emulator.endpoint.clone()),
            network: options.network.clone(),
            observer: Some(observer(calls.clone(), options.events.clone())),
            ..ConnectOptions::default()
        })
        .await?;
        let account = if clients.is_local() { local::ACCOUNT.to_owned() } else { clients.account().await? };
        let name = stack.name.to_string();
        let context = Context {
            clients: clients.clone(),
            stack: name.clone(),
            adopting: false,
            listings: Listings::default(),
        };
        let state = DynamoState::new(clients.dynamodb().clone(), format!("{name}-control"));
        Ok(Self {
            options: options.clone(),
            stack,
            clients,
            account,
            world: Arc::new(AwsWorld::new(context)),
            state: Arc::new(state),
            emulator,
            calls,
            judge: Judge::default(),
            started,
        })
    }

    /// The stack's name.
    pub fn name(&self) -> &str {
        self.stack.name.as_str()
    }

    /// What should be there. Builds the functions where that is needed.
    ///
    /// # Errors
    /// If they cannot be built.
    pub async fn desired(&self) -> Result<Vec<Resource>, Error> {
        wanted::resources(self).await
    }

    /// Reads what is there and plans to bring it to what is wanted.
    ///
    /// # Errors
    /// If something cannot be read.
    pub async fn plan(&self, desired: &[Resource]) -> Result<Seen, Error> {
        let (snapshot, observed) = self.look(desired).await?;
        let mut plan = plan(self.name(), desired, &observed, &snapshot.entries, self.world.as_ref())?;
        settle_renames(&mut plan, &snapshot.entries);
        owners::note_owner_changes(self, &mut plan).await?;
        explain_former_roles(&mut plan);
        let gone = vanishing(&plan);
        let losses = losses::of_vanishing(self, &gone).await?;
        protect(&mut plan, &gone, &self.stack.removed, &losses);
        let changes = rule_changes(&plan);
        if !changes.is_empty() {
            self.options.step("comparing what groups receive");
            plan.sharing = self.judge.judge(&changes, &self.options.events).await;
        }
        Ok(Seen { snapshot, observed, plan, losses })
    }

    /// The same, with what carrying it out would move: for a plan that is shown.
    ///
    /// # Errors
    /// If something cannot be read.
    pub async fn plan_with_impact(&self, desired: &[Resource]) -> Result<Seen, Error> {
        let mut seen = self.plan(desired).await?;
        impact::estimate(self, &mut seen.plan).await;
        Ok(seen)
    }

    /// Reads what is there and plans to delete it all.
    ///
    /// # Errors
    /// If something cannot be read.
    pub async fn plan_destroy(&self, desired: &[Resource]) -> Result<Seen, Error> {
        let (snapshot, observed) = self.look(desired).await?;
        let plan = plan_destroy(self.name(), desired, &observed, &snapshot.entries)?;
        Ok(Seen { snapshot, observed, plan, losses: Losses::default() })
    }

    /// What somebody changed behind the stack's back; the file plays no part in it.
    ///
    /// # Errors
    /// If there is no state, or something cannot be read.
    pub async fn drift(&self) -> Result<Vec<Drift>, Error> {
        let entries = self.entries().await?;
        let observed = read_all(self.world.as_ref(), Wanted::all(&[], &entries)).await?;
        Ok(drift(&observed, &entries, self.world.as_ref()))
    }

    async fn look(&self, desired: &[Resource]) -> Result<(Snapshot, BTreeMap<Address, Read>), Error> {
        let snapshot = self.state.load().await?.unwrap_or_default();
        let observed = read_all(self.world.as_ref(), Wanted::all(desired, &snapshot.entries)).await?;
        Ok((snapshot, observed))
    }

    /// What the state remembers.
    ///
    /// # Errors
    /// If the state cannot be read, or there is none.
    pub async fn entries(&self) -> Result<BTreeMap<Address, Entry>, Error> {
        match self.state.load().await? {
            Some(snapshot) if !snapshot.entries.is_empty() => Ok(snapshot.entries),
            _ => Err(Error::NotDeployed(self.name().to_owned())),
        }
    }

    /// Takes the stack's lock.
    async fn lock(&self) -> Result<Lease, Error> {
        self.lock_above(0).await
    }

    /// Takes the lock after looking. If the state was made anew while the stack is there, be it by an earlier run that ended
    /// before it took the lock, it was lost, and fencing tokens must go on above all that were ever given: whoever held a
    /// lock in the lost state may still be writing.
    async fn lock_after(&self, seen: &Seen, made: bool) -> Result<Lease, Error> {
        let there = seen.observed.values().any(|read| matches!(read, Read::Owned(_)));
        let anew = made || seen.snapshot.lock.is_none();
        self.lock_above(if anew && there { adopt::above_all(state::now()) } else { 0 }).await
    }

    /// Takes the lock, with a fencing token greater than that.
    async fn lock_above(&self, floor: u64) -> Result<Lease, Error> {
        let times = LeaseTimes { one_machine: self.clients.is_local(), ..self.options.lease };
        let lease = Lease::acquire_above(self.state.clone(), Owner::current(), times, floor).await?;
        if let Some(before) = &lease.taken_over {
            let who = crate::error::holder(&before.owner);
            let text = format!("took over the lock of {who}, who was last alive at {}", before.heartbeat);
            self.options.events.event(Event::Warning { text });
        }
        Ok(lease)
    }

    fn engine(&self, token: u64, interrupt: Interrupt) -> Engine {
        Engine {
            world: self.world.clone(),
            state: self.state.clone(),
            token,
            events: self.options.events.clone(),
            concurrency: self.options.concurrency,
            interrupt,
        }
    }

    /// Adds what the session knows to a summary.
    fn complete(&self, mut summary: Summary) -> Summary {
        summary.calls = self.calls.all.load(Ordering::Relaxed);
        summary.mutating_calls = self.calls.mutating.load(Ordering::Relaxed);
        summary.duration_ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        summary
    }
}

fn observer(calls: Arc<Calls>, events: Events) -> Observer {
    Observer::new(move |call: &CallEvent| {
        calls.all.fetch_add(1, Ordering::Relaxed);
        if call.mutating {
            calls.mutating.fetch_add(1, Ordering::Relaxed);
        }
        events.event(Event::Call(call.clone()));
    })
}

/// The table that holds the state: made before the lock can be taken, deleted last.
pub fn control() -> Address {
    Address::new("table", "control")
}
