//! Lies, one by one, each by its name.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::*;
use crate::results::Record;
use crate::targets::Target;

const WINDOW: Duration = Duration::from_millis(4_500);

fn target(body: &Value) -> Target {
    Target {
        method: "POST".into(),
        url: "http://a/".parse().unwrap(),
        headers: Vec::new(),
        body: body.to_string().into_bytes().into(),
    }
}

fn emission(badge: &str) -> Value {
    json!({"badge_id": badge, "pi_id": "p", "beacons": {"b": -50}})
}

/// A stored reading.
fn reading(id: i64, badge: &str, at_ms: i64) -> Value {
    let mut reading = emission(badge);
    reading["id"] = id.into();
    let at = Timestamp::from_millisecond(at_ms).unwrap();
    reading["heard_at"] = format!("{at:.3}").into();
    reading
}

/// The result of request `seq`, sent then and answered 5 ms later.
fn result(seq: u64, code: u16, body: Option<&Value>, at_ms: i64) -> Record {
    Record {
        seq,
        code,
        timestamp: Timestamp::from_millisecond(at_ms).unwrap(),
        latency: Duration::from_millis(5),
        body: body.map(|body| body.to_string().into_bytes()),
        slip: Some(Duration::ZERO),
        ..Record::default()
    }
}

/// Of a plan with the badges `a` and `b`.
fn verdict(results: &[Record], stored: &[Value]) -> Verdict {
    verdict_of(&[emission("a"), emission("b")], results, stored)
}

fn verdict_of(plan: &[Value], results: &[Record], stored: &[Value]) -> Verdict {
    let targets: Vec<_> = plan.iter().map(target).collect();
    let mut answers = Answers::new(&targets).unwrap();
    results.iter().for_each(|result| answers.add(result));
    let mut comparison = Comparison::new(answers, WINDOW);
    for reading in stored {
        comparison.add(reading.to_string().as_bytes()).unwrap();
    }
    comparison.verdict()
}

/// Lost, twice, without an original, stored but not acknowledged.
fn counts(verdict: &Verdict) -> [u64; 4] {
    let [lost, twice, without_original, unacknowledged, ..] =
        verdict.found().map(|(_, found, _)| found.count);
    assert_eq!(verdict.is_kept(), [lost, twice, without_original] == [0, 0, 0]);
    [lost, twice, without_original, unacknowledged]
}

/// 201 for `a` and for `b`, with the reading in the answer or without, and a copy of `a`.
fn honest(with_body: bool) -> Vec<Record> {
    let body = |reading| Some(reading).filter(|_| with_body);
    vec![
        result(0, 201, body(&reading(1, "a", 1_003)), 1_000),
        result(1, 201, body(&reading(2, "b", 1_004)), 1_001),
        result(2, 409, None, 5_495),
    ]
}

#[test]
fn a_kept_promise_is_kept() {
    let stored = [reading(1, "a", 1_003), reading(2, "b", 1_004)];
    for with_body in [true, false] {
        let verdict = verdict(&honest(with_body), &stored);
        assert_eq!(counts(&verdict), [0, 0, 0, 0], "{verdict}");
        assert_eq!((verdict.created, verdict.copies, verdict.readings), (2, 1, 2));
    }
    assert_eq!(counts(&verdict(&[], &[])), [0; 4]);
}

