//! Who was heard when, by whom: `/badges` and `/pis` tell what was posted, over
//! restarts and crashes, and what was refused.

use std::collections::BTreeMap;
use std::time::Instant;

use serde_json::{Value, json};

use super::support::faultfs::{FaultFs, Moment, Which};
use super::support::houseful::{Houseful, Setup};
use super::support::posters::Posters;
use super::support::{
    PATIENCE, by_pi, distinct, emission, heard_at, in_repository, now_ms, temp_dir, wait_until,
};

/// The answer to a query, which must be 200.
fn get(houseful: &Houseful, path: &str) -> Value {
    let response = houseful.client().get(path).unwrap();
    assert_eq!(response.status, 200, "{path}: {}", response.text());
    assert_eq!(response.header("content-type"), Some("application/json"));
    response.json()
}

/// The one badge or Pi that a query asks for.
fn one(houseful: &Houseful, path: &str) -> Value {
    let answer = get(houseful, path);
    let list = answer.get("badges").or(answer.get("pis")).and_then(Value::as_array).unwrap();
    assert_eq!((list.len(), &answer["truncated"]), (1, &json!(false)), "{path}");
    list[0].clone()
}

/// When each Pi was last heard.
fn pis(houseful: &Houseful) -> BTreeMap<String, Value> {
    let answer = get(houseful, "/pis");
    let pis = answer["pis"].as_array().unwrap().iter();
    pis.map(|pi| (pi["pi_id"].as_str().unwrap().to_owned(), pi["last_heard"].clone())).collect()
}

fn rfc3339(unix_ms: i64) -> Value {
    let time = jiff::Timestamp::from_millisecond(unix_ms).unwrap();
    json!(format!("{time:.3}"))
}

fn post(houseful: &Houseful, emission: &Value, status: u16) {
    let answer = houseful.client().post(emission).unwrap();
    assert_eq!(answer.status, status, "{emission}: {}", answer.json);
}

fn with(mut emission: Value, key: &str, value: Value) -> Value {
    emission[key] = value;
    emission
}

fn sum(numbers: &Value) -> u64 {
    let numbers = numbers.as_array().unwrap();
    assert_eq!(numbers.len(), 60);
    numbers.iter().map(|number| number.as_u64().unwrap()).sum()
}

