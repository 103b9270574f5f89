use std::borrow::Cow;
use std::collections::BTreeSet;

use houseful_model::{Beacon, Heard as HeardAt};
use proptest::prelude::*;

use super::*;

const BASE: i64 = 1_800_000_000_000;
const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;

fn emission(badge: &str, pi: &str, strength: Option<i8>) -> Emission<'static> {
    Emission {
        badge_id: Cow::Owned(badge.to_owned()),
        pi_id: Cow::Owned(pi.to_owned()),
        beacons: vec![
            Beacon { id: Cow::Borrowed("küche"), rssi_dbm: -33 },
            Beacon { id: Cow::Borrowed("b1"), rssi_dbm: strength.unwrap_or(-57) },
        ],
        badge_strength: strength,
        position: None,
        motion: None,
        opposite_badge_id: None,
        heard: HeardAt::OnArrival,
    }
}

/// Both clocks, `ms` after the start.
fn at(ms: i64) -> Arrival {
    let mono_ms = 1_000 + ms.unsigned_abs();
    Arrival { wall: Millis(BASE + ms), mono_ms, at: std::time::Instant::now() }
}

fn counts(readings: u64, copies: u64) -> Counts {
    Counts { readings, copies }
}

/// One emission: after how long, how old, by which badge, Pi, and so on.
#[derive(Clone, Debug)]
struct Event {
    after_ms: i64,
    age_ms: i64,
    badge: u8,
    pi: u8,
    strength: Option<i8>,
    came: Came,
    /// By how much the wall clock steps before it.
    step_ms: i64,
}

fn event() -> impl Strategy<Value = Event> {
    let age_ms = prop_oneof![4 => Just(0), 1 => -50_000..0_i64, 2 => 0..2 * HOUR];
    let step_ms = prop_oneof![9 => Just(0), 1 => -400_000_000..400_000_000_i64];
    let came = prop_oneof![Just(Came::First), Just(Came::Second)];
    let strength = prop::option::of(-127..=-1_i8);
    (0..5 * MINUTE, age_ms, 0..3_u8, 0..3_u8, strength, came, step_ms).prop_map(
        |(after_ms, age_ms, badge, pi, strength, came, step_ms)| Event {
            after_ms,
            age_ms,
            badge,
            pi,
            strength,
            came,
            step_ms,
        },
    )
}

/// An emission as the model keeps it: by a clock that no step moves.
struct Kept {
    event: Event,
    steady_ms: i64,
    t: i64,
}

