//! What every store must do, through the same calls that the doors make.

use std::borrow::Cow;
use std::collections::HashSet;
use std::path::Path;
use std::time::{Duration, Instant};

use houseful_model::{Beacon, Emission, Heard, Millis, Reading};
use houseful_store::{
    Arrival, Cursor, Filter, Health, Keys, OpenError, Options, Order, Outcome, Reader, Store,
    Submitted,
};
use proptest::prelude::*;

const WINDOW: Duration = Duration::from_millis(4_500);
const BASE: i64 = 1_800_000_000_000;

fn open(path: &Path) -> Store {
    Store::open(path, Options { window: WINDOW }).unwrap()
}

fn emission(badge: &str, rssi_dbm: i8) -> Emission<'static> {
    Emission {
        badge_id: Cow::Owned(badge.to_owned()),
        pi_id: Cow::Borrowed("pi_1"),
        beacons: vec![Beacon { id: Cow::Borrowed("b1"), rssi_dbm }],
        badge_strength: None,
        position: None,
        motion: None,
        opposite_badge_id: None,
        heard: Heard::At(Millis(0)),
    }
}

fn submit(store: &Store, emission: Emission<'_>, t: i64) -> Outcome {
    let arrival = Arrival { wall: Millis(t), mono_ms: 0, at: Instant::now() };
    match store.submit(emission, Millis(t), arrival) {
        Submitted::Duplicate => Outcome::Duplicate,
        Submitted::Queued(outcome) => outcome.blocking_recv().unwrap(),
        Submitted::Refused(refusal) => Outcome::Refused(refusal),
    }
}

fn stored(outcome: Outcome) -> Reading {
    match outcome {
        Outcome::Stored(reading) => *reading,
        other => panic!("expected a stored reading, found {other:?}"),
    }
}

fn all(reader: &mut Reader, filter: &Filter, order: Order, page: usize) -> Vec<Reading> {
    let mut readings = Vec::new();
    let mut after = None;
    loop {
        let next = reader.page(filter, order, after, page).unwrap();
        let Some(last) = next.last() else { return readings };
        after = Some(Cursor::past(last));
        readings.extend(next);
    }
}

#[test]
fn a_reading_comes_back_as_it_was_sent_over_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("h.db");
    let mut full = emission("badge_1", -57);
    full.beacons = vec![
        Beacon { id: Cow::Borrowed("küche"), rssi_dbm: -1 },
        Beacon { id: Cow::Borrowed("b1"), rssi_dbm: -57 },
        Beacon { id: Cow::Borrowed("b2"), rssi_dbm: -57 },
        Beacon { id: Cow::Borrowed("b0"), rssi_dbm: -127 },
    ];
    full.badge_strength = Some(20);
    full.position = Some(i32::MIN);
    full.motion = Some(i32::MAX);
    full.opposite_badge_id = Some(Cow::Borrowed("badge_2"));
    let mut silent = emission("badge_2", -1);
    silent.beacons.clear();

    let store = open(&path);
    let answered = [
        stored(submit(&store, full.clone(), BASE)),
        stored(submit(&store, silent.clone(), BASE + 1)),
    ];
    assert_eq!([answered[0].id, answered[1].id], [1, 2]);
    store.close();
    drop(store);

    let store = open(&path);
    for (reading, sent) in answered.iter().zip([full, silent]) {
        let read = store.read(|reader| reader.reading(reading.id)).unwrap().unwrap();
        let mut want = sent;
        want.heard = Heard::At(reading.heard_at);
        assert_eq!(read, Reading { id: reading.id, heard_at: reading.heard_at, emission: want });
    }
    assert_eq!(store.read(|reader| reader.reading(3)).unwrap(), None);
    assert_eq!(store.newest_t(), Some(Millis(BASE + 1)));
    assert_eq!(stored(submit(&store, emission("badge_3", -5), BASE)).id, 3);
}

