//! A service that keeps its promise, in few words, and whatever may befall it: the judge has nothing
//! against it, and finds each reading that is taken from it.

use std::time::Duration;

use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::results::Record;
use crate::targets::Target;

const WINDOW_MS: i64 = 4_500;
const BADGES: u64 = 3;

/// What becomes of a sending.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fate {
    Answered,
    /// The service does what it does, and nobody hears of it.
    AnswerLost,
    /// The service does nothing.
    Refused,
}

/// A sending: its badge, when it is due, how long until it arrives, and until its answer comes.
#[derive(Debug, Clone)]
struct Sending {
    badge: u64,
    due_ms: i64,
    way_ms: i64,
    back_ms: i64,
    fate: Fate,
}

fn any_sending() -> impl Strategy<Value = Sending> {
    let fate = prop_oneof![
        8 => Just(Fate::Answered),
        1 => Just(Fate::AnswerLost),
        1 => Just(Fate::Refused),
    ];
    // Most are quick, some wait for longer than a window.
    let way = prop_oneof![4 => 0i64..5, 1 => 0i64..12_000];
    (0..BADGES, 0i64..20_000, way, 0i64..50, fate).prop_map(
        |(badge, due_ms, way_ms, back_ms, fate)| Sending { badge, due_ms, way_ms, back_ms, fate },
    )
}

fn emission(badge: u64) -> Value {
    json!({"badge_id": badge.to_string(), "pi_id": "p", "beacons": {}})
}

/// What the service stores of these, and the results of an attack with them; with the answers'
/// bodies or without.
fn play(sendings: &[Sending], with_bodies: bool) -> (Vec<Value>, Vec<Record>) {
    let mut arrivals: Vec<(usize, &Sending)> = sendings.iter().enumerate().collect();
    arrivals.sort_by_key(|(_, sending)| sending.due_ms + sending.way_ms);
    let mut stored: Vec<(u64, i64, Value)> = Vec::new();
    let mut results = Vec::new();
    for (seq, Sending { badge, due_ms, way_ms, back_ms, fate }) in arrivals {
        let t_ms = due_ms + way_ms;
        let is_copy = stored
            .iter()
            .any(|(of, at_ms, _)| of == badge && at_ms.abs_diff(t_ms) < WINDOW_MS as u64);
        let mut body = None;
        if !is_copy && *fate != Fate::Refused {
            let mut reading = emission(*badge);
            reading["id"] = (stored.len() + 1).into();
            let at = Timestamp::from_millisecond(t_ms).unwrap();
            reading["heard_at"] = format!("{at:.3}").into();
            body = Some(reading.to_string().into_bytes()).filter(|_| with_bodies);
            stored.push((*badge, t_ms, reading));
        }
        results.push(Record {
            seq: seq as u64,
            code: match fate {
                Fate::Answered if is_copy => 409,
                Fate::Answered => 201,
                Fate::AnswerLost => 0,
                Fate::Refused => 503,
            },
            timestamp: Timestamp::from_millisecond(*due_ms).unwrap(),
            latency: Duration::from_millis((way_ms + back_ms).unsigned_abs()),
            body: body.filter(|_| *fate == Fate::Answered),
            slip: Some(Duration::ZERO),
            ..Record::default()
        });
    }
    (stored.into_iter().map(|(_, _, reading)| reading).collect(), results)
}

fn verdict(sendings: &[Sending], stored: &[Value], results: &[Record]) -> Verdict {
    let target = |sending: &Sending| Target {
        method: "POST".into(),
        url: "http://a/".parse().unwrap(),
        headers: Vec::new(),
        body: emission(sending.badge).to_string().into_bytes().into(),
    };
    let targets: Vec<_> = sendings.iter().map(target).collect();
    let mut answers = Answers::new(&targets).unwrap();
    results.iter().for_each(|result| answers.add(result));
    let window = Duration::from_millis(WINDOW_MS as u64);
    let mut comparison = Comparison::new(answers, window);
    for reading in stored {
        comparison.add(reading.to_string().as_bytes()).unwrap();
    }
    comparison.verdict()
}

proptest! {
    #[test]
    fn an_honest_service_is_accused_of_nothing(
        sendings in prop::collection::vec(any_sending(), 0..60), with_bodies: bool,
    ) {
        let (stored, results) = play(&sendings, with_bodies);
        let verdict = verdict(&sendings, &stored, &results);
        prop_assert!(verdict.is_kept(), "{}", verdict);
        prop_assert_eq!((verdict.wrong_time.count, verdict.others), (0, 0), "{}", verdict);
        let of = |fate| sendings.iter().filter(|sending| sending.fate == fate).count() as u64;
        prop_assert!(verdict.unacknowledged.count <= of(Fate::AnswerLost), "{}", verdict);
        prop_assert!(verdict.missing.count <= of(Fate::Refused), "{}", verdict);
        let is_slow = |sending: &Sending| sending.way_ms + sending.back_ms > 0;
        if !sendings.iter().any(is_slow) {
            prop_assert_eq!(verdict.late.count, 0, "{}", verdict);
        }
    }

    #[test]
    fn a_reading_that_was_acknowledged_and_is_gone_is_lost(
        sendings in prop::collection::vec(any_sending(), 1..60), which: prop::sample::Index,
    ) {
        let (mut stored, results) = play(&sendings, true);
        let acknowledged: Vec<usize> = (0..stored.len())
            .filter(|at| {
                let body = stored[*at].to_string().into_bytes();
                results.iter().any(|result| result.body.as_ref() == Some(&body))
            })
            .collect();
        prop_assume!(!acknowledged.is_empty());
        stored.remove(acknowledged[which.index(acknowledged.len())]);
        let verdict = verdict(&sendings, &stored, &results);
        prop_assert_eq!(verdict.lost.count, 1, "{}", verdict);
    }
}
