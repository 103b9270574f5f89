//! What every plot must keep: each extreme, each failure, and its size.

use std::time::Duration;

use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::Value;

use super::*;

/// Within this a million results must stay, and anything else.
const PAGE_BYTES_MAX: usize = 2_000_000;

fn record(due_us: i64, latency_ns: u64, code: u16) -> Record {
    Record {
        code,
        timestamp: Timestamp::from_microsecond(1_700_000_000_000_000 + due_us).unwrap(),
        latency: Duration::from_nanos(latency_ns),
        error: if code == 0 { "timeout: none within 1s".into() } else { String::new() },
        ..Record::default()
    }
}

fn charts(records: &[Record]) -> Charts {
    let mut plot = Plot::new(Options::default());
    records.iter().for_each(|record| plot.add(record));
    plot.charts().expect("there are results")
}

fn numbers(charts: &Charts) -> Value {
    serde_json::from_str(&json::of(charts)).unwrap()
}

fn page(charts: &Charts) -> String {
    let mut page = Vec::new();
    html::write(&mut page, charts).unwrap();
    String::from_utf8(page).unwrap()
}

fn svg(charts: &Charts) -> String {
    let mut svg = Vec::new();
    svg::write(&mut svg, charts).unwrap();
    String::from_utf8(svg).unwrap()
}

fn list(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|n| n.as_f64().unwrap()).collect()
}