#[test]
fn copies_are_recognised_by_cache_batch_and_table() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("h.db");
    let steps =
        [(4_000, true), (0, false), (8_499, false), (8_500, true), (-499, false), (-500, true)];
    let store = open(&path);
    for (offset, is_new) in steps {
        let outcome = submit(&store, emission("b", -50), BASE + offset);
        assert_eq!(matches!(outcome, Outcome::Stored(_)), is_new, "{offset}");
    }
    // A restart forgets the cache, and changes nothing.
    store.close();
    drop(store);
    let store = open(&path);
    for (offset, _) in steps {
        assert_eq!(submit(&store, emission("b", -50), BASE + offset), Outcome::Duplicate);
    }
    // Another Pi, strength and motion are the same; another RSSI is not.
    let mut other = emission("b", -50);
    other.pi_id = Cow::Borrowed("pi_2");
    other.badge_strength = Some(-3);
    other.motion = Some(3);
    assert_eq!(submit(&store, other, BASE), Outcome::Duplicate);
    assert!(matches!(submit(&store, emission("b", -51), BASE), Outcome::Stored(_)));
}

#[test]
fn many_at_once_are_stored_once() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory.path().join("h.db"));
    let new: usize = std::thread::scope(|scope| {
        let posters: Vec<_> = (0..16_i64)
            .map(|poster| {
                let store = &store;
                scope.spawn(move || {
                    (0..50_i64)
                        .filter(|n| {
                            let t = BASE + 100_000 * (n / 10) + poster;
                            let badge = format!("badge_{}", n % 10);
                            matches!(submit(store, emission(&badge, -50), t), Outcome::Stored(_))
                        })
                        .count()
                })
            })
            .collect();
        posters.into_iter().map(|poster| poster.join().unwrap()).sum()
    });
    assert_eq!(new, 50);
    let rows =
        store.read(|reader| reader.page(&Filter::default(), Order::OldestFirst, None, 1_000));
    assert_eq!(rows.unwrap().len(), 50);
}

#[test]
fn what_is_queued_is_stored_though_nobody_waits_for_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("h.db");
    let store = open(&path);
    let queue = |badge| {
        let arrival = Arrival { wall: Millis(BASE), mono_ms: 0, at: Instant::now() };
        match store.submit(emission(badge, -50), Millis(BASE), arrival) {
            Submitted::Queued(outcome) => outcome,
            other => panic!("expected it to be queued, found {other:?}"),
        }
    };
    // The writer is held up with one, so that the other's client leaves in time.
    let other = rusqlite::Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let one = queue("one");
    while store.queue_len() > 0 {
        std::thread::sleep(Duration::from_millis(1));
    }
    drop(queue("other"));
    other.execute_batch("ROLLBACK").unwrap();
    stored(one.blocking_recv().unwrap());
    assert_eq!(submit(&store, emission("other", -50), BASE), Outcome::Duplicate);
}

#[test]
fn pages_neither_skip_nor_repeat() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("h.db");
    let store = open(&path);
    // Equal times, silent days, both sides of minutes and hours.
    let offsets = [0, 0, 1, 59_999, 60_000, 3_599_999, 3_600_000, 86_400_000 * 40, 86_400_000 * 40];
    for (n, offset) in offsets.iter().enumerate() {
        stored(submit(&store, emission("even", -1 - n as i8), BASE + offset));
        stored(submit(&store, emission("odd", -1 - n as i8), BASE + offset + 7));
    }
    let filters = [
        Filter::default(),
        Filter { badge_id: Some("even".to_owned()), ..Filter::default() },
        Filter {
            from: Some(Millis(BASE + 1)),
            to: Some(Millis(BASE + 3_600_000)),
            ..Filter::default()
        },
        Filter { id_max: Some(9), ..Filter::default() },
        Filter { badge_id: Some("nobody".to_owned()), ..Filter::default() },
        Filter { from: Some(Millis(BASE)), to: Some(Millis(BASE)), ..Filter::default() },
    ];
    let mut reader = Reader::open(&path).unwrap();
    let everything = all(&mut reader, &Filter::default(), Order::OldestFirst, 1_000);
    assert_eq!(everything.len(), 18);
    for filter in filters {
        let mut want: Vec<_> = everything
            .iter()
            .filter(|r| filter.badge_id.as_ref().is_none_or(|badge| *badge == r.emission.badge_id))
            .filter(|r| filter.from.is_none_or(|from| r.heard_at >= from))
            .filter(|r| filter.to.is_none_or(|to| r.heard_at < to))
            .filter(|r| filter.id_max.is_none_or(|id| r.id <= id))
            .cloned()
            .collect();
        want.sort_by_key(|r| (r.heard_at, r.id));
        for page in [1, 2, 3, 5, 100] {
            assert_eq!(all(&mut reader, &filter, Order::OldestFirst, page), want, "{filter:?}");
            let mut newest = all(&mut reader, &filter, Order::NewestFirst, page);
            newest.reverse();
            assert_eq!(newest, want, "{filter:?}");
        }
    }
}

