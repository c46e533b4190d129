use std::collections::{BTreeMap, BTreeSet};

use domain::id::Name;
use domain::routes::{RESOURCE_SERVER, ROUTES};
use serde_json::{Value, json};

use super::policy::{POLICIES, references};
use super::*;
use crate::resource::{Outputs, dependencies, resolve};

fn stack() -> Stack {
    Stack {
        name: Name::parse("study").unwrap(),
        region: "eu-west-1".into(),
        data_types: BTreeMap::new(),
        groups: BTreeMap::new(),
        group_defaults: None,
        identity: model::Identity {
            callback_urls: vec!["http://localhost:8400/callback".into()],
            logout_urls: vec![],
            password_policy: model::PasswordPolicy {
                minimum_length: 12,
                require_lowercase: true,
                require_uppercase: true,
                require_numbers: true,
                require_symbols: false,
            },
            mfa: model::Mfa::Optional,
            self_sign_up: false,
            domain_prefix: None,
        },
        api: model::Api {
            cors_origins: vec!["https://app.example.org".into()],
            rate_limit: 50,
            burst_limit: 100,
            per_person_rate_limit: 20,
        },
        functions: model::Functions {
            architecture: model::Architecture::X86_64,
            memory: 256,
            log_retention_days: 30,
            job_writes_per_second: 500,
        },
        protection: model::Protection {
            deletion_protection: true,
            point_in_time_recovery: true,
            encryption: model::Encryption::AwsOwned,
        },
        removed: model::Removed::default(),
        tags: BTreeMap::from([("team".to_owned(), "research".to_owned())]),
    }
}

/// What a small stack wants, for tests of what is made of it.
pub(crate) fn example() -> Vec<Resource> {
    desired(&stack(), &options(Target::Aws))
}

fn options(target: Target) -> DesiredOptions {
    let code = |name: &str| Code { path: format!("{name}.zip"), sha256: format!("sha256 of {name}") };
    DesiredOptions {
        account: "111122223333".into(),
        region: "eu-west-1".into(),
        target,
        code: FUNCTIONS.iter().map(|(name, _)| ((*name).to_owned(), code(name))).collect(),
        era: 0,
        with_stackdoc: true,
    }
}

fn local() -> Target {
    Target::Local { endpoint: "http://127.0.0.1:4566".into() }
}

fn find<'a>(resources: &'a [Resource], address: &str) -> &'a Value {
    let found = resources.iter().find(|resource| resource.address.to_string() == address);
    &found.unwrap_or_else(|| panic!("no {address}")).attributes
}

#[test]
fn the_resources_of_a_small_stack() {
    let resources = desired(&stack(), &options(Target::Aws));
    insta::assert_snapshot!(serde_json::to_string_pretty(&resources).unwrap());
}

#[test]
fn every_reference_is_to_a_resource_of_the_stack_and_to_an_earlier_one() {
    let mut left = desired(&stack(), &options(local()));
    let mut done = BTreeSet::from([Address::new("stackdoc", MAIN)]);
    while !left.is_empty() {
        let before = left.len();
        left.retain(|resource| {
            let ready = dependencies(&resource.attributes).is_subset(&done);
            if ready {
                done.insert(resource.address.clone());
            }
            !ready
        });
        let stuck: Vec<_> = left.iter().map(|resource| &resource.address).collect();
        assert!(left.len() < before, "missing or circular references in {stuck:?}");
    }
}

/// What a resource is called: the attribute that AWS knows it by.
fn names(resources: &[Resource], global: bool) -> BTreeSet<String> {
    let kind = |r: &&Resource| crate::kinds::find(&r.address.kind).unwrap().is_global() == global;
    let name = |r: &Resource| Some(format!("{} {}", r.address.kind, r.attributes.get("name")?.as_str()?));
    resources.iter().filter(kind).filter_map(name).collect()
}

#[test]
fn stacks_of_one_name_in_two_regions_share_no_name_of_a_global_resource() {
    let of =
        |region: &str| desired(&stack(), &DesiredOptions { region: region.into(), ..options(Target::Aws) });
    let (eu, us) = (of("eu-west-1"), of("us-east-1"));
    assert_eq!(names(&eu, true).len(), FUNCTIONS.len());
    assert_eq!(names(&eu, true).intersection(&names(&us, true)).collect::<Vec<_>>(), Vec::<&String>::new());
    assert_eq!(names(&eu, false), names(&us, false), "all others are regional and keep their names");
    for resource in eu.iter().filter(|resource| resource.attributes.get("tags").is_some()) {
        assert_eq!(resource.attributes["tags"]["freehold:region"], "eu-west-1", "{}", resource.address);
    }
}

