//! What is said of sides whose records are made by hand.

use std::time::Duration;

use jiff::Timestamp;
use proptest::prelude::*;

use super::pace::PaceFold;
use super::*;
use crate::metrics;
use crate::results::Record;
use crate::splitmix::SplitMix64;

/// How the records of a run are made: 100 a second, latencies from 100 to 300 ms times `times`.
#[derive(Clone, Copy)]
struct Kind {
    results: u64,
    begins_ms: i64,
    interval_ms: i64,
    times: f64,
    code: u16,
    /// One in so many has this code instead.
    odd: Option<(u64, u16)>,
    slip: Option<Duration>,
    url: &'static str,
    bytes_out: u64,
}

const KIND: Kind = Kind {
    results: 2_000,
    begins_ms: 0,
    interval_ms: 10,
    times: 1.0,
    code: 201,
    odd: None,
    slip: Some(Duration::from_micros(40)),
    url: "http://127.0.0.1:6540/rssi_readings",
    bytes_out: 102,
};

impl Kind {
    fn records(self) -> impl Iterator<Item = Record> {
        (0..self.results).map(move |seq| {
            let spread =
                (seq.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as f64 / f64::from(u32::MAX);
            Record {
                seq,
                code: match self.odd {
                    Some((every, code)) if seq % every == every / 2 => code,
                    _ => self.code,
                },
                timestamp: Timestamp::from_millisecond(
                    self.begins_ms + seq as i64 * self.interval_ms,
                )
                .unwrap(),
                latency: Duration::from_nanos((1e8 * self.times * (1.0 + 2.0 * spread)) as u64),
                slip: self.slip,
                method: "POST".into(),
                url: self.url.into(),
                bytes_out: self.bytes_out,
                ..Record::default()
            }
        })
    }
}

/// A side of such runs, called so.
fn side(name: &str, kinds: &[Kind]) -> Side {
    let run = |(n, kind): (usize, &Kind)| {
        let name = format!("{name}/{n}");
        let options = metrics::Options::default();
        let mut fold = RunFold::new(name, options, Duration::ZERO, kinds.len() == 1);
        kind.records().for_each(|record| fold.add(&record));
        fold.finish().unwrap()
    };
    Side { name: name.into(), runs: kinds.iter().enumerate().map(run).collect() }
}

fn options() -> Options {
    Options { resamples: 500, ..Options::default() }
}

fn row(comparison: &Comparison, figure: &str) -> Row {
    comparison.rows.iter().find(|row| row.figure.to_string() == figure).unwrap().clone()
}

fn text(comparison: &Comparison) -> String {
    let mut out = Vec::new();
    comparison.write_text(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn the_same_results_differ_by_nothing() {
    for runs in [1, 3] {
        let kinds = vec![KIND; runs];
        let comparison = compare(&side("a", &kinds), &side("b", &kinds), options());
        for row in &comparison.rows {
            assert_eq!(row.a, row.b, "{row:?}");
            if let Some(Change { estimate, low, high }) = row.change {
                assert!(estimate == 1.0 && low <= 1.0 && high >= 1.0, "{row:?}");
                assert!(matches!(row.verdict, Verdict::Same | Verdict::CannotTell), "{row:?}");
            }
        }
        assert!(matches!(comparison.verdict, Verdict::Same | Verdict::CannotTell));
    }
}

#[test]
fn slower_and_faster_are_told_and_by_how_much() {
    let slow = Kind { times: 1.3, ..KIND };
    for (a, b, verdict, ratio) in
        [(KIND, slow, Verdict::Slower, 1.3), (slow, KIND, Verdict::Faster, 1.0 / 1.3)]
    {
        for runs in [1, 4] {
            let (a, b) = (side("a", &vec![a; runs]), side("b", &vec![b; runs]));
            let comparison = compare(&a, &b, options());
            assert_eq!(comparison.verdict, verdict);
            let p50 = row(&comparison, "p50");
            let change = p50.change.unwrap();
            assert_eq!(p50.verdict, verdict);
            assert!((change.estimate / ratio - 1.0).abs() < 0.002, "{change:?}");
            assert!(change.low <= ratio && ratio <= change.high, "{change:?}");
        }
    }
}

#[test]
fn a_difference_that_does_not_matter_is_none() {
    let kinds = |times| vec![Kind { times, ..KIND }; 3];
    let of = |same_within| {
        let options = Options { same_within, ..options() };
        compare(&side("a", &kinds(1.0)), &side("b", &kinds(1.02)), options)
    };
    assert_eq!(of(0.01).verdict, Verdict::Slower);
    assert_eq!(of(0.03).verdict, Verdict::Same);
    assert_eq!(of(0.03).says(), "B is as fast as A, within 3%");
}

#[test]
fn a_percentile_with_too_few_results_beyond_it_is_not_judged() {
    // 20 of 2,000 are beyond the 99th percentile, and 19 of 1,999.
    let full = [KIND; 2];
    let short = [KIND, Kind { results: 1_999, ..KIND }];
    let verdict = |a: &[Kind], b: &[Kind]| {
        let comparison = compare(&side("a", a), &side("b", b), options());
        (row(&comparison, "p99").verdict, row(&comparison, "p99.9").verdict)
    };
    assert_eq!(verdict(&full, &full), (Verdict::Same, Verdict::TooFew(2)));
    assert_eq!(verdict(&full, &short), (Verdict::TooFew(19), Verdict::TooFew(1)));
    assert_eq!(verdict(&short, &full), (Verdict::TooFew(19), Verdict::TooFew(1)));
}

#[test]
fn nobody_can_tell_where_the_generator_was_the_limit() {
    let late = Kind { times: 2.0, slip: Some(Duration::from_secs(1)), ..KIND };
    let options = Options { fail_if_slower: Some(0.05), ..options() };
    let comparison = compare(&side("a", &[KIND; 3]), &side("b", &[late; 3]), options);
    assert_eq!(comparison.verdict, Verdict::CannotTell);
    assert!(comparison.rows.iter().all(|row| !matches!(row.verdict, Verdict::Slower)));
    assert!(
        comparison
            .says()
            .starts_with("cannot tell: the generator was the limit in `b/0`, `b/1`, `b/2`"),
        "{}",
        comparison.says()
    );
    assert_eq!(comparison.gate.unwrap().outcome(), Outcome::Blind);
}

#[test]
fn nobody_can_tell_of_other_rates() {
    let slow = Kind { interval_ms: 20, times: 2.0, ..KIND };
    let fast = |kind: Kind| Kind { slip: Some(Duration::ZERO), ..kind };
    let untold = |kind: Kind| Kind { slip: None, ..kind };
    let options = Options { fail_if_slower: Some(0.05), ..options() };
    let of = |a: &[Kind], b: &[Kind]| compare(&side("a", a), &side("b", b), options.clone());
    for (a, b, says) in [
        (vec![KIND], vec![slow], "cannot tell: not at the same rate (A 100/s, B 50/s)"),
        (vec![slow; 3], vec![KIND; 3], "cannot tell: not at the same rate (A 50/s, B 100/s)"),
        // Nor one within a side.
        (
            vec![KIND, slow, KIND],
            vec![KIND; 3],
            "cannot tell: not at the same rate (A 50/s to 100/s, B 100/s)",
        ),
        // One of them only had no rate to keep.
        (vec![KIND], vec![fast(slow)], "cannot tell: not at the same rate (A 100/s, B 50/s)"),
        (
            vec![untold(KIND)],
            vec![untold(slow)],
            "cannot tell: not at the same rate (A 100/s, B 50/s); if they were to be as fast as they could, some of these results do not tell it",
        ),
    ] {
        let comparison = of(&a, &b);
        assert_eq!((&comparison.verdict, &*comparison.says()), (&Verdict::CannotTell, says));
        assert!(matches!(comparison.void, Some(Void::OtherRate(_))));
        assert_eq!(row(&comparison, "throughput").verdict, Verdict::CannotTell);
        assert_eq!(comparison.gate.unwrap().outcome(), Outcome::Blind);
    }
    // As fast as possible, the rate is a result; and in a shorter run it is the same.
    assert_eq!(of(&[fast(KIND)], &[fast(slow)]).verdict, Verdict::Slower);
    let short = Kind { results: 30, ..KIND };
    assert_eq!(of(&[KIND], &[short]).void, None);
}

#[test]
fn rates_of_gaps_by_chance_differ_by_chance() {
    let pace = |seed: u64, per_s: f64| {
        let (mut fold, mut metrics, mut due_s) =
            (PaceFold::default(), metrics::Metrics::new(), 0.0_f64);
        for seq in 0..2_000 {
            let chance = SplitMix64::of(seed, [seq, 0]).next() >> 11;
            due_s -= ((chance + 1) as f64 / (1u64 << 53) as f64).ln() / per_s;
            let timestamp = Timestamp::from_nanosecond((due_s * 1e9) as i128).unwrap();
            let record = Record { seq, timestamp, ..Record::default() };
            fold.add(&record);
            metrics.add(&record);
        }
        fold.finish(&metrics.summary()).unwrap()
    };
    let differ =
        |a: f64, b: f64| (0..40).filter(|seed| pace(*seed, a).differs(pace(seed + 40, b))).count();
    assert!(differ(100.0, 100.0) <= 1);
    assert!(differ(100.0, 120.0) >= 38);
}

#[test]
fn who_fails_quickly_is_not_faster() {
    let failing = Kind { times: 0.5, odd: Some((10, 503)), ..KIND };
    for runs in [1, 3] {
        let options = Options { fail_if_slower: Some(0.05), ..options() };
        let (a, b) = (side("a", &vec![KIND; runs]), side("b", &vec![failing; runs]));
        let comparison = compare(&a, &b, options.clone());
        let unexpected = row(&comparison, "unexpected");
        assert_eq!(unexpected.verdict, Verdict::More);
        assert!((unexpected.b - 0.1).abs() < 1e-12, "{unexpected:?}");
        assert_eq!(row(&comparison, "p50").verdict, Verdict::Faster);
        // By its throughput, which is of successes.
        assert_eq!(comparison.verdict, Verdict::Slower);
        let gate = comparison.gate.as_ref().unwrap();
        assert_eq!(
            (gate.outcome(), &gate.failed[..]),
            (Outcome::Failed, &[Figure::Unexpected][..])
        );
        let note = "more answers of B are unexpected, and those may be the quick ones";
        assert_eq!(comparison.notes.last().unwrap(), note);

        let back = compare(&b, &a, options);
        assert_eq!(row(&back, "unexpected").verdict, Verdict::Fewer);
        assert_eq!(back.verdict, Verdict::Faster);
        assert!(back.notes.last().unwrap().starts_with("more answers of A"), "{:?}", back.notes);
        // Nor fails who mends that.
        let gate = back.gate.unwrap();
        assert_eq!((gate.outcome(), &gate.failed[..]), (Outcome::Blind, &[][..]));
        assert_eq!(gate.blind[0], Figure::At("50".parse().unwrap()));
    }
    // Too few to make a median.
    let once = Kind { times: 0.5, odd: Some((200, 503)), ..KIND };
    let comparison = compare(&side("a", &[KIND; 3]), &side("b", &[once; 3]), options());
    assert_eq!(row(&comparison, "unexpected").verdict, Verdict::More);
    assert_eq!(comparison.verdict, Verdict::Faster);
}

#[test]
fn who_mends_quick_failures_does_not_fail_though_they_be_by_chance() {
    let [failing, mended] = [0.5, 1.0].map(|times| Kind { times, ..KIND });
    let kinds = |kind| [Kind { odd: Some((2, 503)), ..kind }, kind, kind];
    let options = Options { fail_if_slower: Some(0.05), ..options() };
    let comparison =
        compare(&side("a", &kinds(failing)), &side("b", &[mended; 3]), options.clone());
    assert_eq!(row(&comparison, "unexpected").verdict, Verdict::CannotTell);
    assert_eq!(row(&comparison, "p50").verdict, Verdict::Slower);
    let says = "cannot tell: one of them fails more often, which may be why it is quicker";
    assert_eq!(comparison.says(), says);
    assert_eq!(comparison.gate.unwrap().failed, []);
    // Whoever fails as often is slower, though.
    let comparison =
        compare(&side("a", &kinds(failing)), &side("b", &kinds(mended)), options.clone());
    assert_eq!(comparison.gate.unwrap().failed[0], Figure::At("50".parse().unwrap()));
}

#[test]
fn who_may_fail_more_neither_passes_nor_is_the_same() {
    let percentiles = vec!["50".parse().unwrap(), "90".parse().unwrap()];
    let options = Options { fail_if_slower: Some(0.05), percentiles, ..options() };
    let of = |a: &[Kind], b: &[Kind]| compare(&side("a", a), &side("b", b), options.clone());
    let failing = |every| Kind { odd: Some((every, 0)), ..KIND };
    let shares = |comparison: &Comparison| {
        let Row { verdict, change, .. } = row(comparison, "unexpected");
        (verdict, change.map(|Change { low, high, .. }| (low, high)))
    };

    // In one run of five every second request has no answer, or one in 250.
    for every in [2, 250] {
        let once = [KIND, KIND, failing(every), KIND, KIND];
        let comparison = of(&[KIND; 5], &once);
        let (verdict, change) = shares(&comparison);
        assert_eq!(verdict, Verdict::CannotTell);
        // Nobody has fewer than none.
        assert!(matches!(change, Some((0.0, 0.0008..))), "{change:?}");
        assert_eq!(comparison.verdict, Verdict::CannotTell);
        assert!(comparison.says().starts_with("cannot tell at "), "{}", comparison.says());
        assert!(comparison.says().contains("unexpected: chance"), "{}", comparison.says());
        let gate = comparison.gate.unwrap();
        assert_eq!((gate.outcome(), gate.blind), (Outcome::Blind, vec![Figure::Unexpected]));

        // The other way round B has none, so it has no more.
        let back = of(&once, &[KIND; 5]);
        let (verdict, change) = shares(&back);
        assert_eq!(verdict, Verdict::CannotTell);
        assert!(matches!(change, Some((_, 0.0))), "{change:?}");
        assert_eq!(back.gate.unwrap().outcome(), Outcome::Passed);
    }

    // Both fail as often: that is the same, and passes.
    let comparison = of(&[failing(10); 3], &[failing(10); 3]);
    assert_eq!(shares(&comparison).0, Verdict::Same);
    assert_eq!(comparison.says(), "B is as fast as A, within 1%");
    assert_eq!(comparison.gate.unwrap().outcome(), Outcome::Passed);

    // A few more, and shown.
    let comparison = of(&[KIND; 3], &[failing(500); 3]);
    assert_eq!(comparison.says(), "B is as fast as A, within 1%, but fails more often");
    assert_eq!(comparison.gate.unwrap().failed, [Figure::Unexpected]);
}

#[test]
fn a_gate_fails_passes_or_is_blind() {
    let outcome = |times: &[f64], share| {
        let kinds: Vec<_> = times.iter().map(|times| Kind { times: *times, ..KIND }).collect();
        let percentiles = vec!["50".parse().unwrap(), "90".parse().unwrap()];
        let options = Options { fail_if_slower: Some(share), percentiles, ..options() };
        let gate = compare(&side("a", &[KIND; 4]), &side("b", &kinds), options).gate.unwrap();
        (gate.outcome(), gate.to_string())
    };
    for (times, share, expected, words) in [
        ([1.2; 4], 0.05, Outcome::Failed, "slower by more than 5%: failed at p50, p90"),
        ([1.2; 4], 0.25, Outcome::Passed, "slower by more than 25%: passed, it is not"),
        ([0.5; 4], 0.0, Outcome::Passed, "slower by more than 0%: passed, it is not"),
        (
            [0.8, 1.0, 1.2, 1.4],
            0.05,
            Outcome::Blind,
            "slower by more than 5%: not shown, but cannot tell at p50, p90",
        ),
    ] {
        assert_eq!(outcome(&times, share), (expected, words.to_owned()));
    }
    // A percentile that is not judged does not pass.
    let options = Options { fail_if_slower: Some(0.05), ..options() };
    let gate = compare(&side("a", &[KIND; 3]), &side("b", &[KIND; 3]), options).gate.unwrap();
    assert_eq!(gate.outcome(), Outcome::Blind);
    assert_eq!(gate.blind, [Figure::At("99.9".parse().unwrap())]);
}

#[test]
fn a_single_run_spreads_as_the_runs_of_the_other_side() {
    let many = [0.9, 1.0, 1.1, 1.2].map(|times| Kind { times, ..KIND });
    let one = side("b", &[Kind { times: 1.15, ..KIND }]);
    let comparison = compare(&side("a", &many), &one, options());
    assert_eq!(row(&comparison, "p50").verdict, Verdict::CannotTell);
    assert!(
        comparison.says().starts_with("cannot tell at mean, p50, p90"),
        "{}",
        comparison.says()
    );
    // By itself its p50 is known better than by a hundredth, and its rate was asked for.
    let alone = compare(&side("a", &[KIND]), &one, options());
    assert_eq!(row(&alone, "p50").verdict, Verdict::Slower);
    for interval_ms in [10, 3] {
        let short = Kind { results: 100, interval_ms, ..KIND };
        let alone = compare(&side("a", &[short]), &side("b", &[short]), options());
        assert_eq!(row(&alone, "throughput").verdict, Verdict::Same);
        assert!(!alone.says().contains("throughput"), "{}", alone.says());
    }
}

#[test]
fn runs_that_are_too_short_or_fail_are_not_judged() {
    let at_once = Kind { interval_ms: 0, ..KIND };
    let comparison = compare(&side("a", &[at_once]), &side("b", &[at_once]), options());
    let too_short = Verdict::NotJudged("the runs are too short");
    assert_eq!(row(&comparison, "p50").verdict, too_short);
    assert_eq!(
        comparison.says(),
        "cannot tell: no latency could be judged, and the table says why"
    );
    let few = Kind { results: 19, ..KIND };
    let comparison = compare(&side("a", &[few]), &side("b", &[few]), options());
    assert_eq!(row(&comparison, "mean").verdict, Verdict::TooFew(19));
    let text = text(&comparison);
    assert!(text.contains("too few results: 19 in a run, not 20\n"), "{text}");
    assert!(text.contains("too few results: 9 beyond it in a run, not 20\n"), "{text}");
    let failing = Kind { code: 500, ..KIND };
    let comparison = compare(&side("a", &[KIND]), &side("b", &[failing]), options());
    let none = Verdict::NotJudged("there is a run without a success");
    assert_eq!(row(&comparison, "throughput").verdict, none);
    assert_eq!(row(&comparison, "unexpected").verdict, Verdict::More);
}

#[test]
fn what_is_not_alike_is_noted() {
    let apart = |ms| Kind { begins_ms: ms, ..KIND };
    // By turns, so that nothing else is to be noted.
    let first = [0, 100_000, 200_000].map(apart);
    let second = [50_000, 150_000, 250_000].map(apart);
    let notes = |b: &[Kind]| loads::notes(&side("a", &first), &side("b", b));
    let with = |change: fn(&mut Kind)| {
        second.map(|mut kind| {
            change(&mut kind);
            kind
        })
    };
    assert_eq!(notes(&second), [""; 0]);
    for (b, note) in [
        (with(|it| it.results = 4_000), "the runs of A last 19.99s, those of B 39.99s"),
        (
            with(|it| it.url = "http://127.0.0.1:6541/readings"),
            "other targets: only A has `POST /rssi_readings`, only B has `POST /readings`",
        ),
        // Two builds listen on two ports.
        (with(|it| it.url = "https://other/rssi_readings"), ""),
        (with(|it| it.bytes_out = 200), "A was sent bodies of 102 bytes, B of 200, in the mean"),
        (
            with(|it| it.odd = Some((20, 409))),
            "other answers, so perhaps other work: 201 100.0% of A, 95.0% of B; 409 0.0% of A, 5.0% of B",
        ),
        (
            with(|it| it.slip = None),
            "`b/0`, `b/1`, `b/2` do not tell how late requests were sent, so the generator may have been the limit",
        ),
        (
            with(|it| it.slip = Some(Duration::from_millis(99))),
            "requests of `b/2` were sent 99ms late at p99, which its latencies count, of 298.058ms at p99: a less busy machine shows smaller differences",
        ),
        (
            with(|it| it.begins_ms += 200_000),
            "all of A ran before all of B: whatever else changed in between is in the difference; let them take turns",
        ),
    ] {
        let expected = if note.is_empty() { vec![] } else { vec![note] };
        assert_eq!(notes(&b), expected);
    }
    let none = with(|it| it.code = 404);
    assert_eq!(notes(&none)[1..], ["no answer of B was an expected one: see --expect"]);
    let none = [first, none].map(|kinds| side("x", &kinds.map(|it| Kind { code: 404, ..it })));
    let all = loads::notes(&none[0], &none[1]);
    assert_eq!(all, ["no answer was an expected one: see --expect"]);
    let [first_of_b, others @ ..] = with(|it| it.slip = None);
    let one_untold = [first_of_b, Kind { slip: KIND.slip, ..others[0] }, second[2]];
    assert!(notes(&one_untold)[0].starts_with("`b/0` does not tell how "));
    assert!(notes(&second[..2])[0].starts_with("two runs say little "));
    assert!(notes(&second[..1])[0].starts_with("B is one run: "));
    let singles = loads::notes(&side("a", &first[..1]), &side("b", &second[..1]));
    assert!(singles[0].starts_with("one run each: "), "{singles:?}");
}

#[test]
fn a_run_that_is_there_twice_is_noted() {
    let runs = [0, 100_000, 200_000].map(|begins_ms| Kind { begins_ms, ..KIND });
    let others = [50_000, 150_000, 250_000].map(|begins_ms| Kind { begins_ms, ..KIND });
    let twice = |a: &[Kind], b: &[Kind]| {
        let notes = loads::notes(&side("a", a), &side("b", b));
        notes.into_iter().find(|note| note.contains("are the same"))
    };
    let same = Some("A and B are the same results, so no difference can be found".to_owned());
    let [one, two, three] = runs;
    assert_eq!(twice(&runs, &others), None);
    assert_eq!(twice(&runs, &[two, one, three]), same);
    assert_eq!(twice(&[one], &[one; 3]), same);
    // As CSV tells it.
    assert_eq!(twice(&[one], &[Kind { slip: None, ..one }]), same);
    let slower = Kind { times: 1.001, ..one };
    assert_eq!(twice(&[one], &[slower]), None);
    let once = "are the same run: each run is to be there once";
    assert_eq!(twice(&[one, two, one], &others), Some(format!("`a/0` and `a/2` {once}")));
    assert_eq!(twice(&runs, &[two, others[0]]), Some(format!("`a/1` and `b/0` {once}")));
    let more = "are the same run, and 1 more such pair: each run is to be there once";
    assert_eq!(twice(&runs, &[two, three]), Some(format!("`a/1` and `b/0` {more}")));
}

#[test]
fn reads_as_reviewed() {
    let kinds = |times: f64, odd| {
        [1.0, 1.01, 0.99].map(|of_run| Kind { times: times * of_run, odd, ..KIND })
    };
    let a = side("main", &kinds(0.01, None));
    let b = side("branch", &kinds(0.012, Some((400, 503))));
    let options = Options { fail_if_slower: Some(0.05), ..options() };
    let comparison = compare(&a, &b, options);
    let expected = "\
A  main: 3 runs of 19.99s at 100.1 requests/s, 6000 results
B  branch: 3 runs of 19.99s at 100.1 requests/s, 6000 results

            A        B        B against A   95% interval           verdict
mean        2ms      2.4ms    +20.0%        +17.2% to +22.9%       slower
p50         2ms      2.401ms  +20.0%        +17.1% to +23.0%       slower
p90         2.8ms    3.359ms  +20.0%        +17.0% to +23.0%       slower
p95         2.9ms    3.479ms  +20.0%        +17.1% to +23.0%       slower
p99         2.98ms   3.576ms  +20.0%        +17.1% to +22.9%       slower
p99.9       2.999ms  3.598ms                                       too few results: 2 beyond it in a run, not 20
max         3.029ms  3.635ms                                       not judged: a single result decides it
throughput  100.0/s  99.8/s   -0.25%        -0.25% to -0.25%       same within 1%
unexpected  0%       0.25%    +0.25 points  +0.25 to +0.25 points  more

B is slower: mean by 17.2% to 22.9%, p50 by 17.1% to 23.0%, p90 by 17.0% to 23.0%, p95 by 17.1% to 23.0%, p99 by 17.1% to 22.9%
slower by more than 5%: failed at p50, p90, p95, p99, unexpected
";
    assert_eq!(text(&comparison), expected);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whoever swaps the sides gets the inverse.
    #[test]
    fn swapped_sides_mirror(
        a in prop::collection::vec((50u64..400, 0.5f64..2.0), 1..4),
        b in prop::collection::vec((50u64..400, 0.5f64..2.0), 1..4),
    ) {
        let kinds = |runs: &[(u64, f64)]| -> Vec<Kind> {
            runs.iter().map(|(results, times)| Kind { results: *results, times: *times, ..KIND }).collect()
        };
        let (a, b) = (side("a", &kinds(&a)), side("b", &kinds(&b)));
        let options = Options { resamples: 200, ..Options::default() };
        let (there, back) = (compare(&a, &b, options.clone()), compare(&b, &a, options));
        for (there, back) in there.rows.iter().zip(&back.rows) {
            prop_assert_eq!((there.a, there.b), (back.b, back.a));
            prop_assert_eq!(there.change.is_some(), back.change.is_some());
            let (Some(one), Some(other)) = (there.change, back.change) else { continue };
            for (one, other) in [
                (one.estimate, other.estimate),
                (one.low, other.high),
                (one.high, other.low),
            ] {
                prop_assert!((one * other - 1.0).abs() < 1e-12, "{there:?} {back:?}");
            }
        }
    }
}
