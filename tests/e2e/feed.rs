//! The live feed: each reading after its commit, once, whatever is cut.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::support::feed::Feed;
use super::support::houseful::{Houseful, Setup};
use super::support::nginx::{Nginx, PROGRAM};
use super::support::posters::{Ledger, Posters};
use super::support::prometheus::Scrape;
use super::support::rng::Rng;
use super::support::{
    PATIENCE, by_pi, distinct, emission, heard_at, now_ms, require, temp_dir, wait_until,
};

fn open(houseful: &Houseful, query: &str, last_id: Option<&str>) -> Feed {
    let feed = Feed::open(houseful.port(), query, last_id).unwrap();
    assert_eq!(feed.head().status, 200);
    feed
}

fn post(houseful: &Houseful, emission: &Value) -> Value {
    let answer = houseful.client().post(emission).unwrap();
    assert_eq!(answer.status, 201);
    answer.json
}

#[test]
fn readings_come_as_they_are_stored_and_copies_do_not() {
    let dir = temp_dir();
    let houseful = Setup::new(dir.path()).start();
    post(&houseful, &distinct(0));
    let mut feed = open(&houseful, "", None);
    let head = feed.head().clone();
    assert_eq!(head.header("content-type"), Some("text/event-stream"));
    assert_eq!(head.header("cache-control"), Some("no-store, no-transform"));
    assert_eq!(head.header("x-accel-buffering"), Some("no"));
    // Before anything happens it knows where it would resume.
    let first = feed.block().unwrap().unwrap();
    assert_eq!((first.id, first.event, first.retry_ms), (Some(1), None, Some(2_000)));
    let mut another = open(&houseful, "", None);
    for n in 1..20 {
        let stored = post(&houseful, &distinct(n));
        assert_eq!(houseful.client().post(&by_pi(distinct(n), "33")).unwrap().status, 409);
        assert_eq!(feed.reading(), stored);
        assert_eq!(feed.last_id(), Some(&*stored["id"].to_string()));
        assert_eq!(another.reading(), stored);
    }
    // Late ones too, in the order of storing.
    let late = post(&houseful, &heard_at(distinct(1), now_ms() - 86_400_000));
    assert_eq!(feed.reading(), late);
}

#[test]
fn filters_and_a_place_that_moves_without_events() {
    let dir = temp_dir();
    let houseful = Setup::new(dir.path()).start();
    let mut of_badges = open(&houseful, "?badge_id=badge_1&badge_id=badge_3", None);
    let mut of_pi = open(&houseful, "?pi_id=33", None);
    let mut of_both = open(&houseful, "?pi_id=33&badge_id=badge_2", None);
    let mut of_nobody = open(&houseful, "?badge_id=nobody", None);
    let stored: Vec<_> = (0..6)
        .map(|n| post(&houseful, &by_pi(distinct(n), if n % 2 == 0 { "33" } else { "32" })))
        .collect();
    let expect = |feed: &mut Feed, places: &[usize]| {
        for place in places {
            assert_eq!(feed.reading(), stored[*place]);
        }
    };
    expect(&mut of_badges, &[1, 3]);
    expect(&mut of_pi, &[0, 2, 4]);
    expect(&mut of_both, &[2]);
    // A heartbeat says how far it has looked.
    let begin = of_nobody.block().unwrap().unwrap();
    assert_eq!(begin.id, Some(0));
    let heartbeat = of_nobody.block().unwrap().unwrap();
    assert_eq!((heartbeat.id, heartbeat.data), (Some(6), None));
    // From the past it is filtered as well.
    let mut again = open(&houseful, "?badge_id=badge_3&badge_id=badge_5", Some("2"));
    expect(&mut again, &[3, 5]);
}

#[test]
fn an_id_that_is_none_of_ours_is_answered_with_a_reset() {
    let dir = temp_dir();
    let houseful = Setup::new(dir.path()).start();
    for n in 0..3 {
        post(&houseful, &distinct(n));
    }
    for (n, id) in ["4", "99999999999999999999", "-1", "three", ""].into_iter().enumerate() {
        let mut feed = open(&houseful, "", Some(id));
        let newest = 3 + n;
        let reset = feed.event().unwrap();
        assert_eq!(reset, Some(("reset".to_owned(), json!({"newest_id": newest}))), "{id}");
        assert_eq!(feed.last_id(), Some(&*newest.to_string()), "{id}");
        let next = post(&houseful, &distinct(newest));
        assert_eq!(feed.reading(), next, "{id}");
    }
    // And one that is, is not.
    let mut feed = open(&houseful, "", Some("0"));
    assert_eq!((1..=8).map(|_| feed.reading()["id"].as_i64().unwrap()).sum::<i64>(), 36);
}

