//! What it makes of an answer, and whose answers it believes.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Write, pipe};
use std::net::TcpListener;
use std::thread;

use serde_json::{Value, json};

use super::super::clock::{faketime, with_clock};
use super::{
    Pi, badges, boot, boottime_ms, heard, lasting_port, leave_behind, record, sorted, time_of,
    write_lines,
};
use crate::support::between::{Between, Fate, read_request};
use crate::support::houseful::Setup;
use crate::support::{PATIENCE, distinct, heard_at, now_ms, temp_dir, wait_until};

#[test]
fn what_is_said_by_something_in_between_is_not_believed() {
    let dir = temp_dir();
    let setup = Setup::new(dir.path());
    let houseful = setup.start();
    let rows = [
        ("400 Bad Request", "<html>", "ALARM"),
        ("400 Bad Request", r#"{"error": "no"}"#, "ALARM"),
        ("400 Bad Request", r#"{"errors": "no"}"#, "ALARM"),
        ("400 Bad Request", r#"{"errors": [{"code": 7}]}"#, "ALARM"),
        ("413 Content Too Large", "<html>", "ALARM"),
        ("415 Unsupported Media Type", "", "ALARM"),
        ("409 Conflict", "[]", "ALARM"),
        ("201 Created", "{}", "ALARM"),
        ("200 OK", "<html>", "ALARM"),
        ("429 Too Many Requests", "", "away"),
        ("502 Bad Gateway", "<html>", "away"),
    ];
    for (n, (status, body, kind)) in rows.into_iter().enumerate() {
        let said = Fate::say(status, "content-type: text/html\r\n", body);
        let between = Between::before(houseful.port(), vec![said]);
        let Some(pi) = Pi::new(&dir, &between.url()) else { return };
        let said = pi.run(&[heard(n)]);
        let wanted = format!(
            "{kind}: {}: not the collector's own answer; files in the spool: 1",
            &status[..3]
        );
        assert!(said.contains(&wanted), "{said}");
        assert!(said.contains("back; files in the spool: 0"), "{said}");
        assert_eq!(setup.export().len(), n + 1, "after {status}");
        assert_eq!(pi.rejected(), [] as [Value; 0], "after {status}");
        fs::remove_file(dir.path().join("said")).unwrap();
    }
}

#[test]
fn what_may_pass_and_what_a_person_must_mend_is_kept_and_said_once() {
    let dir = temp_dir();
    let setup = Setup::new(dir.path());
    let houseful = setup.start();
    let fates = vec![
        Fate::say("403 Forbidden", "", r#"{"errors":["the Host"]}"#),
        Fate::say("302 Found", "location: /login\r\n", ""),
        Fate::say("503 Service Unavailable", "retry-after: 1\r\n", r#"{"errors":["full"]}"#),
    ];
    let between = Between::before(houseful.port(), fates);
    let Some(pi) = Pi::new(&dir, &between.url()) else { return };
    let said = pi.run(&[heard(0)]);
    let waits = "files in the spool: 1";
    assert_eq!(
        said.lines().skip(1).collect::<Vec<_>>(),
        [
            format!("pi.py: ALARM: 403: the Host; {waits}"),
            format!("pi.py: refused: 503: full; {waits}"),
            "pi.py: back; files in the spool: 0".to_owned(),
            "pi.py: 1 answered, 0 rejected, 0 dropped; files in the spool: 0".to_owned(),
        ],
        "{said}"
    );
    assert_eq!(setup.export().len(), 1);
}

#[test]
fn what_is_refused_for_long_holds_up_nothing_that_is_heard_now() {
    let Some(library) = faketime() else { return };
    let dir = temp_dir();
    let port = lasting_port();
    let setup = Setup::new(dir.path()).args(&["--listen", &format!("127.0.0.1:{port}")]);
    let Some(pi) = Pi::new(&dir, &format!("http://127.0.0.1:{port}")) else { return };
    let houseful = setup.start();
    houseful.client().post(&distinct(0)).unwrap();
    assert!(houseful.term().success());

    // It cannot tell whether a time is ahead, and takes all that has none.
    let houseful = with_clock(setup.clone(), &library).env("FAKETIME", "-2h").start();
    let (reader, mut writer) = pipe().unwrap();
    let running = pi.start(reader);
    write_lines(&mut writer, &[heard_at(heard(1), now_ms())]);
    wait_until(PATIENCE, "it is refused", || running.said().contains("refused: 503"));
    for n in 2..5 {
        write_lines(&mut writer, &[heard(n)]);
        wait_until(PATIENCE, "a later one is stored", || setup.export().len() == n);
    }
    assert!(houseful.term().success());
    let _houseful = setup.start();
    drop(writer);
    let said = running.end();
    assert_eq!(said.matches("refused: 503").count(), 1, "{said}");
    assert_eq!(sorted(&setup.export()), ["badge_0", "badge_1", "badge_2", "badge_3", "badge_4"]);
}

#[test]
fn an_answer_that_is_lost_leads_to_no_second_reading() {
    let dir = temp_dir();
    let setup = Setup::new(dir.path());
    let houseful = setup.start();
    let fates = vec![Fate::Swallow, Fate::Cut, Fate::Swallow];
    let between = Between::before(houseful.port(), fates);
    let Some(pi) = Pi::new(&dir, &between.url()) else { return };
    // Without its time it would be another reading now.
    let hour_ms = 3_600_000;
    leave_behind(&pi, 1, &record(0, &boot(), boottime_ms() - hour_ms, 0));
    let began = now_ms();
    pi.run(&[]);
    let readings = setup.export();
    assert_eq!(badges(&readings), ["badge_0"]);
    let age_ms = now_ms() - time_of(&readings[0]);
    let took_ms = now_ms() - began;
    // The uptime has whole seconds.
    assert!((hour_ms..=hour_ms + took_ms + 1_001).contains(&age_ms), "{age_ms} in {took_ms}");
    assert_eq!(between.heads().len(), 4);
}

#[test]
fn what_can_never_be_stored_is_set_aside_and_the_rest_goes_on() {
    let dir = temp_dir();
    let setup = Setup::new(dir.path());
    let houseful = setup.start();
    let Some(pi) = Pi::new(&dir, &houseful.url()) else { return };
    let (reader, mut writer) = pipe().unwrap();
    let running = pi.start(reader);
    let too_long = format!("{{\"x\":\"{}\"}}\n", "x".repeat(17_000));
    let bodies = [
        "{\"badge_id\": 7, \"beacons\": {}}\n",
        "no JSON\n",
        "[1]\n",
        "\n",
        "{\"badge_id\": \"b\", \"age_ms\": -1}\n",
        "\u{fffd}{\n",
        &too_long,
    ];
    for body in bodies {
        write_lines(&mut writer, &[heard(0)]);
        writer.write_all(body.as_bytes()).unwrap();
    }
    writer.write_all(b"\xff\n").unwrap();
    writer.write_all(heard(1).to_string().as_bytes()).unwrap();
    drop(writer);
    let said = running.end();
    assert!(
        said.ends_with("11 answered, 7 rejected, 0 dropped; files in the spool: 0\n"),
        "{said}"
    );
    assert_eq!(sorted(&setup.export()), ["badge_0", "badge_1"]);

    let rejected = pi.rejected();
    let reasons: BTreeSet<_> = rejected.iter().map(|it| it["reason"].as_str().unwrap()).collect();
    for reason in [
        "400: age_ms: expected an integer from 0 to 34560000000, found -1",
        "400: badge_id: expected a string, found 7",
        "413: body: expected at most 16384 bytes",
        "expected a JSON object",
    ] {
        assert!(reasons.contains(reason), "{rejected:#?}");
    }
    assert_eq!(rejected.len(), 7);
    let asked = rejected.iter().find(|it| it["reason"].as_str().unwrap().contains("a string"));
    let asked = asked.unwrap();
    // It can be mended and sent again: its time is with it.
    assert!(asked["emission"]["heard_at"].is_i64(), "{asked}");
    let mut mended = asked["emission"].clone();
    mended["badge_id"] = json!("badge_7");
    pi.run(&[mended.clone()]);
    let readings = setup.export();
    let reading = readings.iter().find(|reading| reading["badge_id"] == "badge_7").unwrap();
    assert_eq!(time_of(reading), mended["heard_at"].as_i64().unwrap());
}

#[test]
fn all_goes_on_one_connection() {
    let dir = temp_dir();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let Some(pi) = Pi::new(&dir, &url) else { return };
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        drop(listener);
        while read_request(&mut stream).unwrap().is_some() {
            let body = r#"{"errors":["duplicate"]}"#;
            let length = body.len();
            let head = format!("HTTP/1.1 409 Conflict\r\ncontent-length: {length}\r\n\r\n");
            stream.write_all((head + body).as_bytes()).unwrap();
        }
    });
    let said = pi.run(&(0..100).map(heard).collect::<Vec<_>>());
    assert!(
        said.ends_with("100 answered, 0 rejected, 0 dropped; files in the spool: 0\n"),
        "{said}"
    );
    assert!(!said.contains("away"), "{said}");
}

#[test]
fn a_collector_that_says_when_to_come_again_is_left_alone_until_then() {
    let dir = temp_dir();
    let setup = Setup::new(dir.path());
    let houseful = setup.start();
    let later = Fate::say("503 Service Unavailable", "retry-after: 600\r\n", r#"{"errors":[]}"#);
    let between = Between::before(houseful.port(), vec![later]);
    let Some(pi) = Pi::new(&dir, &between.url()) else { return };
    let (reader, mut writer) = pipe().unwrap();
    let running = pi.start(reader);
    for n in 0..3 {
        write_lines(&mut writer, &[heard(n)]);
        wait_until(PATIENCE, "what is heard meanwhile is on the disk", || {
            String::from_utf8_lossy(&pi.spooled()).contains(&format!("\"badge_{n}\""))
        });
    }
    running.term();
    assert_eq!(between.heads().len(), 1);
}
