use domain::id::Name;
use serde_json::json;
use store::census::Tally;

use super::super::{GroupLoss, plan};
use super::*;
use crate::engine::fake::{Fake, at, resource};
use crate::kinds::{Observed, Recorded};
use crate::resource::Outputs;
use crate::state::Status;

fn place() -> Place {
    let text = |text: &str| text.to_owned();
    Place { stack: text("s"), account: text("1"), region: text("r"), target: text("aws"), env: None }
}

type Worlds = (BTreeMap<Address, Entry>, BTreeMap<Address, Read>);

fn world() -> Worlds {
    let attributes = json!({"v": 1, "tags": {"team": "a"}});
    let recorded = Recorded {
        address: at("x.a"),
        physical_id: "id".into(),
        attributes: attributes.clone(),
        outputs: Outputs::new(),
    };
    let entry = Entry {
        recorded,
        depends_on: vec![],
        status: Status::Ready,
        updated: Timestamp::from_millis(1_700_000_000_000),
    };
    let there = Observed { physical_id: "id".into(), attributes, outputs: Outputs::new() };
    (BTreeMap::from([(at("x.a"), entry)]), BTreeMap::from([(at("x.a"), Read::Owned(there))]))
}

fn files(text: &str) -> BTreeMap<String, String> {
    BTreeMap::from([("stack.yaml".to_owned(), fingerprint::of_text(text.as_bytes()))])
}

fn desired(v: u8) -> Vec<Resource> {
    vec![
        resource("x.a", json!({"v": v, "tags": {"team": "a"}, "secret": "here"}), &[]),
        resource("x.b", json!({}), &["x.a"]),
    ]
}

fn saved() -> SavedPlan {
    let (recorded, observed) = world();
    SavedPlan {
        version: SAVED_VERSION,
        made_by: "0.1.0".into(),
        made: Timestamp::from_millis(1_700_000_000_000),
        place: place(),
        seen: Fingerprints::of(files("name: s"), &recorded, &observed),
        losses: Losses::default(),
        permissions: vec![],
        plan: plan("s", &desired(2), &observed, &recorded, &Fake::default()).unwrap(),
    }
}

fn now(change: impl FnOnce(&mut Worlds)) -> Vec<String> {
    let mut world = world();
    change(&mut world);
    saved().seen.differences(&Fingerprints::of(files("name: s"), &world.0, &world.1), None)
}

