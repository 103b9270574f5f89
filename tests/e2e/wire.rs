//! The corpus in `tests/fixtures/wire`, through the front door.
//!
//! `good/NAME.json` is a body and `good/NAME.want` the reading that it makes;
//! `bad/NAME.json` is a body and `bad/NAME.errors` its answer: first `broken` (the
//! connection closes) or `invalid` (it stays), then one error a line.

use std::path::PathBuf;

use houseful_model::{Heard, Millis, wire};
use serde_json::{Value, json};

use crate::support::houseful::Setup;
use crate::support::http::{Client, READINGS};
use crate::support::{in_repository, now_ms, temp_dir};

/// The bodies of one half, each with its name and expectation.
fn corpus(half: &str, expectation: &str) -> Vec<(String, Vec<u8>, String)> {
    let folder = in_repository("tests/fixtures/wire").join(half);
    let paths = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let mut bodies: Vec<PathBuf> =
        paths.filter(|path| path.extension().is_some_and(|end| end == "json")).collect();
    bodies.sort();
    assert!(!bodies.is_empty(), "no bodies in {}", folder.display());
    let read = |path: PathBuf| {
        let want = std::fs::read_to_string(path.with_extension(expectation)).unwrap();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        (name, std::fs::read(path).unwrap(), want)
    };
    bodies.into_iter().map(read).collect()
}

#[test]
fn good_bodies_are_stored_as_the_readings_beside_them() {
    for (name, body, want) in corpus("good", "want") {
        // Many of them are copies of each other.
        let dir = temp_dir();
        let setup = Setup::new(dir.path());
        let houseful = setup.start();
        let earliest = now_ms();
        let answer = houseful.client().request("POST", READINGS, &[], &body).unwrap();
        assert_eq!(answer.status, 201, "good/{name}.json: {}", answer.text());
        let (mut reading, mut want): (Value, Value) =
            (answer.json(), serde_json::from_str(&want).unwrap());
        assert_eq!(setup.export(), [reading.clone()], "good/{name}.json");
        assert_eq!(reading["id"], 1, "good/{name}.json");
        let heard = wire::parse(&body).unwrap().heard;
        if !matches!(heard, Heard::At(_)) {
            let [first, last] = [earliest, now_ms()].map(|now| heard.resolve(Millis(now)).unwrap());
            let between = first.to_string()..=last.to_string();
            let heard_at = reading["heard_at"].take();
            assert!(between.contains(&heard_at.as_str().unwrap().to_owned()), "good/{name}.json");
            want["heard_at"] = json!(null);
        }
        assert_eq!(reading, want, "good/{name}.json");
    }
}

#[test]
fn bad_bodies_get_the_answers_beside_them() {
    let dir = temp_dir();
    let setup = Setup::new(dir.path());
    let houseful = setup.start();
    let mut client = houseful.client();
    for (name, body, want) in corpus("bad", "errors") {
        let (kind, errors) = want.split_once('\n').unwrap();
        let errors: Vec<&str> = errors.lines().collect();
        let answer = client.request("POST", READINGS, &[], &body).unwrap();
        assert_eq!(answer.status, 400, "bad/{name}.json: {}", answer.text());
        assert_eq!(answer.json(), json!({ "errors": errors }), "bad/{name}.json");
        match kind {
            "broken" => {
                assert_eq!(answer.header("connection"), Some("close"), "bad/{name}.json");
                assert_eq!(client.read_to_close().unwrap(), b"", "bad/{name}.json");
                client = Client::connect(houseful.port()).unwrap();
            }
            // Kept: the next body goes the same way.
            "invalid" => assert_eq!(answer.header("connection"), None, "bad/{name}.json"),
            kind => panic!("bad/{name}.errors begins with {kind}"),
        }
    }
    assert_eq!(setup.export(), [] as [Value; 0]);
}