/// Follows a feed that is cut after a random number of readings, again and
/// again, until `done` says that nothing more comes. Returns the ids that it
/// got.
fn follow_in_pieces(
    port: &AtomicU16,
    query: &str,
    seed: u64,
    enough: impl Fn(&[i64]) -> bool,
) -> Vec<i64> {
    let mut rng = Rng::new(seed);
    let mut ids = Vec::new();
    let mut last_id = "0".to_owned();
    let end = Instant::now() + PATIENCE * 2;
    while !enough(&ids) {
        assert!(Instant::now() < end, "only {} readings came", ids.len());
        let Ok(mut feed) = Feed::open(port.load(Ordering::SeqCst), query, Some(&last_id)) else {
            // It is being started again.
            thread::sleep(Duration::from_millis(5));
            continue;
        };
        feed.client().set_patience(Duration::from_millis(500)).unwrap();
        for _ in 0..rng.below(300) {
            match feed.event() {
                Ok(Some((event, reading))) => {
                    assert_eq!(event, "reading", "{reading}");
                    ids.push(reading["id"].as_i64().unwrap());
                }
                // Killed, or silent.
                Ok(None) | Err(_) => break,
            }
        }
        last_id = feed.last_id().map_or(last_id, str::to_owned);
    }
    ids
}

#[test]
fn cut_and_resumed_over_kills_it_has_each_reading_once() {
    const ROUNDS: usize = 3;
    const IDENTITIES: usize = 1_500;
    let dir = temp_dir();
    let setup = Setup::new(dir.path());
    let mut houseful = setup.start();
    let port = Arc::new(AtomicU16::new(houseful.port()));
    let export = Arc::new(OnceLock::<Vec<Value>>::new());
    // Two want all, one wants what a Pi of two heard.
    let wanted = |export: &[Value], query: &str| -> Vec<i64> {
        let wanted = |reading: &&Value| query.is_empty() || reading["pi_id"] == "33";
        let ids = export.iter().filter(wanted).map(|reading| reading["id"].as_i64().unwrap());
        ids.collect::<BTreeSet<_>>().into_iter().collect()
    };
    let followers: Vec<_> = [(1, ""), (2, ""), (3, "?pi_id=33")]
        .map(|(seed, query)| {
            let (port, export) = (port.clone(), export.clone());
            let enough = move |ids: &[i64]| {
                export.get().is_some_and(|export| ids.len() >= wanted(export, query).len())
            };
            let follow = move || follow_in_pieces(&port, query, seed, enough);
            (query, thread::spawn(follow))
        })
        .into_iter()
        .collect();
    let mut ledger = Ledger::default();
    let heard = now_ms();
    for round in 0..ROUNDS {
        let [one, other] = [0, 1].map(|half| {
            let emissions = (0..IDENTITIES / 2)
                .map(|n| {
                    let emission = distinct((round * 2 + half) * IDENTITIES + n);
                    heard_at(by_pi(emission, if n % 2 == 0 { "32" } else { "33" }), heard)
                })
                .collect();
            Posters::start(houseful.port(), 2, emissions)
        });
        wait_until(PATIENCE, "half is answered", || {
            one.answered() + other.answered() >= IDENTITIES / 2
        });
        houseful.kill();
        let mut unanswered = ledger.book(one.finish());
        unanswered.extend(ledger.book(other.finish()));
        houseful = setup.start();
        port.store(houseful.port(), Ordering::SeqCst);
        let rest = Posters::start(houseful.port(), 2, unanswered).finish();
        assert_eq!(ledger.book(rest), [] as [Value; 0]);
    }
    export.set(setup.export()).unwrap();
    let export = export.get().unwrap();
    ledger.check_all(export, "at the end");
    for (query, follower) in followers {
        let want = wanted(export, query);
        assert!(want.len() >= IDENTITIES / 2);
        assert_eq!(follower.join().unwrap(), want, "{query}");
    }
}