#[test]
fn readings_of_a_pi_are_those_that_it_heard_first() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("h.db");
    let store = open(&path);
    let by = |pi: &'static str, badge, t| {
        let emission = Emission { pi_id: Cow::Borrowed(pi), ..emission(badge, -50) };
        matches!(submit(&store, emission, t), Outcome::Stored(_))
    };
    assert!(by("seldom", "b", BASE - 10_000));
    assert!(by("often", "b", BASE));
    // More than one read looks at lie between those that are wanted.
    let many = "WITH RECURSIVE n(n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM n WHERE n < 12000)
        INSERT INTO reading(t, badge, pi, beacons) SELECT r.t + n * 10000 - 5000, r.badge, r.pi, x''
        FROM reading r, n WHERE r.id = 2";
    rusqlite::Connection::open(&path).unwrap().execute_batch(many).unwrap();
    assert!(by("seldom", "c", BASE + 12_000 * 10_000));
    assert!(!by("never_first", "c", BASE + 12_000 * 10_000));
    let of = |pi: &str| Filter { pi_id: Some(pi.to_owned()), ..Filter::default() };
    let keys = |filter: &Filter, after| {
        store.read(|reader| reader.keys(filter, Order::NewestFirst, after, 10)).unwrap()
    };
    let found = keys(&of("seldom"), None);
    assert_eq!(found.keys.iter().map(|key| key.id).collect::<Vec<_>>(), [12_003]);
    let rest = keys(&of("seldom"), found.rest);
    assert_eq!(rest.keys.iter().map(|key| key.id).collect::<Vec<_>>(), [1]);
    assert_eq!(rest.rest, None);
    for pi in ["never_first", "nobody"] {
        assert_eq!(keys(&of(pi), None), Keys { keys: Vec::new(), rest: None }, "{pi}");
    }
    for order in [Order::NewestFirst, Order::OldestFirst] {
        let both = store.read(|reader| reader.page(&of("seldom"), order, None, 10)).unwrap();
        assert_eq!(both.len(), 2, "a page is whole, whatever it takes");
    }
    let of_both = Filter { badge_id: Some("c".to_owned()), ..of("seldom") };
    assert_eq!(keys(&of_both, None).keys.len(), 1);
}

#[test]
fn readings_by_id_come_in_the_order_of_the_ids_and_gaps_are_none() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("h.db");
    let store = open(&path);
    for n in 0..6 {
        // The later stored, the earlier heard.
        stored(submit(&store, emission("b", -50), BASE - n * 10_000));
    }
    let gap = "DELETE FROM reading WHERE id IN (2, 3)";
    rusqlite::Connection::open(&path).unwrap().execute_batch(gap).unwrap();
    let after = |id, id_max, limit| -> Vec<i64> {
        let readings = store.read(|reader| reader.after_id(id, id_max, limit)).unwrap();
        readings.iter().map(|reading| reading.id).collect()
    };
    assert_eq!(after(0, 100, 100), [1, 4, 5, 6]);
    assert_eq!(after(1, 5, 100), [4, 5]);
    assert_eq!(after(1, 100, 2), [4, 5]);
    assert_eq!(after(6, 100, 100), [] as [i64; 0]);
    let by_id = store.read(|reader| reader.readings(&[5, 2, 1])).unwrap();
    assert_eq!(by_id.iter().map(|reading| reading.id).collect::<Vec<_>>(), [5, 1]);
}

