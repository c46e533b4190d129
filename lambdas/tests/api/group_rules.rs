//! The rules of groups that people own: they stay inside the stack's defaults, and every revision can be looked up.

use domain::id::GroupId;
use domain::rules::compare::{Judged, Known, Verdict};
use serde_json::{Value as Json, json};

use crate::world::{World, text};

fn rule(when: &str, fields: &[&str]) -> Json {
    json!({"types": ["glucose"], "when": when, "fields": fields})
}

/// The defaults of these tests allow `takenAt` and `mgdl` of readings above 180, `note` of those whose note is `share`, and
/// every memo.
#[tokio::test]
async fn an_owner_s_rules_stay_inside_the_stack_s_defaults() {
    let world = World::new().await;
    let ann = world.person("ann").await;
    let path = format!("/groups/{}/rules", ann.group("Diabetes").await);
    let put = async |rules: Json| ann.put(&path, json!({ "rules": rules })).await;
    let shared = "resource has note && resource.note == \"share\"";
    let both = format!("resource.mgdl > 180 && {shared}");
    for inside in [
        json!([rule("resource.mgdl > 180", &["mgdl"])]),
        json!([rule("resource.mgdl >= 181", &["takenAt", "mgdl"])]),
        json!([rule("resource.mgdl > 200 || resource.mgdl == 190", &["mgdl"])]),
        json!([rule("!(resource.mgdl <= 180)", &["mgdl"])]),
        json!([rule(shared, &["note"]), rule("resource.mgdl > 300", &["mgdl"])]),
        // Only together the defaults allow all three fields.
        json!([rule(&both, &["takenAt", "mgdl", "note"])]),
        json!([{"types": ["memo"], "history": {"days": 90}}]),
        json!([]),
    ] {
        put(inside).await.expect(200);
    }
    let revision = ann.get(&path.replace("/rules", "")).await.expect(200)["ruleRevision"].clone();
    for (outside, field) in [
        (json!([rule("resource.mgdl >= 180", &["mgdl"])]), "rules.0"),
        (json!([rule("resource.mgdl > 179", &["mgdl"])]), "rules.0"),
        (json!([rule("resource.mgdl > 180 || resource.mgdl == 180", &["mgdl"])]), "rules.0"),
        (json!([rule("!(resource.mgdl < 180)", &["mgdl"])]), "rules.0"),
        (json!([{"types": ["glucose"], "fields": ["mgdl"]}]), "rules.0"),
        (json!([rule("resource.mgdl > 300", &["mgdl"]), rule(shared, &["mgdl"])]), "rules.1"),
        (json!([rule("resource.mgdl > 180", &["mgdl", "note"])]), "rules.0"),
        (json!([rule("resource.mgdl > 180", &["device"])]), "rules.0.fields"),
        // Nobody finds out whether it is inside: a sum.
        (json!([rule("resource.mgdl + resource.mgdl > 361", &["mgdl"])]), "rules.0"),
    ] {
        let problem = put(outside.clone()).await.problem(422, "invalid");
        let errors = problem["errors"].as_array().unwrap();
        assert_eq!((errors.len(), errors[0]["field"].as_str()), (1, Some(field)), "{outside}: {errors:?}");
        assert!(text(&errors[0]["message"]).contains("`groupDefaults` of stack.yaml"), "{errors:?}");
    }
    let problem = put(json!([rule("resource.mgdl > 179", &["mgdl"])])).await.problem(422, "invalid");
    assert_eq!(
        problem["errors"][0]["message"],
        "shares `mgdl` of the item `{\"mgdl\":180,\"note\":\"share\",\"takenAt\":\"2026-01-01T00:00:00Z\"}`, which `groupDefaults` of stack.yaml do not allow; \
         of `glucose` they allow `takenAt`, `mgdl` where `resource.mgdl > 180`; or `note` where \
         `resource has note && resource.note == \"share\"`"
    );
    let after = ann.get(&path.replace("/rules", "")).await.expect(200);
    assert_eq!(after["ruleRevision"], revision, "what is refused changes nothing");
}