/// Long ids, so that a few thousand readings do not fit into the buffers between
/// the store and a [`slow`] client.
fn long(n: usize) -> Value {
    let mut emission = distinct(n);
    let beacons: serde_json::Map<_, _> = (0..5).map(|b| (format!("{b:060}"), json!(-57))).collect();
    emission["beacons"] = json!(beacons);
    emission
}

const LONG: usize = 3_000;

fn post_long(houseful: &Houseful) {
    let posted = Posters::start(houseful.port(), 64, (0..LONG).map(long).collect()).finish();
    assert!(posted.iter().all(|(_, answer)| answer.as_ref().is_some_and(|a| a.status == 201)));
}

/// A client that asks for all, and has read nothing of it.
fn slow(houseful: &Houseful) -> Feed {
    let client = houseful.client();
    client.set_receive_buffer(64 << 10).unwrap();
    Feed::open_on(client, "", Some("0")).unwrap()
}

fn stalled(houseful: &Houseful) -> f64 {
    Scrape::of(houseful).get("houseful_feeds_dropped_total{reason=\"stalled\"}")
}

#[test]
fn a_slow_client_is_let_go_and_told() {
    const SLOW: usize = 30;
    let dir = temp_dir();
    let houseful = Setup::new(dir.path()).start();
    post_long(&houseful);
    let before = houseful.resident_bytes();
    let idle = houseful.descriptors();
    let mut feeds: Vec<_> = (0..SLOW).map(|_| slow(&houseful)).collect();
    assert_eq!(Scrape::of(&houseful).get("houseful_feeds"), SLOW as f64);
    let mut grown = 0;
    let mut stored = LONG;
    wait_until(PATIENCE, "they are let go", || {
        // Those who read are served meanwhile.
        let mut live = open(&houseful, "", None);
        let reading = post(&houseful, &distinct(stored));
        stored += 1;
        assert_eq!(live.reading(), reading);
        grown = grown.max(houseful.resident_bytes().saturating_sub(before));
        stalled(&houseful) == SLOW as f64
    });
    assert!(grown < 16 << 20, "it grew by {grown} bytes");
    // One reads again before its connection's own limit; the others never do.
    let mut sleepy = feeds.pop().unwrap();
    let mut last = 0;
    let (reason, last_id) = loop {
        let (event, data) = sleepy.event().unwrap().expect("it is told before the end");
        if event == "dropped" {
            break (data["reason"].clone(), data["last_id"].as_i64());
        }
        last += 1;
        assert_eq!(data["id"], last);
        assert!((last as usize) < LONG, "it was not slow enough");
    };
    assert_eq!(reason, "too slow: nothing was read for 5 s");
    assert_eq!(last_id, Some(last));
    assert_eq!(sleepy.block().unwrap(), None);
    // It comes back, and lacks nothing.
    let mut again = open(&houseful, "", sleepy.last_id());
    for id in last + 1..=stored as i64 {
        assert_eq!(again.reading()["id"], id);
    }
    drop((again, sleepy));
    wait_until(PATIENCE, "the others are cut", || {
        houseful.descriptors() <= idle && Scrape::of(&houseful).get("houseful_feeds") == 0.0
    });
    // As their clients see: the end comes before the end of what there was.
    for mut feed in feeds {
        let cut = loop {
            match feed.event() {
                Ok(Some((event, _))) => assert_eq!(event, "reading"),
                Ok(None) => break false,
                Err(_) => break true,
            }
        };
        assert!(cut);
    }
}

#[test]
fn a_client_that_reads_nothing_does_not_hold_up_the_end() {
    let dir = temp_dir();
    // Less than its connection would last.
    let mut houseful = Setup::new(dir.path()).args(&["--drain-timeout", "3s"]).start();
    post_long(&houseful);
    let feed = slow(&houseful);
    wait_until(PATIENCE, "it is let go", || stalled(&houseful) == 1.0);
    houseful.signal(rustix::process::Signal::TERM);
    assert_eq!(houseful.wait_exit(PATIENCE).code(), Some(0), "{}", houseful.stderr());
    assert!(!houseful.stderr().contains("still open"), "{}", houseful.stderr());
    drop(feed);
}

