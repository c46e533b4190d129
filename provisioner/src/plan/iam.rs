//! The least that whoever carries a plan out must be allowed to do, as a policy of IAM.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::permissions::{self, PASS_ROLE, Row, When};
use super::saved::Place;
use super::{Action, Node, Plan};
use crate::resource::Address;

/// The most characters of a customer managed policy, white space not counted.
pub const MANAGED_POLICY: usize = 6144;

/// Actions that are needed on the same resources.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Statement {
    /// `dynamodb:DescribeTable`.
    pub actions: Vec<String>,
    /// Their ARNs; `*` where AWS takes nothing else.
    pub resources: Vec<String>,
}

/// What a plan needs. Whatever is read or waited for is in it, and nothing that this plan does not do.
pub fn statements(plan: &Plan, place: &Place) -> Vec<Statement> {
    let mut needed: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut need = |rows: &[Row], wanted: &dyn Fn(When) -> bool, parts: &Parts<'_>| {
        for (_, service, actions, resource) in rows.iter().filter(|(when, ..)| wanted(*when)) {
            let of = needed.entry(parts.fill(resource)).or_default();
            of.extend(actions.iter().map(|action| format!("{service}:{action}")));
        }
    };
    let nobody = Parts { plan, place, node: None };
    need(permissions::TO_PLAN, &|_| true, &nobody);
    if !plan.is_empty() {
        need(permissions::TO_APPLY, &|_| true, &nobody);
    }
    if plan.nodes.iter().any(loses) {
        need(permissions::TO_COUNT, &|_| true, &nobody);
    }
    for node in &plan.nodes {
        let parts = Parts { plan, place, node: Some(node) };
        need(permissions::of(&node.address.kind), &|when| is_for(when, node.action), &parts);
    }
    grouped(needed)
}

/// The policy's document.
pub fn policy(statements: &[Statement]) -> Value {
    let statement = |statement: &Statement| {
        let passes = statement.actions.iter().any(|action| action.ends_with(PASS_ROLE));
        let mut document =
            json!({ "Effect": "Allow", "Action": statement.actions, "Resource": statement.resources });
        if let (true, Some(document)) = (passes, document.as_object_mut()) {
            let only = json!({ "StringEquals": { "iam:PassedToService": "lambda.amazonaws.com" } });
            document.insert("Condition".to_owned(), only);
        }
        document
    };
    let statements: Vec<Value> = statements.iter().map(statement).collect();
    json!({ "Version": "2012-10-17", "Statement": statements })
}

/// How many characters IAM counts of a policy.
pub fn size(policy: &Value) -> usize {
    policy.to_string().chars().filter(|c| !c.is_whitespace()).count()
}

/// Whether it takes something away that is counted first.
fn loses(node: &Node) -> bool {
    node.address.kind == "group" && matches!(node.action, Action::Delete | Action::Blocked)
        || node.address.kind == "stackdoc" && node.changes.iter().any(|change| change.after.is_none())
}

fn is_for(when: When, action: Action) -> bool {
    match when {
        When::Read => true,
        When::Create => matches!(action, Action::Create | Action::Replace),
        When::Update => action == Action::Update,
        When::Write => matches!(action, Action::Create | Action::Update | Action::Replace),
        When::Delete => matches!(action, Action::Delete | Action::Replace),
    }
}

/// Resources that need the same actions share a statement. Passing a role has a condition, and so one of its own.
fn grouped(needed: BTreeMap<String, BTreeSet<String>>) -> Vec<Statement> {
    let mut by_actions: BTreeMap<Vec<String>, Vec<String>> = BTreeMap::new();
    for (resource, actions) in needed {
        let (pass, rest): (Vec<String>, Vec<String>) =
            actions.into_iter().partition(|action| action.ends_with(PASS_ROLE));
        for actions in [pass, rest].into_iter().filter(|actions| !actions.is_empty()) {
            by_actions.entry(actions).or_default().push(resource.clone());
        }
    }
    by_actions.into_iter().map(|(actions, resources)| Statement { actions, resources }).collect()
}

/// What the placeholders of a resource stand for.
struct Parts<'a> {
    plan: &'a Plan,
    place: &'a Place,
    node: Option<&'a Node>,
}

