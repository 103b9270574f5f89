use std::time::Duration;

use proptest::prelude::*;

use super::{Pacer, PacerError, Schedule};
use crate::rate::{Frequency, Rate};

const DAY_S: u64 = 86_400;

fn pacer(rate: &str, seconds: u64) -> Pacer {
    Pacer::new(rate.parse().unwrap(), Some(Duration::from_secs(seconds))).unwrap()
}

fn steps(rate: &str) -> Pacer {
    Pacer::new(rate.parse().unwrap(), None).unwrap()
}

#[test]
fn sends_exactly_what_was_asked() {
    for (rate, seconds, total) in [
        ("400", 60, 24_000),
        ("400", 1, 400),
        ("1", 1, 1),
        ("1/1m", 59, 0),
        ("1/1m", 60, 1),
        ("7/3s", 60, 140),
        ("3/7s", 60, 25),
        ("333", DAY_S, 28_771_200),
        ("1000000", DAY_S, 86_400_000_000),
        ("1/7ns", 1, 142_857_142),
        ("linear(0, 100)", 1, 50),
        ("linear(0, 100)", 60, 3_000),
        ("linear(100, 0)", 60, 3_000),
        ("linear(100, 300)", DAY_S, 17_280_000),
        ("linear(0, 1000000)", DAY_S, 43_200_000_000),
        ("linear(1000000, 1)", DAY_S, 43_200_043_200),
        ("linear(7/3s, 1/1m)", 3_600, 4_230),
        ("linear(0, 1)", 1, 0),
        ("linear(400, 400)", 60, 24_000),
        ("sine(100, 50, 10s)", 10, 1_000),
        ("sine(100, 100, 10s)", 60, 6_000),
        ("sine(100, 0, 10s)", 1, 100),
        // Half a wave more, with all that it is above its mean: 100 × 5 + 50 × 10 / π.
        ("sine(100, 50, 10s)", 5, 659),
        ("sine(333, 111, 7s)", DAY_S, 28_771_246),
        ("sine(1000000, 1000000, 1m)", DAY_S, 86_400_000_000),
    ] {
        let pacer = pacer(rate, seconds);
        assert_eq!(pacer.requests_total(), Some(total), "{rate} for {seconds} s");
        assert_eq!(pacer.due(total, Duration::ZERO), None, "{rate} for {seconds} s");
        if let Some(last) = total.checked_sub(1) {
            let due = pacer.due(last, Duration::ZERO).expect("the last one is part of the plan");
            assert!(due <= Duration::from_secs(seconds), "{rate} for {seconds} s: {due:?}");
        }
    }
    for (rate, total) in [
        ("100/s for 30s, 200/s for 30s", 9_000),
        ("1/m for 59s, 1/m for 60s", 1),
        ("1000000 for 12h, 1 for 12h", 43_200_043_200),
    ] {
        let pacer = steps(rate);
        assert_eq!(pacer.requests_total(), Some(total), "{rate}");
        assert!(pacer.due(total - 1, Duration::ZERO) <= pacer.duration(), "{rate}");
        assert_eq!(pacer.due(total, Duration::ZERO), None, "{rate}");
    }
}

