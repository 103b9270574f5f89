//! Arrays and lines, plain and encoded.

use serde_json::{Value, json};

use super::{
    EACH_LINE, JSON, NDJSON, chunk, chunked_head, counts, gzip, lines, ndjson, post, timed, zstd,
};
use crate::support::houseful::Setup;
use crate::support::http::{READINGS, Response};
use crate::support::rng::Rng;
use crate::support::{by_pi, distinct, now_ms, temp_dir};

#[test]
fn an_array_and_lines_are_the_same_batch() {
    let at = now_ms();
    let mut emissions = timed(0..50, at);
    emissions.insert(20, by_pi(emissions[3].clone(), "33"));
    emissions.insert(30, json!({"badge_id": 7}));
    let array = json!(emissions).to_string();
    let text = ndjson(&emissions);
    let bodies = [
        (Some(JSON), array.clone()),
        (Some(("Content-Type", "application/vnd.house+json; charset=utf-8")), array.clone()),
        (None, format!("\u{feff} \n{array}")),
        (Some(NDJSON), text.clone()),
        (Some(("Content-Type", "application/jsonl")), format!("\u{feff}{text}")),
        (None, text.replace('\n', "\r\n")),
        (None, text.trim_end().to_owned()),
    ];
    for (media, body) in bodies {
        let dir = temp_dir();
        let setup = Setup::new(dir.path());
        let houseful = setup.start();
        let headers: Vec<_> = media.into_iter().collect();
        let response = post(houseful.client(), &headers, &body);
        assert_eq!(response.status, 200, "{}", response.text());
        assert_eq!(response.header("content-type"), Some("application/json"));
        assert_eq!(
            response.json(),
            json!({
                "stored": 50,
                "duplicates": 1,
                "invalid_total": 1,
                "invalid": [{
                    "line": 31,
                    "errors": [
                        "badge_id: expected a string, found 7",
                        "pi_id: expected a string, found nothing",
                    ],
                }],
            })
        );
        let export = setup.export();
        assert_eq!(export.len(), 50);
        assert!(export.iter().all(|reading| reading["pi_id"] == "32"), "the first line decides");
    }
}

#[test]
fn each_encoding_is_undone() {
    let dir = temp_dir();
    let houseful = Setup::new(dir.path()).start();
    let at = now_ms();
    // In several members or frames, cut in the middle of a line.
    let halves = |from: usize, encode: fn(&[u8]) -> Vec<u8>| {
        let text = ndjson(&timed(from..from + 100, at));
        let (one, other) = text.as_bytes().split_at(text.len() / 2);
        [encode(one), encode(other)].concat()
    };
    let rows: [(&str, Vec<u8>); 5] = [
        ("identity", halves(0, <[u8]>::to_vec)),
        ("gzip", halves(100, |text| gzip(text))),
        ("x-gzip", halves(200, |text| gzip(text))),
        ("zstd", halves(300, |text| zstd(text))),
        ("ZSTD", halves(400, |text| zstd(text))),
    ];
    for (encoding, body) in &rows {
        let headers = [NDJSON, ("Content-Encoding", *encoding)];
        let response = post(houseful.client(), &headers, body);
        assert_eq!((response.status, counts(&response)), (200, [100, 0, 0]), "{encoding}");
        let response = post(houseful.client(), &headers, body);
        assert_eq!((response.status, counts(&response)), (200, [0, 100, 0]), "{encoding} again");
    }
}

#[test]
fn other_types_and_encodings_are_refused() {
    let dir = temp_dir();
    let houseful = Setup::new(dir.path()).start();
    let body = ndjson(&[distinct(1)]);
    let rows = [
        (
            "Content-Type",
            "text/plain",
            "content-type: expected application/json or application/x-ndjson, found text/plain",
        ),
        (
            "Content-Type",
            "application/x-ndjson; charset=latin1",
            "content-type: expected application/json or application/x-ndjson, found application/x-ndjson; charset=latin1",
        ),
        (
            "Content-Encoding",
            "br",
            "content-encoding: expected one of gzip, zstd and identity, found br",
        ),
        (
            "Content-Encoding",
            "gzip, gzip",
            "content-encoding: expected one of gzip, zstd and identity, found gzip, gzip",
        ),
    ];
    for (name, value, error) in rows {
        let response = post(houseful.client(), &[(name, value)], &body);
        assert_eq!((response.status, response.json()), (415, json!({"errors": [error]})));
    }
    let response = houseful.client().get("/rssi_readings/batch").unwrap();
    assert_eq!((response.status, response.header("allow")), (405, Some("POST")));
}