#[tokio::test]
async fn every_revision_of_the_rules_is_listed_with_its_verdict_newest_first() {
    let world = World::new().await;
    let (ann, bob, eve) = (world.person("ann").await, world.person("bob").await, world.person("eve").await);
    let group = ann.group("Diabetes").await;
    ann.admit(&group, "provider", &bob).await;
    let path = format!("/groups/{group}/rules");
    let put = async |when: &str| {
        ann.put(&path, json!({"rules": [rule(when, &["mgdl"])]})).await.expect(200);
        world.pass_days(1);
    };
    let first = ann.get(&format!("/groups/{group}")).await.expect(200);
    for when in [
        "resource.mgdl > 250",
        "resource.mgdl > 200",
        "!(resource.mgdl <= 200)",
        "resource.mgdl > 180 && resource.mgdl < 230",
    ] {
        put(when).await;
    }
    let history = format!("{path}/history");
    let all = ann.all(&history).await;
    let told: Vec<_> =
        all.iter().map(|one| (one["revision"].as_u64().unwrap(), one["verdict"].as_str())).collect();
    assert_eq!(
        told,
        [(5, Some("both")), (4, Some("unchanged")), (3, Some("widens")), (2, Some("narrows")), (1, None)]
    );
    assert!(all[..4].iter().all(|one| one["evidence"] == "enumerated"), "{all:?}");
    assert_eq!(all[0]["rules"], ann.get(&format!("/groups/{group}")).await.expect(200)["rules"]);
    assert_eq!((&all[4]["rules"], &all[4]["since"]), (&first["rules"], &first["created"]));
    assert_eq!(all[3]["since"], "2026-01-01T00:00:00Z");
    assert_eq!(all[2]["since"], "2026-01-02T00:00:00Z");
    assert_eq!(bob.all(&history).await, all, "a provider reads them, too");
    eve.get(&history).await.problem(404, "not-found");

    // Page by page, each with the same number of requests however many revisions there are.
    assert_eq!(ann.all(&format!("{history}?limit=2")).await, all);
    let requests = async |limit: usize| {
        let before = world.calls.lock().unwrap().len();
        ann.get(&format!("{history}?limit={limit}")).await.expect(200);
        world.calls.lock().unwrap().len() - before
    };
    assert_eq!(requests(1).await, requests(5).await);
    ann.get(&format!("{history}?limit=0")).await.problem(400, "invalid-parameter");
}

#[tokio::test]
async fn consumers_read_the_history_with_the_current_rules_only() {
    let world = World::new().await;
    let (ann, bob) = (world.person("ann").await, world.person("bob").await);
    let group = ann.group("Diabetes").await;
    ann.admit(&group, "consumer", &bob).await;
    let path = format!("/groups/{group}/rules");
    ann.put(&path, json!({"rules": [rule("resource.mgdl > 250", &["mgdl"])]})).await.expect(200);
    let (whole, seen) =
        (ann.all(&format!("{path}/history")).await, bob.all(&format!("{path}/history")).await);
    assert_eq!(seen[0], whole[0], "what `GET /groups/{{group_id}}` shows them as well");
    assert!(whole[1].get("rules").is_some() && seen[1].get("rules").is_none());
    assert_eq!((&seen[1]["revision"], &seen[1]["since"]), (&whole[1]["revision"], &whole[1]["since"]));
}

#[tokio::test]
async fn a_revision_keeps_its_time_and_its_proved_verdict_when_its_rules_are_put_in_other_words() {
    let world = World::new().await;
    let ann = world.person("ann").await;
    let group = ann.group("Diabetes").await;
    let id = GroupId::parse(&group).unwrap();
    let rules = |when: &str| serde_json::from_value(json!([rule(when, &["mgdl"])])).unwrap();
    let proved = Judged { verdict: Verdict::Narrows, known: Known::Proved };
    let row = world.store.group(&id).await.unwrap();
    world.store.change_rules(&row, (&rules("resource.mgdl > 250"), proved), 1, world.now()).await.unwrap();
    let before = ann.all(&format!("/groups/{group}/rules/history")).await;
    assert_eq!((&before[0]["verdict"], &before[0]["evidence"]), (&json!("narrows"), &json!("proved")));
    assert_eq!(before[0].get("reworded"), None);
    world.pass_days(3);
    let row = world.store.group(&id).await.unwrap();
    world.store.reword_rules(&row, &rules("250 < resource.mgdl"), world.now()).await.unwrap();
    let after = ann.all(&format!("/groups/{group}/rules/history")).await;
    let mut expected = before.clone();
    expected[0]["rules"][0]["when"] = "250 < resource.mgdl".into();
    expected[0]["reworded"] = world.now().to_string().into();
    assert_eq!(after, expected);
    let row = world.store.group(&id).await.unwrap();
    let any = rules("resource.mgdl * resource.mgdl > 5");
    world.store.change_rules(&row, (&any, Judged::UNDECIDED), 1, world.now()).await.unwrap();
    let last = ann.all(&format!("/groups/{group}/rules/history?limit=1")).await.remove(0);
    assert_eq!((&last["verdict"], &last["evidence"]), (&json!("undecided"), &json!("undecided")));
}
