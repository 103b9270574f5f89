//! `/openapi.json` says what the doors do: schemathesis asks them, by it, for
//! good things and bad.

use std::process::Command;

use serde_json::{Value, json};

use super::support::houseful::{Houseful, Setup};
use super::support::http::request;
use super::support::{by_pi, distinct, in_repository, skip, temp_dir};

/// Cases of each operation in its longest phase: half a minute in all.
const EXAMPLES: &str = "100";

/// What is to be described: readings, copies, and emissions that were refused.
fn post_some(houseful: &Houseful) {
    let mut client = houseful.client();
    for n in 0..30 {
        assert_eq!(client.post(&distinct(n)).unwrap().status, 201);
        assert_eq!(client.post(&by_pi(distinct(n), "33")).unwrap().status, 409);
    }
    let invalid = json!({"badge_id": "badge_0", "pi_id": "33", "beacons": 7});
    assert_eq!(client.post(&invalid).unwrap().status, 400);
    let odd = json!({"badge_id": "größe 🦀", "pi_id": "\"", "badge_strength": -70, "motion": -1});
    assert_eq!(client.post(&odd).unwrap().status, 201);
}

#[test]
fn schemathesis_finds_nothing() {
    if Command::new("schemathesis").arg("--version").output().is_err() {
        skip("schemathesis is missing: pip install -r tests/e2e/support/schemathesis.txt");
        return;
    }
    let dir = temp_dir();
    let setup = Setup::new(dir.path());
    let houseful = setup.start();
    post_some(&houseful);
    let output = Command::new("schemathesis")
        .arg("run")
        .arg(format!("{}/openapi.json", houseful.url()))
        // Its answer has no end.
        .args(["--exclude-path", "/feed"])
        // None is left out.
        .args(["--checks", "all", "--continue-on-failure", "--max-examples", EXAMPLES])
        .args(["--generation-deterministic", "--request-timeout", "30", "--no-color"])
        // The length of an id counts in bytes, which only ASCII has in common with
        // JSON Schema.
        .args(["--generation-codec", "ascii"])
        .env("SCHEMATHESIS_HOOKS", in_repository("tests/e2e/support/schemathesis.py"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .current_dir(dir.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    // It asked every door but this, and the one that its description came from.
    let doors = operations(&houseful).len() - 2;
    assert!(said.contains(&format!("Tested: {doors}\n")), "{doors}: {said}");
    assert!(houseful.resident_bytes() < 128 << 20);
    assert!(houseful.term().success());
}

/// Method, path and the operation.
fn operations(houseful: &Houseful) -> Vec<(String, String, Value)> {
    let description = houseful.client().get("/openapi.json").unwrap();
    assert_eq!(description.status, 200);
    assert_eq!(description.header("content-type"), Some("application/json"));
    let description = description.json();
    let paths = description["paths"].as_object().unwrap();
    let operations = paths.iter().flat_map(|(path, operations)| {
        let operations = operations.as_object().unwrap().iter();
        operations
            .map(|(method, operation)| (method.to_uppercase(), path.clone(), operation.clone()))
    });
    operations.collect()
}

/// The forms of an answer that schemathesis, which sends no `Accept`, does not see.
#[test]
fn every_form_that_is_described_is_given() {
    let dir = temp_dir();
    let houseful = Setup::new(dir.path()).start();
    post_some(&houseful);
    let mut forms = 0;
    let gets = operations(&houseful).into_iter().filter(|(method, ..)| method == "GET");
    for (method, path, operation) in gets {
        let content = operation["responses"]["200"]["content"].as_object();
        for media in content.into_iter().flat_map(|content| content.keys()) {
            let target = path.replace("{id}", "1");
            let headers = [("Accept", media.as_str())];
            let mut client = houseful.client();
            client.send(&request(&method, &target, &headers, b"")).unwrap();
            // Some have no end.
            let response = client.read_head().unwrap();
            assert_eq!(response.status, 200, "{method} {path}");
            let given = response.header("content-type").unwrap();
            assert_eq!(given.split(';').next(), Some(media.as_str()), "{method} {path}");
            forms += 1;
        }
    }
    assert!(forms >= 14, "{forms}");
}