/// Headers and body of a batch; status and error of its answer.
type Refused<'a> = (&'a [(&'a str, &'a str)], Vec<u8>, u16, String);

#[test]
fn what_is_not_as_its_head_says_is_refused_as_a_whole() {
    let dir = temp_dir();
    let setup = Setup::new(dir.path());
    let houseful = setup.start();
    let emissions = timed(0..200, now_ms());
    let text = ndjson(&emissions);
    let array = json!(emissions).to_string();
    assert!(array.len() > 16 << 10, "one line that is too long");
    let pretty = serde_json::to_string_pretty(&emissions).unwrap();
    let gzip_again = gzip(gzip(&text));
    let an_array = "line 1: expected an object a line, found `[`; an array is application/json";
    let lines =
        "line 1: expected a JSON array (NDJSON is application/x-ndjson), found `{`".to_owned();
    let one_line = "body: expected an emission a line, found one line of more than one (curl: \
                    --data-binary keeps the ends of lines, -d drops them)";
    let unpacked = |name: &str| format!("body: it is {name}; say Content-Encoding: {name}");
    let identity = ("Content-Encoding", "identity");
    let rows: [Refused; 11] = [
        (&[NDJSON], gzip(&text), 415, unpacked("gzip")),
        (&[JSON, identity], gzip(&array), 415, unpacked("gzip")),
        (&[], zstd(&text), 415, unpacked("zstd")),
        (&[JSON], zstd(&array), 415, unpacked("zstd")),
        (
            &[NDJSON, ("Content-Encoding", "gzip")],
            gzip_again,
            415,
            "body: unpacked, it is gzip again; pack it once".to_owned(),
        ),
        (&[NDJSON], array.into(), 400, an_array.to_owned()),
        (&[NDJSON], pretty.into(), 400, an_array.to_owned()),
        (&[NDJSON], format!("\n [{}]", emissions[0]).into(), 400, an_array.replace('1', "2")),
        (&[JSON], text.clone().into(), 400, lines.clone()),
        (&[JSON], emissions[0].to_string().into(), 400, lines),
        (&[NDJSON], text.replace('\n', "").into(), 400, one_line.to_owned()),
    ];
    for (headers, body, status, error) in rows {
        for accept in [&[][..], &[EACH_LINE]] {
            let response = post(houseful.client(), &[headers, accept].concat(), &body);
            assert_eq!(response.status, status, "{headers:?} {}", response.text());
            let last = of_whole(&response);
            assert_eq!(last["errors"], json!([error]), "{headers:?}");
        }
    }
    // A short line that goes on behind its object, and the only one.
    let glued = format!("{}{}", emissions[0], emissions[1]);
    for body in [glued.clone(), format!("{glued}\n")] {
        let response = post(houseful.client(), &[NDJSON], &body);
        assert_eq!((response.status, counts(&response)), (400, [0, 0, 1]));
        assert_eq!(response.json()["errors"], json!([one_line]));
        let at = emissions[0].to_string().len() + 1;
        let said = format!("broken JSON: trailing characters at column {at}");
        assert_eq!(response.json()["invalid"], json!([{"line": 1, "errors": [said]}]));
    }
    assert!(setup.export().is_empty(), "nothing of it is taken");
    // Next to others it is only a line.
    let response = post(houseful.client(), &[NDJSON], format!("{glued}\n{}\n[]\n", emissions[2]));
    assert_eq!((response.status, counts(&response)), (200, [1, 0, 2]));
}

