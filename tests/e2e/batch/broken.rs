//! Bodies that break off: what was acknowledged stays, nothing after it is read.

use serde_json::{Value, json};

use super::{
    EACH_LINE, JSON, NDJSON, chunk, chunked_head, counts, gzip, lines, ndjson, post, timed, zstd,
};
use crate::support::houseful::Setup;
use crate::support::http::{Response, request};
use crate::support::prometheus::Scrape;
use crate::support::{now_ms, temp_dir};

/// A batch that was cut short, with what it stored.
fn is_broken(response: &Response, stored: u64, error: &str) {
    assert_eq!(response.status, 400, "{}", response.text());
    assert_eq!(counts(response)[0], stored, "{}", response.text());
    assert_eq!(response.json()["errors"], json!([error]));
    assert_eq!(response.json().get("unavailable"), None);
}

#[test]
fn an_array_breaks_off_at_an_element_that_is_no_json() {
    let dir = temp_dir();
    let setup = Setup::new(dir.path());
    let houseful = setup.start();
    let emissions = timed(0..60, now_ms());
    let [good, rest] = [&emissions[..50], &emissions[50..]]
        .map(|some| some.iter().map(Value::to_string).collect::<Vec<_>>().join(","));
    let elements = format!("{good},7,{{}}");
    let rows = [
        (
            format!("[{elements},{{\"badge_id\" 1}},{rest}]"),
            "line 53: broken JSON: expected `:` at column 13".to_owned(),
        ),
        (
            format!("[{elements},nope,{rest}]"),
            "line 53: expected a JSON object, found \"n\"".to_owned(),
        ),
        (format!("[{elements},,{rest}]"), "line 53: expected an element, found `,`".to_owned()),
        (format!("[{elements}}}{rest}]"), "line 52: expected `,` or `]`, found `}`".to_owned()),
        (format!("[{elements},{{\"badge_id\": \"x\""), "line 53: the array ended early".to_owned()),
        (
            format!("[{elements},{}", "[".repeat(200_000)),
            "line 53: nested deeper than 128 levels".to_owned(),
        ),
    ];
    for (n, (body, error)) in rows.iter().enumerate() {
        let response = post(houseful.client(), &[JSON], body);
        is_broken(&response, if n == 0 { 50 } else { 0 }, error);
        assert_eq!(response.json()["invalid_total"], 2, "those before it are only invalid");
        assert_eq!(setup.export().len(), 50);
    }
    let response = post(houseful.client(), &[JSON, EACH_LINE], &rows[1].0);
    let answers = lines(&response);
    assert_eq!((response.status, answers.len()), (400, 53));
    assert_eq!(
        answers[52],
        json!({"status": 400, "errors": [rows[1].1], "stored": 0, "duplicates": 50, "invalid_total": 2})
    );
    // In lines, a broken one is only that.
    let response = post(houseful.client(), &[NDJSON], format!("nope\n{}", ndjson(&emissions)));
    assert_eq!((response.status, counts(&response)), (200, [10, 50, 1]));
}

#[test]
fn an_encoded_body_breaks_off_where_its_code_does() {
    let dir = temp_dir();
    let setup = Setup::new(dir.path());
    let houseful = setup.start();
    let text = ndjson(&timed(0..3, now_ms()));
    for (name, body) in [("gzip", gzip(&text)), ("zstd", zstd(&text))] {
        let send =
            |body: &[u8]| post(houseful.client(), &[NDJSON, ("Content-Encoding", name)], body);
        let cut = send(&body[..body.len() - 1]);
        assert_eq!(cut.status, 400, "{}", cut.text());
        let errors = &cut.json()["errors"][0];
        assert!(
            errors.as_str().unwrap().ends_with(&format!("body: {name}: ended early")),
            "{errors}"
        );
        let trailed = send(&[&body, &b"rubbish"[..]].concat());
        assert_eq!(trailed.status, 400, "{}", trailed.text());
        let none = send(b"");
        is_broken(&none, 0, &format!("line 1: body: {name}: ended early"));
        let other = send(text.as_bytes());
        assert_eq!((other.status, counts(&other)), (400, [0, 0, 0]), "{}", other.text());
    }
    let mut spoilt = gzip(&text);
    let checksum = spoilt.len() - 8;
    spoilt[checksum] ^= 1;
    let response = post(houseful.client(), &[NDJSON, ("Content-Encoding", "gzip")], spoilt);
    assert_eq!(response.status, 400, "{}", response.text());
    assert_eq!(setup.export().len(), 3, "all of it came before that");
}

#[test]
fn a_connection_that_ends_early_is_told_what_was_stored() {
    let dir = temp_dir();
    let setup = Setup::new(dir.path());
    let houseful = setup.start();
    let at = now_ms();
    let error = "line 4: body: broken framing, or the connection ended";
    let text = ndjson(&timed(0..4, at));
    let mut client = houseful.client();
    let whole = request("POST", super::BATCH, &[NDJSON], text.as_bytes());
    client.send(&whole[..whole.len() - 5]).unwrap();
    client.finish_sending().unwrap();
    is_broken(&client.read_response().unwrap(), 3, error);

    let mut client = houseful.client();
    client.send(chunked_head(&[NDJSON]).as_bytes()).unwrap();
    client.send(&chunk(ndjson(&timed(10..13, at)).as_bytes())).unwrap();
    client.send(b"zz\r\n").unwrap();
    is_broken(&client.read_response().unwrap(), 3, error);
    assert_eq!(setup.export().len(), 6);
}

#[test]
fn a_text_that_is_no_batch_is_given_up() {
    let dir = temp_dir();
    let houseful = Setup::new(dir.path()).start();
    // 256 KiB on the wire.
    let body = gzip("x\n".repeat(1 << 20)).repeat(64);
    let response = post(houseful.client(), &[NDJSON, ("Content-Encoding", "gzip")], body);
    assert_eq!(response.status, 400, "{}", response.text());
    let [_, _, invalid] = counts(&response);
    assert!((100_000..110_000).contains(&invalid), "{invalid}");
    let error = format!("line {}: too many lines are no emissions", invalid + 1);
    assert_eq!(response.json()["errors"], json!([error]));
    // All are counted, and what was not read as one.
    let refused = Scrape::of(&houseful).get("houseful_emissions_refused_total{reason=\"broken\"}");
    assert!((refused - (invalid + 1) as f64).abs() < 0.5, "{refused}");
}

#[test]
fn a_line_that_is_too_long_and_has_no_end_is_named_once() {
    let dir = temp_dir();
    let houseful = Setup::new(dir.path()).start();
    for (begin, line) in [("{}\n", 2), ("[{},", 2)] {
        let mut client = houseful.client();
        client.send(chunked_head(&[]).as_bytes()).unwrap();
        client.send(&chunk(format!("{begin}\"{}", "x".repeat(20_000)).as_bytes())).unwrap();
        let response = client.read_response().unwrap();
        assert_eq!(response.status, 408, "{}", response.text());
        let json = response.json();
        assert_eq!(json["invalid"][1]["line"], line);
        assert_eq!(json["unavailable"], json!({"from": line + 1, "to": null}));
    }
}
