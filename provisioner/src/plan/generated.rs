//! Promises about plans, held for generated stack files, the real kinds' rules and the real engine. Only AWS is missing:
//! resources lie in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::sync::{Arc, Mutex};

use domain::stack::{self, Stack};
use futures::FutureExt;
use futures::future::BoxFuture;
use proptest::prelude::*;
use serde_json::Value;

use super::fingerprint::of_value;
use super::{Action, Facts, Losses, Plan, lint, plan, plan_destroy, protect, settle_renames, vanishing};
use crate::desired::{DesiredOptions, Target, desired};
use crate::engine::{Engine, Execution, Interrupt, Wanted, World, execute, read_all};
use crate::error::Error;
use crate::event::Silent;
use crate::kinds::{self, Effect, Observed, Read, Recorded};
use crate::package::FUNCTIONS;
use crate::resource::{Address, Outputs, Resource};
use crate::state::{MemoryState, StateStore};

/// Resources in memory, under the rules of their kinds.
#[derive(Default)]
struct Memory(Mutex<BTreeMap<Address, Observed>>);

impl Facts for Memory {
    fn classify(&self, address: &Address, path: &str) -> Effect {
        kinds::find(&address.kind).unwrap().classify(path)
    }
    fn write_only(&self, address: &Address) -> &'static [&'static str] {
        kinds::find(&address.kind).unwrap().write_only()
    }
    fn holds_data(&self, address: &Address) -> bool {
        kinds::find(&address.kind).unwrap().holds_data()
    }
    fn moves_outputs(&self, address: &Address, path: &str) -> &'static [&'static str] {
        kinds::find(&address.kind).unwrap().moves_outputs(path)
    }
}

/// Every output that a resource of the stack refers to.
const OUTPUTS: [&str; 10] = [
    "statementId",
    "arn",
    "url",
    "id",
    "streamArn",
    "roleId",
    "issuer",
    "userInfoUrl",
    "identifier",
    "endpoint",
];

fn outputs(address: &Address, attributes: &Value) -> Outputs {
    let made = OUTPUTS.iter().map(|name| ((*name).to_owned(), format!("{address}#{name}")));
    let name = attributes.get("name").and_then(Value::as_str).unwrap_or(&address.name);
    let hash = of_value(attributes.get("document").unwrap_or(&Value::Null));
    made.chain([("name".to_owned(), name.to_owned()), ("hash".to_owned(), hash)]).collect()
}

impl World for Memory {
    fn read<'a>(
        &'a self,
        address: &'a Address,
        desired: &'a Value,
        _recorded: Option<&'a Recorded>,
    ) -> BoxFuture<'a, Result<Read, Error>> {
        let there = self.0.lock().unwrap();
        let before = desired.get("renamed_from").and_then(Value::as_str);
        let found = there.get(address).or_else(|| there.get(&Address::new("group", before?)));
        let read = found.cloned().map_or(Read::Missing, Read::Owned);
        async move { Ok(read) }.boxed()
    }

    fn converge<'a>(
        &'a self,
        address: &'a Address,
        desired: &'a Value,
        _recorded: Option<&'a Recorded>,
    ) -> BoxFuture<'a, Result<Observed, Error>> {
        async move {
            // Lets others go first, as every real call does.
            tokio::task::yield_now().await;
            let mut there = self.0.lock().unwrap();
            if let Some(before) = desired.get("renamed_from").and_then(Value::as_str) {
                there.remove(&Address::new("group", before));
            }
            let mut attributes = desired.clone();
            if let Some(object) = attributes.as_object_mut() {
                // As the kinds do not read these back.
                object.retain(|key, _| !["owner", "after", "renamed_from"].contains(&key.as_str()));
            }
            let outputs = outputs(address, &attributes);
            let observed = Observed { physical_id: address.to_string(), attributes, outputs };
            there.insert(address.clone(), observed.clone());
            Ok(observed)
        }
        .boxed()
    }

    fn delete<'a>(&'a self, recorded: &'a Recorded) -> BoxFuture<'a, Result<(), Error>> {
        self.0.lock().unwrap().remove(&recorded.address);
        async { Ok(()) }.boxed()
    }

    fn serial_key(&self, address: &Address, attributes: &Value) -> Option<String> {
        kinds::find(&address.kind).unwrap().serial_key(address, attributes)
    }
}