#[test]
fn one_store_has_one_writer_by_whatever_name() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("h.db");
    let store = open(&path);
    let (symlink, hard_link) = (directory.path().join("sym.db"), directory.path().join("hard.db"));
    std::os::unix::fs::symlink(&path, &symlink).unwrap();
    std::fs::hard_link(&path, &hard_link).unwrap();
    for name in [&path, &symlink, &hard_link] {
        let error = Store::open(name, Options { window: WINDOW }).err().unwrap();
        assert!(matches!(error, OpenError::InUse { .. }), "{error}");
        assert!(error.to_string().contains(&*name.to_string_lossy()), "{error}");
    }
    assert!(matches!(submit(&store, emission("b", -50), BASE), Outcome::Stored(_)));
    // Readers find the WAL by the name that it lies beside, and by no other.
    assert_eq!(Reader::open(&symlink).unwrap().newest_id().unwrap(), 1);
    assert!(matches!(Reader::open(&hard_link), Err(OpenError::HardLinks { links: 2, .. })));
    store.close();
    drop(store);
    // Two names, and the WAL would lie beside one of them only.
    let error = Store::open(&hard_link, Options { window: WINDOW }).err().unwrap();
    assert!(matches!(error, OpenError::HardLinks { links: 2, .. }), "{error}");
    std::fs::remove_file(&hard_link).unwrap();
    open(&symlink).close();
}

#[test]
fn what_is_no_store_is_refused_and_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let text = directory.path().join("text.db");
    std::fs::write(&text, "not a database, but longer than a header would be").unwrap();
    let foreign = directory.path().join("foreign.db");
    rusqlite::Connection::open(&foreign).unwrap().execute_batch("CREATE TABLE x(y)").unwrap();
    for path in [text, foreign] {
        let before = std::fs::read(&path).unwrap();
        for error in
            [Store::open(&path, Options { window: WINDOW }).err(), Reader::open(&path).err()]
        {
            let error = error.unwrap();
            assert!(matches!(error, OpenError::Foreign { .. }), "{error}");
        }
        assert_eq!(std::fs::read(&path).unwrap(), before);
    }
    let missing = directory.path().join("no/such.db");
    assert!(matches!(Reader::open(&missing), Err(OpenError::File { .. })));
    assert!(matches!(
        Store::open(&missing, Options { window: WINDOW }),
        Err(OpenError::File { .. })
    ));
}

/// A store as version 1 left it: see the test that opens it.
fn layout_1(directory: &Path) -> std::path::PathBuf {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR"));
    let fixture = fixture.join("../../tests/fixtures/store/layout-1.db");
    let path = directory.join("h.db");
    std::fs::copy(fixture, &path).unwrap();
    path
}

fn version(path: &Path) -> i64 {
    let db = rusqlite::Connection::open(path).unwrap();
    db.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap()
}

#[test]
fn an_older_store_is_read_as_it_is_and_served_as_a_new_one() {
    let directory = tempfile::tempdir().unwrap();
    let path = layout_1(directory.path());
    let before = std::fs::read(&path).unwrap();
    let mut reader = Reader::open(&path).unwrap();
    let readings = all(&mut reader, &Filter::default(), Order::OldestFirst, 3);
    assert_eq!(readings.len(), 7);
    drop(reader);
    assert_eq!(std::fs::read(&path).unwrap(), before, "who reads changes nothing");
    assert_eq!(version(&path), 1);

    for _ in 0..2 {
        let store = open(&path);
        let served = store
            .read(|reader| Ok(all(reader, &Filter::default(), Order::OldestFirst, 3)))
            .unwrap();
        assert_eq!(served, readings);
        let last_heard: Vec<_> = store
            .pis_heard(&["32", "33", "34", "35"])
            .unwrap()
            .into_iter()
            .map(|pi| pi.last_heard.map(|t| t.to_string()))
            .collect();
        let want = [
            Some("2026-11-23T18:59:59.999Z"),
            Some("2026-11-24T12:00:00.000Z"),
            Some("2026-01-01T00:00:00.000Z"),
            None,
        ];
        assert_eq!(last_heard, want.map(|t| t.map(str::to_owned)));
        let copy = readings[1].emission.clone();
        assert_eq!(submit(&store, copy, readings[1].heard_at.0), Outcome::Duplicate);
        drop(store);
        assert_eq!(version(&path), 2);
    }
    // As a new one, to the letter.
    let new = directory.path().join("new.db");
    open(&new).close();
    let layout = |path: &Path| -> Vec<(String, Option<String>)> {
        let db = rusqlite::Connection::open(path).unwrap();
        let mut select = db.prepare("SELECT name, sql FROM sqlite_schema ORDER BY name").unwrap();
        let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        rows.collect::<Result<_, _>>().unwrap()
    };
    assert_eq!(layout(&path), layout(&new));
}