impl Parts<'_> {
    fn fill(&self, resource: &str) -> String {
        let mut filled = String::with_capacity(resource.len() + 32);
        let mut rest = resource;
        while let Some((before, after)) = rest.split_once('{') {
            filled.push_str(before);
            let Some((name, tail)) = after.split_once('}') else { break };
            filled.push_str(&self.part(name));
            rest = tail;
        }
        filled.push_str(rest);
        filled
    }

    fn part(&self, name: &str) -> String {
        let Place { stack, account, region, .. } = self.place;
        match name {
            "partition" => partition(region).to_owned(),
            "region" => region.clone(),
            "account" => account.clone(),
            "stack" => stack.clone(),
            "name" => self.node.and_then(|node| self.text(node, "name")).unwrap_or_else(any),
            "id" => self.node.and_then(id).unwrap_or_else(any),
            "function" => self.node.and_then(|node| self.text(node, "function")).unwrap_or_else(any),
            "role" => self.node.and_then(|node| self.text(node, "role")).unwrap_or_else(any),
            "pool" => self.id_of("user_pool").unwrap_or_else(any),
            "api" => self.id_of("http_api").unwrap_or_else(any),
            _ => any(),
        }
    }

    /// A text attribute; one that refers to another resource's name or ARN is that resource's name.
    fn text(&self, node: &Node, key: &str) -> Option<String> {
        let wanted = node.desired.as_ref().and_then(|desired| desired.get(key));
        let prior = || node.prior.as_ref().and_then(|prior| prior.attributes.get(key));
        match wanted.or_else(prior)? {
            Value::String(text) => Some(text.clone()),
            Value::Object(reference) => {
                let (address, output) = reference.get("$ref")?.as_str()?.split_once('#')?;
                let of = self.plan.node(&Address::try_from(address.to_owned()).ok()?)?;
                matches!(output, "name" | "arn").then(|| self.text(of, "name")).flatten()
            }
            _ => None,
        }
    }

    /// The id of the one resource of that kind, if it is there.
    fn id_of(&self, kind: &str) -> Option<String> {
        self.plan.nodes.iter().find(|node| node.address.kind == kind).and_then(id)
    }
}

fn id(node: &Node) -> Option<String> {
    // One that is made again has another id.
    let there = node.prior.as_ref().filter(|_| node.action != Action::Replace)?;
    Some(there.physical_id.clone()).filter(|id| !id.is_empty())
}

fn any() -> String {
    "*".to_owned()
}