/// When single requests are due, in nanoseconds, to the nanosecond or as near as is said.
#[test]
fn each_request_has_its_time() {
    let s = 1_000_000_000;
    for (rate, seconds, sent, due_ns, off_ns_max) in [
        ("3", DAY_S, 0, 333_333_333, 0),
        ("3", DAY_S, 1, 666_666_666, 0),
        ("3", DAY_S, 3 * 3_600 - 1, 3_600 * s, 0),
        ("3", DAY_S, 3 * DAY_S - 1, DAY_S * s, 0),
        // Up to t it lets out t² / 2: the square root of twice the number.
        ("linear(0, 100)", 100, 0, 1_414_213_562, 1),
        ("linear(0, 100)", 100, 49, 10 * s, 1),
        ("linear(0, 100)", 100, 4_999, 100 * s, 1),
        // The same from behind.
        ("linear(100, 0)", 100, 4_999, 100 * s, 1),
        ("linear(100, 0)", 100, 4_949, 90 * s, 1),
        ("linear(100, 0)", 100, 0, 10_000_500, 1_000),
        ("linear(0, 1000000)", DAY_S, 43_199_999_999, DAY_S * s, 1_000),
        ("linear(0, 1000000)", DAY_S, 10_799_999_999, DAY_S * s / 2, 1_000),
        ("linear(1000000, 0)", DAY_S, 43_199_999_999, DAY_S * s, 1_000),
        // At full swing: at the half of a period 2 / π more than its half, at its end all.
        ("sine(100, 100, 10s)", DAY_S, 999, 10 * s, 0),
        ("sine(100, 100, 10s)", DAY_S, 100 * DAY_S - 1, DAY_S * s, 0),
        ("sine(314159265, 314159265, 2s)", 60, 514_159_264, s, 2),
    ] {
        let due = pacer(rate, seconds).due(sent, Duration::ZERO).unwrap();
        let off_ns = due.as_nanos().abs_diff(due_ns.into());
        assert!(off_ns <= off_ns_max, "{rate}: request {sent} at {due:?}, {off_ns} ns off");
    }
    let steps = steps("2/s for 3s, 4/s for 2s");
    let due_ms: Vec<u128> =
        (0..14).map(|sent| steps.due(sent, Duration::ZERO).unwrap().as_millis()).collect();
    assert_eq!(
        due_ms,
        [
            500, 1_000, 1_500, 2_000, 2_500, 3_000, 3_250, 3_500, 3_750, 4_000, 4_250, 4_500,
            4_750, 5_000
        ]
    );
}

#[test]
fn chance_keeps_its_mean_and_its_spread_and_repeats() {
    let of = |seed: u64| {
        let rate = format!("poisson(1000, {seed})");
        let mut schedule = Schedule::new(pacer(&rate, 100));
        let mut due = Vec::new();
        while let Some(next) = schedule.due(Duration::ZERO) {
            due.push(next);
            schedule.advance();
        }
        due
    };
    let due = of(1);
    assert_eq!(due, of(1));
    assert_ne!(due[..10], of(2)[..10]);
    // 100,000 on average; the standard deviation is their square root, 316.
    assert!((99_000..101_000).contains(&due.len()), "{}", due.len());
    let mut counts = vec![0.0; 10_000];
    for at in &due {
        counts[(at.as_millis() / 10).min(9_999) as usize] += 1.0;
    }
    let mean = due.len() as f64 / counts.len() as f64;
    let variance = counts.iter().map(|count| (count - mean) * (count - mean)).sum::<f64>()
        / counts.len() as f64;
    // In a Poisson process they are equal; evenly spread the variance would be 0.
    assert!((variance / mean - 1.0).abs() < 0.1, "variance {variance}, mean {mean}");
    assert_eq!(pacer("poisson(1000)", 100).due(17, Duration::ZERO), Some(due[17]));
    assert_eq!(pacer("poisson(1000)", 100).requests_total(), None);
}

#[test]
fn says_what_is_asked_at_a_time() {
    for (rate, seconds, at_ms, per_second) in [
        ("50/1m", 60, 1_000, Some(50.0 / 60.0)),
        ("linear(0, 100)", 10, 2_500, Some(25.0)),
        ("linear(100, 0)", 10, 2_500, Some(75.0)),
        ("linear(100, 0)", 10, 99_000, Some(0.0)),
        ("sine(100, 50, 4s)", 10, 1_000, Some(150.0)),
        ("sine(100, 50, 4s)", 10, 7_000, Some(50.0)),
        ("poisson(7)", 10, 1, Some(7.0)),
        ("infinity", 10, 1, None),
    ] {
        let found = pacer(rate, seconds).per_second_at(Duration::from_millis(at_ms));
        let near = found.zip(per_second).map(|(found, want)| (found - want).abs() < 1e-9);
        assert!(near.unwrap_or(found == per_second), "{rate} after {at_ms} ms: {found:?}");
    }
    let steps = steps("1 for 1s, 2 for 1s");
    for (at_ms, per_second) in [(999, 1.0), (1_000, 2.0), (9_000, 2.0)] {
        assert_eq!(steps.per_second_at(Duration::from_millis(at_ms)), Some(per_second));
    }
}

#[test]
fn without_an_end_goes_on() {
    let pacer = Pacer::new("400".parse().unwrap(), None).unwrap();
    assert_eq!(pacer.requests_total(), None);
    assert_eq!(pacer.due(24_000_000, Duration::ZERO), Some(Duration::new(60_000, 2_500_000)));
    let wave = Pacer::new("sine(100, 50, 10s)".parse().unwrap(), None).unwrap();
    assert_eq!(wave.due(999_999, Duration::ZERO), Some(Duration::from_secs(10_000)));
}