#[test]
fn acknowledged_and_not_stored_is_lost() {
    let (a, b) = (reading(1, "a", 1_003), reading(2, "b", 1_004));
    for with_body in [true, false] {
        let results = honest(with_body);
        assert_eq!(counts(&verdict(&results, std::slice::from_ref(&a))), [1, 0, 0, 0]);
        // Its copy then has no original.
        assert_eq!(counts(&verdict(&results, std::slice::from_ref(&b))), [1, 0, 1, 0]);
    }
    // A window away it is another one.
    let late = reading(2, "b", 1_001 + 6 + 4_500);
    assert_eq!(counts(&verdict(&honest(false), &[a.clone(), late])), [1, 0, 0, 1]);
    // Stored, but with other words than in the answer; or as that of another badge.
    let mut other = b.clone();
    other["pi_id"] = "q".into();
    assert_eq!(counts(&verdict(&honest(true), &[a.clone(), other])), [1, 0, 0, 0]);
    let exchanged = [result(0, 201, Some(&b), 1_000)];
    assert_eq!(counts(&verdict(&exchanged, std::slice::from_ref(&b))), [1, 0, 0, 0]);
    // vegeta's numbers are not so sure.
    let unsure = [Record { slip: None, ..exchanged[0].clone() }];
    assert_eq!(counts(&verdict(&unsure, &[b])), [0; 4]);
}

#[test]
fn one_emission_stored_twice_and_one_reading_acknowledged_twice_are_twice() {
    let (a, b) = (reading(1, "a", 1_003), reading(2, "b", 1_004));
    let again = reading(3, "a", 1_003 + 4_499);
    for with_body in [true, false] {
        let stored = [a.clone(), b.clone(), again.clone()];
        let verdict = verdict(&honest(with_body), &stored);
        assert_eq!(counts(&verdict), [0, 1, 0, 1], "{verdict}");
    }
    let later = reading(3, "a", 1_003 + 4_500);
    let results = [honest(true), vec![result(2, 201, Some(&later), 5_500)]].concat();
    assert_eq!(counts(&verdict(&results, &[a.clone(), b.clone(), later])), [0; 4]);
    for body in [Some(&a), None] {
        let results = [honest(body.is_some()), vec![result(2, 201, body, 1_500)]].concat();
        let verdict = verdict(&results, &[a.clone(), b.clone()]);
        assert_eq!(counts(&verdict), [0, 1, 0, 0], "{verdict}");
    }
}

#[test]
fn a_copy_of_nothing_has_no_original() {
    let (a, b) = (reading(1, "a", 1_003), reading(2, "b", 1_004));
    // A window after its original, or before it; at the edge it is one.
    for (at_ms, found) in [(5_503, 1), (5_502, 0), (-3_504, 1), (-3_502, 0)] {
        let results = [&honest(true)[..2], &[result(2, 409, None, at_ms)]].concat();
        let verdict = verdict(&results, &[a.clone(), b.clone()]);
        assert_eq!(counts(&verdict), [0, 0, found, 0], "at {at_ms}: {verdict}");
    }
    let results = [result(0, 201, Some(&a), 1_000), result(1, 409, None, 1_001)];
    assert_eq!(counts(&verdict(&results, &[a])), [0, 0, 1, 0]);
}

#[test]
fn a_time_of_its_own_counts() {
    let mut timed = emission("a");
    timed["heard_at"] = 1_000_000_000_000_i64.into();
    let old = reading(1, "a", 1_000_000_000_000);
    let sent_ms = 1_700_000_000_000;
    let results = [result(0, 201, Some(&old), sent_ms), result(1, 409, None, sent_ms)];
    let plan = [timed.clone(), timed.clone()];
    assert_eq!(counts(&verdict_of(&plan, &results, &[old])), [0; 4]);
    // Stored under the time of its arrival, and by a millisecond too late.
    let wrong = reading(1, "a", sent_ms);
    assert_eq!(counts(&verdict_of(&plan, &[result(0, 201, None, sent_ms)], &[wrong]))[0], 1);
    let wrong = reading(1, "a", 1_000_000_000_001);
    let results = [result(0, 201, Some(&wrong), sent_ms)];
    assert_eq!(counts(&verdict_of(&plan, &results, &[wrong])), [1, 0, 0, 0]);
}

