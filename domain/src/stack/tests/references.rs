//! What is written down about stack.yaml agrees with what reads it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::super::reference::{SECTIONS, json_schema, markdown_table};
use super::super::{CODES, codes};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

#[test]
fn every_code_has_a_page_and_every_page_a_code() {
    let pages = repository().join("docs/errors");
    for (code, title) in CODES {
        let page = std::fs::read_to_string(pages.join(format!("{code}.md"))).unwrap_or_default();
        assert!(page.starts_with(&format!("# {code}: {title}\n")), "docs/errors/{code}.md: {title}");
    }
    let known: BTreeSet<String> = CODES.iter().map(|(code, _)| format!("{code}.md")).collect();
    for page in std::fs::read_dir(pages).unwrap() {
        let name = page.unwrap().file_name().into_string().unwrap();
        assert!(!name.starts_with("FH01") || known.contains(&name), "{name}");
    }
    assert_eq!(codes::SYNTAX.0, CODES[0].0);
}

/// Run with `UPDATE_REFERENCES=1` to write the schema anew.
#[test]
fn the_schema_is_the_one_that_the_reader_follows() {
    let path = repository().join("schema/stack.schema.json");
    let schema = serde_json::to_string_pretty(&json_schema()).unwrap() + "\n";
    if std::env::var_os("UPDATE_REFERENCES").is_some() {
        std::fs::write(&path, &schema).unwrap();
    }
    assert!(
        std::fs::read_to_string(&path).unwrap() == schema,
        "set UPDATE_REFERENCES=1 and run this test to write it anew"
    );
}

#[test]
fn the_schema_describes_every_key_and_refers_only_to_what_it_has() {
    let schema = json_schema();
    for section in SECTIONS {
        let part = if section.path.is_empty() { &schema } else { &schema["$defs"][section.name] };
        assert_eq!(part["additionalProperties"], false, "{}", section.name);
        for key in section.keys {
            let property = &part["properties"][key.name];
            assert!(
                property["description"].as_str().is_some_and(|text| text.len() > 5),
                "{}.{}",
                section.name,
                key.name
            );
            let shape: serde_json::Value = serde_json::from_str(key.schema).unwrap();
            for target in references(&shape) {
                assert!(schema["$defs"].get(target.trim_start_matches("#/$defs/")).is_some(), "{target}");
            }
        }
    }
}

fn references(json: &serde_json::Value) -> Vec<String> {
    match json {
        serde_json::Value::Object(object) => object
            .iter()
            .flat_map(|(key, value)| match (key.as_str(), value.as_str()) {
                ("$ref", Some(target)) => vec![target.to_owned()],
                _ => references(value),
            })
            .collect(),
        serde_json::Value::Array(array) => array.iter().flat_map(references).collect(),
        _ => Vec::new(),
    }
}

/// Run with `UPDATE_REFERENCES=1` to write the tables anew.
#[test]
fn the_reference_has_the_table_of_every_section() {
    let path = repository().join("docs/stack-yaml.md");
    let mut text = std::fs::read_to_string(&path).unwrap();
    for section in SECTIONS {
        let (begin, end) = (format!("<!-- keys of {} -->\n", section.name), "<!-- end -->");
        let start =
            text.find(&begin).unwrap_or_else(|| panic!("docs/stack-yaml.md lacks `{begin}`")) + begin.len();
        let length = text[start..].find(end).unwrap();
        let table = markdown_table(section);
        if std::env::var_os("UPDATE_REFERENCES").is_some() {
            text.replace_range(start..start + length, &table);
        } else {
            assert!(
                text[start..start + length] == table,
                "{}: set UPDATE_REFERENCES=1 and run this test",
                section.name
            );
        }
    }
    if std::env::var_os("UPDATE_REFERENCES").is_some() {
        std::fs::write(&path, text).unwrap();
    }
}