fn of_400_a_second(requests: i64) -> Vec<Record> {
    let latency = |n: i64| 1_000_000 + n.unsigned_abs() % 7 * 10_000;
    (0..requests).map(|n| record(n * 2_500, latency(n), 200)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_extreme_and_every_failure_is_in_the_page(
        seen in prop::collection::vec(
            (
                prop_oneof![0..3_000_000_i64, -2_000_000..20_000_000_000_i64],
                prop_oneof![0..50_000_000_u64, 0..100_000_000_000_u64],
                prop_oneof![4 => Just(200_u16), 1 => Just(0_u16), 1 => 300..700_u16],
            ),
            1..400,
        ),
    ) {
        let records: Vec<_> =
            seen.iter().map(|(due, latency, code)| record(*due, *latency, *code)).collect();
        let numbers = numbers(&charts(&records));
        let run = &numbers["runs"][0];
        let first_us = seen.iter().map(|(due, ..)| *due).min().unwrap();
        let [from_s, width_s] =
            ["from_s", "width_s"].map(|name| run["columns"][name].as_f64().unwrap());
        for (which, is_good) in [("good", true), ("bad", false)] {
            let points = &run["columns"][which];
            let [at, min, max] = ["at", "min", "max"].map(|name| list(&points[name]));
            prop_assert!(at.len() <= COLUMNS_MAX);
            // Each column's are of results that were due in it, and none is beyond its column's.
            let mut found: Vec<Vec<f64>> = vec![Vec::new(); at.len()];
            for (due_us, latency_ns, code) in &seen {
                if (200..400).contains(code) != is_good {
                    continue;
                }
                let column = ((*due_us - first_us) as f64 / 1e6 - from_s) / width_s;
                // On the edge of two, either is right to a rounded number.
                let n = at.iter().enumerate().position(|(n, at)| {
                    let latency_us = *latency_ns as f64 / 1e3;
                    *at - 1e-3 <= column && column <= at + 1.0 + 1e-3
                        && min[n] <= latency_us && latency_us <= max[n]
                });
                prop_assert!(n.is_some(), "{due_us} {latency_ns} {code}");
                found[n.unwrap()].push(*latency_ns as f64 / 1e3);
            }
            let all: Vec<f64> = found.concat();
            for extreme in min.iter().chain(&max) {
                prop_assert!(all.contains(extreme), "{extreme} is nobody's");
            }
        }
        let failed = seen.iter().filter(|(.., code)| !(200..400).contains(code)).count() as f64;
        let sum = |lines: &Value| -> f64 {
            lines.as_array().unwrap().iter().flat_map(|line| list(&line["counts"])).sum()
        };
        prop_assert_eq!(sum(&run["bins"]["kinds"]), failed);
        prop_assert_eq!(sum(&run["bins"]["codes"]), seen.len() as f64);
        prop_assert_eq!(list(&run["histogram"]["counts"]).iter().sum::<f64>(), seen.len() as f64);
        let latencies = seen.iter().map(|(_, latency, _)| *latency as f64 / 1e3);
        let of = |name: &str| {
            list(&Value::from_iter(run["bins"][name].as_array().unwrap().iter().filter(|v| !v.is_null()).cloned()))
        };
        prop_assert_eq!(of("max").into_iter().fold(0.0, f64::max), latencies.clone().fold(0.0, f64::max));
        prop_assert_eq!(
            of("min").into_iter().fold(f64::MAX, f64::min),
            latencies.fold(f64::MAX, f64::min)
        );
    }
}

#[test]
fn a_rate_that_was_held_is_a_straight_line() {
    for requests in [400, 3_999, 4_000, 4_001, 4_123, 24_000] {
        let mut records = of_400_a_second(requests);
        // The first to answer was not the first that was due.
        records.swap(0, 1);
        let charts = charts(&records);
        let run = charts.all();
        let asked: Vec<f64> = run.asked.iter().flatten().copied().collect();
        for rates in [&asked, &run.answered] {
            assert!(rates.len() > 5);
            for rate in rates {
                assert!((rate - 400.0).abs() < 4.0, "{requests}: {rates:?}");
            }
        }
    }
}

#[test]
fn a_rate_that_was_reached_late_does_not_break_down_at_the_end() {
    // Two thousand in a second, of which a thousand are answered a second.
    let records: Vec<_> =
        (0..2_000).map(|n| record(n * 500, n.unsigned_abs() * 500_370 + 1_000, 200)).collect();
    let charts = charts(&records);
    let rates = &charts.all().answered;
    assert!(rates.iter().all(|rate| (rate - 1_000.0).abs() < 50.0), "{rates:?}");
    // One alone has no rate, and is counted.
    let charts = self::charts(&records[..1]);
    assert_eq!(
        (&charts.all().asked[..], &charts.all().answered[..]),
        (&[Some(1.0)][..], &[1.0][..])
    );
}

#[test]
fn statuses_are_told_when_the_answers_came() {
    // Nothing comes in the second second; then all at once, but for a few that have failed meanwhile.
    let records: Vec<_> = (0..1_200)
        .map(|n| {
            let due_us = n * 2_500;
            let is_failure = n == 500 || n == 600;
            let waits_us = if is_failure { 100_000 } else { (2_000_000 - due_us).max(0) };
            let stalls = (1_000_000..2_000_000).contains(&due_us);
            let latency_us = if stalls { waits_us } else { 1_000 };
            record(due_us, latency_us.unsigned_abs() * 1_000, if is_failure { 0 } else { 201 })
        })
        .collect();
    let charts = charts(&records);
    let run = charts.all();
    let [failed, stored] = &run.codes[..] else { panic!("{:?}", run.codes) };
    assert_eq!((&*failed.name, &*stored.name), ("no answer", "201"));
    for (line, code) in [(failed, 0), (stored, 201)] {
        let mut counts = vec![0; run.bins.count];
        for record in records.iter().filter(|record| record.code == code) {
            let at_ns = record.end_ns() - run.first_ns - run.bins.from_ns;
            counts[(at_ns / run.bins.width_ns) as usize] += 1;
        }
        assert_eq!(line.counts, counts, "{}", line.name);
        if code == 0 {
            assert_eq!(run.kinds[0].counts, counts);
        }
    }
    // As the line beside it, in which those without an answer are not.
    let [failed, stored] = [failed, stored].map(|line| run.code_rates(line));
    for (n, (answered, ended)) in run.answered.iter().zip(&run.ended).enumerate() {
        assert!((stored[n] - answered).abs() < 1e-6, "{n}: {stored:?}, {:?}", run.answered);
        assert!((stored[n] + failed[n] - ended).abs() < 1e-6, "{n}: {failed:?}");
    }
    let still = |n: &usize| {
        run.bins.start_ns(*n) > 1_002_000_000 && run.bins.start_ns(*n + 1) < 2_000_000_000
    };
    let still: Vec<f64> = (0..run.bins.count).filter(still).map(|n| stored[n]).collect();
    assert!(still.len() > 3 && still.iter().all(|rate| *rate == 0.0), "{stored:?}");
}

#[test]
fn stretches_hold_enough_for_their_percentiles() {
    for (requests, bins) in [(1, 1), (60, 15), (4_000, 20), (400_000, 2_000)] {
        let charts = charts(&of_400_a_second(requests));
        let run = charts.all();
        let with_some = run.bands.iter().flatten().count();
        assert_eq!(with_some, bins, "{requests}: {:?}", run.bins);
        assert!(run.columns.count <= COLUMNS_MAX);
    }
}

#[test]
fn the_file_stays_small_whatever_comes() {
    let mut plot = Plot::new(Options::default());
    // As many attacks, statuses and causes as there can be, latencies of every magnitude, and all of
    // the time full of them.
    let mut seed = 1_u64;
    for n in 0..160_000_i64 {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let random = seed >> 20;
        let code = [0, 200, 201, 300, 409, 500, 503, 504][n as usize % 8] + (random % 7) as u16;
        let mut record = record(n * 5_800, random >> (8 + random % 32), code);
        record.attack = format!("attack <b>{}</b>", n / 8 % 12);
        record.error = format!("timeout: `<script>` {n}");
        plot.add(&record);
    }
    let charts = plot.charts().unwrap();
    assert_eq!((charts.runs.len(), charts.has_others), (1 + ATTACKS_MAX, true));
    for (run, columns_max) in
        charts.runs.iter().zip([COLUMNS_MAX].into_iter().chain([COLUMNS_OF_ONE_MAX; ATTACKS_MAX]))
    {
        assert!(
            (columns_max * 9 / 10..=columns_max).contains(&run.columns.count),
            "{:?}",
            run.columns
        );
    }
    let page = page(&charts);
    assert!(page.len() < PAGE_BYTES_MAX, "{}", page.len());
    assert!(!page.contains("<b>") && !page.contains("`<script>`"));
    let svg = svg(&charts);
    assert!(svg.len() < PAGE_BYTES_MAX, "{}", svg.len());
}

#[test]
fn attacks_are_seen_apart() {
    let mut records = of_400_a_second(1_000);
    assert_eq!(charts(&records).runs.len(), 1);
    for record in &mut records[600..] {
        record.attack = "B".into();
    }
    let charts = charts(&records);
    let names: Vec<_> = charts.runs.iter().map(|run| run.name.as_deref()).collect();
    assert_eq!(names, [None, Some(""), Some("B")]);
    let requests: Vec<_> = charts.runs.iter().map(|run| run.summary.requests).collect();
    assert_eq!(requests, [1_000, 600, 400]);
    // Each from its own beginning.
    assert_eq!(charts.runs[2].bins.from_ns, 0);
    assert_eq!(charts.title, "Load test");
}

#[test]
fn the_title_is_what_was_given_or_the_attacks_name() {
    for (title, attack, want) in [
        (None, "", "Load test"),
        (None, "A", "A"),
        (Some("T"), "A", "T"),
        (Some(""), "", "Load test"),
    ] {
        let mut plot = Plot::new(Options { title: title.map(str::to_owned), expect: None });
        assert!(plot.charts().is_none());
        plot.add(&Record { attack: attack.into(), ..record(0, 1, 200) });
        assert_eq!(plot.charts().unwrap().title, want);
    }
}

#[test]
fn the_page_is_whole_and_names_nothing_outside() {
    let page = page(&charts(&of_400_a_second(1_000)));
    for (text, count) in
        [("<style>", 1), ("</style>", 1), ("<script", 2), ("</script>", 2), ("<title>", 1)]
    {
        assert_eq!(page.matches(text).count(), count, "{text}");
    }
    assert!(!page.contains('\r'), "a browser would hash another text");
    assert!(page.contains("Copyright (c) 2022 Leon Sorokin"));
    for outside in ["https:", "http:", "//cdn", "@import", "url("] {
        for (at, _) in page.match_indices(outside) {
            let rest = &page[at..];
            let is_a_name = rest.starts_with("http://www.w3.org/2000/svg")
                || rest.starts_with("https://github.com/leeoniya/uPlot (");
            assert!(is_a_name, "{}", rest.chars().take(60).collect::<String>());
        }
    }
    for unsafe_word in ["innerHTML", "insertAdjacentHTML", "document.write", "eval(", "unsafe-"] {
        assert!(!page.contains(unsafe_word), "{unsafe_word}");
    }
}

#[test]
fn texts_of_results_are_no_markup() {
    let hostile = "</script><script>alert(1)</script><!-- &amp; \"'\u{0}\u{1b}";
    let mut records = of_400_a_second(100);
    for record in &mut records {
        record.attack = hostile.into();
        record.error = hostile.into();
        record.url = hostile.into();
        record.code = 500;
    }
    let charts = charts(&records);
    let (page, svg) = (page(&charts), svg(&charts));
    for text in [&page, &svg] {
        assert!(!text.contains("<script>alert") && !text.contains("<!--"));
        assert!(text.contains("&lt;/script&gt;&lt;script&gt;alert(1)"), "the title is shown");
    }
    assert!(!svg.contains(['\u{0}', '\u{1b}']), "XML has no such characters");
    assert_eq!(numbers(&charts)["runs"][0]["failures"][0]["example"], hostile);
}

#[test]
fn the_picture_is_drawn() {
    let mut records = of_400_a_second(2_000);
    records[7].code = 503;
    let charts = charts(&records);
    let mut png = Vec::new();
    png::write(&mut png, &charts).unwrap();
    let picture = tiny_skia::Pixmap::decode_png(&png).unwrap();
    assert_eq!(picture.width(), 2_400);
    let colors: std::collections::HashSet<_> =
        picture.pixels().iter().map(|pixel| (pixel.red(), pixel.green(), pixel.blue())).collect();
    assert!(colors.len() > 50, "{}", colors.len());
    // The one failure: its very red is there.
    assert!(colors.contains(&(0xb3, 0x15, 0x1f)));
    assert!(svg(&charts).contains("stroke=\"#b3151f\" stroke-width=\"5\""));
}