#[test]
fn one_that_is_heard_before_it_is_sent_or_after_its_answer_has_a_wrong_time() {
    // It was answered at 1,005 ms.
    for (t_ms, found) in [(999, 1), (1_000, 0), (1_006, 0), (1_007, 1)] {
        let a = reading(1, "a", t_ms);
        let verdict = verdict(&[result(0, 201, Some(&a), 1_000)], &[a]);
        assert_eq!(verdict.wrong_time.count, found, "at {t_ms}: {verdict}");
        // As it is, too, if the clocks differ; so it breaks no promise.
        assert_eq!(counts(&verdict), [0; 4]);
    }
    let mut ago = emission("a");
    ago["age_ms"] = 10_000.into();
    for (t_ms, found) in [(10_000, 0), (10_007, 1)] {
        let a = reading(1, "a", t_ms);
        let results = [result(0, 201, Some(&a), 20_000)];
        let verdict = verdict_of(std::slice::from_ref(&ago), &results, &[a]);
        assert_eq!(verdict.wrong_time.count, found, "at {t_ms}: {verdict}");
    }
}

/// A sending of `a`, due at 5,000 ms, that arrived later, in a second round of the plan.
fn due_at_5_000(arrived_ms: i64, body: Option<&Value>) -> Record {
    Record {
        latency: Duration::from_millis(arrived_ms.abs_diff(5_000)),
        slip: Some(Duration::from_micros(512_345)),
        ..result(2, 201, body, 5_000)
    }
}

#[test]
fn copies_that_come_after_the_window_are_late_and_new() {
    let (a, b, again) =
        (reading(1, "a", 1_003), reading(2, "b", 1_004), reading(3, "a", 1_003 + 4_500));
    for body in [Some(&again), None] {
        let mut results = honest(body.is_some());
        results[2] = due_at_5_000(5_510, body);
        results.push(result(4, 409, None, 5_520));
        let verdict = verdict(&results, &[a.clone(), b.clone(), again.clone()]);
        assert_eq!((counts(&verdict), verdict.late.count), ([0; 4], 1), "{verdict}");
        let said = verdict.to_string();
        let want = "\
late         1 (201, for it came over a window after what it was to be a copy of)
             request 2, badge `a`, of 1970-01-01T00:00:05.000Z: 201, for it came 4.5s after reading 1, and left 512.345ms late
";
        assert!(said.ends_with(want), "{said}");
        // Stored although the window was not over.
        let near = reading(3, "a", 1_003 + 4_499);
        results[2] = due_at_5_000(5_510, body.map(|_| &near));
        let verdict = self::verdict(&results, &[a.clone(), b.clone(), near]);
        assert_eq!((counts(&verdict), verdict.late.count), ([0, 1, 0, 0], 0), "{verdict}");
    }
    // Its original came after it.
    let first = Record { latency: Duration::from_secs(9), ..result(0, 201, None, 1_000) };
    let stored = [reading(1, "a", 5_001), b.clone(), reading(3, "a", 9_999)];
    let results = [first, result(1, 201, None, 1_001), result(2, 201, None, 5_000)];
    let verdict = verdict(&results, &stored);
    assert_eq!((counts(&verdict), verdict.late.count), ([0; 4], 1), "{verdict}");
    // And another one, of which it would have been no copy in time.
    let first = Record { latency: Duration::from_secs(19), ..result(0, 201, None, 1_000) };
    let stored = [reading(1, "a", 10_001), b, reading(3, "a", 19_999)];
    let results = [first, result(1, 201, None, 1_001), result(2, 201, None, 10_000)];
    let verdict = self::verdict(&results, &stored);
    assert_eq!((counts(&verdict), verdict.late.count), ([0; 4], 0), "{verdict}");
}

#[test]
fn a_badge_that_rests_is_not_late_whatever_the_clock_of_the_service() {
    let results: Vec<_> = (0..4).map(|n| result(n, 201, None, n as i64 * 5_000)).collect();
    for ahead_ms in [-3_000, 0, 3_000] {
        let stored: Vec<_> = (0..4).map(|n| reading(n, "a", n * 5_000 + 1 + ahead_ms)).collect();
        let verdict = verdict_of(&[emission("a")], &results, &stored);
        assert_eq!((counts(&verdict), verdict.late.count), ([0; 4], 0), "{verdict}");
    }
}

