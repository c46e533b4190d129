use std::collections::BTreeSet;
use std::path::Path;

use super::*;
use crate::routes::Operation;

/// What people may do by the requirements' own table of routes, path for path.
const REQUIRED: &[&str] = &[
    "GET /user",
    "POST /user",
    "GET /user/data",
    "POST /user/data",
    "PATCH /user/data/{data_id}",
    "DELETE /user/data/{data_id}",
    "GET /user/data/types/{type}",
    "GET /user/members",
    "GET /user/invitations",
    "POST /groups",
    "GET /groups/{group_id}",
    "GET /groups/{group_id}/data",
    "GET /groups/{group_id}/data/types/{type}",
    "DELETE /groups/{group_id}/members/{member_id}",
    "GET /groups/{group_id}/invitations",
    "POST /groups/{group_id}/invitations",
    "POST /groups/{group_id}/invitations/{invitation_id}/accept",
    "POST /groups/{group_id}/invitations/{invitation_id}/decline",
];

fn glucose() -> BTreeMap<Name, DataType> {
    let glucose: DataType = serde_json::from_value(json!({
        "name": "glucose", "time": "takenAt",
        "fields": {
            "takenAt": {"type": "datetime", "required": true},
            "mgdl": {"type": "integer", "required": true, "min": 0, "max": 1000, "unit": "mg/dL"},
            "ratio": {"type": "decimal"}, "raw": {"type": "object"}, "tags": {"type": "set"},
            "device": {"type": "string", "oneOf": ["a", "b"], "description": "Which"}, "note": {"type": "string"},
        }
    }))
    .unwrap();
    [(glucose.name.clone(), glucose)].into()
}

fn both() -> [Json; 2] {
    [document(&BTreeMap::new()), document(&glucose())]
}

fn operations(document: &Json) -> Vec<(String, &Json)> {
    let paths = document["paths"].as_object().unwrap();
    paths
        .iter()
        .flat_map(|(path, item)| {
            item.as_object()
                .unwrap()
                .iter()
                .map(move |(method, operation)| (format!("{} {path}", method.to_uppercase()), operation))
        })
        .collect()
}

fn references<'a>(json: &'a Json, found: &mut BTreeSet<&'a str>) {
    match json {
        Json::Object(members) => {
            found.extend(members.get("$ref").and_then(Json::as_str));
            members.values().for_each(|value| references(value, found));
        }
        Json::Array(values) => values.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}

#[test]
fn every_route_of_the_requirements_is_described_path_for_path() {
    let document = document(&BTreeMap::new());
    let described: BTreeSet<String> = operations(&document).into_iter().map(|(route, _)| route).collect();
    for route in REQUIRED {
        assert!(described.contains(*route), "{route}");
    }
    let known: BTreeSet<String> = ROUTES.iter().map(|r| format!("{} {}", r.method, r.path)).collect();
    assert_eq!(described, known);
}

#[test]
fn every_reference_leads_somewhere_and_nothing_is_left_over() {
    for document in both() {
        let mut found = BTreeSet::new();
        references(&document, &mut found);
        for reference in &found {
            let pointer = reference.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{reference}");
        }
        for kind in ["schemas", "parameters", "headers"] {
            for name in document["components"][kind].as_object().unwrap().keys() {
                let path = format!("#/components/{kind}/{name}");
                assert!(found.contains(path.as_str()), "nothing refers to {path}");
            }
        }
    }
}

