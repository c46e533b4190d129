use super::*;
use crate::stack::parse;

/// What is found in a stack with these groups: `level owner rule types: message (help)`.
fn found(groups: &str) -> Vec<String> {
    let text = format!(
        "version: 1\nname: study\nregion: eu-west-1\ndataTypes:\n  glucose:\n    time: takenAt\n    fields:\n      \
         takenAt: {{ type: datetime, required: true }}\n      mgdl: {{ type: integer, required: true, min: 0, max: 1000 }}\n      \
         ratio: {{ type: decimal, max: 2.5 }}\n      kind: {{ type: string, oneOf: [a, b] }}\n      \
         tags: {{ type: set, oneOf: [x, \"y\\\\z\"] }}\n      note: {{ type: string }}\n  memo:\n    time: at\n    fields:\n      \
         at: {{ type: datetime, required: true }}\n      mgdl: {{ type: integer, required: true }}\n{groups}"
    );
    let stack = parse(&text, &|_| None).unwrap_or_else(|mistakes| panic!("{mistakes:#?}"));
    lint(&stack).into_iter().map(|found| shown(&found)).collect()
}

fn shown(found: &Finding) -> String {
    let owner = match &found.owner {
        Some(Owner::Group(name)) => name.to_string(),
        Some(Owner::GroupDefaults) => "defaults".to_owned(),
        None => "-".to_owned(),
    };
    let types = found.data_types.iter().map(Name::as_str).collect::<Vec<_>>().join("+");
    let rule = found.rule.map_or_else(|| "-".to_owned(), |rule| rule.to_string());
    format!("{:?} {owner} {rule} {types}: {} ({})", found.level, found.message, found.help)
}

/// What is found of one group's rules about `glucose`.
fn of(rules: &str) -> Vec<String> {
    let all = found(&format!("groups:\n  team:\n    owner: a@example.org\n    rules:\n{rules}"));
    all.into_iter().filter(|found| !found.starts_with("Info")).collect()
}

fn of_condition(when: &str) -> Vec<String> {
    of(&format!("      - types: [glucose]\n        when: '{when}'\n"))
}

#[test]
fn sound_rules_are_passed_over_in_silence() {
    for when in [
        "resource.mgdl > 180",
        "resource.mgdl > 0",
        "resource.mgdl < 1000",
        "resource has note",
        "resource has kind && resource.kind == \"a\"",
        "resource has ratio && resource.ratio.lessThan(decimal(\"2.5\"))",
        "resource has tags && resource.tags.contains(\"x\")",
    ] {
        assert_eq!(of_condition(when), Vec::<String>::new(), "{when}");
    }
}

#[test]
fn a_condition_that_no_item_meets_is_found() {
    for when in [
        "false",
        "resource.mgdl > 200 && resource.mgdl < 100",
        "resource has note && !(resource has note)",
        "resource.mgdl > 1000",
        "resource.mgdl < 0",
        "resource has kind && resource.kind == \"c\"",
        "resource has tags && resource.tags.contains(\"z\")",
        "resource has ratio && resource.ratio.greaterThan(decimal(\"2.5\"))",
    ] {
        assert_eq!(
            of_condition(when),
            [
                "Warning team 1 glucose: the condition holds for no item (correct it, or remove the rule: it selects nothing)"
            ],
            "{when}"
        );
    }
}

#[test]
fn a_condition_that_every_item_meets_is_found() {
    for when in [
        "true",
        "resource.mgdl >= 0 // the least there is",
        "resource.mgdl > 5 || resource.mgdl <= 5",
        "if resource has kind then resource.kind == \"a\" || resource.kind == \"b\" else true",
        "if resource has tags then [\"x\", \"y\\\\z\", \"q\"].containsAll(resource.tags) else true",
    ] {
        assert_eq!(
            of_condition(when),
            [
                "Warning team 1 glucose: the condition holds for every item (correct it, or remove `when` to say so)"
            ],
            "{when}"
        );
    }
}

