//! Declared variables and secrets: what they may be, and what people are told.

use std::collections::BTreeMap;

use super::super::{Source, Values, codes, is_secret, parse_with};
use super::{GOOD, render, with};
use crate::diagnostic::Diagnostic;
use crate::stack::Stack;

/// Reads a file, with values from `--var` and from the shell.
fn given(text: &str, vars: &[(&str, &str)], shell: &[(&str, &str)]) -> Result<Stack, Vec<Diagnostic>> {
    overlaid(text, None, vars, shell)
}

fn overlaid(
    text: &str,
    over: Option<&str>,
    vars: &[(&str, &str)],
    shell: &[(&str, &str)],
) -> Result<Stack, Vec<Diagnostic>> {
    let owned = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    let (given, shell) = (owned(vars), owned(shell));
    let shell = |name: &str| shell.get(name).cloned();
    let over = over.map(|text| Source { name: "stack.test.yaml", text });
    parse_with(Source { name: "stack.yaml", text }, over, Values { shell: &shell, given: &given })
}

/// A file whose first owner and memory are variables.
fn declaring(variables: &str) -> String {
    let text = with("lead@example.org", "${lead}@example.org");
    format!("variables:\n{variables}{text}functions: {{ memory: \"${{memory}}\" }}\n")
}

const TWO: &str = "  lead: { default: lead, description: who leads }\n  memory: { default: 512 }\n";

fn facts(stack: &Stack) -> (&str, u32) {
    (stack.groups["endocrinology"].owner.as_str(), stack.functions.memory)
}

#[test]
fn a_declared_variable_is_given_or_has_its_default() {
    let text = declaring(TWO);
    assert_eq!(facts(&given(&text, &[], &[]).unwrap()), ("lead@example.org", 512));
    let shell = [("FREEHOLD_VAR_lead", "shell"), ("lead", "not asked"), ("FREEHOLD_VAR_memory", "")];
    assert_eq!(facts(&given(&text, &[], &shell).unwrap()), ("shell@example.org", 512));
    let stack = given(&text, &[("lead", "given"), ("memory", "1024")], &shell).unwrap();
    assert_eq!(facts(&stack), ("given@example.org", 1024));
}

#[test]
fn an_environment_can_change_a_default_and_need_not_use_a_variable() {
    let text = declaring(TWO);
    let over = "variables: { lead: { default: tester } }\nfunctions: { memory: 128 }\n";
    assert_eq!(facts(&overlaid(&text, Some(over), &[], &[]).unwrap()), ("tester@example.org", 128));
    // What the environment replaces needs no value there.
    let text = declaring("  lead: {}\n  memory: {}\n");
    let over = "groups: { endocrinology: { owner: a@example.org } }\nfunctions: { memory: 128 }\n";
    assert_eq!(facts(&overlaid(&text, Some(over), &[], &[]).unwrap()), ("a@example.org", 128));
}

#[test]
fn mistakes_with_variables_are_shown_where_they_are() {
    let mut out = String::new();
    for (title, text, vars) in [
        ("no value anywhere", declaring("  lead: {}\n  memory: { default: 256 }\n"), vec![]),
        ("declared and not used", format!("variables:\n  colour: {{ default: red }}\n{GOOD}"), vec![]),
        (
            "used and not declared",
            declaring("  laed: { default: lead }\n  memory: { default: 256 }\n"),
            vec![],
        ),
        ("given and not declared", declaring(TWO), vec![("laed", "x")]),
        ("given where nothing is declared", GOOD.to_owned(), vec![("lead", "x")]),
        ("two defaults", declaring(TWO).replace("${lead}", "${lead:-x}"), vec![]),
        (
            "a default that is another variable",
            declaring(TWO).replace("default: lead,", "default: \"${memory}\","),
            vec![],
        ),
        ("a name that is none", declaring(&format!("  a-b: {{}}\n{TWO}")), vec![]),
        (
            "a misspelt key",
            declaring("  lead: { defualt: lead }\n  memory: { default: 256 }\n"),
            vec![("lead", "x")],
        ),
        ("a value without braces", declaring("  lead: lead\n  memory: { default: 256 }\n"), vec![]),
        ("a value that does not fit", declaring(TWO), vec![("memory", "lots")]),
    ] {
        let told = render(&[&text], &given(&text, &vars, &[]).unwrap_err());
        out += &format!("## {title}\n{told}\n");
    }
    insta::with_settings!({ omit_expression => true }, { insta::assert_snapshot!(out) });
}

#[test]
fn secrets_are_refused_wherever_they_come_from_and_never_quoted() {
    let key = format!("{}IOSFODNN7EXAMPLE", "AKIA");
    for (text, shell) in [
        (with("name: study", &format!("name: {key}")), vec![]),
        (with("lead@example.org", "${OWNER}"), vec![("OWNER", key.as_str())]),
        (format!("{GOOD}tags: {{ x: \"{key}\" }}\n"), vec![]),
        (format!("{GOOD}tags: {{ x: \"secretsmanager:prod/db\" }}\n"), vec![]),
        (
            declaring(&format!("  lead: {{ default: {key} }}\n  memory: {{ default: 256 }}\n")),
            vec![("FREEHOLD_VAR_lead", "a")],
        ),
    ] {
        let found = given(&text, &[], &shell).unwrap_err();
        let [one] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!(one.code, codes::SECRET);
        assert!(is_secret(one) && !format!("{one:?}").contains(&key), "{one:?}");
    }
}
