//! `houseful load verify`: a service that keeps its promise, and each way of not keeping it.

use std::path::Path;
use std::process::Output;
use std::sync::{Arc, Mutex};

use serde_json::Value;

use super::load::server::{Reply, Server};
use super::support::houseful::Setup;
use super::support::schema::assert_valid;
use super::support::{program, temp_dir};

fn load(dir: &Path, words: &[&str]) -> Output {
    program().arg("load").args(words).current_dir(dir).output().unwrap()
}

/// Plays two badges, each heard by two Pis, for six seconds: 24 emissions, sent in one.
fn play(dir: &Path, url: &str) {
    let flags = ["generate", "--force", "--badges=2", "--pis=2", "--seconds=6", "--url", url];
    let output = load(dir, &flags);
    assert!(output.status.success(), "{output:?}");
    let output = load(
        dir,
        &[
            "attack",
            "-targets=targets.txt",
            "-rate=24",
            "-duration=1s",
            "-max-body=1KB",
            "-output=results.gob",
        ],
    );
    // On a busy machine it may say that the rate was not held.
    assert!(matches!(output.status.code(), Some(0 | 1)), "{output:?}");
}

/// What `verify` says: how often each lie, what else it found, and its exit code.
fn verify(dir: &Path, stored: &str) -> ([u64; 4], [u64; 3], i32) {
    let output = load(dir, &["verify", "results.gob", "--json", "--stored", stored]);
    let said: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
    assert_valid("verify", &String::from_utf8_lossy(&output.stdout));
    let code = output.status.code().unwrap();
    assert_eq!(said["kept"], code == 0, "{said}");
    assert_eq!(said["emissions"], 24, "{said}");
    let count = |name: &str| said[name]["count"].as_u64().unwrap();
    let lies = ["lost", "twice", "without_original", "unacknowledged"].map(count);
    (lies, ["missing", "late", "wrong_time"].map(count), code)
}

#[test]
fn our_collector_keeps_its_promise_by_its_export_and_page_by_page() {
    let dir = temp_dir();
    let setup = Setup::new(dir.path());
    let houseful = setup.start();
    let url = format!("{}/rssi_readings", houseful.url());
    play(dir.path(), &url);
    let export = setup.export();
    let lines: String = export.iter().map(|reading| format!("{reading}\n")).collect();
    std::fs::write(dir.path().join("readings.ndjson"), lines).unwrap();
    // A reading a page.
    for stored in ["readings.ndjson", &url, &format!("{url}?limit=1")] {
        assert_eq!(verify(dir.path(), stored), ([0; 4], [0; 3], 0), "{stored}");
    }
    let output = load(dir.path(), &["verify", "results.gob", "--stored", &url]);
    let text = String::from_utf8(output.stdout).unwrap();
    let (new, copies) = (export.len(), 24 - export.len());
    let begins = format!(
        "emissions    24: {new} × 201, {copies} × 409\nstored       {new} readings\nnew          1 in "
    );
    assert!(text.starts_with(&begins), "{text}");
}

/// What a lying server does with an emission that it has not yet seen; copies it answers with 409.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Lie {
    None,
    StoresNothing,
    StoresTwice,
    AcknowledgesCopies,
    CallsItACopy,
    StoresAndRefuses,
    RefusesAll,
    StoresInThePast,
}