#[test]
fn every_operation_says_what_it_is_whom_it_takes_and_how_it_refuses() {
    let document = document(&glucose());
    let mut ids = BTreeSet::new();
    let tags: BTreeSet<&str> = operations::TAGS.iter().map(|(name, _)| *name).collect();
    for (route, operation) in operations(&document) {
        assert!(ids.insert(operation["operationId"].as_str().unwrap().to_owned()), "{route}");
        for text in ["summary", "description"] {
            let text = operation[text].as_str().unwrap();
            assert!(text.len() > 5 && text.starts_with(|c: char| c.is_ascii_uppercase()), "{route}: {text}");
        }
        assert!(tags.contains(operation["tags"][0].as_str().unwrap()), "{route}");
        let responses = operation["responses"].as_object().unwrap();
        let good: Vec<&String> = responses.keys().filter(|status| status.starts_with('2')).collect();
        assert!(!good.is_empty(), "{route}");
        let open = route == "GET /openapi.json";
        assert_eq!(operation["security"] == json!([]), open, "{route}");
        for status in ["400", "429", "500", "503"] {
            assert!(responses.contains_key(status), "{route}: {status}");
        }
        for status in ["401", "403"] {
            assert_eq!(responses.contains_key(status), !open, "{route}: {status}");
        }
        assert!(responses.contains_key("404") || !route.contains('{'), "{route}");
        if operation.get("requestBody").is_some() {
            for status in ["413", "415", "422"] {
                assert!(responses.contains_key(status), "{route}: {status}");
            }
        }
        let parameters = operation["parameters"].as_array().unwrap();
        let names: BTreeSet<&str> = parameters.iter().map(|p| p["$ref"].as_str().unwrap()).collect();
        assert_eq!(names.len(), parameters.len(), "{route}: a parameter twice");
    }
}

#[test]
fn every_problem_that_an_operation_names_is_a_type() {
    for route in ROUTES {
        for (status, slug) in operations::doc(route.operation).refuses {
            let known = PROBLEMS.iter().any(|problem| (problem.status, problem.slug) == (status, slug));
            assert!(known, "{:?}: {status} `{slug}`", route.operation);
        }
    }
    assert_eq!(operation_id(&ROUTES[0]), "getUser");
    assert_eq!(ROUTES[0].operation, Operation::GetUser);
}

#[test]
fn the_fields_of_a_stack_s_items_are_described() {
    let document = document(&glucose());
    let fields = &document["components"]["schemas"]["Fields-glucose"];
    assert_eq!(fields["required"], json!(["mgdl", "takenAt"]));
    assert_eq!(fields["properties"]["mgdl"]["maximum"], 1000);
    assert_eq!(fields["properties"]["device"]["oneOf"][0]["enum"], json!(["a", "b"]));
    assert_eq!(document["components"]["schemas"]["DataType"]["enum"], json!(["glucose"]));
}

/// Run with `UPDATE_REFERENCES=1` to write it anew.
#[test]
fn the_published_description_is_the_one_of_the_code() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/openapi.json");
    let text = format!("{}\n", serde_json::to_string_pretty(&document(&BTreeMap::new())).unwrap());
    if std::env::var_os("UPDATE_REFERENCES").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == text, "docs/openapi.json is not current: run with UPDATE_REFERENCES=1");
}

#[test]
fn what_an_answer_names_leads_on_to_the_operations_on_it() {
    let document = document(&BTreeMap::new());
    let all = operations(&document);
    let of = |operation: &str, status: &str| {
        let (_, found) = all.iter().find(|(name, _)| name == operation).unwrap();
        found["responses"][status]["links"].as_object().cloned().unwrap_or_default()
    };
    let group = of("POST /groups", "201");
    assert_eq!(group["deleteGroup"]["parameters"], json!({ "group_id": "$response.body#/id" }));
    assert!(!group.contains_key("acceptInvitation"), "which it knows nothing of");
    let invitation = of("POST /groups/{group_id}/invitations", "201");
    let expected = json!({ "group_id": "$request.path.group_id", "invitation_id": "$response.body#/id" });
    assert_eq!(invitation["acceptInvitation"]["parameters"], expected);
    assert!(!invitation.contains_key("getGroup"), "which is nothing new");
    // All that a link needs is there: the operation, and each variable of its path.
    let (mut links, mut reached) = (0, BTreeSet::new());
    for (_, operation) in &all {
        for answer in operation["responses"].as_object().unwrap().values() {
            for (id, link) in answer["links"].as_object().into_iter().flatten() {
                let (path, _) =
                    all.iter().find(|(_, operation)| operation["operationId"] == id.as_str()).unwrap();
                let parameters = link["parameters"].as_object().unwrap();
                assert!(
                    parameters.keys().all(|name| path.contains(&format!("{{{name}}}"))),
                    "{path}: {link}"
                );
                assert_eq!(parameters.len(), path.matches('{').count(), "{path}: {link}");
                links += 1;
                reached.insert(id.clone());
            }
        }
    }
    assert!(links >= 24 && reached.len() == links, "{links} links to {reached:?}");
}