#[test]
fn firsts_and_copies_of_each_badge_and_pi() {
    let dir = temp_dir();
    let houseful = Setup::new(dir.path()).start();
    let now = now_ms();
    let at = |badge: &str, n: i64, rssi: i64| {
        let beacons = [("beacon_1", -90), ("küche", -33 - n)];
        let emission = heard_at(emission(badge, &beacons), now - 20_000 + 5_000 * n);
        with(emission, "badge_strength", json!(rssi))
    };
    // Badge b1 is heard by three Pis, of which 32 comes first but for once; b2
    // by one.
    for n in 0..3 {
        let (first, second) = if n == 1 { ("33", "32") } else { ("32", "33") };
        post(&houseful, &by_pi(at("b1", n, -60 - n), first), 201);
        post(&houseful, &by_pi(at("b1", n, -40 - n), second), 409);
        post(&houseful, &by_pi(at("b1", n, -80), "34"), 409);
    }
    post(&houseful, &by_pi(at("b2", 2, -70), "32"), 201);
    // Late, but within the hour; and before it: not counted, and not news.
    post(&houseful, &heard_at(distinct_of("b2", 7), now - 1_800_000), 201);
    post(&houseful, &heard_at(distinct_of("b2", 8), now - 7_200_000), 201);

    let badge = one(&houseful, "/badges?badge_id=b1");
    assert_eq!(badge["last_heard"], rfc3339(now - 10_000));
    assert_eq!((&badge["readings_hour"], &badge["copies_hour"]), (&json!(3), &json!(6)));
    assert_eq!((&badge["readings_minute"], &badge["copies_minute"]), (&json!(3), &json!(6)));
    assert_eq!(badge["badge_strength_best"], -40);
    let beacons = r#"{"küche":-35,"beacon_1":-90}"#;
    let text = houseful.client().get("/badges?badge_id=b1").unwrap().text();
    assert!(text.contains(&format!(r#""beacons":{beacons}"#)), "strongest first: {text}");
    assert_eq!(sum(&badge["readings_by_minute"]), 3);
    assert_eq!(badge["refused_hour"], 0);
    let relays: Vec<_> = [("32", -62), ("33", -42), ("34", -80)]
        .into_iter()
        .map(|(pi, strength)| {
            json!({"pi_id": pi, "last_heard": rfc3339(now - 10_000), "badge_strength": strength,
                "emissions_hour": 3})
        })
        .collect();
    assert_eq!(badge["pis"], json!(relays));

    let late = one(&houseful, "/badges?badge_id=b2");
    assert_eq!(late["last_heard"], rfc3339(now - 10_000));
    assert_eq!((&late["readings_minute"], &late["readings_hour"]), (&json!(1), &json!(2)));
    let minutes = late["readings_by_minute"].as_array().unwrap();
    assert_eq!(minutes[20..40].iter().filter(|count| **count == 1).count(), 1, "{minutes:?}");

    let want = [("32", 4, 1, 2), ("33", 1, 2, 1), ("34", 0, 3, 1)];
    let answer = get(&houseful, "/pis");
    for (pi, (id, readings, copies, badges)) in answer["pis"].as_array().unwrap().iter().zip(want) {
        assert_eq!(pi["pi_id"], id);
        assert_eq!(pi["last_heard"], rfc3339(now - 10_000));
        // The late one is in the hour, not in the minute.
        let late = i32::from(id == "32");
        assert_eq!((&pi["readings_hour"], &pi["copies_hour"]), (&json!(readings), &json!(copies)));
        assert_eq!(pi["readings_minute"], readings - late);
        assert_eq!(pi["copies_minute"], copies);
        assert_eq!(sum(&pi["emissions_by_minute"]), (readings + copies) as u64);
        assert_eq!((&pi["badges_hour"], &pi["refused"]), (&json!(badges), &json!({})));
    }
    let names: Vec<_> = get(&houseful, "/badges")["badges"]
        .as_array()
        .unwrap()
        .iter()
        .map(|badge| badge["badge_id"].clone())
        .collect();
    assert_eq!(names, ["b1", "b2"]);
    assert!(answer["counting_since"].as_str() <= answer["now"].as_str(), "{answer}");
}

fn distinct_of(badge: &str, n: i64) -> Value {
    emission(badge, &[("beacon_1", -50 - n)])
}

#[test]
fn asked_for_by_name_or_wrongly() {
    let dir = temp_dir();
    let houseful = Setup::new(dir.path()).start();
    for badge in ["b1", "b2", "Ä b&3"] {
        post(&houseful, &distinct_of(badge, 0), 201);
    }
    let names = |path: &str, list: &str, name: &str| -> Vec<Value> {
        let answer = get(&houseful, path);
        answer[list].as_array().unwrap().iter().map(|badge| badge[name].clone()).collect()
    };
    let badges = |path| names(path, "badges", "badge_id");
    assert_eq!(badges("/badges"), ["b1", "b2", "Ä b&3"], "by bytes");
    assert_eq!(badges("/badges?badge_id=b2&badge_id=b1&badge_id=b2"), ["b1", "b2"]);
    assert_eq!(badges("/badges?badge_id=%C3%84+b%263"), ["Ä b&3"]);
    // Never heard is an answer, and asking makes nobody known.
    let unknown = one(&houseful, "/badges?badge_id=b9");
    assert_eq!((&unknown["last_heard"], &unknown["pis"]), (&Value::Null, &json!([])));
    assert_eq!(one(&houseful, "/pis?pi_id=99")["last_heard"], Value::Null);
    assert_eq!(badges("/badges").len(), 3);
    assert_eq!(names("/pis", "pis", "pi_id"), ["32"]);

    for (path, errors) in [
        ("/badges?badge_id=", json!(["badge_id: expected 1 to 64 bytes, found 0"])),
        (
            "/badges?pi_id=1&badge_id=%07&badge_id=b1&badge_id=",
            json!([
                "pi_id: not a parameter; expected badge_id",
                "badge_id: expected no control characters, found \"\\u{7}\"",
                "badge_id: expected 1 to 64 bytes, found 0",
            ]),
        ),
        ("/pis?badge_id=1", json!(["badge_id: not a parameter; expected pi_id"])),
    ] {
        let response = houseful.client().get(path).unwrap();
        assert_eq!((response.status, &response.json()["errors"]), (400, &errors), "{path}");
    }
    for path in ["/badges", "/pis"] {
        let head = houseful.client().request("HEAD", path, &[], b"").unwrap();
        assert_eq!((head.status, head.header("content-type")), (200, Some("application/json")));
        let put = houseful.client().request("PUT", path, &[], b"").unwrap();
        assert_eq!((put.status, put.header("allow")), (405, Some("GET,HEAD")));
    }
}

/// Posts so that Pi 33 always comes second, and tells when each Pi was heard.
fn second_always(houseful: &Houseful) -> BTreeMap<String, Value> {
    let at = now_ms() - 60_000;
    let later = heard_at(distinct(0), at + 5_000);
    post(houseful, &heard_at(distinct(0), at), 201);
    post(houseful, &by_pi(heard_at(distinct(0), at + 1), "33"), 409);
    // What Pi 33 heard is written with the next reading that is stored.
    post(houseful, &later, 201);
    let want = BTreeMap::from([
        ("32".to_owned(), rfc3339(at + 5_000)),
        ("33".to_owned(), rfc3339(at + 1)),
    ]);
    assert_eq!(pis(houseful), want);
    want
}

#[test]
fn a_pi_that_always_comes_second_outlives_a_crash() {
    let dir = temp_dir();
    let setup = Setup::new(dir.path());
    let houseful = setup.start();
    let mut want = second_always(&houseful);
    // One that comes first is noted with the reading itself.
    let at = now_ms() - 50_000;
    post(&houseful, &by_pi(heard_at(distinct(2), at), "31"), 201);
    houseful.kill();
    let houseful = setup.start();
    let mut found = pis(&houseful);
    assert_eq!(found.remove("31"), Some(rfc3339(at)));
    // Of one that was noted already, a crash may take back 10 s.
    assert_eq!(found.remove("33"), want.remove("33"));
    assert!(found["32"].is_string());
    // And a badge is known by its last reading.
    let badge = one(&houseful, "/badges?badge_id=badge_0");
    assert_eq!(badge["last_heard"], want["32"]);
    assert_eq!(badge["pis"][0]["pi_id"], "32");
    assert_eq!(badge["readings_hour"], 0, "counted since the start: {badge}");
    let since = get(&houseful, "/badges")["counting_since"].clone();
    assert!(since.as_str() > want["32"].as_str(), "{since}");
}

#[test]
fn a_pi_that_always_comes_second_outlives_a_restart() {
    let dir = temp_dir();
    let setup = Setup::new(dir.path());
    let houseful = setup.start();
    let mut want = second_always(&houseful);
    // Nothing is stored after these, so they are written at the end.
    let late = now_ms() - 1_000;
    post(&houseful, &heard_at(distinct(1), late), 201);
    for (n, pi) in ["33", "34"].into_iter().enumerate() {
        let at = late + 1 + n as i64;
        post(&houseful, &by_pi(heard_at(distinct(1), at), pi), 409);
        want.insert(pi.to_owned(), rfc3339(at));
    }
    want.insert("32".to_owned(), rfc3339(late));
    assert_eq!(houseful.term().code(), Some(0));
    let houseful = setup.start();
    assert_eq!(pis(&houseful), want);
    assert_eq!(one(&houseful, "/badges?badge_id=badge_1")["last_heard"], rfc3339(late));
}

#[test]
fn what_is_refused_is_told_of_its_badge_and_pi() {
    let dir = temp_dir();
    let disk = FaultFs::new(dir.path());
    let setup = Setup::new(dir.path()).on(&disk);
    let houseful = setup.start();
    post(&houseful, &distinct_of("good", 0), 201);
    let bad = |badge: &str, pi: &str| with(by_pi(distinct_of(badge, 0), pi), "motion", json!("no"));
    for (emission, times) in [
        (bad("bad", "32"), 3),
        (bad("bad", "33"), 1),
        (heard_at(by_pi(distinct_of("bad", 0), "33"), now_ms() + 3_600_000), 2),
        (heard_at(by_pi(distinct_of("old", 0), "34"), 1), 1),
        (json!({"badge_id": "", "pi_id": "33"}), 1),
        (json!({"badge_id": "nameless"}), 1),
    ] {
        for _ in 0..times {
            post(&houseful, &emission, 400);
        }
    }
    let broken = houseful.client().request("POST", "/rssi_readings", &[], br#"{"pi_id":"33""#);
    assert_eq!(broken.unwrap().status, 400);
    let pi = |pi: &str| one(&houseful, &format!("/pis?pi_id={pi}"));
    let refused = |id: &str| pi(id)["refused"].clone();
    assert_eq!(refused("32"), json!({"invalid": 3}));
    assert_eq!(refused("33"), json!({"invalid": 2, "ahead": 2}));
    assert_eq!(refused("34"), json!({"too_old": 1}));
    // A badge's reasons, and the last of them with what was wrong.
    let told = |badge: &str| {
        let badge = one(&houseful, &format!("/badges?badge_id={badge}"));
        (badge["refused"].clone(), badge["refused_last"].clone())
    };
    let (by_reason, last) = told("bad");
    assert_eq!(by_reason, json!({"invalid": 4, "ahead": 2}));
    let errors = last["errors"].as_array().unwrap();
    assert!(errors.len() == 1 && errors[0].as_str().unwrap().starts_with("heard_at: "), "{last}");
    assert_eq!((&last["reason"], &last["pi_id"]), (&json!("ahead"), &json!("33")));
    assert!(last["at"].as_str() <= get(&houseful, "/badges")["now"].as_str(), "{last}");
    assert_eq!(told("good"), (json!({}), Value::Null));
    let (by_reason, last) = told("nameless");
    assert_eq!((&by_reason, &last["pi_id"]), (&json!({"invalid": 1}), &Value::Null));
    // And of each Pi: 33's emission names no badge.
    let last = pi("33")["refused_last"].clone();
    assert_eq!((&last["reason"], &last["badge_id"]), (&json!("invalid"), &Value::Null));
    assert_eq!(last["errors"], json!(["badge_id: expected 1 to 64 bytes, found 0"]));
    let last = pi("34")["refused_last"].clone();
    assert_eq!((&last["reason"], &last["badge_id"]), (&json!("too_old"), &json!("old")));
    // Those of whom nothing was ever accepted are told of, too.
    let badges = get(&houseful, "/badges");
    let told: Vec<_> = badges["badges"].as_array().unwrap().iter().collect();
    let told: Vec<_> = told.into_iter().map(|b| (b["badge_id"].as_str().unwrap(), b)).collect();
    for ((id, badge), (want, refused, heard)) in told.into_iter().zip([
        ("bad", 6, false),
        ("good", 0, true),
        ("nameless", 1, false),
        ("old", 1, false),
    ]) {
        assert_eq!((id, &badge["refused_hour"]), (want, &json!(refused)));
        assert_eq!(badge["last_heard"].is_string(), heard, "{id}");
    }
    assert_eq!(pis(&houseful).keys().collect::<Vec<_>>(), ["32", "33", "34"]);

    // What the writer refuses, after the door has let it in.
    disk.set_full(true);
    let mut client = houseful.client();
    let mut n = 0;
    wait_until(PATIENCE, "the disk is full", || {
        n += 1;
        let emission = by_pi(distinct_of(&format!("late {n}"), 0), "35");
        client.post(&emission).unwrap().status == 503
    });
    assert_eq!(refused("35"), json!({"unavailable": 1}));
    assert_eq!(one(&houseful, &format!("/badges?badge_id=late+{n}"))["refused_hour"], 1);
    let latest = get(&houseful, "/activity")["refused_latest"][0].clone();
    assert_eq!((&latest["reason"], &latest["pi_id"]), (&json!("unavailable"), &json!("35")));
    disk.set_full(false);
}

#[test]
fn a_flood_of_others_takes_neither_a_reason_away_nor_much_memory() {
    let dir = temp_dir();
    let houseful = Setup::new(dir.path()).start();
    // Ids as long as they may be, and a line that has little else.
    let flood = |from: usize, to: usize| {
        let lines = (from..to).map(|n| {
            format!(
                "{{\"badge_id\":\"{n:064}\",\"pi_id\":\"{n:064}\",\"beacons\":\"{:0<900}\"}}\n",
                ""
            )
        });
        let body: String = lines.collect();
        let headers = [("Content-Type", "application/x-ndjson")];
        let path = "/rssi_readings/batch";
        let answer = houseful.client().request("POST", path, &headers, body.as_bytes()).unwrap();
        assert_eq!((answer.status, &answer.json()["invalid_total"]), (200, &json!(to - from)));
    };
    let mut bad = by_pi(distinct_of("ours", 0), "32");
    bad["motion"] = json!("no");
    post(&houseful, &bad, 400);
    // Those of everybody are 50. Of Pis 2,000 are known, and badges of more.
    flood(0, 1_500);
    for path in ["/badges?badge_id=ours", "/pis?pi_id=32"] {
        let told = one(&houseful, path);
        assert_eq!(told["refused"], json!({"invalid": 1}), "{path}");
        let errors = &told["refused_last"]["errors"];
        assert!(errors[0].as_str().unwrap().starts_with("motion: expected an integer"), "{errors}");
    }
    let before = houseful.resident_bytes();
    for round in 1..=30 {
        flood(round * 2_000, (round + 1) * 2_000);
    }
    let grown = houseful.resident_bytes().saturating_sub(before);
    println!("60,000 made-up ids: {grown} bytes more");
    assert!(grown < 20 << 20, "{grown} bytes more");
    assert_eq!(get(&houseful, "/pis")["pis"].as_array().unwrap().len(), 2_000);
}

#[test]
fn two_thousand_badges_are_told_of_after_a_restart() {
    const BADGES: usize = 2_000;
    let dir = temp_dir();
    let setup = Setup::new(dir.path());
    let houseful = setup.start();
    let at = now_ms() - 3_000_000;
    let emissions = (0..BADGES).map(|n| heard_at(distinct(n), at)).collect();
    let posted = Posters::start(houseful.port(), 32, emissions).finish();
    assert!(posted.iter().all(|(_, answer)| answer.as_ref().is_some_and(|a| a.status == 201)));
    houseful.kill();
    let houseful = setup.start();
    for round in 0..2 {
        let began = Instant::now();
        let answer = get(&houseful, "/badges");
        println!("answer {round} of {BADGES} badges: {:?}", began.elapsed());
        let badges = answer["badges"].as_array().unwrap();
        assert_eq!((badges.len(), &answer["truncated"]), (BADGES, &json!(false)));
        for badge in badges {
            assert_eq!(badge["last_heard"], rfc3339(at), "{badge}");
            assert_eq!(badge["beacons"], json!({"beacon_1": -57, "beacon_2": -90}));
        }
    }
}

/// A store as version 1 left it.
fn layout_1(setup: &Setup) {
    let fixture = in_repository("tests/fixtures/store/layout-1.db");
    std::fs::copy(fixture, setup.store_path()).unwrap();
}

#[test]
fn a_store_of_version_1_is_served() {
    let dir = temp_dir();
    let setup = Setup::new(dir.path());
    layout_1(&setup);
    let exported = setup.export();
    assert_eq!(exported.len(), 7);
    let houseful = setup.start();
    assert_eq!(setup.export(), exported);
    let want = [
        ("32", "2026-11-23T18:59:59.999Z"),
        ("33", "2026-11-24T12:00:00.000Z"),
        ("34", "2026-01-01T00:00:00.000Z"),
    ];
    let want = want.map(|(pi, t)| (pi.to_owned(), json!(t))).into_iter().collect();
    assert_eq!(pis(&houseful), want);
    let badge = one(&houseful, "/badges?badge_id=badge_1");
    assert_eq!(badge["last_heard"], "2026-11-24T12:00:00.000Z");
    assert_eq!((&badge["beacons"], &badge["pis"][0]["pi_id"]), (&json!({}), &json!("33")));
    for reading in exported {
        post(&houseful, &reading, 409);
    }
    post(&houseful, &distinct_of("badge_3", 0), 201);
}

#[test]
fn killed_while_it_brings_a_store_to_version_2() {
    for moment in [Moment::BeforeWrite, Moment::AfterWrite, Moment::BeforeSync, Moment::AfterSync] {
        for which in [Which::Wal, Which::NotWal] {
            let mut kills = 0;
            for after in 0..100 {
                let dir = temp_dir();
                let disk = FaultFs::new(dir.path());
                let setup = Setup::new(dir.path()).on(&disk);
                layout_1(&setup);
                disk.kill_at(moment, which, after);
                let was_killed = setup.start_or_end().is_err();
                disk.disarm();
                kills += usize::from(was_killed);
                let houseful = setup.start();
                assert_eq!(pis(&houseful).len(), 3, "{moment:?} {which:?} {after}");
                assert_eq!(setup.export().len(), 7);
                if !was_killed {
                    break;
                }
            }
            assert!(kills > 0, "{moment:?} {which:?}: never");
        }
    }
}
