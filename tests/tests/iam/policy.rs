//! A deployed role's policy, with one action taken out and put back.

use journeys::World;
use provision::aws::Clients;
use serde_json::Value;

/// What the Lambda service does with a function's role, by function. AWS refuses a mapping whose role lacks them.
pub const BY_LAMBDA: [(&str, &[&str]); 5] = [
    ("identity", &["logs:CreateLogStream", "logs:PutLogEvents"]),
    ("scrubber", &["logs:CreateLogStream", "logs:PutLogEvents"]),
    ("api", &["logs:CreateLogStream", "logs:PutLogEvents"]),
    (
        "replicator",
        &[
            "dynamodb:DescribeStream",
            "dynamodb:GetRecords",
            "dynamodb:GetShardIterator",
            "dynamodb:ListStreams",
            "sqs:SendMessage",
            "logs:CreateLogStream",
            "logs:PutLogEvents",
        ],
    ),
    (
        "worker",
        &[
            "sqs:ReceiveMessage",
            "sqs:DeleteMessage",
            "sqs:GetQueueAttributes",
            "logs:CreateLogStream",
            "logs:PutLogEvents",
        ],
    ),
];

/// One action that one statement of a policy allows.
pub struct Granted {
    /// Which statement, from 0.
    pub statement: usize,
    /// The action.
    pub action: String,
}

/// A function's role with its inline policy as it was deployed.
pub struct Role {
    clients: Clients,
    name: String,
    policy_name: String,
    policy: Value,
}

impl Role {
    pub async fn of(world: &World, function: &str) -> Self {
        let name = format!("{}-eu-west-1-{function}", world.name);
        let iam = world.clients.iam();
        let names = iam.list_role_policies().role_name(&name).send().await.unwrap().policy_names;
        let [policy_name] = names.as_slice() else { panic!("one inline policy, not {names:?}") };
        let policy = iam.get_role_policy().role_name(&name).policy_name(policy_name).send().await.unwrap();
        let policy = serde_json::from_str(&decoded(policy.policy_document())).unwrap();
        Self { clients: world.clients.clone(), name, policy_name: policy_name.clone(), policy }
    }

    pub fn granted(&self) -> Vec<Granted> {
        let statements = self.policy["Statement"].as_array().unwrap();
        let of = |(statement, value): (usize, &Value)| -> Vec<Granted> {
            let actions = value["Action"].as_array().unwrap();
            actions
                .iter()
                .map(|action| Granted { statement, action: action.as_str().unwrap().to_owned() })
                .collect()
        };
        statements.iter().enumerate().flat_map(of).collect()
    }

    pub async fn put_without(&self, statement: usize, action: &str) {
        let mut policy = self.policy.clone();
        let statements = policy["Statement"].as_array_mut().unwrap();
        let actions = statements[statement]["Action"].as_array_mut().unwrap();
        actions.retain(|granted| granted != action);
        if actions.is_empty() {
            statements.remove(statement);
        }
        self.put(&policy).await;
    }

    pub async fn restore(&self) {
        self.put(&self.policy).await;
    }

    async fn put(&self, policy: &Value) {
        let put = self.clients.iam().put_role_policy().role_name(&self.name).policy_name(&self.policy_name);
        put.policy_document(policy.to_string()).send().await.unwrap();
    }
}

/// IAM gives documents in the form of URLs; some emulators give them plainly.
fn decoded(document: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = document.bytes();
    while let Some(byte) = rest.next() {
        let escaped = || -> Option<u8> {
            let mut digits = rest.clone();
            let digits = [digits.next()?, digits.next()?];
            u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()
        };
        match (byte, escaped()) {
            (b'%', Some(decoded)) => {
                bytes.push(decoded);
                rest.nth(1);
            }
            _ => bytes.push(byte),
        }
    }
    String::from_utf8(bytes).unwrap()
}