#[test]
fn what_cannot_be_decided_is_passed_over() {
    // Neither can hold, but only a solver knows.
    for when in ["resource.mgdl + 1 < resource.mgdl", "resource.mgdl * 2 == 7"] {
        assert_eq!(of_condition(when), Vec::<String>::new(), "{when}");
    }
}

#[test]
fn a_rule_that_adds_nothing_is_found_with_the_one_that_shows_all_of_it() {
    let rules = "      - types: [glucose]\n        when: resource.mgdl > 100\n        fields: [mgdl, note]\n      \
                 - types: [glucose]\n        when: resource.mgdl > 180\n        fields: [mgdl]\n        history: 30d\n";
    assert_eq!(
        of(rules),
        [
            "Warning team 2 glucose: rule 1 shows all that this rule does (remove the rule: consumers see the same without it)"
        ]
    );
    // Neither a field more, nor items from longer ago, nor other items.
    for (old, new) in [("[mgdl]", "[mgdl, kind]"), ("mgdl > 180", "mgdl > 90")] {
        assert_eq!(of(&rules.replace(old, new)), Vec::<String>::new(), "{new}");
    }
    let shorter = rules.replace("[mgdl, note]", "[mgdl, note]\n        history: 7d");
    assert_eq!(of(&shorter), Vec::<String>::new());
}

#[test]
fn of_two_rules_alike_the_later_one_is_odd_and_others_may_shadow_together() {
    assert_eq!(
        of("      - types: [glucose]\n      - types: [glucose]\n"),
        [
            "Warning team 2 glucose: rule 1 shows all that this rule does (remove the rule: consumers see the same without it)"
        ]
    );
    let together = "      - types: [glucose]\n        when: resource.mgdl > 180\n      - types: [glucose]\n        \
                    when: resource.mgdl < 70\n      - types: [glucose]\n        when: resource.mgdl > 200 || resource.mgdl < 60\n";
    assert_eq!(
        of(together),
        [
            "Warning team 3 glucose: the other rules together show all that this rule does (remove the rule: consumers see the same without it)"
        ]
    );
}

#[test]
fn what_is_odd_for_some_types_of_a_rule_is_said_of_those() {
    let rules = "      - types: [glucose, memo]\n        when: resource.mgdl > 1000\n      - types: [memo]\n";
    assert_eq!(
        of(rules),
        [
            "Warning team 1 glucose: the condition holds for no item of `glucose` (correct it, or remove `glucose` from its types: it selects nothing)",
            "Warning team 1 memo: rule 2 shows all that this rule does for `memo` (remove `memo` from its types: consumers see the same without it)",
        ]
    );
}

#[test]
fn fields_and_types_that_nobody_comes_to_see_are_worth_knowing() {
    let defaults = "groupDefaults:\n  rules:\n    - types: [glucose]\n      when: resource has ratio\n      fields: [takenAt, mgdl]\n";
    let info: Vec<String> = found(defaults);
    let unseen = |field: &str| {
        format!(
            "Info - - glucose: no group sees `{field}` of `glucose`, and no condition asks for it (add `{field}` to a rule's `fields` if a group should see it)"
        )
    };
    assert_eq!(
        info,
        [
            unseen("kind"),
            unseen("note"),
            unseen("tags"),
            "Info - - memo: no rule of any group is about `memo` (add `memo` to a rule's `types` if a group should get it)".to_owned(),
        ]
    );
    // Without `groupDefaults`, groups of the API see everything.
    assert_eq!(found(""), Vec::<String>::new());
}

#[test]
fn every_group_is_told_of_its_own_rules() {
    let group = |n: usize| {
        format!(
            "  g{n}:\n    owner: a@example.org\n    rules: [{{ types: [glucose], when: 'resource.mgdl > 2000 && resource has note' }}]\n"
        )
    };
    let groups = (0..300).map(group).collect::<String>();
    assert_eq!(found(&format!("groups:\n{groups}")).len(), 300);
}
