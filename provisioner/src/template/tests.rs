use super::*;
use serde_json::json;

fn template() -> Value {
    cloudformation("study", &crate::desired::example())
}

#[test]
fn every_resource_is_in_the_template_or_said_to_be_left_out() {
    let resources = crate::desired::example();
    let template = template();
    let left_out: Vec<&str> = ["stackdoc", "group", "sign_up_trigger"].into();
    let expected = resources.iter().filter(|r| !left_out.contains(&r.address.kind.as_str())).count();
    assert_eq!(template["Resources"].as_object().unwrap().len(), expected);
    assert_eq!(template["Metadata"]["Freehold"]["LeftOut"], json!(["sign_up_trigger: 1", "stackdoc: 1"]));
    // A new kind must be given its words here, or be named above.
    for kind in crate::kinds::all() {
        let known = resources.iter().any(|r| r.address.kind == kind.name()) || kind.name() == "group";
        assert!(known, "{}", kind.name());
    }
}

#[test]
fn every_reference_is_to_something_in_the_template() {
    let template = template();
    let known = |id: &str| {
        id.starts_with("AWS::")
            || template["Resources"].get(id).is_some()
            || template["Parameters"].get(id).is_some()
    };
    let mut references = 0;
    walk(&template, &mut |id| {
        references += 1;
        assert!(known(id), "{id}");
    });
    assert!(references > 100, "{references}");
    assert!(!template.to_string().contains("$ref") && !template.to_string().contains("$join"));
}

/// Visits every id that `Ref`, `Fn::GetAtt` or `Fn::Sub` speak of.
fn walk(value: &Value, visit: &mut impl FnMut(&str)) {
    match value {
        Value::Object(fields) => {
            if let Some(id) = fields.get("Ref").and_then(Value::as_str) {
                visit(id);
            }
            if let Some(id) = fields.get("Fn::GetAtt").and_then(|att| att.get(0)).and_then(Value::as_str) {
                visit(id);
            }
            for part in
                fields.get("Fn::Sub").and_then(Value::as_str).into_iter().flat_map(|t| t.split("${").skip(1))
            {
                visit(part.split(['}', '.']).next().unwrap());
            }
            fields.values().for_each(|value| walk(value, visit));
        }
        Value::Array(items) => items.iter().for_each(|item| walk(item, visit)),
        _ => {}
    }
}

#[test]
fn what_holds_data_outlives_the_stack() {
    for (id, resource) in template()["Resources"].as_object().unwrap() {
        let holds =
            ["AWS::DynamoDB::Table", "AWS::Cognito::UserPool"].contains(&resource["Type"].as_str().unwrap());
        assert_eq!(resource["DeletionPolicy"] == "Retain", holds, "{id}");
    }
}

#[test]
fn the_template_of_a_small_stack() {
    insta::assert_snapshot!(serde_json::to_string_pretty(&template()).unwrap());
}