#[test]
fn what_is_refused_is_missing_until_something_like_it_is_stored() {
    let refused = [result(0, 503, None, 1_000), result(1, 503, None, 1_000)];
    let a = reading(1, "a", 5_499);
    let results = [&refused[..], &[result(2, 201, Some(&a), 5_495)]].concat();
    let verdict = verdict(&results, &[a]);
    assert_eq!((counts(&verdict), verdict.missing.count), ([0; 4], 1), "{verdict}");
    let told = &verdict.missing.examples[0];
    assert!(told.starts_with("request 1, badge `b`, of 1970-01-01T00:00:01.000Z: "), "{told}");
}

#[test]
fn what_was_not_acknowledged_may_be_stored_or_not() {
    let lost_answer = Record { error: "reset: x".into(), ..result(0, 0, None, 1_000) };
    let unsent = Record { error: "unsent: x".into(), ..result(3, 0, None, 1_000) };
    let results = [lost_answer, result(1, 503, None, 1_000), unsent];
    let plan = ["a", "b", "c", "d"].map(emission);
    // Of another run, or of nobody's.
    let others = [reading(8, "a", 900_000), reading(9, "z", 1_000)];
    let stored = [&[reading(1, "a", 1_003)], &others[..]].concat();
    let verdict = verdict_of(&plan, &results, &stored);
    assert_eq!(counts(&verdict), [0, 0, 0, 1], "{verdict}");
    let expected = "\
emissions    4: 0 × 201, 0 × 409
             1 × 503, refused
             1 without an answer, unknown
             1 not sent
             1 without a result, unknown
stored       1 readings
             and 2 of other emissions or other times
lost         0 (201, but not stored)
twice        0 (one reading, two 201; or stored twice)
no original  0 (409, but nothing that it is a copy of)
unconfirmed  1 (stored, but not acknowledged)
             reading 1, at 1970-01-01T00:00:01.003Z
missing      1 (not acknowledged, and nothing like it is stored)
             request 1, badge `b`, of 1970-01-01T00:00:01.000Z: not acknowledged, and nothing like it is stored
";
    assert_eq!(verdict.to_string(), expected);
}

#[test]
fn results_that_are_none_or_there_twice_are_no_results() {
    let check = |results: &[Record]| {
        let mut answers = Answers::new(&[target(&emission("a"))]).unwrap();
        results.iter().for_each(|result| answers.add(result));
        answers.check().map_err(|error| error.to_string())
    };
    assert_eq!(check(&[]), Err("expected results, found none".to_owned()));
    let results = honest(true);
    assert_eq!(check(&results), Ok(()));
    let twice = [&results[..], &results[1..]].concat();
    let error = "expected each result once, found that of request 1 of 1970-01-01T00:00:01.001Z twice: is a file given twice?";
    assert_eq!(check(&twice), Err(error.to_owned()));
    // Those of another generator, and of a second attack with the same plan.
    let other = Record { attack: "other".into(), ..results[1].clone() };
    let again = result(1, 201, None, 2_001);
    assert_eq!(check(&[&results[..], &[other, again]].concat()), Ok(()));
}

#[test]
fn what_follows_from_what_is_noted() {
    let (a, b) = (reading(1, "a", 1_003), reading(2, "b", 1_004));
    let notes = |results: &[Record], stored: &[Value]| verdict(results, stored).notes;
    assert_eq!(notes(&honest(true), &[a.clone(), b.clone()]), [""; 0]);
    assert_eq!(
        notes(&honest(true), std::slice::from_ref(&b)),
        ["1 of the 1 without an original are copies of what is lost"]
    );
    let again = reading(3, "a", 2_000);
    assert_eq!(
        notes(&honest(true), &[a.clone(), b.clone(), again]),
        ["1 of the 1 unconfirmed are what was stored twice"]
    );
    // Targets of another plan; with bodies in the answers and without.
    let plan = ["x", "y"].map(emission);
    for with_body in [true, false] {
        let verdict = verdict_of(&plan, &honest(with_body)[..2], &[a.clone(), b.clone()]);
        assert_eq!(verdict.lost.count, 2);
        assert!(verdict.notes[0].starts_with("nearly all 201 are of other emissions"), "{verdict}");
        assert!(verdict.to_string().contains("\nnote: nearly all 201 "), "{verdict}");
    }
}