proptest! {
    #[test]
    fn it_knows_what_a_plain_list_knows(
        events in prop::collection::vec(event(), 1..60),
        later_ms in 0..2 * HOUR,
    ) {
        let activity = Activity::new(at(0));
        let (mut steady_ms, mut step_ms) = (0, 0);
        let mut list = Vec::new();
        for event in events {
            steady_ms += event.after_ms;
            step_ms += event.step_ms;
            let mut now = at(steady_ms);
            now.wall.0 += step_ms;
            let t = now.wall.0 - event.age_ms;
            let (badge, pi) = (format!("b{}", event.badge), format!("p{}", event.pi));
            activity.heard(&emission(&badge, &pi, event.strength), Millis(t), now, event.came);
            let age_ms = event.age_ms.max(0);
            list.push(Kept { steady_ms: steady_ms - age_ms, t: now.wall.0 - age_ms, event });
        }
        let mut now = at(steady_ms + later_ms);
        now.wall.0 += step_ms;

        // The newest, and of equal ones the last.
        let newest = |of: &dyn Fn(&&Kept) -> bool| list.iter().filter(of).max_by_key(|k| k.steady_ms);
        // How long ago a bucket of this length began; the wall clock at the
        // start is a whole number of them.
        let began = |bucket_ms: i64, buckets: i64, kept: &Kept| {
            let bucket = |ms: i64| (BASE + ms).div_euclid(bucket_ms);
            bucket(steady_ms + later_ms) - bucket(kept.steady_ms) < buckets
        };
        let count = |of: &dyn Fn(&Kept) -> bool| {
            let of = |came| list.iter().filter(|kept| kept.event.came == came && of(kept)).count() as u64;
            counts(of(Came::First), of(Came::Second))
        };
        for badge in 0..3 {
            let name = format!("b{badge}");
            let mine = |kept: &Kept| kept.event.badge == badge;
            let Some(last) = newest(&|kept| mine(kept)) else {
                prop_assert_eq!(activity.badge(&name, now), None);
                continue;
            };
            let got = activity.badge(&name, now).unwrap();
            prop_assert_eq!(got.last_heard, Some(Millis(last.t)));
            prop_assert_eq!(got.minute, count(&|kept| mine(kept) && began(5_000, 12, kept)));
            prop_assert_eq!(got.hour, count(&|kept| mine(kept) && began(MINUTE, 60, kept)));
            let by_minute: u64 = got.readings_by_minute.into_iter().map(u64::from).sum();
            prop_assert_eq!(by_minute, got.hour.readings);
            let best = list.iter().filter(|kept| mine(kept) && began(5 * MINUTE, 12, kept));
            prop_assert_eq!(got.badge_strength_best, best.filter_map(|kept| kept.event.strength).max());
            let read = newest(&|kept| mine(kept) && kept.event.came == Came::First);
            let beacons = read.map(|kept| emission("", "", kept.event.strength).beacons);
            prop_assert_eq!(got.beacons, beacons.unwrap_or_default());
            let relays: Vec<_> = (0..3)
                .filter_map(|pi| {
                    let both = |kept: &Kept| mine(kept) && kept.event.pi == pi;
                    let last = newest(&|kept| both(kept))?;
                    let hour = count(&|kept| both(kept) && began(5 * MINUTE, 12, kept));
                    Some(RelayHeard {
                        pi_id: Arc::from(format!("p{pi}")),
                        last_heard: Millis(last.t),
                        badge_strength: last.event.strength,
                        emissions_hour: hour.readings + hour.copies,
                    })
                })
                .collect();
            prop_assert_eq!(got.relays, relays);
        }
        let pis = activity.pis(now);
        for pi in 0..3 {
            let mine = |kept: &Kept| kept.event.pi == pi;
            let got = pis.iter().find(|got| *got.pi_id == *format!("p{pi}"));
            let Some(last) = newest(&|kept| mine(kept)) else {
                prop_assert_eq!(got, None);
                continue;
            };
            let got = got.unwrap();
            prop_assert_eq!(got.last_heard, Some(Millis(last.t)));
            prop_assert_eq!(got.minute, count(&|kept| mine(kept) && began(5_000, 12, kept)));
            prop_assert_eq!(got.hour, count(&|kept| mine(kept) && began(MINUTE, 60, kept)));
            let by_minute: u64 = got.emissions_by_minute.into_iter().sum();
            prop_assert_eq!(by_minute, got.hour.readings + got.hour.copies);
            let heard = list.iter().filter(|kept| mine(kept) && began(5 * MINUTE, 12, kept));
            let badges: BTreeSet<_> = heard.map(|kept| kept.event.badge).collect();
            prop_assert_eq!(got.badges_hour, badges.len() as u64);
        }
    }
}

#[test]
fn a_late_replay_makes_no_badge_look_alive() {
    let activity = Activity::new(at(0));
    for minutes in [600, 90, 59, 30] {
        let t = Millis(BASE - minutes * MINUTE);
        activity.heard(&emission("b", "p", None), t, at(0), Came::First);
    }
    let badge = activity.badge("b", at(0)).unwrap();
    assert_eq!(badge.last_heard, Some(Millis(BASE - 30 * MINUTE)));
    assert_eq!((badge.minute, badge.hour), (counts(0, 0), counts(2, 0)));
    assert_eq!((badge.readings_by_minute[0], badge.readings_by_minute[29]), (1, 1));
    assert_eq!(activity.pis(at(0))[0].last_heard, badge.last_heard);
}

#[test]
fn a_step_of_the_wall_clock_moves_nothing() {
    let activity = Activity::new(at(0));
    activity.heard(&emission("b", "p", None), Millis(BASE), at(0), Came::First);
    for step_ms in [400 * 24 * HOUR, -400 * 24 * HOUR] {
        let mut now = at(10_000);
        now.wall.0 += step_ms;
        assert_eq!(activity.badge("b", now).unwrap().minute.readings, 1);
        activity.heard(&emission("b", "p", None), now.wall, now, Came::Second);
        let badge = activity.badge("b", now).unwrap();
        assert_eq!(badge.last_heard, Some(now.wall), "the last heard, by whatever clock");
    }
    assert_eq!(activity.badge("b", at(20_000)).unwrap().minute, counts(1, 2));
    assert_eq!(activity.counting_since(at(20_000)), Millis(BASE));
}