#[test]
fn the_longest_stack_in_the_longest_region_has_names_that_iam_takes() {
    let name = Name::parse(&"s".repeat(model::MAX_STACK_NAME)).unwrap();
    let region = format!("ap-{}-1", "r".repeat(model::MAX_REGION - 5));
    assert_eq!(model::check_region(&region), Ok(()));
    let options = DesiredOptions { region, ..options(Target::Aws) };
    let resources = desired(&Stack { name, ..stack() }, &options);
    let roles = resources.iter().filter(|resource| resource.address.kind == "role");
    let lengths: Vec<usize> = roles.map(|role| role.attributes["name"].as_str().unwrap().len()).collect();
    assert_eq!((lengths.len(), lengths.iter().max()), (FUNCTIONS.len(), Some(&64)));
}

#[test]
fn addresses_and_kinds_are_known_and_unique() {
    let resources = desired(&stack(), &options(Target::Aws));
    let addresses: BTreeSet<_> = resources.iter().map(|resource| &resource.address).collect();
    assert_eq!(addresses.len(), resources.len());
    for address in addresses {
        assert!(crate::kinds::find(&address.kind).is_some(), "{address}");
        assert_eq!(Address::try_from(address.to_string()).as_ref(), Ok(address));
    }
}

#[test]
fn functions_may_do_named_things_to_named_resources_only() {
    for (name, file) in POLICIES {
        let file: Value = serde_json::from_str(file).unwrap();
        let mut named = BTreeSet::new();
        for statement in file["Statement"].as_array().unwrap() {
            for action in statement["Action"].as_array().unwrap() {
                assert!(!action.as_str().unwrap().contains('*'), "{name}: {action}");
            }
            let resource = statement["Resource"].as_str().unwrap();
            assert!(resource.starts_with("${"), "{name}: {resource}");
            named.insert(resource.split('.').take(2).collect::<Vec<_>>().join("."));
        }
        assert_eq!(dependencies(&policy(name)).len(), named.len(), "{name}");
    }
}

#[test]
fn placeholders_become_references() {
    assert_eq!(references("${table.data.arn}"), json!({"$ref": "table.data#arn"}));
    assert_eq!(references("${log_group.api.arn}:*"), json!({"$join": [{"$ref": "log_group.api#arn"}, ":*"]}));
    assert_eq!(references("plain"), json!("plain"));
}

#[test]
fn messages_stay_hidden_for_six_times_as_long_as_their_function_may_take() {
    let resources = desired(&stack(), &options(Target::Aws));
    let timeout = find(&resources, "function.worker")["timeout"].as_u64().unwrap();
    assert_eq!(find(&resources, "queue.jobs")["visibilityTimeout"].as_u64().unwrap(), 6 * timeout);
}

#[test]
fn only_the_local_target_redirects_functions() {
    let of = |target| find(&desired(&stack(), &options(target)), "function.worker")["environment"].clone();
    assert_eq!(of(local())["AWS_ENDPOINT_URL"], "http://127.0.0.1:4566");
    assert!(of(Target::Aws).get("AWS_ENDPOINT_URL").is_none());
}

#[test]
fn every_route_asks_for_its_scope() {
    let resources = desired(&stack(), &options(Target::Aws));
    let known = |address: &Address| {
        let value = if address.kind == "resource_server" { RESOURCE_SERVER } else { "x" };
        Some(Outputs::from([("id".into(), value.into()), ("identifier".into(), value.into())]))
    };
    let route = resolve(find(&resources, "route.post-user-data"), &known);
    assert!(route.complete);
    assert_eq!(route.attributes["scopes"], json!(["freehold/data.write"]));
    assert_eq!(
        resources.iter().filter(|resource| resource.address.kind == "route").count(),
        ROUTES.len() + 1
    );
}

#[test]
fn outputs_are_given_as_far_as_they_are_known() {
    let known = |address: &Address| {
        let pairs: &[(&str, &str)] = match address.kind.as_str() {
            "http_api" => &[("id", "abc"), ("endpoint", "https://abc.execute-api.eu-west-1.amazonaws.com")],
            "user_pool_client" => &[("id", "client")],
            "user_pool_domain" => &[("authorizeUrl", "https://x/oauth2/authorize")],
            _ => return None,
        };
        Some(pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect())
    };
    let aws = stack_outputs(&stack(), &options(Target::Aws), &known);
    assert_eq!(aws["apiUrl"], "https://abc.execute-api.eu-west-1.amazonaws.com");
    assert!(
        aws["signInUrl"].contains("client_id=client") && aws["signInUrl"].contains("freehold%2Fdata.read")
    );
    assert!(aws["signInUrl"].ends_with("&redirect_uri=http%3A%2F%2Flocalhost%3A8400%2Fcallback"));
    assert!(!aws.contains_key("poolId"));
    let local = stack_outputs(&stack(), &options(local()), &known);
    assert_eq!(local["apiUrl"], "http://127.0.0.1:4566/_aws/execute-api/abc/%24default");
}
