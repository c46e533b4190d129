//! Which crate may use which: `domain` <- `store` <- `lambdas`, `domain` <- `provisioner`, and nobody the client.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "all of this is test code, which stops where something is wrong"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value as Json;

/// What each package of the workspace is built from, tests left out.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let metadata = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .args(["--manifest-path", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")])
        .output()
        .unwrap();
    assert!(metadata.status.success(), "{}", String::from_utf8_lossy(&metadata.stderr));
    let metadata: Json = serde_json::from_slice(&metadata.stdout).unwrap();
    let name = |json: &Json| json["name"].as_str().unwrap().to_owned();
    let built_from = |package: &Json| {
        let all = package["dependencies"].as_array().unwrap().iter();
        all.filter(|dependency| dependency["kind"].is_null()).map(name).collect()
    };
    let packages = metadata["packages"].as_array().unwrap().iter();
    packages.map(|package| (name(package), built_from(package))).collect()
}

#[test]
fn every_crate_is_built_from_those_below_it_and_no_others() {
    let all = dependencies();
    for (name, allowed) in [
        ("domain", [].as_slice()),
        ("store", &["domain"]),
        ("lambdas", &["domain", "store"]),
        ("provision", &["domain", "store"]),
        ("freehold-client", &[]),
    ] {
        let ours: Vec<&str> =
            all[name].iter().map(String::as_str).filter(|one| all.contains_key(*one)).collect();
        assert_eq!(ours, allowed, "{name}");
    }
}

#[test]
fn the_domain_knows_no_network_no_runtime_and_no_aws() {
    let below = dependencies().remove("domain").unwrap();
    let kinds = ["aws", "tokio", "hyper", "reqwest", "futures", "lambda"];
    let found: Vec<_> = below.iter().filter(|name| kinds.iter().any(|kind| name.starts_with(kind))).collect();
    assert!(found.is_empty(), "{found:?}");
}