struct Bench {
    world: Arc<Memory>,
    state: Arc<MemoryState>,
    token: u64,
}

impl Bench {
    fn new() -> Self {
        Self { world: Arc::default(), state: Arc::default(), token: 1 }
    }

    async fn plan(&self, stack: &Stack) -> Plan {
        let desired = resources(stack);
        let entries = self.state.load().await.unwrap().unwrap().entries;
        let observed = read_all(self.world.as_ref(), Wanted::all(&desired, &entries)).await.unwrap();
        let mut plan = plan("s", &desired, &observed, &entries, self.world.as_ref()).unwrap();
        settle_renames(&mut plan, &entries);
        let gone = vanishing(&plan);
        protect(&mut plan, &gone, &stack.removed, &Losses::default());
        plan
    }

    async fn carry_out(&self, plan: &Plan) -> Execution {
        let engine = Engine {
            world: self.world.clone(),
            state: self.state.clone(),
            token: self.token,
            events: Arc::new(Silent),
            concurrency: 16,
            interrupt: Interrupt::never(),
        };
        execute(&engine, plan).await
    }
}

fn resources(stack: &Stack) -> Vec<Resource> {
    let code = |name: &&str| {
        let code = kinds::function::Code { path: String::new(), sha256: (*name).to_owned() };
        ((*name).to_owned(), code)
    };
    let options = DesiredOptions {
        account: "1".into(),
        region: "eu-west-1".into(),
        target: Target::Aws,
        code: FUNCTIONS.iter().map(code).collect(),
        era: 0,
        with_stackdoc: true,
    };
    desired(stack, &options)
}

/// What of a stack file varies.
#[derive(Debug, Clone)]
struct Shape {
    types: BTreeSet<u8>,
    groups: BTreeMap<u8, (u16, u8, bool)>,
    memory: u16,
    mfa: bool,
    protected: bool,
    tag: Option<u8>,
}

fn shape() -> impl Strategy<Value = Shape> {
    let groups = proptest::collection::btree_map(0..4_u8, (0..900_u16, 1..4_u8, any::<bool>()), 0..4);
    let types = proptest::collection::btree_set(1..4_u8, 0..3);
    let rest = (128..1024_u16, any::<bool>(), any::<bool>(), proptest::option::of(0..3_u8));
    (types, groups, rest).prop_map(|(types, groups, (memory, mfa, protected, tag))| Shape {
        types,
        groups,
        memory,
        mfa,
        protected,
        tag,
    })
}

impl Shape {
    fn yaml(&self) -> String {
        let mut text = String::from("version: 1\nname: s\nregion: eu-west-1\ndataTypes:\n");
        for name in std::iter::once(0).chain(self.types.iter().copied()) {
            let _ = writeln!(text, "  type{name}:\n    time: at\n    fields:");
            let _ = writeln!(text, "      at: {{ type: datetime, required: true }}");
            let _ = writeln!(text, "      n: {{ type: integer, required: true }}");
        }
        if !self.groups.is_empty() {
            text.push_str("groups:\n");
        }
        for (name, (above, shards, everything)) in &self.groups {
            let _ =
                writeln!(text, "  group{name}:\n    owner: a@example.org\n    shards: {shards}\n    rules:");
            let _ = writeln!(text, "      - types: [type0]\n        when: resource.n > {above}");
            if !everything {
                text.push_str("        fields: [at]\n");
            }
        }
        let mfa = if self.mfa { "required" } else { "off" };
        let _ = writeln!(text, "functions: {{ memory: {} }}\nidentity: {{ mfa: \"{mfa}\" }}", self.memory);
        let _ = writeln!(text, "protection: {{ deletionProtection: {} }}", self.protected);
        if let Some(tag) = self.tag {
            let _ = writeln!(text, "tags: {{ team: t{tag} }}");
        }
        text
    }

    /// With everything named that the first shape has and this one has not.
    fn after(&self, first: &Self) -> String {
        let types: Vec<String> = first.types.difference(&self.types).map(|n| format!("type{n}")).collect();
        let groups: Vec<String> = (first.groups.keys().filter(|n| !self.groups.contains_key(n)))
            .map(|n| format!("group{n}"))
            .collect();
        if types.is_empty() && groups.is_empty() {
            return self.yaml();
        }
        let list = |key: &str, names: Vec<String>| match names.is_empty() {
            true => String::new(),
            false => format!("  {key}: [{}]\n", names.join(", ")),
        };
        format!("{}removed:\n{}{}", self.yaml(), list("dataTypes", types), list("groups", groups))
    }
}