fn partition(region: &str) -> &'static str {
    match region.split('-').next() {
        Some("cn") => "aws-cn",
        Some("us") if region.starts_with("us-gov-") => "aws-us-gov",
        _ => "aws",
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::kinds::{self, Recorded};
    use crate::plan::{Purpose, VERSION};
    use crate::resource::Outputs;

    fn place(region: &str) -> Place {
        let text = |text: &str| text.to_owned();
        Place {
            stack: text("study"),
            account: text("1"),
            region: text(region),
            target: text("aws"),
            env: None,
        }
    }

    fn node(address: &str, action: Action, desired: Option<Value>, prior: Option<&str>) -> Node {
        let address = Address::try_from(address.to_owned()).unwrap();
        let prior = prior.map(|id| Recorded {
            address: address.clone(),
            physical_id: id.to_owned(),
            attributes: json!({ "name": id }),
            outputs: Outputs::new(),
        });
        let (depends_on, uses) = (vec![], vec![]);
        Node { address, action, reason: None, changes: vec![], depends_on, uses, desired, prior }
    }

    fn of(nodes: Vec<Node>) -> Plan {
        Plan { version: VERSION, stack: "study".into(), purpose: Purpose::Apply, nodes, sharing: vec![] }
    }

    fn document(plan: &Plan) -> String {
        serde_json::to_string_pretty(&policy(&statements(plan, &place("eu-west-1")))).unwrap()
    }

    #[test]
    fn a_plan_needs_what_it_does_on_what_it_does_it_to() {
        let name = |name: &str| Some(json!({ "name": name }));
        let plan = of(vec![
            node("table.data", Action::NoOp, name("study-data"), Some("study-data")),
            node("role.api-execution", Action::Create, name("study-eu-west-1-api"), None),
            node(
                "function.api",
                Action::Create,
                Some(json!({ "name": "study-api", "role": { "$ref": "role.api-execution#arn" } })),
                None,
            ),
            node(
                "permission.api",
                Action::Create,
                Some(json!({ "function": { "$ref": "function.api#name" } })),
                None,
            ),
            node("user_pool.main", Action::Update, name("study-people"), Some("pool-1")),
            node("queue.old", Action::Delete, None, Some("study-old")),
        ]);
        insta::assert_snapshot!(document(&plan));
    }

    #[test]
    fn a_plan_without_anything_to_do_needs_only_to_read() {
        let plan = of(vec![node("queue.jobs", Action::NoOp, Some(json!({"name": "study-jobs"})), Some("u"))]);
        let statements = statements(&plan, &place("us-gov-west-1"));
        let reads = |action: &String| ["Get", "Query", "List"].iter().any(|verb| action.contains(verb));
        assert!(statements.iter().all(|statement| statement.actions.iter().all(reads)), "{statements:?}");
        assert!(statements.iter().all(|s| s.resources.iter().all(|r| r.starts_with("arn:aws-us-gov:"))));
    }

    #[test]
    fn what_is_not_there_yet_has_no_id_and_what_is_there_has() {
        let client = || node("user_pool_client.main", Action::Create, Some(json!({})), None);
        let resources = |plan: &Plan| -> String {
            statements(plan, &place("eu-west-1")).into_iter().flat_map(|s| s.resources).collect()
        };
        let new = of(vec![node("user_pool.main", Action::Create, Some(json!({})), None), client()]);
        assert!(resources(&new).contains("userpool/*"));
        let old = of(vec![node("user_pool.main", Action::NoOp, Some(json!({})), Some("pool-1")), client()]);
        assert!(resources(&old).contains("userpool/pool-1") && !resources(&old).contains("userpool/*"));
    }

    /// `describe_table` as IAM writes it.
    fn pascal(operation: &str) -> String {
        let word = |word: &str| word[..1].to_uppercase() + &word[1..];
        operation.split('_').map(word).collect()
    }

    /// The operations that a kind's source calls: methods without arguments whose name begins like one of AWS's.
    fn called(kind: &str) -> BTreeSet<String> {
        const VERBS: [&str; 14] = [
            "create_",
            "update_",
            "delete_",
            "describe_",
            "get_",
            "list_",
            "put_",
            "tag_",
            "untag_",
            "remove_",
            "add_",
            "detach_",
            "send_",
            "set_",
        ];
        let kinds = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/kinds");
        let parts =
            std::fs::read_dir(kinds.join(kind)).into_iter().flatten().map(|part| part.unwrap().path());
        let files = std::iter::once(kinds.join(format!("{kind}.rs"))).chain(parts);
        let source = files.map(|file| std::fs::read_to_string(file).unwrap());
        let source = source.map(|text| text.split("#[cfg(test)]").next().unwrap().to_owned());
        let source = source.collect::<String>().replace(char::is_whitespace, "");
        let parts = source.split("()").filter_map(|before| before.rsplit_once('.')).map(|(_, name)| name);
        let operation = |name: &&str| {
            let word = name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
            word && VERBS.iter().any(|verb| name.starts_with(verb))
        };
        parts.filter(operation).map(str::to_owned).collect()
    }

    #[test]
    fn every_call_of_every_kind_has_its_action_and_every_action_its_call() {
        // What no call is named after: implied by others, or made by the store.
        let implied = ["PassRole", "ListTags", "GetItem", "PutItem", "UpdateItem", "DeleteItem", "Query"];
        for kind in kinds::all().iter().map(|kind| kind.name()) {
            let rows = permissions::of(kind);
            assert!(!rows.is_empty(), "{kind} has no actions");
            let actions: BTreeSet<&str> =
                rows.iter().flat_map(|(_, _, actions, _)| *actions).copied().collect();
            let of_gateway = rows.iter().all(|(_, service, ..)| *service == "apigateway");
            let calls: BTreeSet<String> = called(kind)
                .iter()
                .map(|name| if of_gateway { method(name).to_owned() } else { pascal(name) })
                .collect();
            let known: BTreeSet<String> = actions.iter().map(|action| (*action).to_owned()).collect();
            let missing: Vec<_> = calls.difference(&known).collect();
            assert!(missing.is_empty(), "{kind} calls what it has no action for: {missing:?}");
            // A pool's tags are attributes of other calls, which take them only from whoever may tag.
            let needless = |action: &&String| {
                !implied.contains(&action.as_str()) && (kind, action.as_str()) != ("user_pool", "TagResource")
            };
            let superfluous: Vec<_> = known.difference(&calls).filter(needless).collect();
            assert!(superfluous.is_empty(), "{kind} has actions that it never calls: {superfluous:?}");
        }
    }

    fn method(operation: &str) -> &'static str {
        match operation.split('_').next() {
            Some("get") => "GET",
            Some("create" | "tag") => "POST",
            Some("update") => "PATCH",
            Some("delete" | "untag") => "DELETE",
            other => panic!("{other:?}"),
        }
    }
}
