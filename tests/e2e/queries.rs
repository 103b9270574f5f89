//! Queries: what a filter asks for, in order, page by page, in three forms.

use serde_json::{Value, json};

use super::support::houseful::{Houseful, Setup};
use super::support::http::{READINGS, Response};
use super::support::posters::Posters;
use super::support::{by_pi, distinct, emission, heard_at, temp_dir};

/// 2026-01-15T08:00:00Z, in Unix milliseconds.
const BASE: i64 = 1_768_464_000_000;

fn get(houseful: &Houseful, target: &str, accept: Option<&str>) -> Response {
    let headers: Vec<_> = accept.iter().map(|accept| ("Accept", *accept)).collect();
    houseful.client().request("GET", target, &headers, b"").unwrap()
}

/// The target of the next page, as the `Link` has it.
fn next(response: &Response) -> Option<String> {
    let link = response.header("link")?;
    let target = link.strip_prefix('<').and_then(|rest| rest.strip_suffix(">; rel=\"next\""));
    Some(target.unwrap_or_else(|| panic!("{link} is no link")).to_owned())
}

/// 120 readings of few times, badges and Pis, newest first.
fn stored(setup: &Setup, houseful: &Houseful) -> Vec<Value> {
    let emissions = (0..120)
        .map(|n: i64| {
            let emission = emission(&format!("badge {}", n % 3), &[(&format!("b{n}"), -57)]);
            let at = BASE + [0, 1, 59_999, 60_000, 3_600_000][n as usize * 7 % 5];
            heard_at(by_pi(emission, &format!("pi/{}", n % 4)), at)
        })
        .collect();
    let posted = Posters::start(houseful.port(), 8, emissions).finish();
    assert!(posted.iter().all(|(_, answer)| answer.as_ref().is_some_and(|a| a.status == 201)));
    let mut readings = setup.export();
    readings.reverse();
    readings
}