#[test]
fn a_newer_store_is_refused_and_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("h.db");
    open(&path).close();
    for newer in [3, 1_000] {
        let db = rusqlite::Connection::open(&path).unwrap();
        db.execute_batch(&format!("PRAGMA user_version = {newer}")).unwrap();
        drop(db);
        for error in
            [Store::open(&path, Options { window: WINDOW }).err(), Reader::open(&path).err()]
        {
            let error = error.unwrap().to_string();
            assert!(error.contains(&format!("version {newer}, and this program knows")), "{error}");
        }
        assert_eq!(version(&path), newer);
    }
}

/// What the store says of badges and Pis: when they were last heard, by whom.
fn heard(store: &Store) -> Vec<(String, Option<i64>, Vec<String>)> {
    let badges = store.badges_known().unwrap();
    let pis = store.pis_known().unwrap();
    assert!(!badges.truncated && !pis.truncated);
    let badges = store.badges_heard(&badges.ids.into_iter().collect::<Vec<_>>()).unwrap();
    let pis = store.pis_heard(&pis.ids.into_iter().collect::<Vec<_>>()).unwrap();
    let after_base = |t: Option<Millis>| t.map(|t| t.0 - BASE);
    let badges = badges.into_iter().map(|badge| {
        let by = badge.relays.iter().map(|relay| relay.pi_id.to_string()).collect();
        (badge.badge_id, after_base(badge.last_heard), by)
    });
    let pis = pis.into_iter().map(|pi| (pi.pi_id.to_string(), after_base(pi.last_heard), vec![]));
    badges.chain(pis).collect()
}

#[test]
fn who_was_heard_is_known_over_a_restart() {
    // The clock is the real one, so what is heard is heard before now.
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("h.db");
    let by = |pi: &'static str, badge: &str, rssi_dbm: i8| {
        let mut emission = emission(badge, rssi_dbm);
        emission.pi_id = Cow::Borrowed(pi);
        emission
    };
    let store = open(&path);
    let t = store.arrival().wall.0 - 100_000_000;
    let send = |pi, badge, rssi_dbm, after_ms| {
        submit(&store, by(pi, badge, rssi_dbm), t + after_ms);
    };
    send("p1", "b1", -50, 0);
    send("p2", "b1", -50, 10);
    send("p1", "b1", -51, 5_000);
    send("p2", "b1", -51, 5_010);
    send("p1", "b2", -50, 60_000);
    // Late: moves nothing back.
    send("p1", "b2", -50, -3_600_000);
    send("p3", "b1", -51, 5_020);
    let t = t - BASE;
    let strings = |list: &[&str]| list.iter().map(|&s| s.to_owned()).collect::<Vec<_>>();
    let mut want = vec![
        ("b1".to_owned(), Some(t + 5_020), strings(&["p1", "p2", "p3"])),
        ("b2".to_owned(), Some(t + 60_000), strings(&["p1"])),
        ("p1".to_owned(), Some(t + 60_000), vec![]),
        ("p2".to_owned(), Some(t + 5_010), vec![]),
        ("p3".to_owned(), Some(t + 5_020), vec![]),
    ];
    assert_eq!(heard(&store), want);
    drop(store);

    let store = open(&path);
    // Of badges, what was stored; of Pis, also what they heard second.
    want[0] = ("b1".to_owned(), Some(t + 5_000), strings(&["p1"]));
    assert_eq!(heard(&store), want);
    assert_eq!(heard(&store), want, "asked again");
    let badge = &store.badges_heard(&["b1"]).unwrap()[0];
    assert_eq!(badge.beacons, by("", "", -51).beacons);
    // A replay from before the restart hides nothing that is newer.
    drop(store);
    let store = open(&path);
    submit(&store, by("p2", "b2", -50), t + BASE);
    want[1].2 = strings(&["p1", "p2"]);
    assert_eq!(heard(&store), want);
}

