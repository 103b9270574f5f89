//! What is told of each line.

use serde_json::{Value, json};

use super::{EACH_LINE, JSON, NDJSON, counts, gzip, lines, ndjson, post, timed};
use crate::support::houseful::Setup;
use crate::support::prometheus::Scrape;
use crate::support::{PATIENCE, by_pi, distinct, heard_at, now_ms, temp_dir, wait_until};

#[test]
fn each_line_is_answered_as_a_single_post_is() {
    let dir = temp_dir();
    let setup = Setup::new(dir.path());
    let houseful = setup.start();
    let at = now_ms();
    let emissions = timed(0..3, at);
    let ahead = heard_at(distinct(9), at + 3_600_000);
    let long = json!({"badge_id": "x".repeat(17_000)});
    let body = format!(
        "{}\n\n{}\n  \r\nnope\n{ahead}\n{long}\n{}\n{}",
        emissions[0],
        by_pi(emissions[0].clone(), "33"),
        emissions[1],
        emissions[2],
    );
    let response = post(houseful.client(), &[NDJSON, EACH_LINE], &body);
    assert_eq!(response.status, 200, "{}", response.text());
    assert_eq!(response.header("content-type"), Some("application/x-ndjson"));
    let export = setup.export();
    let id_of = |emission: &Value| {
        let found = export.iter().find(|reading| reading["badge_id"] == emission["badge_id"]);
        found.unwrap()["id"].clone()
    };
    let single =
        |emission: &Value| houseful.client().post(emission).unwrap().json["errors"].clone();
    let answers = lines(&response);
    assert_eq!(
        answers[..3],
        [
            json!({"line": 1, "status": 201, "id": id_of(&emissions[0])}),
            json!({"line": 3, "status": 409, "errors": ["duplicate"]}),
            json!({"line": 5, "status": 400, "errors": ["expected a JSON object, found \"n\""]}),
        ]
    );
    assert_eq!((&answers[3]["line"], &answers[3]["status"]), (&json!(6), &json!(400)));
    let said = answers[3]["errors"][0].as_str().unwrap();
    let single = single(&ahead);
    assert_eq!(said.split(' ').next(), single[0].as_str().unwrap().split(' ').next());
    assert_eq!(
        answers[4..],
        [
            json!({"line": 7, "status": 413, "errors": ["line: expected at most 16384 bytes"]}),
            json!({"line": 8, "status": 201, "id": id_of(&emissions[1])}),
            json!({"line": 9, "status": 201, "id": id_of(&emissions[2])}),
        ]
    );
}

#[test]
fn elements_count_from_1_whatever_lies_between_them() {
    let dir = temp_dir();
    let houseful = Setup::new(dir.path()).start();
    let body = format!("[\n\n{},\n 1 ,null,\n\n\"x\",[]\n]", distinct(1));
    let response = post(houseful.client(), &[JSON, EACH_LINE], &body);
    let answers: Vec<_> =
        lines(&response).iter().map(|l| (l["line"].clone(), l["status"].clone())).collect();
    let want = [(1, 201), (2, 400), (3, 400), (4, 400), (5, 400)];
    assert_eq!(answers, want.map(|(line, status)| (json!(line), json!(status))));
}