fn read(yaml: &str) -> Stack {
    stack::parse(yaml, &|_| None).unwrap_or_else(|mistakes| panic!("{mistakes:?}\n{yaml}"))
}

fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn after_an_apply_the_plan_is_empty_whatever_the_stack_was_and_is(first in shape(), second in shape()) {
        run(async {
            let mut bench = Bench::new();
            for yaml in [first.yaml(), second.after(&first)] {
                let stack = read(&yaml);
                let plan = bench.plan(&stack).await;
                prop_assert_eq!(plan.refusals().count(), 0, "{:?}", plan.refusals().collect::<Vec<_>>());
                prop_assert!(bench.carry_out(&plan).await.result().is_ok());
                bench.token += 1;
                let next = bench.plan(&stack).await;
                prop_assert!(next.is_empty(), "{:?}", next.counts());
            }
            Ok(())
        })?;
    }

    #[test]
    fn a_plan_is_the_same_twice_and_the_linter_finds_nothing(first in shape(), second in shape()) {
        run(async {
            let bench = Bench::new();
            bench.carry_out(&bench.plan(&read(&first.yaml())).await).await;
            let stack = read(&second.yaml());
            let (once, twice) = (bench.plan(&stack).await, bench.plan(&stack).await);
            prop_assert_eq!(serde_json::to_string(&once).unwrap(), serde_json::to_string(&twice).unwrap());
            prop_assert_eq!(lint(&once), Vec::<String>::new());
            let entries = bench.state.load().await.unwrap().unwrap().entries;
            let desired = resources(&stack);
            let observed = read_all(bench.world.as_ref(), Wanted::all(&desired, &entries)).await.unwrap();
            let down = plan_destroy("s", &desired, &observed, &entries).unwrap();
            prop_assert_eq!(lint(&down), Vec::<String>::new());
            Ok(())
        })?;
    }

    #[test]
    fn whatever_vanishes_unnamed_is_refused_and_nothing_else_is(first in shape(), second in shape()) {
        run(async {
            let bench = Bench::new();
            bench.carry_out(&bench.plan(&read(&first.yaml())).await).await;
            let plan = bench.plan(&read(&second.yaml())).await;
            let mut expected: BTreeSet<Address> = (first.groups.keys())
                .filter(|name| !second.groups.contains_key(name))
                .map(|name| Address::new("group", format!("group{name}")))
                .collect();
            if !first.types.is_subset(&second.types) {
                expected.insert(Address::new("stackdoc", "main"));
            }
            let refused: BTreeSet<Address> = plan.refusals().map(|node| node.address.clone()).collect();
            prop_assert_eq!(refused, expected);
            Ok(())
        })?;
    }
}

#[test]
fn a_renamed_group_stays_the_same_group_and_the_next_plan_is_empty() {
    const GROUP: &str = "groups:\n  old:\n    owner: a@example.org\n    rules: [{ types: [t] }]\n";
    const FILE: &str = "version: 1\nname: s\nregion: eu-west-1\ndataTypes:\n  t: { time: at, fields: { at: { type: datetime, required: true } } }\n";
    run(async {
        let mut bench = Bench::new();
        let renamed = format!("{FILE}{}    renamedFrom: old\n", GROUP.replace("old", "new"));
        bench.carry_out(&bench.plan(&read(&format!("{FILE}{GROUP}"))).await).await.result().unwrap();
        bench.token += 1;
        let plan = bench.plan(&read(&renamed)).await;
        let actions: Vec<(String, Action)> = (plan.nodes.iter())
            .filter(|node| node.action != Action::NoOp)
            .map(|node| (node.address.to_string(), node.action))
            .collect();
        let expected = [("group.new".to_owned(), Action::Update), ("group.old".to_owned(), Action::Forget)];
        assert_eq!(actions.into_iter().collect::<BTreeMap<_, _>>(), expected.into_iter().collect());
        assert_eq!(lint(&plan), Vec::<String>::new());
        bench.carry_out(&plan).await.result().unwrap();
        bench.token += 1;
        assert!(bench.plan(&read(&renamed)).await.is_empty());
        // Once it was applied, the file need not say it any more.
        assert!(bench.plan(&read(&renamed.replace("    renamedFrom: old\n", ""))).await.is_empty());
    });
}