#[test]
fn every_filter_is_walked_by_its_links_in_each_form() {
    let dir = temp_dir();
    let setup = Setup::new(dir.path());
    let houseful = setup.start();
    let all = stored(&setup, &houseful);
    let ms = |reading: &Value| {
        houseful_model::Millis::parse_rfc3339(reading["heard_at"].as_str().unwrap()).unwrap().0
    };
    let minute = BASE + 60_000;
    type Wanted<'a> = &'a dyn Fn(&Value) -> bool;
    let filters: [(&str, Wanted<'_>); 8] = [
        ("", &|_| true),
        ("badge_id=badge%201", &|r| r["badge_id"] == "badge 1"),
        ("badge_id=badge+1", &|r| r["badge_id"] == "badge 1"),
        ("pi_id=pi/3", &|r| r["pi_id"] == "pi/3"),
        ("pi_id=pi%2F2&badge_id=badge%200", &|r| {
            r["pi_id"] == "pi/2" && r["badge_id"] == "badge 0"
        }),
        (&format!("from={minute}"), &|r| ms(r) >= minute),
        // The + of an offset is a space in a query, if it is not escaped.
        ("from=2026-01-15T08:00:00.001Z&to=2026-01-15T10:00:00+01:00", &|r| {
            (BASE + 1..BASE + 3_600_000).contains(&ms(r))
        }),
        ("to=2026-01-15T08:00:00Z", &|_| false),
    ];
    let mut walks = 0;
    for (filter, matches) in filters {
        let want: Vec<_> = all.iter().filter(|reading| matches(reading)).cloned().collect();
        for (limit, accept) in [
            (1, "application/json"),
            (7, "*/*"),
            (7, "application/x-ndjson"),
            (13, "text/csv, application/json;q=0.5"),
            (120, "application/json"),
        ] {
            let what = format!("{filter} by {limit} as {accept}");
            let mut seen = Vec::new();
            let mut target = Some(format!("{READINGS}?limit={limit}&{filter}"));
            while let Some(page) = target {
                let response = get(&houseful, &page, Some(accept));
                assert_eq!(response.status, 200, "{what}: {}", response.text());
                assert_eq!(response.header("vary"), Some("accept"));
                target = next(&response);
                let readings = rows(&response);
                let is_last = seen.len() + readings.len() == want.len();
                assert_eq!(readings.len(), limit.min(want.len() - seen.len()), "{what}");
                assert_eq!(target.is_none(), is_last, "{what}: a link on the last page, or none");
                if response.header("content-type") == Some("application/json") {
                    let cursor = response.json()["cursor"].clone();
                    let in_link =
                        target.as_ref().map(|link| link.rsplit_once("cursor=").unwrap().1);
                    assert_eq!(cursor, json!(in_link), "{what}");
                }
                seen.extend(readings);
                walks += 1;
            }
            assert_eq!(seen, want, "{what}");
        }
    }
    assert!(walks > 200);
}

/// The readings of a page, in whichever form.
fn rows(response: &Response) -> Vec<Value> {
    let text = response.text();
    match response.header("content-type").unwrap() {
        "application/json" => response.json()["readings"].as_array().unwrap().clone(),
        "application/x-ndjson" => {
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
        }
        "text/csv; charset=utf-8" => {
            let mut csv = csv::Reader::from_reader(text.as_bytes());
            let columns = csv.headers().unwrap().clone();
            csv.records().map(|row| reading_of(&columns, &row.unwrap())).collect()
        }
        other => panic!("{other}"),
    }
}

fn reading_of(columns: &csv::StringRecord, row: &csv::StringRecord) -> Value {
    let cells = columns.iter().zip(row).map(|(column, cell)| {
        let value = match column {
            "id" | "beacons" => serde_json::from_str(cell).unwrap(),
            _ if cell.is_empty() => Value::Null,
            _ => json!(cell),
        };
        (column.to_owned(), value)
    });
    Value::Object(cells.collect())
}

#[test]
fn csv_and_ndjson_are_those_of_the_export() {
    let dir = temp_dir();
    let setup = Setup::new(dir.path());
    let houseful = setup.start();
    let mut odd = heard_at(emission("=1+1", &[("a,\"b\"", -57), ("@x", -58)]), BASE);
    odd["opposite_badge_id"] = json!("'quoted");
    odd["motion"] = json!(-3);
    assert_eq!(houseful.client().post(&odd).unwrap().status, 201);
    for (accept, format) in [("text/csv", "csv"), ("application/x-ndjson", "ndjson")] {
        let listed = get(&houseful, READINGS, Some(accept)).text();
        let output = setup.command("export").args(["--format", format]).output().unwrap();
        assert_eq!(listed, String::from_utf8(output.stdout).unwrap());
        // An empty list is a header, or nothing.
        let none = get(&houseful, &format!("{READINGS}?badge_id=nobody"), Some(accept));
        assert_eq!((none.status, none.header("link")), (200, None));
        assert_eq!(none.text().lines().count(), usize::from(format == "csv"));
    }
    // More than a page of the store.
    let posted = Posters::start(houseful.port(), 16, (0..1_200).map(distinct).collect()).finish();
    assert!(posted.iter().all(|(_, answer)| answer.as_ref().is_some_and(|a| a.status == 201)));
    let mut want = setup.export();
    want.reverse();
    for accept in ["text/csv", "application/jsonl", "application/json"] {
        let response = get(&houseful, &format!("{READINGS}?limit=10000"), Some(accept));
        let readings: Vec<_> = match accept {
            "application/jsonl" => {
                assert_eq!(response.header("content-type"), Some(accept));
                response.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
            }
            _ => rows(&response),
        };
        assert_eq!(readings.len(), 1_201);
        assert_eq!(readings[..1_200], want[..1_200], "{accept}");
    }
}

#[test]
fn what_is_stored_meanwhile_neither_skips_nor_repeats() {
    let dir = temp_dir();
    let setup = Setup::new(dir.path());
    let houseful = setup.start();
    let mut want = stored(&setup, &houseful);
    let mut target = Some(format!("{READINGS}?limit=11"));
    let mut seen = Vec::new();
    let mut n = 0;
    while let Some(page) = target {
        let response = get(&houseful, &page, None);
        let readings = rows(&response);
        seen.extend(readings);
        target = next(&response);
        let Some(place) = target.as_ref().and(seen.last()).cloned() else { break };
        // One at the time of the last one seen, one newer, one older.
        let at =
            houseful_model::Millis::parse_rfc3339(place["heard_at"].as_str().unwrap()).unwrap().0;
        for at in [at, at + 1, BASE + 5 + n] {
            let late = heard_at(emission(&format!("late {n}"), &[("b", -60)]), at);
            let stored = houseful.client().post(&late).unwrap();
            assert_eq!(stored.status, 201);
            let key = |reading: &Value| {
                (reading["heard_at"].as_str().unwrap().to_owned(), reading["id"].as_i64().unwrap())
            };
            if key(&stored.json) < key(&place) {
                let at = want.partition_point(|reading| key(reading) > key(&stored.json));
                want.insert(at, stored.json);
            }
            n += 1;
        }
        assert!(n < 300, "it has no end");
    }
    assert_eq!(seen, want);
}

#[test]
fn wrong_parameters_are_all_named() {
    let dir = temp_dir();
    let setup = Setup::new(dir.path());
    let houseful = setup.start();
    stored(&setup, &houseful);
    let first = get(&houseful, &format!("{READINGS}?badge_id=badge%201&limit=2"), None);
    let cursor = first.json()["cursor"].as_str().unwrap().to_owned();
    let other = format!("badge_id=badge%202&cursor={cursor}");
    let changed = format!("badge_id=badge%201&cursor={}A{}", &cursor[..5], &cursor[6..]);
    let rows: [(&str, &[&str]); 14] = [
        ("limit=0", &["limit: expected a number from 1 to 10000, found 0"]),
        ("limit=10001", &["limit: expected a number from 1 to 10000, found 10001"]),
        ("limit=", &["limit: expected a number from 1 to 10000, found "]),
        ("badge_id=", &["badge_id: expected 1 to 64 bytes, found 0"]),
        ("pi_id=%07", &["pi_id: expected no control characters, found \"\\u{7}\""]),
        (
            "from=1768464000",
            &["from: expected Unix milliseconds, found 1768464000, which looks like seconds"],
        ),
        (
            "to=2026-01-15",
            &[
                "to: expected RFC 3339 with an offset, such as 2026-11-24T20:29:00.123Z, found \"2026-01-15\"",
            ],
        ),
        (
            "from=2&to=2",
            &[
                "from: expected a time before to, 1970-01-01T00:00:00.002Z, found 1970-01-01T00:00:00.002Z",
            ],
        ),
        ("limit=1&limit=2", &["limit: expected once, found again"]),
        ("cursor=x", &["cursor: expected what an answer gave as its cursor, found x"]),
        (&changed, &["cursor: expected what an answer gave as its cursor, found "]),
        (&other, &["cursor: expected one of the same filters, found one of others"]),
        (
            "colour=red",
            &["colour: not a parameter; expected badge_id, pi_id, from, to, limit, cursor"],
        ),
        (
            "limit=x&from=now&from=3&cursor=&Limit=1&pi_id=",
            &[
                "Limit: not a param",
                "pi_id: expected 1",
                "from: expected once",
                "from: expected RFC",
                "limit: expected a",
                "cursor: expected what",
            ],
        ),
    ];
    for (query, want) in rows {
        let response = get(&houseful, &format!("{READINGS}?{query}"), None);
        assert_eq!(response.status, 400, "{query}");
        let body = response.json();
        let errors = body["errors"].as_array().unwrap();
        assert_eq!(errors.len(), want.len(), "{query}: {body}");
        for (error, want) in errors.iter().zip(want) {
            let error = error.as_str().unwrap();
            assert!(error.starts_with(want), "{query}: {error}, not {want}");
        }
    }
    // With its own filters it is good, also by another limit and in another form.
    let target = format!("{READINGS}?cursor={cursor}&badge_id=badge+1&limit=1000");
    let rest = get(&houseful, &target, Some("application/x-ndjson"));
    assert_eq!((rest.status, rest.text().lines().count()), (200, 38));
}

#[test]
fn a_form_that_we_lack_is_406_and_head_has_the_link() {
    let dir = temp_dir();
    let setup = Setup::new(dir.path());
    let houseful = setup.start();
    stored(&setup, &houseful);
    for accept in ["text/html", "application/json;q=0", "image/*, text/plain"] {
        let refused = get(&houseful, READINGS, Some(accept));
        assert_eq!(refused.status, 406, "{accept}");
        assert!(refused.json()["errors"][0].as_str().unwrap().contains("text/csv"));
    }
    let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
    let shown = get(&houseful, READINGS, Some(browser));
    assert_eq!(shown.header("content-type"), Some("application/json"));

    let mut client = houseful.client();
    let target = format!("{READINGS}?limit=5&pi_id=pi/1");
    let head = client.request("HEAD", &target, &[("Accept", "text/csv")], b"").unwrap();
    assert_eq!((head.status, head.header("content-type")), (200, Some("text/csv; charset=utf-8")));
    let link = next(&head).unwrap();
    assert!(link.starts_with(&format!("{READINGS}?limit=5&pi_id=pi%2F1&cursor=")), "{link}");
    assert_eq!(client.read_to_close().unwrap(), b"");
    let (get, again) = (get(&houseful, &target, None), get(&houseful, &link, None));
    assert_eq!(next(&get), Some(link));
    assert_ne!(get.json()["readings"], again.json()["readings"]);
}
