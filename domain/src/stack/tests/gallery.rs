//! One mistake each, and what people are told about it.

use super::{layered, read, render, with};

/// The text itself, without the code that made it.
macro_rules! snapshot {
    ($text:expr) => {
        insta::with_settings!({ omit_expression => true }, { insta::assert_snapshot!($text) })
    };
}

/// Everything that people are told about these files, in one text to be read as a whole.
fn gallery(entries: &[(&str, String)]) -> String {
    let mut out = String::new();
    for (title, text) in entries {
        let told = match read(text) {
            Ok(_) => panic!("`{title}` is accepted"),
            Err(diagnostics) => render(&[text], &diagnostics),
        };
        out += &format!("## {title}\n{told}\n");
    }
    out
}

#[test]
fn files_that_are_no_stack_at_all() {
    snapshot!(gallery(&[
        ("an empty file", String::new()),
        ("only a comment", "# nothing yet\n".into()),
        ("a list", "- version: 1\n".into()),
        ("a text", "hello\n".into()),
        ("tabs", "version: 1\nname: x\ndataTypes:\n\tglucose:\n\t\ttime: takenAt\n".into()),
        ("a tab below a key", with("    owner:", "\towner:")),
        ("a tab after a space", with("  endocrinology:", " \tendocrinology:")),
        ("a colon in a text", with("owner: lead@example.org", "owner: lead: example")),
        ("a quote left open", with("name: study", "name: \"study")),
        ("a bracket left open", with("[takenAt, mgdl]", "[takenAt, mgdl")),
        ("a brace left open", with("{ type: datetime, required: true }", "{ type: datetime, required: true")),
        ("a line that is no key", with("name: study", "study")),
        ("indentation that jumps", with("    owner: lead", "      owner: lead")),
        ("a second document", with("groups:", "---\ngroups:")),
        ("deep nesting", format!("version: {}", "[".repeat(100))),
        ("deep nesting by dashes", format!("version:\n  {}x", "- ".repeat(5000))),
        ("a condition that begins like a tag", with("when: resource.mgdl > 180", "when: !resource.x")),
        ("a NUL", "version: 1\nname: a\0b\n".into()),
    ]));
}

#[test]
fn yaml_that_stack_yaml_does_not_have() {
    snapshot!(gallery(&[
        ("an anchor", with("name: study", "name: &n study")),
        ("an alias", with("name: study", "name: &n study\nregion2: *n")),
        ("an alias to nothing", with("name: study", "name: *n")),
        ("a merge key", with("    owner: lead", "    <<: { owner: a@example.org }\n    owner: lead")),
        ("a tag", with("when: resource.mgdl > 180", "when: !(resource.mgdl > 180)")),
        ("a list as a key", with("name: study", "[a, b]: study")),
        ("a variable in braces without quotes", with("max: 1000", "max: ${MAX:-5}")),
        ("a variable without a value", with("lead@example.org", "${OWNER}")),
        ("a variable that is not closed", with("lead@example.org", "${OWNER")),
        ("a variable with a name that is none", with("lead@example.org", "a-${OWN-ER}@${X}")),
    ]));
}

#[test]
fn keys_and_kinds() {
    snapshot!(gallery(&[
        ("a misspelt key", with("dataTypes:", "datatype:")),
        ("a key that means nothing", with("name: study", "name: study\nfrobnicate: 1")),
        ("a misspelt key of a field", with("min: 0", "minimum: 0")),
        ("no version", with("version: 1\n", "")),
        ("another version", with("version: 1", "version: 2")),
        ("a version in quotes", with("version: 1", "version: \"1\"")),
        ("a group without an owner", with("    owner: lead@example.org\n", "")),
        ("an empty section", with("name: study", "name: study\napi:")),
        ("a list for a mapping", with("name: study", "name: study\napi: [a]")),
        ("a text for a list", with("types: [glucose]", "types: glucose")),
        ("a number in quotes", with("name: study", "name: study\nfunctions: { memory: \"256\" }")),
        ("yes for true", with("required: true", "required: yes")),
        ("a field without braces", with("{ type: decimal, min: 0.5 }", "decimal")),
        (
            "the same group twice",
            with("groups:", "groups:\n  endocrinology:\n    owner: a@example.org\n    rules: []")
        ),
        ("the same key twice", with("region: eu-west-1", "region: eu-west-1\nregion: eu-west-2")),
    ]));
}

#[test]
fn names() {
    snapshot!(gallery(&[
        ("a stack's name with capitals", with("name: study", "name: Study")),
        (
            "a stack's name that is too long",
            with("name: study", "name: a-study-with-a-name-that-goes-on-and-on")
        ),
        ("a stack's name that Cognito refuses", with("name: study", "name: laws-of-sugar")),
        ("a data type with a dash", with("  glucose:\n", "  glu-cose:\n")),
        ("a data type that is a word of Cedar", with("  glucose:\n", "  if:\n")),
        ("a field that is a word of Cedar", with("      ratio:", "      in:")),
        ("a field that starts with a digit", with("      ratio:", "      2nd:")),
        ("a group with a space", with("  endocrinology:", "  endo crinology:")),
        ("a region that is none", with("region: eu-west-1", "region: Ireland")),
        ("an owner that is not an address", with("lead@example.org", "the lead")),
    ]));
}