fn live(world: &mut Worlds) -> &mut Observed {
    match world.1.get_mut(&at("x.a")) {
        Some(Read::Owned(observed)) => observed,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_saved_plan_reads_as_it_was_written() {
    assert_eq!(SavedPlan::read(&saved().text()).unwrap(), saved());
    insta::assert_snapshot!(saved().text());
}

/// A plan that takes a group and data types away.
fn lossy() -> SavedPlan {
    let tally = |count, more| Tally { count, more };
    let name = |text: &str| Name::parse(text).unwrap();
    let losses = Losses {
        data_types: [(name("mood"), tally(0, true)), (name("weight"), tally(40_120, true))].into(),
        fields: [("glucose.note".to_owned(), tally(41, false))].into(),
        groups: [("clinic".to_owned(), GroupLoss { members: 3, copies: tally(120, false) })].into(),
        more: true,
    };
    SavedPlan { losses, ..saved() }
}

#[test]
fn what_would_be_lost_is_saved_with_its_counts() {
    let text = lossy().text();
    assert_eq!(SavedPlan::read(&text).unwrap(), lossy());
    let document: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(document["version"], SAVED_VERSION);
    insta::assert_snapshot!(serde_json::to_string_pretty(&document["losses"]).unwrap(), @r#"
    {
      "dataTypes": {
        "mood": {
          "count": 0,
          "more": true
        },
        "weight": {
          "count": 40120,
          "more": true
        }
      },
      "fields": {
        "glucose.note": {
          "count": 41
        }
      },
      "groups": {
        "clinic": {
          "members": 3,
          "copies": {
            "count": 120
          }
        }
      },
      "more": true
    }
    "#);
    // Plans that take nothing away, and those that were saved before this was counted, have none.
    assert!(!saved().text().contains("losses"));
    assert_eq!(SavedPlan::read(&saved().text()).unwrap().losses, Losses::default());
}

#[test]
fn a_newer_plan_and_what_is_no_plan_are_refused_with_the_reason() {
    let newer = saved().text().replacen("\"version\": 1", "\"version\": 9", 1);
    let refused = [newer.as_str(), "{}", "version: 1", r#"{"version": 1, "plan": []}"#]
        .map(|text| SavedPlan::read(text).unwrap_err().to_string());
    insta::assert_snapshot!(refused.join("\n"));
}

#[test]
fn a_plan_of_another_stack_account_region_target_or_environment_is_refused() {
    assert_eq!(saved().check_place(&place()), Ok(()));
    let others = [
        Place { stack: "t".into(), ..place() },
        Place { account: "2".into(), ..place() },
        Place { region: "q".into(), ..place() },
        Place { target: "local".into(), ..place() },
        Place { env: Some("prod".into()), ..place() },
    ];
    let refused = others.map(|other| saved().check_place(&other).unwrap_err().to_string());
    insta::assert_snapshot!(refused.join("\n"), @r"
    it was made for the stack `s`, not `t`
    it was made for the account `1`, not `2`
    it was made for the region `r`, not `q`
    it was made for the target `aws`, not `local`
    it was made for the environment `none`, not `prod`
    ");
}

#[test]
fn nothing_is_stale_while_nothing_changed() {
    assert!(now(|_| {}).is_empty());
    assert!(saved().differs_from(&desired(2), &Fake::default()).is_empty());
}

#[test]
fn a_changed_file_is_named() {
    let (recorded, observed) = world();
    let now = Fingerprints::of(files("name: t"), &recorded, &observed);
    assert_eq!(saved().seen.differences(&now, None), ["the configuration: file `stack.yaml`"]);
    let now = Fingerprints::of(BTreeMap::new(), &recorded, &observed);
    assert_eq!(saved().seen.differences(&now, None), ["the configuration: file `stack.yaml`"]);
}

#[test]
fn a_changed_variable_is_named_by_what_it_changes_and_the_place_of_code_is_not() {
    let mut changed = desired(3);
    changed[0].attributes["secret"] = json!("there");
    assert_eq!(saved().differs_from(&changed, &Fake::default()), ["the configuration: `v` of `x.a`"]);
    let fewer = &desired(2)[..1];
    assert_eq!(saved().differs_from(fewer, &Fake::default()), ["the configuration: whether there is `x.b`"]);
    changed[0].attributes["v"] = json!(2);
    assert!(saved().differs_from(&changed, &Fake::default()).is_empty());
    let here = saved().plan_here(&changed);
    assert_eq!(here.nodes[0].desired.as_ref().unwrap()["secret"], "there");
}

#[test]
fn a_changed_state_is_named_by_its_resource() {
    let changed = now(|world| world.0.get_mut(&at("x.a")).unwrap().status = Status::Updating);
    assert_eq!(changed, ["the recorded state of `x.a`"]);
    let gone = now(|world| world.0.clear());
    assert_eq!(gone, ["the recorded state of `x.a`"]);
}

#[test]
fn a_live_change_is_named_by_its_attribute_and_resource() {
    let changed = now(|world| live(world).attributes["tags"]["team"] = json!("b"));
    assert_eq!(changed, ["`tags/team` of `x.a`, as it is live"]);
    let remade = now(|world| live(world).physical_id = "other".into());
    assert_eq!(remade, ["`id` of `x.a`, as it is live"]);
    let gone = now(|world| drop(world.1.insert(at("x.a"), Read::Missing)));
    assert_eq!(gone, ["`x.a` is gone"]);
    let foreign = now(|world| drop(world.1.insert(at("x.a"), Read::Foreign("theirs".into()))));
    assert_eq!(foreign, ["`x.a` belongs to somebody else now"]);
    let new = now(|world| {
        let there = world.1[&at("x.a")].clone();
        world.1.insert(at("x.b"), there);
    });
    assert_eq!(new, ["`x.b` is there now"]);
}

#[test]
fn a_plan_that_was_written_into_is_not_the_plan_that_is_made_here() {
    let (recorded, observed) = world();
    let here = plan("s", &desired(2), &observed, &recorded, &Fake::default()).unwrap();
    assert!(saved().is(&here, &desired(2), None));
    let mut elsewhere = desired(2);
    elsewhere[0].attributes["secret"] = json!("there");
    let there = plan("s", &elsewhere, &observed, &recorded, &Fake::default()).unwrap();
    assert!(saved().is(&there, &elsewhere, None), "the place of code makes no difference");
    let mut tampered = saved();
    tampered.plan.nodes[0].prior.as_mut().unwrap().physical_id = "somebody-else's".into();
    assert!(!tampered.is(&here, &desired(2), None));
    let mut tampered = saved();
    tampered.plan.nodes.pop();
    assert!(!tampered.is(&here, &desired(2), None));
}

#[test]
fn the_table_that_the_command_itself_made_is_no_reason_to_refuse() {
    let (recorded, observed) = world();
    let nothing = Fingerprints::of(files("name: s"), &BTreeMap::new(), &BTreeMap::new());
    let now = Fingerprints::of(files("name: s"), &recorded, &observed);
    assert!(!nothing.differences(&now, None).is_empty());
    assert!(nothing.differences(&now, Some(&at("x.a"))).is_empty());
}
