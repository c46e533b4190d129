//! `docs/security.md` names tests; they have to be there.

use std::path::{Path, PathBuf};

fn file(named: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    match named.split_once('/') {
        Some(("api", rest)) => root.join("lambdas/tests/api").join(rest),
        Some(("journeys", rest)) => root.join("tests/tests/journeys").join(rest),
        _ => root.join(named),
    }
}

#[test]
fn every_test_that_the_document_names_is_there() {
    let document = std::fs::read_to_string(file("docs/security.md")).unwrap();
    let mut named = 0;
    for reference in document.split('`').filter_map(|part| part.split_once(".rs::")) {
        let (path, test) = (format!("{}.rs", reference.0), reference.1);
        let source = std::fs::read_to_string(file(&path)).unwrap_or_else(|error| panic!("{path}: {error}"));
        let before = source.split(&format!("fn {test}()")).next().unwrap();
        assert!(before.len() < source.len(), "{path} has no test `{test}`");
        let marked = before.trim_end().trim_end_matches("async").trim_end();
        let attributes = ["#[test]", "#[tokio::test]", "#[tokio::test(flavor = \"multi_thread\")]"];
        let is_test = attributes.iter().any(|attribute| marked.ends_with(attribute));
        assert!(is_test, "`{test}` in {path} is not run as a test");
        named += 1;
    }
    assert!(named > 40, "{named} tests are named");
    for item in
        ["API1", "API2", "API3", "API4", "API5", "API9", "8.3.2", "9.1.1", "9.2.1", "11.5.1", "14.2.1"]
    {
        assert!(document.contains(item), "{item}");
    }
    for item in ["15.3.3", "15.4.2", "16.1.1", "16.2.1", "16.3.1", "16.4.1", "16.5.1"] {
        assert!(document.contains(item), "{item}");
    }
}
