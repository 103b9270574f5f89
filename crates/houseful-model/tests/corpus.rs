//! The corpus in `tests/fixtures/wire`: bodies and what becomes of them.
//!
//! `good/NAME.json` is a body and `good/NAME.want` the reading that it makes, with
//! id 1, if it arrives at [`checks::ARRIVAL`]. `bad/NAME.json` is a body and
//! `bad/NAME.errors` its answer: first `broken` (the connection closes) or
//! `invalid`, then one error a line.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use houseful_model::{Reading, WireError, wire};
use proptest::prelude::*;

#[path = "../../../fuzz/checks/wire.rs"]
mod checks;

/// The bodies of one half by name, each with its expectation; no file stands alone.
fn corpus(half: &str, expectation: &str) -> BTreeMap<String, (Vec<u8>, String)> {
    let folder =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/wire").join(half);
    let mut bodies = BTreeMap::new();
    let mut wants = BTreeMap::new();
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("json") => drop(bodies.insert(name, fs::read(&path).unwrap())),
            Some(other) if other == expectation => {
                drop(wants.insert(name, fs::read_to_string(&path).unwrap()));
            }
            _ => panic!("{} is neither a body nor an expectation", path.display()),
        }
    }
    assert!(!bodies.is_empty(), "no bodies in {}", folder.display());
    assert!(
        bodies.keys().eq(wants.keys()),
        "every body in {} has a .{expectation} and the other way round: {:?} {:?}",
        folder.display(),
        bodies.keys(),
        wants.keys(),
    );
    let mut pairs = BTreeMap::new();
    for ((name, body), want) in bodies.into_iter().zip(wants.into_values()) {
        pairs.insert(name, (body, want));
    }
    pairs
}

/// What becomes of a body: its reading, or the kind of its answer and the answer.
fn outcome(body: &[u8]) -> Result<String, String> {
    let emission = wire::parse(body).map_err(|error| {
        let kind = match error {
            WireError::Broken(_) => "broken",
            WireError::Invalid(_) => "invalid",
        };
        format!("{kind}\n{}\n", error.errors().join("\n"))
    })?;
    let heard_at = emission.heard.resolve(checks::ARRIVAL);
    let reading = Reading {
        id: 1,
        heard_at: heard_at.map_err(|fault| format!("invalid\n{fault}\n"))?,
        emission: emission.into_owned(),
    };
    Ok(String::from_utf8(reading.to_json()).unwrap() + "\n")
}

#[test]
fn good_bodies_make_the_readings_beside_them() {
    for (name, (body, want)) in corpus("good", "want") {
        assert_eq!(outcome(&body), Ok(want), "good/{name}.json");
    }
}

#[test]
fn bad_bodies_get_the_answers_beside_them() {
    for (name, (body, want)) in corpus("bad", "errors") {
        assert_eq!(outcome(&body), Err(want), "bad/{name}.json");
    }
}

#[test]
fn every_body_keeps_the_promises() {
    for (body, _) in corpus("good", "want").into_values() {
        checks::check(&body);
    }
    for (body, _) in corpus("bad", "errors").into_values() {
        checks::check(&body);
    }
}

#[test]
fn a_cut_body_is_never_an_emission() {
    for (name, (body, _)) in corpus("good", "want") {
        let end = body.trim_ascii_end().len();
        for cut in 0..end {
            assert!(
                matches!(wire::parse(&body[..cut]), Err(WireError::Broken(_))),
                "good/{name}.json cut at {cut}"
            );
        }
    }
}

/// Bodies of the corpus, by number.
fn bodies() -> Vec<Vec<u8>> {
    let halves = [corpus("good", "want"), corpus("bad", "errors")];
    let pairs = halves.into_iter().flat_map(BTreeMap::into_values);
    pairs.map(|(body, _)| body).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_bytes_keep_the_promises(body in any::<Vec<u8>>()) {
        checks::check(&body);
    }

    #[test]
    fn spoilt_bodies_keep_the_promises(
        (mut body, at, bytes) in prop::sample::select(bodies()).prop_flat_map(|body| {
            let at = 0..=body.len();
            let bytes = prop::collection::vec(prop::sample::select(br#"{}[]":,\u0-9.e"#.to_vec()), 0..4);
            (Just(body), (at.clone(), at), bytes)
        })
    ) {
        body.splice(at.0.min(at.1)..at.0.max(at.1), bytes);
        checks::check(&body);
    }
}