#[test]
fn feeds_end_first_when_the_collector_stops() {
    let dir = temp_dir();
    let mut houseful = Setup::new(dir.path()).start();
    let mut feeds: Vec<_> = (0..20).map(|_| open(&houseful, "", None)).collect();
    post(&houseful, &distinct(1));
    for feed in &mut feeds {
        feed.reading();
    }
    let is_over = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> = feeds
        .into_iter()
        .map(|mut feed| {
            let is_over = is_over.clone();
            thread::spawn(move || {
                // A whole end, and no earlier.
                assert_eq!(feed.event().unwrap(), None);
                assert!(is_over.load(Ordering::SeqCst));
            })
        })
        .collect();
    let start = Instant::now();
    is_over.store(true, Ordering::SeqCst);
    houseful.signal(rustix::process::Signal::TERM);
    assert_eq!(houseful.wait_exit(PATIENCE).code(), Some(0), "{}", houseful.stderr());
    assert!(start.elapsed() < Duration::from_secs(5), "it took {:?}", start.elapsed());
    for reader in readers {
        reader.join().unwrap();
    }
}

#[test]
fn feeds_are_bounded_and_who_has_gone_leaves_room() {
    let dir = temp_dir();
    let houseful = Setup::new(dir.path()).start();
    let mut feeds: Vec<_> = (0..256).map(|_| open(&houseful, "", None)).collect();
    let refused = houseful.client().get("/feed").unwrap();
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("15")));
    assert!(refused.json()["errors"][0].as_str().unwrap().contains("256 feeds"));
    let stored = post(&houseful, &distinct(1));
    for feed in &mut feeds {
        assert_eq!(feed.reading(), stored);
    }
    // Nothing has to be sent for that.
    drop(feeds);
    let mut feed = None;
    wait_until(Duration::from_secs(10), "there is room", || {
        let opened = Feed::open(houseful.port(), "", None).unwrap();
        let is_open = opened.head().status == 200;
        feed = Some(opened);
        is_open
    });
    let stored = post(&houseful, &distinct(2));
    assert_eq!(feed.unwrap().reading(), stored);
}

#[test]
fn what_is_wrong_is_said_and_head_has_no_body() {
    let dir = temp_dir();
    let houseful = Setup::new(dir.path()).start();
    let response = houseful.client().get("/feed?badge_id=&limit=3&pi_id=%00&pi_id=1").unwrap();
    assert_eq!(response.status, 400);
    let want = json!({"errors": [
        "limit: not a parameter; expected badge_id, pi_id",
        "badge_id: expected 1 to 64 bytes, found 0",
        "pi_id: expected no control characters, found \"\\0\"",
    ]});
    assert_eq!(response.json(), want);
    assert_eq!(houseful.client().request("POST", "/feed", &[], b"{}").unwrap().status, 405);
    let mut client = houseful.client();
    let head = client.request("HEAD", "/feed", &[], b"").unwrap();
    assert_eq!((head.status, head.header("content-type")), (200, Some("text/event-stream")));
    assert_eq!(client.read_to_close().unwrap(), b"");
}

/// What everybody begins with: nginx then buffers answers, and speaks HTTP/1.0 to
/// the collector.
const STOCK_NGINX: &str = "
events {}
http {
    access_log off;
    gzip on;
    server {
        listen 127.0.0.1:8080;
        location / {
            proxy_pass http://127.0.0.1:6540;
        }
    }
}";

#[test]
fn nginx_passes_it_on_at_once() {
    if !require(PROGRAM, "nginx") {
        return;
    }
    let dir = temp_dir();
    let houseful = Setup::new(dir.path()).start();
    let ours = Nginx::before(houseful.port());
    let stock = Nginx::with_conf(STOCK_NGINX, houseful.port());
    for (nginx, n) in [(&ours, 0), (&stock, 4)] {
        let mut feed = Feed::open(nginx.port(), "?badge_id=badge", None).unwrap();
        assert_eq!(feed.head().status, 200);
        assert_eq!(feed.block().unwrap().unwrap().id, Some(n));
        for n in n + 1..=n + 4 {
            let stored = post(&houseful, &emission("badge", &[("b", -n)]));
            assert_eq!(feed.reading(), stored);
        }
        let mut resumed = Feed::open(nginx.port(), "", Some("2")).unwrap();
        assert_eq!(resumed.reading()["id"], 3);
        assert_eq!(nginx.error_log(), "");
    }
}