#[test]
fn of_many_pis_those_that_heard_it_last_are_known() {
    let activity = Activity::new(at(0));
    for n in 0..40 {
        let now = at(n * 1_000);
        activity.heard(&emission("b", &format!("pi {n:02}"), None), now.wall, now, Came::Second);
    }
    // Too late to be one of them.
    activity.heard(&emission("b", "late", None), Millis(BASE), at(40_000), Came::First);
    let badge = activity.badge("b", at(40_000)).unwrap();
    let known: Vec<_> = badge.relays.iter().map(|relay| relay.pi_id.to_string()).collect();
    assert_eq!(known, (24..40).map(|n| format!("pi {n:02}")).collect::<Vec<_>>());
    assert_eq!(badge.hour, counts(1, 40));
}

#[test]
fn what_is_recalled_fills_the_past_and_hides_nothing_newer() {
    let activity = Activity::new(at(0));
    let stored = |age_ms: i64, pi: &str, strength| Reading {
        id: 1,
        heard_at: Millis(BASE - age_ms),
        emission: emission("b", pi, strength),
    };
    assert!(activity.is_incomplete("b"));
    let unknown = activity.recall("b", None, at(0));
    assert_eq!((&*unknown.badge_id, unknown.last_heard), ("b", None));
    assert_eq!(activity.badge("b", at(0)), None, "asked for, but never heard");

    // Heard only by a replay from before the start: the store may know better.
    let activity = Activity::new(at(0));
    let now = at(1_000);
    activity.heard(&emission("b", "p2", None), Millis(BASE - 2 * HOUR), now, Came::First);
    assert!(activity.is_incomplete("b"));
    activity.recall("b", Some(&stored(HOUR, "p1", Some(-40))), now);
    assert!(!activity.is_incomplete("b"));
    let badge = activity.badge("b", now).unwrap();
    assert_eq!(badge.last_heard, Some(Millis(BASE - HOUR)));
    assert_eq!(badge.beacons, emission("b", "", Some(-40)).beacons);
    let relays: Vec<_> =
        badge.relays.iter().map(|relay| (&*relay.pi_id, relay.badge_strength)).collect();
    assert_eq!(relays, [("p1", Some(-40)), ("p2", None)]);
    assert_eq!((badge.hour, badge.badge_strength_best), (counts(0, 0), None), "not counted");

    // Heard since the start: whatever the store has is older.
    activity.heard(&emission("b", "p2", None), now.wall, now, Came::Second);
    activity.recall("b", Some(&stored(1, "p1", None)), now);
    assert_eq!(activity.badge("b", now).unwrap().last_heard, Some(now.wall));
    activity.heard(&emission("live", "p2", None), now.wall, now, Came::Second);
    assert!(!activity.is_incomplete("live"));
}

#[test]
fn pis_are_noted_when_new_and_when_changed() {
    let activity = Activity::new(at(0));
    let hear = |pi: &str, ms| {
        let now = at(ms);
        activity.heard(&emission("b", pi, None), now.wall, now, Came::Second);
    };
    let note = |pi: &str, ms: i64| PiNote { pi_id: Arc::from(pi), t: Millis(BASE + ms) };
    assert_eq!((activity.pis_to_note(true), activity.pis_new()), (vec![], 0));
    hear("p1", 0);
    let notes = activity.pis_to_note(false);
    assert_eq!((&*notes, activity.pis_new()), (&[note("p1", 0)][..], 1));
    hear("p1", 1_000);
    activity.noted(&notes);
    assert_eq!(activity.pis_to_note(false), []);
    let notes = activity.pis_to_note(true);
    assert_eq!(notes, [note("p1", 1_000)]);
    activity.noted(&notes);
    assert_eq!((activity.pis_to_note(true), activity.pis_new()), (vec![], 1));
    hear("p2", 2_000);
    hear("p1", 2_000);
    assert_eq!(activity.pis_to_note(false), [note("p2", 2_000)]);
    assert_eq!((activity.pis_to_note(true).len(), activity.pis_new()), (2, 2));
}