#[test]
fn data_types() {
    snapshot!(gallery(&[
        ("a time that does not exist", with("time: takenAt", "time: takenAtt")),
        ("a time that is optional", with("datetime, required: true", "datetime")),
        ("a time that is a number", with("time: takenAt", "time: mgdl")),
        ("no time", with("    time: takenAt\n", "")),
        ("a type that does not exist", with("type: decimal", "type: decimals")),
        ("min above max", with("max: 1000", "max: -1")),
        ("min on a text", with("maxLength: 8", "min: 8")),
        ("oneOf on a number", with("min: 0, max: 1000", "oneOf: [1, 2]")),
        ("a choice longer than allowed", with("oneOf: [apple", "oneOf: [applewatch")),
        ("a choice twice", with("oneOf: [apple", "oneOf: [garmin, apple")),
        ("a fraction for an integer", with("min: 0,", "min: 0.5,")),
        ("maxLength out of range", with("maxLength: 8", "maxLength: 0")),
        ("a retention without a unit", with("retention: 3y", "retention: 3")),
        ("no data type", "version: 1\nname: x\nregion: eu-west-1\ndataTypes: {}\n".into()),
    ]));
}

#[test]
fn rules() {
    let condition = |text: &str| with("when: resource.mgdl > 180", &format!("when: {text}"));
    snapshot!(gallery(&[
        ("a type that does not exist", with("types: [glucose]", "types: [glukose]")),
        (
            "a projection that does not exist",
            with("fields: [takenAt, mgdl]", "fields: [takenAt, mgld, colour]")
        ),
        ("a projection of nothing", with("fields: [takenAt, mgdl]", "fields: []")),
        ("a history that is none", with("history: since 2014-01-01", "history: since 2014")),
        ("no rules", with("rules:\n", "rules: []\n    description: |\n")),
        ("a misspelt field", condition("resource.mgld > 180")),
        ("a misspelt field in quotes", condition("'resource.mgdl > 180 && resource.mgld > 180'")),
        (
            "a misspelt field behind letters beyond ASCII",
            condition("'resource has device && resource.device != \"äß😀\" && resource.mgld > 1'")
        ),
        ("a type error", condition("resource.mgdl > \"high\"")),
        ("an optional field that is not asked for", condition("resource.device == \"apple\"")),
        ("a condition that is cut off", condition("resource.mgdl >")),
        ("a condition over something else", condition("principal.mgdl > 180")),
        (
            "a condition that closes its brace",
            condition("'true }; permit(principal, action, resource) when { true'")
        ),
        ("a condition with escapes", condition(r#""resource.mgld > 180 && \"a\" == \"a\"""#)),
        (
            "a condition of several lines",
            condition("|\n          resource.mgdl > 180\n          && resource.mgld > 1")
        ),
        (
            "a condition of folded lines",
            condition(">\n          resource.mgdl > 180\n          && resource.mgld > 1")
        ),
        ("an empty condition", condition("\"\"")),
        ("brackets without end", condition(&format!("'{}'", "(".repeat(4000)))),
        ("a condition without end", condition(&format!("'{}true'", "true && ".repeat(4000)))),
    ]));
}

#[test]
fn settings() {
    let and = |text: &str| with("name: study", &format!("name: study\n{text}"));
    snapshot!(gallery(&[
        ("a callback over http", and("identity: { oauth: { callbackUrls: [\"http://example.org/cb\"] } }")),
        ("no callback", and("identity: { oauth: { callbackUrls: [] } }")),
        ("a short password", and("identity: { passwordPolicy: { minimumLength: 6 } }")),
        ("a second factor that is none", and("identity: { mfa: maybe }")),
        ("a domain prefix that is reserved", and("identity: { domainPrefix: my-aws }")),
        ("an origin with a path", and("api: { cors: { origins: [\"https://example.org/\", \"*\"] } }")),
        ("too little memory", and("functions: { memory: 64 }")),
        ("memory with a unit", and("functions: { memory: 256MB }")),
        ("a log retention that CloudWatch lacks", and("functions: { logRetentionDays: 31 }")),
        ("an encryption that is none", and("protection: { encryption: customer }")),
        ("reserved and odd tags", and("tags: { \"aws:x\": 1, Freehold:stack: y, \"a*\": b, c: \"d#\", e: }")),
        (
            "too many tags",
            and(&format!("tags:{}", (0..49).map(|n| format!("\n  t{n}: x")).collect::<String>()))
        ),
    ]));
}

#[test]
fn overlays() {
    let good = super::GOOD;
    let mut out = String::new();
    for (title, over) in [
        ("a wrong value", "region: nowhere\n"),
        ("an unknown key", "groups:\n  endocrinology:\n    ruels: []\n"),
        ("a missing key of a new group", "groups:\n  second:\n    owner: a@example.org\n"),
        (
            "a misspelt field",
            "groups:\n  endocrinology:\n    rules: [{ types: [glucose], when: resource.mgld > 1 }]\n",
        ),
        ("a syntax error", "groups: [\n"),
        ("a list", "- a\n"),
    ] {
        let told = render(&[good, over], &layered(good, over).unwrap_err());
        out += &format!("## {title}\n{told}\n");
    }
    snapshot!(out);
}