#[test]
fn a_packed_body_is_known_however_it_comes() {
    let dir = temp_dir();
    let houseful = Setup::new(dir.path()).start();
    let text = ndjson(&timed(0..3, now_ms()));
    for body in [gzip(&text), zstd(&text)] {
        let mut client = houseful.client();
        client.send(chunked_head(&[JSON]).as_bytes()).unwrap();
        for byte in &body[..body.len().min(10)] {
            client.send(&chunk(&[*byte])).unwrap();
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        assert_eq!(client.read_response().unwrap().status, 415);
    }
    // A body that ends before that is known is whatever it was.
    let response = post(houseful.client(), &[NDJSON], b"\x1f");
    assert_eq!((response.status, counts(&response)), (200, [0, 0, 1]));
}

/// The answer to the whole.
fn of_whole(response: &Response) -> Value {
    if response.header("content-type") == Some("application/json") {
        return response.json();
    }
    lines(response).pop().unwrap()
}

#[test]
fn nothing_is_a_batch_of_nothing() {
    let dir = temp_dir();
    let houseful = Setup::new(dir.path()).start();
    let nothing = json!({"stored": 0, "duplicates": 0, "invalid_total": 0, "invalid": []});
    for (headers, body) in
        [(&[JSON][..], "[]"), (&[NDJSON], ""), (&[], " [ ] \n"), (&[], "\n\n"), (&[], "")]
    {
        let response = post(houseful.client(), headers, body);
        assert_eq!((response.status, response.json()), (200, nothing.clone()), "{body:?}");
        let response = post(houseful.client(), &[headers, &[EACH_LINE]].concat(), body);
        assert_eq!((response.status, response.text().as_str()), (200, ""), "{body:?}");
    }
}

#[test]
fn a_copy_is_one_wherever_its_original_came_in() {
    let dir = temp_dir();
    let setup = Setup::new(dir.path());
    let houseful = setup.start();
    let at = now_ms();
    let [first, second] = [timed(1..2, at), timed(2..3, at)];
    assert_eq!(houseful.client().post(&first[0]).unwrap().status, 201);
    let response = post(
        houseful.client(),
        &[NDJSON, EACH_LINE],
        ndjson(&[first.clone(), second.clone()].concat()),
    );
    let statuses: Vec<_> = lines(&response).iter().map(|line| line["status"].clone()).collect();
    assert_eq!(statuses, [409, 201]);
    assert_eq!(houseful.client().post(&second[0]).unwrap().status, 409);
    // A window on, it is a reading again; half a window on, of neither.
    let resting: Vec<_> =
        (0..20).map(|n| crate::support::heard_at(distinct(9), at - 2_250 * n)).collect();
    let response = post(houseful.client(), &[NDJSON], ndjson(&resting));
    assert_eq!(counts(&response), [10, 10, 0]);
    assert_eq!(setup.export().len(), 12);
    assert_eq!(houseful.client().get(READINGS).unwrap().status, 200);
}

#[test]
fn untimed_lines_arrive_with_the_batch() {
    let dir = temp_dir();
    let setup = Setup::new(dir.path());
    let houseful = setup.start();
    let emissions = [distinct(1), by_pi(distinct(1), "33"), distinct(2)];
    let response = post(houseful.client(), &[JSON], json!(emissions).to_string());
    assert_eq!(counts(&response), [2, 1, 0]);
    let export = setup.export();
    assert_eq!(export[0]["heard_at"], export[1]["heard_at"]);
}

#[test]
fn where_chunks_end_makes_no_difference() {
    let at = now_ms();
    let mut emissions = timed(0..300, at);
    for n in 0..300 {
        emissions.push(by_pi(emissions[n * 7 % 300].clone(), "33"));
    }
    emissions.insert(40, json!({"badge_id": 7}));
    emissions.insert(50, json!({"badge_id": "x".repeat(20_000)}));
    let text = ndjson(&emissions).replace("\n{", "\n\r\n{");
    let array = json!(emissions).to_string();
    let rows = [
        ("identity", text.clone().into_bytes()),
        ("gzip", gzip(&text)),
        ("zstd", zstd(&array)),
        ("identity", array.into_bytes()),
    ];
    let mut rng = Rng::new(7);
    for (encoding, body) in &rows {
        let headers = [EACH_LINE, ("Content-Encoding", *encoding)];
        let answers = |pieces: &mut dyn FnMut() -> usize| {
            let dir = temp_dir();
            let houseful = Setup::new(dir.path()).start();
            let mut client = houseful.client();
            client.send(chunked_head(&headers).as_bytes()).unwrap();
            let mut rest = &body[..];
            while !rest.is_empty() {
                let (piece, tail) = rest.split_at(rest.len().min(pieces()));
                client.send(&chunk(piece)).unwrap();
                rest = tail;
            }
            client.send(b"0\r\n\r\n").unwrap();
            let response = client.read_response().unwrap();
            assert_eq!(response.status, 200, "{}", response.text());
            response.text()
        };
        let whole = answers(&mut || usize::MAX);
        assert_eq!(whole.lines().count(), 602);
        assert_eq!(whole.matches("\"status\":201").count(), 300);
        for longest in [300, 9_000, 70_000] {
            let pieces = answers(&mut || 1 + usize::try_from(rng.below(longest)).unwrap());
            assert_eq!(pieces, whole, "{encoding}, up to {longest} bytes");
        }
    }
}
