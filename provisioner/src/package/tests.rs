use std::sync::Mutex;

use super::*;

/// A workspace like ours with functions that do nothing, so that a build takes a second.
fn toy(dir: &Path, source: &str) {
    let write = |path: &str, text: &str| {
        let path = dir.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write(
        "Cargo.toml",
        "[workspace]\nmembers = [\"lambdas\"]\nresolver = \"3\"\n\
         [profile.local]\ninherits = \"release\"\nstrip = true\n[profile.function]\ninherits = \"release\"\nstrip = true\n",
    );
    write("lambdas/Cargo.toml", "[package]\nname = \"lambdas\"\nversion = \"0.1.0\"\nedition = \"2024\"\n");
    for name in FUNCTIONS {
        write(&format!("lambdas/src/bin/{name}.rs"), source);
    }
}

/// Builds into a folder of its own: in that of these tests it would replace the real functions.
async fn build(dir: &Path, progress: Progress<'_>) -> Result<Vec<Artefact>, PackageError> {
    let mut cargo = cargo(dir);
    cargo.env("CARGO_TARGET_DIR", dir.join("target"));
    build_local_with(cargo, dir, &dir.join("out"), progress).await
}

#[tokio::test]
async fn functions_are_built_and_packed_and_twice_is_the_same() {
    let dir = tempfile::tempdir().unwrap();
    toy(dir.path(), "fn main() { println!(\"{}\", env!(\"CARGO_BIN_NAME\")) }");
    let lines = Mutex::new(0);
    let count = |_: &str| *lines.lock().unwrap() += 1;
    let one = build(dir.path(), &count).await.unwrap();
    assert_eq!(one.iter().map(|artefact| artefact.name.as_str()).collect::<Vec<_>>(), FUNCTIONS);
    assert!(*lines.lock().unwrap() > 0, "the build was heard of");
    assert_eq!(build(dir.path(), &count).await.unwrap(), one);
    assert_eq!(prebuilt(&dir.path().join("out")).unwrap(), one);
    assert!(sizes(&one).starts_with("api 0."), "{}", sizes(&one));
}

#[tokio::test]
async fn a_build_that_fails_shows_the_compilers_errors() {
    let dir = tempfile::tempdir().unwrap();
    toy(dir.path(), "fn main() { nonsense }");
    let error = build(dir.path(), &|_| {}).await.unwrap_err();
    assert_eq!(error.code(), "FH0541");
    assert!(error.to_string().contains("nonsense"), "{error}");
}

#[tokio::test]
async fn an_architecture_without_its_rust_target_is_said_so() {
    let dir = tempfile::tempdir().unwrap();
    toy(dir.path(), "fn main() {}");
    if let Err(error) = require_target(dir.path(), Architecture::Arm64).await {
        assert_eq!(error.code(), "FH0543");
        assert!(error.to_string().contains("rustup target add aarch64-unknown-linux-gnu"), "{error}");
    }
}

#[test]
fn a_package_over_the_limit_is_refused_by_name() {
    let artefact =
        Artefact { name: "api".into(), path: "api.zip".into(), sha256_base64: String::new(), bytes: 11 };
    let error = within_limit(vec![artefact.clone()], 10).unwrap_err();
    assert!(error.code() == "FH0544" && error.to_string().contains("`api` has 11 bytes"), "{error}");
    assert_eq!(within_limit(vec![artefact.clone()], 11).unwrap(), [artefact]);
}