#[test]
fn a_time_that_has_not_come_is_not_believed_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("h.db");
    let store = open(&path);
    let now = store.arrival().wall.0;
    let hour = now / 3_600_000 * 3_600_000;
    // Under a clock that was wrong, and before that: two hours ago, and in the
    // first moment of this hour.
    for (badge, before) in [("b1", hour - 7_200_000 + 59 * 60_000 + 59_999), ("b2", hour)] {
        for t in [now + 86_400_000, before, now + 3_600_000, now + 1_800_000, before - 100_000] {
            stored(submit(&store, emission(badge, -50), t));
        }
    }
    stored(submit(&store, emission("b3", -50), now + 86_400_000));
    drop(store);
    let store = open(&path);
    let heard = store.badges_heard(&["b1", "b2", "b3"]).unwrap();
    let heard: Vec<_> = heard.iter().map(|badge| badge.last_heard.map(|t| t.0 - hour)).collect();
    assert_eq!(heard, [Some(59 * 60_000 + 59_999 - 7_200_000), Some(0), None]);
}

#[test]
fn the_view_shows_what_a_query_shows() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("h.db");
    let store = open(&path);
    let mut wide = emission("badge_1", -127);
    wide.beacons.insert(0, Beacon { id: Cow::Borrowed("say \"hi\""), rssi_dbm: -1 });
    wide.opposite_badge_id = Some(Cow::Borrowed("badge_9"));
    let mut none = emission("badge_2", -1);
    none.beacons.clear();
    let readings = [wide, none].map(|emission| stored(submit(&store, emission, BASE + 42)));
    store.close();
    drop(store);
    // A beacon whose number needs more than two bytes.
    let db = rusqlite::Connection::open(&path).unwrap();
    db.execute_batch(
        "INSERT INTO beacon(id, house, name) VALUES (70000, 1, 'far');
         UPDATE reading SET beacons = CAST(x'b900011170' || beacons AS BLOB) WHERE id = 1;",
    )
    .unwrap();
    for reading in readings {
        let (heard_at, beacons, opposite): (String, String, Option<String>) = db
            .query_row(
                "SELECT heard_at, beacons, opposite_badge_id FROM readings WHERE id = ?1",
                [reading.id],
                |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
            )
            .unwrap();
        assert_eq!(heard_at, reading.heard_at.to_string());
        assert_eq!(opposite.as_deref(), reading.emission.opposite_badge_id.as_deref());
        let want = if reading.id == 1 { r#"{"far":-57,"say \"hi\"":-1,"b1":-127}"# } else { "{}" };
        assert_eq!(beacons, want);
    }
}

#[test]
fn a_closed_store_takes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory.path().join("h.db"));
    assert_eq!(store.health(), Health::Ready);
    store.close();
    assert!(matches!(submit(&store, emission("b", -50), BASE), Outcome::Refused(_)));
    assert!(store.read(|reader| reader.newest_id()).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// Any sequence of emissions, with restarts anywhere, stores what a list
    /// compared one by one would store.
    #[test]
    fn any_sequence_stores_what_a_plain_list_would(
        steps in proptest::collection::vec((0_u8..3, 0_i64..40_000, prop::bool::weighted(0.05)), 1..150),
    ) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("h.db");
        let mut store = open(&path);
        let mut model: Vec<(u8, i64)> = Vec::new();
        for (badge, offset, restart) in steps {
            if restart {
                store.close();
                drop(store);
                store = open(&path);
            }
            let is_new = !model.iter().any(|(b, o)| *b == badge && o.abs_diff(offset) < 4_500);
            let outcome = submit(&store, emission(&format!("badge_{badge}"), -50), BASE + offset);
            prop_assert_eq!(matches!(outcome, Outcome::Stored(_)), is_new);
            if is_new {
                model.push((badge, offset));
            }
        }
        let rows = store.read(|reader| reader.page(&Filter::default(), Order::OldestFirst, None, 1_000)).unwrap();
        let ids: HashSet<i64> = rows.iter().map(|reading| reading.id).collect();
        prop_assert_eq!(ids.len(), model.len());
    }
}