#[test]
fn as_fast_as_possible_is_always_due_until_the_end() {
    let pacer = pacer("infinity", 2);
    let mut schedule = Schedule::new(pacer.clone());
    for _ in 0..7 {
        schedule.advance();
    }
    for due in
        [pacer.due(7, Duration::from_millis(1_999)), schedule.due(Duration::from_millis(1_999))]
    {
        assert_eq!(due, Some(Duration::from_millis(1_999)));
    }
    assert_eq!(pacer.due(7, Duration::from_secs(2)), None);
    assert_eq!(pacer.requests_total(), None);
}

#[test]
fn refuses_what_makes_no_schedule() {
    let of = |rate: &str, duration| Pacer::new(rate.parse().unwrap(), duration).unwrap_err();
    assert_eq!(of("linear(1, 2)", None), PacerError::EndlessRamp);
    assert_eq!(of("1 for 1s, 2 for 1s", Some(Duration::from_secs(1))), PacerError::TwoDurations);
    let million_years = Some(Duration::from_secs(DAY_S * 365 * 1_000_000));
    assert_eq!(of("1000000000", million_years), PacerError::TooMany);
    assert_eq!(of("sine(1000000000, 1, 1s)", million_years), PacerError::TooMany);
}

fn any_frequency(requests_min: u64) -> impl Strategy<Value = Frequency> {
    (requests_min..1_000_000, 1u64..100_000_000_000)
        .prop_map(|(requests, ns)| Frequency { requests, period: Duration::from_nanos(ns) })
}

fn any_rate() -> impl Strategy<Value = Rate> {
    let step = (any_frequency(1), 1u64..86_400_000).prop_map(|(frequency, ms)| crate::rate::Step {
        frequency,
        duration: Duration::from_millis(ms),
    });
    prop_oneof![
        any_frequency(1).prop_map(Rate::Constant),
        (any_frequency(0), any_frequency(1)).prop_map(|(from, to)| Rate::Linear { from, to }),
        (any_frequency(1), any_frequency(0)).prop_map(|(from, to)| Rate::Linear { from, to }),
        (any_frequency(1), 0u64..=100, 1u64..100_000).prop_map(|(mean, percent, ms)| {
            let amplitude =
                Frequency { requests: mean.requests * percent, period: mean.period * 100 };
            Rate::Sine { mean, amplitude, period: Duration::from_millis(ms) }
        }),
        prop::collection::vec(step, 1..5).prop_map(Rate::Steps),
    ]
}

proptest! {
    #[test]
    fn is_monotonic_and_ends_in_time(
        rate in any_rate(), seconds in 1u64..DAY_S, share in 0.0f64..1.0,
    ) {
        let duration = match &rate {
            Rate::Steps(_) => None,
            _ => Some(Duration::from_secs(seconds)),
        };
        let Ok(pacer) = Pacer::new(rate, duration) else { return Ok(()) };
        let total = pacer.requests_total().unwrap();
        let sent = (total as f64 * share) as u64;
        let due = pacer.due(sent, Duration::ZERO);
        prop_assert_eq!(due.is_some(), sent < total);
        prop_assert_eq!(pacer.due(total, Duration::ZERO), None);
        if let Some(due) = due {
            prop_assert!(due <= pacer.duration().unwrap());
            if let Some(next) = pacer.due(sent + 1, Duration::ZERO) {
                prop_assert!(next >= due, "{:?} after {:?}", next, due);
            }
        }
    }

    #[test]
    fn a_schedule_says_what_its_pacer_says(rate in any_rate(), seconds in 1u64..10) {
        let duration = match &rate {
            Rate::Steps(_) => None,
            _ => Some(Duration::from_secs(seconds)),
        };
        let Ok(pacer) = Pacer::new(rate, duration) else { return Ok(()) };
        let mut schedule = Schedule::new(pacer.clone());
        for sent in 0..20 {
            prop_assert_eq!(schedule.sent(), sent);
            prop_assert_eq!(schedule.due(Duration::ZERO), pacer.due(sent, Duration::ZERO));
            schedule.advance();
        }
    }
}
