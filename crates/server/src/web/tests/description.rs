//! What is answered is what the description says, no more and no less.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::Scene;
use crate::web::api::OPENAPI;
use crate::web::router;

fn description() -> Value {
    serde_json::from_str(OPENAPI).unwrap()
}

#[test]
fn every_route_is_described_and_every_description_is_a_route() {
    let description = description();
    let paths = description["paths"].as_object().unwrap();
    let described: BTreeSet<String> = paths
        .iter()
        .flat_map(|(path, methods)| {
            let methods = methods.as_object().unwrap().keys();
            methods.map(move |method| format!("{} {path}", method.to_uppercase()))
        })
        .collect();
    let routes: BTreeSet<String> =
        router::routes().iter().map(|(method, path, _)| format!("{method} {path}")).collect();
    assert_eq!(routes, described);
}

/// Every operation names itself, its answers are described, and what is named by `$ref` exists.
#[test]
fn the_description_is_whole() {
    fn references<'v>(value: &'v Value, found: &mut Vec<&'v str>) {
        match value {
            Value::Object(members) => {
                found.extend(members.get("$ref").and_then(Value::as_str));
                members.values().for_each(|member| references(member, found));
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }
    let description = description();
    let mut found = Vec::new();
    references(&description, &mut found);
    let used: BTreeSet<&str> = found.into_iter().collect();
    let schemas = description["components"]["schemas"].as_object().unwrap();
    let known: BTreeSet<String> = schemas.keys().map(|name| format!("#/components/schemas/{name}")).collect();
    assert_eq!(used, known.iter().map(String::as_str).collect());
}

/// Fails unless this is what the description says of an answer with that status.
pub(super) fn validate(method: &str, path: &str, status: u16, answer: &Value) {
    let description = description();
    let content = &description["paths"][path][method]["responses"][status.to_string()]["content"];
    let kind =
        if status < 400 || path == "/readyz" { "application/json" } else { "application/problem+json" };
    let schema = &content[kind]["schema"];
    assert!(schema.is_object(), "{method} {path} {status} is not described");
    let schema = json!({ "allOf": [schema], "components": description["components"] });
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<String> =
        validator.iter_errors(answer).map(|error| format!("{error} at {}", error.instance_path())).collect();
    assert!(errors.is_empty(), "{method} {path} {status}: {errors:#?}\n{answer:#}");
}

#[test]
fn an_answer_that_says_something_else_is_found() {
    let mut answer = json!({ "status": "alive", "uptime_seconds": 1.5 });
    validate("get", "/healthz", 200, &answer);
    answer["more"] = json!(1);
    let wrong = std::panic::catch_unwind(|| validate("get", "/healthz", 200, &answer));
    assert!(wrong.is_err());
}

/// With something in every list.
#[test]
fn real_answers_are_as_described() {
    let scene = Scene::running();
    let _clients = [
        scene.client(0, "PUBLISHER news\nfirst\nsecond\n"),
        scene.client(1, "PUBLISHER news\nthird\n"),
        scene.client(1, "SUBSCRIBER news\n"),
    ];
    scene.json_once("/api/v1/topics", |list| list["topics"][0]["messages_total"] == 3);
    scene.json_once("/api/v1/subscriptions", |list| list["subscriptions"][0]["sessions"] == 1);
    for path in ["status", "clients", "topics", "subscriptions", "shards", "config"] {
        let path = format!("/api/v1/{path}");
        validate("get", &path, 200, &scene.json(&path));
    }
    for path in ["/healthz", "/readyz"] {
        validate("get", path, 200, &scene.json(path));
    }
    scene.newcomers.pause();
    let answer = scene.get("/readyz");
    validate("get", "/readyz", answer.status(), &answer.json());
    for path in ["/api/v1/clients", "/api/v1/topics", "/api/v1/subscriptions"] {
        let answer = scene.get(&format!("{path}?limit=0"));
        validate("get", path, answer.status(), &answer.json());
    }
    let answer = scene.ask("DELETE", "/api/v1/clients/0-99-0");
    validate("delete", "/api/v1/clients/{id}", answer.status(), &answer.json());
}