#[test]
fn that_it_is_not_sure_which_target_was_sent_is_noted() {
    let (a, b) = (reading(1, "a", 1_003), reading(2, "b", 1_004));
    let stored = [a.clone(), b.clone()];
    let without_slip = |results: Vec<Record>| -> Vec<Record> {
        results.into_iter().map(|result| Record { slip: None, ..result }).collect()
    };
    let note = "these results do not tell for sure which target was sent (CSV and vegeta's have no slip), so a 201 for another emission is not found";
    let exchanged = |slip| {
        let of =
            |seq, reading| Record { slip, ..result(seq, 201, Some(reading), 1_000 + seq as i64) };
        [of(0, &b), of(1, &a)]
    };
    // Bodies that are not there cannot be exchanged.
    for (results, expected) in [
        (honest(true), vec![]),
        (without_slip(honest(false)), vec![]),
        (without_slip(honest(true)), vec![note.to_owned()]),
    ] {
        let verdict = verdict(&results, &stored);
        assert_eq!((verdict.notes.clone(), verdict.is_kept()), (expected, true), "{verdict}");
    }
    assert!(!verdict(&exchanged(Some(Duration::ZERO)), &stored).is_kept());
    let plan = ["a", "b", "c"].map(emission);
    let results = [&exchanged(None)[..], &[Record { slip: None, ..result(2, 201, None, 1_002) }]];
    let verdict = verdict_of(&plan, &results.concat(), &[a, b, reading(3, "c", 1_003)]);
    let found = format!("{note}; 2 are of another one than their number says");
    assert_eq!((verdict.notes.as_slice(), verdict.is_kept()), (&[found][..], true), "{verdict}");
    // Targets of another plan.
    let plan = ["x", "y"].map(emission);
    let verdict = verdict_of(&plan, &without_slip(honest(true))[..2], &stored);
    assert!(verdict.notes[0].starts_with("nearly all 201 are of other emissions"), "{verdict}");
    assert!(verdict.notes[1].starts_with(note), "{verdict}");
}

#[test]
fn many_lies_are_counted_and_the_first_are_told() {
    let results: Vec<_> = (0..30).map(|n| result(n, 201, None, n as i64 * 10_000)).collect();
    let verdict = verdict(&results, &[]);
    assert_eq!((verdict.lost.count, verdict.lost.examples.len()), (30, EXAMPLES_MAX));
    let text = verdict.to_string();
    assert!(text.contains("\n             and 20 more\n"), "{text}");
    assert!(
        text.contains(
            "request 1, badge `b`, of 1970-01-01T00:00:10.000Z: 201, but it is not stored\n"
        ),
        "{text}"
    );
}

#[test]
fn what_is_no_emission_or_no_reading_is_named() {
    let targets = [target(&emission("a")), target(&json!({}))];
    let error = Answers::new(&targets).unwrap_err();
    assert_eq!(error.to_string(), "target 2: expected an emission as its body");
    assert!(std::error::Error::source(&error).is_some(), "{error:?}");

    let mut comparison = Comparison::new(Answers::new(&targets[..1]).unwrap(), WINDOW);
    let mut without_id = reading(1, "a", 0);
    without_id.as_object_mut().unwrap().remove("id");
    for (line, error) in [
        (emission("a").to_string(), "expected a stored reading with `heard_at`"),
        (without_id.to_string(), "expected a stored reading with `id`"),
        ("[]".to_owned(), "expected a stored reading: expected a JSON object, found \"[\""),
    ] {
        assert_eq!(comparison.add(line.as_bytes()).unwrap_err().to_string(), error);
    }
}
