//! What holds for every file of targets, whatever its bytes. Shared by the fuzz
//! targets `targets_http` and `targets_json` and by the corpus test of
//! houseful-load, which runs on stable.

use houseful_load::targets::{Defaults, Format, ReadError, Target, json, read};

/// Reads targets and panics if the outcome breaks a promise.
pub(crate) fn check(bytes: &[u8], format: Format) {
    // A body's file could be any: nothing is opened here.
    if format == Format::Http && bytes.contains(&b'@') {
        return;
    }
    match read(bytes, "targets", format, &Defaults::default()) {
        Ok(targets) => {
            assert!(!targets.is_empty());
            check_round_trip(targets);
        }
        Err(error) => {
            let text = error.to_string();
            assert!(text.starts_with("targets:"), "{text}");
            if let ReadError::Line { line, .. } = error {
                let lines = bytes.split(|byte| *byte == b'\n').count() as u64;
                assert!((1..=lines).contains(&line), "{text}");
            }
        }
    }
}

fn check_round_trip(mut targets: Vec<Target>) {
    let mut out = Vec::new();
    for target in &mut targets {
        // Those of one key stand together in JSON.
        let keys: Vec<String> =
            target.headers.iter().map(|header| header.key().to_owned()).collect();
        target.headers.sort_by_key(|header| keys.iter().position(|key| key == header.key()));
        let Target { method, url, headers, body } = target;
        json::write(&mut out, method, url, headers, body).expect("memory takes everything");
    }
    let again = json::read(&out[..], "again", &Defaults::default());
    assert_eq!(again.expect("what was written can be read"), targets);
}