#[test]
fn the_first_thousand_invalid_lines_are_named_and_all_are_counted() {
    let dir = temp_dir();
    let houseful = Setup::new(dir.path()).start();
    let body = "{}\n".repeat(2_500);
    let response = post(houseful.client(), &[NDJSON], &body);
    assert_eq!(counts(&response), [0, 0, 2_500]);
    let invalid = response.json()["invalid"].as_array().unwrap().clone();
    let numbers: Vec<_> = invalid.iter().map(|line| line["line"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (1..=1_000).collect::<Vec<_>>());
    // Where each has its own answer, all are.
    let answers = lines(&post(houseful.client(), &[NDJSON, EACH_LINE], &body));
    assert_eq!(answers.len(), 2_500);
    assert!(answers.iter().all(|line| line["errors"] == answers[0]["errors"]));
}

/// Headers and body of a batch; its status, and how often that reason was counted by
/// then.
type Refused<'a> = (&'a [(&'a str, &'a str)], Vec<u8>, u16, &'a str, f64);

#[test]
fn a_batch_that_is_refused_as_a_whole_counts_once() {
    let dir = temp_dir();
    let houseful = Setup::new(dir.path()).start();
    let text = ndjson(&timed(0..3, now_ms()));
    let plain = ("Content-Type", "text/plain");
    let rows: [Refused<'_>; 7] = [
        (&[plain], text.clone().into(), 415, "media_type", 1.0),
        (&[NDJSON], gzip(&text), 415, "media_type", 2.0),
        (&[NDJSON], vec![b'\n'; (64 << 20) + 1], 413, "too_large", 1.0),
        (&[JSON], text.clone().into(), 400, "broken", 1.0),
        (&[JSON], "[{},nope,{}]".into(), 400, "broken", 2.0),
        (&[NDJSON], text.replace('\n', "").into(), 400, "broken", 3.0),
        (&[NDJSON, ("Content-Encoding", "gzip")], gzip(&text)[..20].to_vec(), 400, "broken", 4.0),
    ];
    for (headers, body, status, reason, count) in rows {
        assert_eq!(post(houseful.client(), headers, body).status, status);
        let name = format!("houseful_emissions_refused_total{{reason=\"{reason}\"}}");
        let counted = Scrape::of(&houseful).get(&name);
        assert!((counted - count).abs() < 0.5, "{headers:?} {reason}: {counted}");
    }
}

#[test]
fn lines_count_in_metrics_and_activity_as_single_posts_do() {
    let dir = temp_dir();
    let houseful = Setup::new(dir.path()).start();
    let at = now_ms();
    let mut emissions = timed(0..40, at);
    emissions.extend(timed(0..40, at).into_iter().map(|emission| by_pi(emission, "33")));
    emissions.push(json!({"badge_id": "badge_0", "pi_id": "33", "beacons": 7}));
    emissions.push(heard_at(distinct(0), at + 3_600_000));
    emissions.push(json!({"badge_id": "x".repeat(17_000)}));
    let response = post(houseful.client(), &[NDJSON], ndjson(&emissions));
    assert_eq!(counts(&response), [40, 40, 3]);
    let scrape = Scrape::of(&houseful);
    let duplicates = ["cache", "writer"]
        .map(|by| scrape.get(&format!("houseful_duplicates_total{{known_by=\"{by}\"}}")));
    assert!((duplicates.iter().sum::<f64>() - 40.0).abs() < 0.5, "{duplicates:?}");
    for (name, want) in [
        ("houseful_readings_stored_total", 40.0),
        ("houseful_emissions_refused_total{reason=\"invalid\"}", 1.0),
        ("houseful_emissions_refused_total{reason=\"ahead\"}", 1.0),
        ("houseful_emissions_refused_total{reason=\"too_large\"}", 1.0),
        ("houseful_batch_queue_length", 0.0),
        ("houseful_batch_queue_length_max", 1_024.0),
    ] {
        assert!((scrape.get(name) - want).abs() < 0.5, "{name}: {}", scrape.get(name));
    }
    let mut activity = Value::Null;
    wait_until(PATIENCE, "the second is over", || {
        activity = houseful.client().get("/activity").unwrap().json();
        activity["total"]["emissions"] == 83
    });
    assert_eq!(activity["refused_latest"][2]["badge_id"], "badge_0");
    let pis = houseful.client().get("/pis").unwrap().json();
    let told: Vec<_> = pis["pis"]
        .as_array()
        .unwrap()
        .iter()
        .map(|pi| {
            (
                pi["pi_id"].clone(),
                pi["readings_hour"].clone(),
                pi["copies_hour"].clone(),
                pi["refused"].clone(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            (json!("32"), json!(40), json!(0), json!({"ahead": 1})),
            (json!("33"), json!(0), json!(40), json!({"invalid": 1})),
        ]
    );
}