/// A collector in few words, with what it has stored as NDJSON at `/`, two readings a page.
fn start(lie: Lie) -> Server {
    let stored: Arc<Mutex<(Vec<String>, Vec<String>)>> = Arc::default();
    Server::start(move |request| {
        let mut stored = stored.lock().unwrap();
        let (lines, bodies) = &mut *stored;
        if request.line().starts_with("GET ") {
            let from = request.line().split_once("from=").map_or("0", |(_, rest)| rest);
            let from: usize = from.split(' ').next().unwrap().parse().unwrap();
            let page = lines[from..].iter().take(2).cloned().collect::<String>();
            let link = match from + 2 {
                next if next < lines.len() => format!("Link: </?from={next}>; rel=\"next\"\r\n"),
                _ => String::new(),
            };
            return Reply::Bytes(
                format!(
                    "HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\n{link}Content-Length: {}\r\n\r\n{page}",
                    page.len()
                )
                .into_bytes(),
            );
        }
        let answer =
            |status: &str| Reply::bytes(&format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n"));
        if lie == Lie::RefusesAll {
            return answer("503 Service Unavailable");
        }
        let mut reading: Value = serde_json::from_str(&request.body).unwrap();
        // By whom it was heard does not make it another one.
        reading["pi_id"] = "p".into();
        let is_copy = bodies.contains(&reading.to_string());
        if is_copy {
            return answer(if lie == Lie::AcknowledgesCopies {
                "201 Created"
            } else {
                "409 Conflict"
            });
        }
        bodies.push(reading.to_string());
        let early_ms = if lie == Lie::StoresInThePast { 1_000 } else { 0 };
        reading["heard_at"] = (super::support::now_ms() - early_ms).into();
        let rows = match lie {
            Lie::StoresNothing | Lie::CallsItACopy => 0,
            Lie::StoresTwice => 2,
            _ => 1,
        };
        for _ in 0..rows {
            reading["id"] = (lines.len() + 1).into();
            lines.push(format!("{reading}\n"));
        }
        if lie == Lie::StoresInThePast {
            let body = &lines[lines.len() - 1];
            return Reply::bytes(&format!(
                "HTTP/1.1 201 Created\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            ));
        }
        answer(match lie {
            Lie::CallsItACopy => "409 Conflict",
            Lie::StoresAndRefuses => "503 Service Unavailable",
            _ => "201 Created",
        })
    })
}

#[test]
fn each_lie_is_caught_by_its_name() {
    for (lie, code) in [
        (Lie::None, 0),
        (Lie::StoresNothing, 1),
        (Lie::StoresTwice, 1),
        (Lie::AcknowledgesCopies, 1),
        (Lie::CallsItACopy, 1),
        (Lie::StoresAndRefuses, 0),
        (Lie::RefusesAll, 0),
        (Lie::StoresInThePast, 0),
    ] {
        let dir = temp_dir();
        let server = start(lie);
        let url = format!("{}/", server.url().trim_end_matches('/'));
        play(dir.path(), &url);
        let new = {
            let posted = server.requests();
            let mut bodies: Vec<_> = posted
                .iter()
                .map(|request| {
                    let mut emission: Value = serde_json::from_str(&request.body).unwrap();
                    emission["pi_id"] = "p".into();
                    emission.to_string()
                })
                .collect();
            bodies.sort_unstable();
            bodies.dedup();
            bodies.len() as u64
        };
        let copies = 24 - new;
        assert!(new > 2 && copies > 2, "{new} new");
        let counts = match lie {
            Lie::None | Lie::RefusesAll | Lie::StoresInThePast => [0, 0, 0, 0],
            // Nor has any copy an original.
            Lie::StoresNothing => [new, 0, copies, 0],
            Lie::StoresTwice => [0, new, 0, new],
            Lie::AcknowledgesCopies => [0, copies, 0, 0],
            Lie::CallsItACopy => [0, 0, 24, 0],
            Lie::StoresAndRefuses => [0, 0, 0, new],
        };
        let more = match lie {
            Lie::RefusesAll => [24, 0, 0],
            Lie::StoresInThePast => [0, 0, new],
            _ => [0; 3],
        };
        assert_eq!(verify(dir.path(), &url), (counts, more, code), "{lie:?}");
    }
}

#[test]
fn targets_may_be_json() {
    let dir = temp_dir();
    let server = start(Lie::StoresNothing);
    let flags = ["--badges=2", "--pis=2", "--seconds=6", "--format=json", "--url"];
    let url = format!("{}/", server.url().trim_end_matches('/'));
    let output = load(dir.path(), &[&["generate"], &flags[..], &[&url]].concat());
    assert!(output.status.success(), "{output:?}");
    let flags = ["-targets=targets.json", "-format=json", "-rate=24", "-duration=1s"];
    let output = load(dir.path(), &[&["attack"], &flags[..], &["-output=results.gob"]].concat());
    assert!(matches!(output.status.code(), Some(0 | 1)), "{output:?}");

    let verify = |flags: &[&str]| {
        let words = ["verify", "results.gob", "--targets=targets.json", "--stored", &url];
        load(dir.path(), &[&words, flags].concat())
    };
    let output = verify(&["--format=json", "--json"]);
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((output.status.code(), &said["emissions"]), (Some(1), &24.into()), "{said}");
    assert_eq!(said["lost"]["count"], said["created"], "{said}");
    let output = verify(&[]);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.starts_with("houseful: targets.json:1: "), "{stderr}");
}

/// A reading, and what was called a copy of it three seconds later.
#[test]
fn a_copy_needs_its_original_within_the_window() {
    let dir = temp_dir();
    let body = r#"{"badge_id": "b", "pi_id": "p", "beacons": {}}"#;
    let target = "POST http://a/\n@body.json\n\n";
    let copy = RESULT.replace("\"seq\":0", "\"seq\":1").replace("00:00:00Z", "00:00:03Z");
    let heard_at = "2026-01-01T00:00:00Z".parse::<jiff::Timestamp>().unwrap().as_millisecond();
    let stored = body.replacen('{', &format!("{{\"id\": 1, \"heard_at\": {heard_at}, "), 1);
    for (name, text) in [
        ("body.json", body.to_owned()),
        ("targets.txt", target.repeat(2)),
        ("results.json", RESULT.replace("409", "201") + &copy),
        ("stored.ndjson", stored),
    ] {
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    let verify = |flags: &[&str]| {
        let words = ["verify", "results.json", "--stored=stored.ndjson", "--json"];
        let output = load(dir.path(), &[&words, flags].concat());
        let said: Value =
            serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
        (output.status.code(), said["without_original"]["count"].as_u64())
    };
    assert_eq!(verify(&[]), (Some(0), Some(0)), "of 4.5s");
    assert_eq!(verify(&["--window=3001ms"]), (Some(0), Some(0)));
    assert_eq!(verify(&["--window=2s"]), (Some(1), Some(1)));
}

/// A result of the first target.
const RESULT: &str = r#"{"attack":"","seq":0,"code":409,"timestamp":"2026-01-01T00:00:00Z","latency":1000,"bytes_out":0,"bytes_in":0,"error":"","body":null,"method":"POST","url":"http://a/","headers":null}
"#;

#[test]
fn results_that_tell_nothing_are_no_reason_to_pass() {
    let dir = temp_dir();
    std::fs::write(dir.path().join("targets.txt"), "POST http://a/\n@body.json\n").unwrap();
    let body = r#"{"badge_id": "b", "pi_id": "p", "beacons": {}}"#;
    std::fs::write(dir.path().join("body.json"), body).unwrap();
    std::fs::write(dir.path().join("none.ndjson"), "").unwrap();
    std::fs::write(dir.path().join("empty.json"), "").unwrap();
    std::fs::write(dir.path().join("once.json"), RESULT).unwrap();
    for (files, error) in [
        (&["empty.json"][..], "expected results, found none"),
        (
            &["once.json", "once.json"],
            "expected each result once, found that of request 0 of 2026-01-01T00:00:00Z twice: is a file given twice?",
        ),
    ] {
        let output = load(dir.path(), &[&["verify", "--stored", "none.ndjson"], files].concat());
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), &*stderr), (Some(2), &*format!("houseful: {error}\n")));
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn what_cannot_be_compared_is_refused_by_name() {
    let dir = temp_dir();
    let server = Server::start(|_| {
        Reply::bytes("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\nhi")
    });
    let url = server.url();
    std::fs::write(dir.path().join("targets.txt"), format!("POST {url}\n@body.json\n")).unwrap();
    let body = r#"{"badge_id": "b", "pi_id": "p", "beacons": {}}"#;
    std::fs::write(dir.path().join("body.json"), body).unwrap();
    std::fs::write(dir.path().join("readings.ndjson"), format!("\n{body}\n")).unwrap();
    std::fs::write(dir.path().join("none.txt"), format!("GET {url}\n")).unwrap();
    std::fs::write(dir.path().join("results.json"), RESULT).unwrap();
    for (flags, error) in [
        (
            &["--stored", "readings.ndjson"][..],
            "readings.ndjson:2: expected a stored reading with `heard_at`".to_owned(),
        ),
        (
            &["--stored", &url],
            format!(
                "cannot get `{url}`: expected 200 with readings as NDJSON, found `Content-Type: text/html`"
            ),
        ),
        (
            &["--stored", "http://127.0.0.1:1/"],
            "cannot get `http://127.0.0.1:1/`: connect: ".to_owned(),
        ),
        (&["--stored", "ftp://a/"], "--stored: expected a URL that begins with ".to_owned()),
        (&["--stored", "no-such-file"], "cannot open readings `no-such-file`: ".to_owned()),
        (
            &["--stored", "readings.ndjson", "--targets", "none.txt"],
            "cannot verify `none.txt`: target 1: expected an emission as its body: expected a JSON object, found an empty body\n".to_owned(),
        ),
        (&["--stored", "-", "-"], "--stored: expected a file or a URL, for the results".to_owned()),
    ] {
        let output = load(dir.path(), &[&["verify", "results.json"], flags].concat());
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{flags:?}: {stderr}");
        assert!(stderr.starts_with(&format!("houseful: {error}")), "{flags:?}: {stderr}");
    }
}
