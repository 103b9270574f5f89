//! `GET /openapi.json`: what the doors take and answer, for programs.
//!
//! Written by hand, since the doors read their requests by hand: a description
//! made from types of ours would prove nothing about them. The tests hold it to
//! the routes and the words of the program, and schemathesis to its answers
//! (`tests/e2e/openapi.rs`).

use super::reply::Reply;

const DESCRIPTION: &str = include_str!("openapi.json");

/// `GET /openapi.json`.
pub(super) async fn openapi() -> Reply {
    Reply::json(200, DESCRIPTION.as_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use axum::body::Body;
    use axum::http::{Request, StatusCode};
    use hyper::service::Service;
    use hyper_util::service::TowerToHyperService;
    use serde_json::Value;

    use super::*;
    use crate::serve::front::oracle::Bench;
    use crate::serve::healthz;
    use crate::serve::readings;
    use crate::serve::refused::Reason;
    use crate::serve::state::StoreState;

    fn description() -> Value {
        serde_json::from_str(DESCRIPTION).unwrap()
    }

    fn schema(name: &str) -> Value {
        description()["components"]["schemas"][name].clone()
    }

    /// The methods that a path allows, as its 405 says, in order; HEAD is wherever
    /// GET is.
    async fn allowed(bench: &Bench, path: &str) -> Vec<String> {
        let target = path.replace("{id}", "1");
        let request = Request::builder().method("BREW").uri(&target).body(Body::empty()).unwrap();
        let routes = TowerToHyperService::new(bench.router().routes.clone());
        let response = routes.call(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED, "{path}");
        let allow = response.headers()["allow"].to_str().unwrap();
        let mut methods: Vec<String> = allow.split(',').map(str::to_lowercase).collect();
        let heads = methods.iter().filter(|method| *method == "head").count();
        assert_eq!(heads, methods.iter().filter(|method| *method == "get").count(), "{path}");
        methods.retain(|method| method != "head");
        methods.sort();
        methods
    }

    #[tokio::test]
    async fn every_door_is_described_and_none_is_invented() {
        let bench = Bench::new();
        let mut doors = BTreeMap::new();
        for path in &bench.router().paths {
            doors.insert((*path).to_owned(), allowed(&bench, path).await);
        }
        assert!(doors.len() >= 10, "{doors:?}");
        let mut described = BTreeMap::new();
        for (path, operations) in description()["paths"].as_object().unwrap() {
            let mut methods: Vec<_> = operations.as_object().unwrap().keys().cloned().collect();
            methods.sort();
            described.insert(path.clone(), methods);
        }
        assert_eq!(described, doors);
    }

    #[test]
    fn its_words_are_the_programs() {
        let description = description();
        assert_eq!(description["info"]["version"], env!("CARGO_PKG_VERSION"));

        let reasons: Vec<_> = Reason::ALL.into_iter().map(Reason::word).collect();
        let told = schema("Reason")["oneOf"].clone();
        let told: Vec<_> = told.as_array().unwrap().iter().map(|one| &one["const"]).collect();
        assert_eq!(told, reasons);
        let counted = &schema("Activity")["properties"]["refused_by_reason"]["required"];
        assert_eq!(*counted, Value::from(reasons));

        let states: Vec<_> = StoreState::ALL.into_iter().map(StoreState::word).collect();
        assert_eq!(schema("StoreState")["enum"], Value::from(states));
        let statuses: Vec<_> = healthz::Status::ALL.into_iter().map(|each| each.word()).collect();
        assert_eq!(schema("HealthStatus")["enum"], Value::from(statuses));
    }

    #[test]
    fn the_parameters_and_forms_of_a_list_are_the_programs() {
        let list = description()["paths"]["/rssi_readings"]["get"].clone();
        let parameters = list["parameters"].as_array().unwrap();
        let names: Vec<_> = parameters.iter().map(|parameter| &parameter["name"]).collect();
        assert_eq!(names, readings::PARAMETERS);
        let limit = parameters.iter().find(|parameter| parameter["name"] == "limit").unwrap();
        assert_eq!(limit["schema"]["maximum"], readings::LIMIT_MAX);
        assert_eq!(limit["schema"]["default"], readings::LIMIT_DEFAULT);
        // Other names of NDJSON are taken, too.
        for form in list["responses"]["200"]["content"].as_object().unwrap().keys() {
            assert!(readings::FORMS.iter().any(|(name, _)| name == form), "{form}");
        }
    }

    /// Each `$ref` leads somewhere, and everything is used.
    #[test]
    fn its_parts_fit_together() {
        fn walk<'a>(value: &'a Value, see: &mut impl FnMut(&'a str)) {
            match value {
                Value::Object(object) => {
                    if let Some(Value::String(to)) = object.get("$ref") {
                        see(to);
                    }
                    object.values().for_each(|value| walk(value, see));
                }
                Value::Array(array) => array.iter().for_each(|value| walk(value, see)),
                _ => {}
            }
        }
        let description = description();
        let mut used = std::collections::BTreeSet::new();
        walk(&description, &mut |to| {
            let place = to.strip_prefix('#').unwrap();
            assert!(description.pointer(place).is_some(), "{to} leads nowhere");
            used.insert(place.to_owned());
        });
        for (kind, parts) in description["components"].as_object().unwrap() {
            for name in parts.as_object().unwrap().keys() {
                let place = format!("/components/{kind}/{name}");
                assert!(used.contains(&place), "{place} is not used");
            }
        }
    }
}
