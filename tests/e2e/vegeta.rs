//! Real vegeta as the judge: what we write it reads, what it writes we read, and
//! both report the same of the same results.

use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;

use serde_json::Value;

use crate::load::server::{Reply, Server};
use crate::support::houseful::Setup;
use crate::support::{skip, temp_dir};

/// The one that judges.
const VERSION: &str = "v12.13.0";

/// Whether vegeta is on the `PATH`, and is the one that judges: others may do otherwise.
pub(crate) fn has_vegeta() -> bool {
    static FOUND: LazyLock<Result<(), String>> = LazyLock::new(find_vegeta);
    if let Err(why) = &*FOUND {
        skip(&format!("{why}: go install github.com/tsenart/vegeta/v12@{VERSION}"));
    }
    FOUND.is_ok()
}

fn find_vegeta() -> Result<(), String> {
    let directories = std::env::var_os("PATH").unwrap_or_default();
    let paths = std::env::split_paths(&directories).map(|directory| directory.join("vegeta"));
    let path = paths.into_iter().find(|path| path.is_file()).ok_or("vegeta is missing")?;
    // One that `go install` made does not know its version by `-version`, but Go wrote it into the
    // program, where `go version -m` reads it.
    let program = std::fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let built = format!("\tgithub.com/tsenart/vegeta/v12\t{VERSION}\t");
    if program.windows(built.len()).any(|bytes| bytes == built.as_bytes()) {
        return Ok(());
    }
    let said = Command::new(&path).arg("-version").output();
    let said = said.map(|said| String::from_utf8_lossy(&said.stdout).into_owned());
    let said = said.unwrap_or_default();
    let version = said.lines().find_map(|line| line.strip_prefix("Version: "));
    if version.is_some_and(|version| version.trim_start_matches('v') == &VERSION[1..]) {
        return Ok(());
    }
    Err(format!("{} is not vegeta {VERSION}", path.display()))
}

/// What `script` prints; `houseful` is the program. On a busy machine an attack
/// may not hold its rate, which it says by 1, and which is not our matter here.
fn bash(script: &str, dir: &Path) -> String {
    let program = env!("CARGO_BIN_EXE_houseful");
    let script =
        format!("set -euo pipefail\nhouseful() {{ '{program}' \"$@\" || [ $? = 1 ]; }}\n{script}");
    let output = Command::new("bash").args(["-c", &script]).current_dir(dir).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script}\n{stderr}");
    // vegeta prints bytes as they came.
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Results of each tool against a collector: `ours.gob`, `theirs.gob`, with
/// bodies and headers, copies, an error, one that is no UTF-8, and one that nobody answers.
fn play(dir: &Path) {
    let setup = Setup::new(dir);
    let houseful = setup.start();
    let url = format!("{}/rssi_readings", houseful.url());
    let latin1 = Server::start(|_| {
        let head =
            b"HTTP/1.1 500 B\xe9d\r\nX-Bin: \xe9\xff\xe2\x82\r\nContent-Length: 1\r\n\r\n\xe9";
        Reply::Bytes(head.to_vec())
    });
    std::fs::write(
        dir.join("targets.txt"),
        format!(
            "POST {url}\nContent-Type: application/json\n@good.json\n\n\
             POST {url}\nContent-Type: application/json\nX-Note: a\nX-Note: b\n@bad.json\n\n\
             GET {url}?limit=1\n\nGET {}/missing?a=<1>&b=2\n\nGET http://127.0.0.1:1/\n\n\
             GET {}/\n",
            houseful.url(),
            latin1.url()
        ),
    )
    .unwrap();
    std::fs::write(dir.join("good.json"), r#"{"badge_id": "b", "pi_id": "p"}"#).unwrap();
    std::fs::write(dir.join("bad.json"), r#"{"badge_id": "<&>"}"#).unwrap();
    // On a busy machine it may say that the rate was not held.
    bash(
        "houseful load attack -targets=targets.txt -rate=60 -duration=1s -name='a <b>' > ours.gob || [ $? = 1 ]
         vegeta attack -targets=targets.txt -rate=60 -duration=1s -name='a <b>' > theirs.gob",
        dir,
    );
}

/// Results as JSON values that can be compared: vegeta writes local times, and
/// headers in no order; an absent body is an empty one in gob and CSV.
fn comparable(json_lines: &str) -> Vec<Value> {
    json_lines
        .lines()
        .map(|line| {
            let mut result: Value = serde_json::from_str(line).unwrap();
            let fields = result.as_object_mut().unwrap();
            fields.remove("slip");
            fields.remove("queued");
            let time: jiff::Timestamp = fields["timestamp"].as_str().unwrap().parse().unwrap();
            fields.insert("timestamp".to_owned(), time.to_string().into());
            if fields["body"] == "" {
                fields.insert("body".to_owned(), Value::Null);
            }
            result
        })
        .collect()
}

#[test]
fn each_reads_what_the_other_writes_in_every_encoding() {
    if !has_vegeta() {
        return;
    }
    let dir = temp_dir();
    play(dir.path());
    for results in ["ours.gob", "theirs.gob"] {
        let want = comparable(&bash(&format!("vegeta encode -to json {results}"), dir.path()));
        assert_eq!(want.len(), 60, "{results}");
        for encoding in ["gob", "json", "csv"] {
            for script in [
                format!("houseful load encode -to {encoding} {results} | vegeta encode -to json"),
                format!("vegeta encode -to {encoding} {results} | houseful load encode -to json"),
            ] {
                let found = comparable(&bash(&script, dir.path()));
                for (found, want) in found.iter().zip(&want) {
                    assert_eq!(found, want, "{script}");
                }
                assert_eq!(found.len(), want.len(), "{script}");
            }
        }
    }
}

#[test]
fn our_json_and_csv_are_vegetas_to_the_byte() {
    if !has_vegeta() {
        return;
    }
    let dir = temp_dir();
    play(dir.path());
    // Without headers, whose order is Go's secret; and in UTC, which vegeta takes from TZ.
    bash(
        "houseful load encode theirs.gob | sed 's/\"headers\":{[^}]*}/\"headers\":null/' > theirs.json",
        dir.path(),
    );
    for encoding in ["json", "csv"] {
        let ours = bash(&format!("houseful load encode -to {encoding} theirs.json"), dir.path());
        let theirs = bash(&format!("TZ=UTC vegeta encode -to {encoding} theirs.json"), dir.path());
        assert_eq!(ours, theirs, "{encoding}");
    }
}

/// Texts at which programs that write CSV differ.
const ODD_TEXTS: [&str; 16] = [
    " lead",
    "trail ",
    " ",
    "\t",
    "\u{85}a",
    "\u{a0}a",
    "\u{2003}a",
    "\u{200b}a",
    "\\.",
    "\\.a",
    "a,b",
    "a\nb",
    "a\rb",
    "\"",
    "say \"a\"",
    "\u{fffd}",
];

#[test]
fn odd_texts_are_vegetas_csv_to_the_byte_and_come_back_from_either() {
    if !has_vegeta() {
        return;
    }
    let dir = temp_dir();
    let results: String = ODD_TEXTS
        .iter()
        .map(|text| {
            let result = serde_json::json!({
                "attack": text, "seq": 1, "code": 409, "timestamp": "2026-11-24T20:29:00Z", "latency": 1,
                "bytes_out": 0, "bytes_in": 0, "error": text, "body": null, "method": text, "url": text,
                "headers": {"A": ["1"]},
            });
            format!("{result}\n")
        })
        .collect();
    std::fs::write(dir.path().join("odd.json"), &results).unwrap();
    let ours = bash("houseful load encode -to csv odd.json", dir.path());
    assert_eq!(ours, bash("vegeta encode -to csv odd.json", dir.path()));
    for script in [
        "houseful load encode -to csv odd.json | vegeta encode -to json",
        "vegeta encode -to csv odd.json | houseful load encode -to json",
    ] {
        assert_eq!(comparable(&bash(script, dir.path())), comparable(&results), "{script}");
    }
}

#[test]
fn keys_that_are_absent_or_null_are_the_same_nothing_to_either() {
    if !has_vegeta() {
        return;
    }
    let dir = temp_dir();
    let lines = r#"{"attack":null,"code":200,"timestamp":"2026-11-24T20:29:00Z","latency":5,"error":null,"headers":null}
{"code":201,"timestamp":"2026-11-24T20:29:01Z"}
{"code":202,"timestamp":null,"latency":5}
"#;
    std::fs::write(dir.path().join("bare.json"), lines).unwrap();
    let ours = bash("houseful load encode bare.json", dir.path());
    assert_eq!(ours, bash("TZ=UTC vegeta encode bare.json", dir.path()));
    let gob = "houseful load encode -to gob bare.json | TZ=UTC vegeta encode";
    assert_eq!(ours, bash(gob, dir.path()));
}

#[test]
fn each_reports_the_same_of_the_others_results_but_for_the_error_of_percentiles() {
    if !has_vegeta() {
        return;
    }
    let dir = temp_dir();
    play(dir.path());
    for results in ["ours.gob", "theirs.gob"] {
        let report = |program: &str| bash(&format!("{program} report {results}"), dir.path());
        let (ours, theirs) = (report("houseful load"), report("vegeta"));
        // What only ours knows stands before the errors.
        let is_ours = |line: &str| {
            ["No Answer", "Slip", "Unsent", "Limit"].iter().any(|name| line.starts_with(name))
        };
        let more = ours.lines().filter(|line| is_ours(line)).count();
        assert_eq!(more, if results == "ours.gob" { 4 } else { 0 }, "{ours}");
        let ours: String = ours.split_inclusive('\n').filter(|line| !is_ours(line)).collect();
        assert_eq!(ours.lines().count(), theirs.lines().count(), "{ours}\n{theirs}");
        for (our, their) in ours.lines().zip(theirs.lines()) {
            if our.starts_with("Latencies") {
                let ends = |line: &str| {
                    let (_, cells) = line.split_once("]  ").unwrap();
                    let cells: Vec<_> = cells.split(", ").map(str::to_owned).collect();
                    (cells[0].clone(), cells[1].clone(), cells[6].clone())
                };
                assert_eq!(ends(our), ends(their), "min, mean, max of {results}");
            } else {
                assert_eq!(our, their, "{results}");
            }
        }

        let report =
            |program: &str| bash(&format!("{program} report -type=json {results}"), dir.path());
        let (ours, theirs) = (report("houseful load"), report("TZ=UTC vegeta"));
        let json = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        let (mut ours, mut theirs) = (json(&ours), json(&theirs));
        // The truth, by the nearest rank; vegeta's own digest is some percent off.
        let encoded = bash(&format!("houseful load encode {results}"), dir.path());
        let mut latencies: Vec<f64> =
            comparable(&encoded).iter().map(|result| result["latency"].as_f64().unwrap()).collect();
        latencies.sort_by(f64::total_cmp);
        for (name, rank) in [("50th", 30), ("90th", 54), ("95th", 57), ("99th", 60)] {
            let (found, truth) = (ours["latencies"][name].as_f64().unwrap(), latencies[rank - 1]);
            assert!((found - truth).abs() <= truth * 0.001 + 1.0, "{name}: {found} for {truth}");
            ours["latencies"][name] = Value::Null;
            theirs["latencies"][name] = Value::Null;
        }
        if results == "ours.gob" {
            let ours = ours.as_object_mut().unwrap();
            assert_eq!(ours.remove("no_answer").unwrap(), serde_json::json!({"connect": 10}));
            assert!(ours.remove("limit").unwrap()["words"].is_string());
            assert_eq!(ours.remove("unsent").unwrap(), 0);
            assert!(ours.remove("slip").unwrap()["max"].as_u64() > Some(0));
        }
        assert_eq!(ours, theirs, "{results}");
    }
}

#[test]
fn histograms_are_vegetas_line_by_line() {
    if !has_vegeta() {
        return;
    }
    let dir = temp_dir();
    play(dir.path());
    for results in ["ours.gob", "theirs.gob"] {
        for flags in [
            "-type='hist[0,500us,1ms,2ms,1h]'",
            "-type='hist[1ms]'",
            "-type='hist' -buckets '[100us, 1.5ms,2s]'",
        ] {
            let report =
                |program: &str| bash(&format!("{program} report {flags} {results}"), dir.path());
            assert_eq!(report("houseful load"), report("vegeta"), "{flags} of {results}");
        }
        let buckets = |program: &str| {
            let flags = "-type json -buckets '[0,1ms,1h]'";
            let text = bash(&format!("{program} report {flags} {results}"), dir.path());
            let report: Value = serde_json::from_str(&text).unwrap();
            // As text, for their order is vegeta's too.
            let at = text.find("\"buckets\"").unwrap();
            let end = at + text[at..].find('}').unwrap();
            assert!(report["buckets"].is_object());
            text[at..end].to_owned()
        };
        assert_eq!(buckets("houseful load"), buckets("vegeta"), "{results}");
    }
}

#[test]
fn plots_of_percentiles_are_vegetas_but_for_the_error_of_the_values() {
    if !has_vegeta() {
        return;
    }
    let dir = temp_dir();
    play(dir.path());
    for results in ["ours.gob", "theirs.gob"] {
        let report =
            |program: &str| bash(&format!("{program} report -type=hdrplot {results}"), dir.path());
        let (ours, theirs) = (report("houseful load"), report("vegeta"));
        assert_eq!(ours.lines().count(), theirs.lines().count());
        assert_eq!(ours.lines().next(), theirs.lines().next());
        let encoded = bash(&format!("houseful load encode {results}"), dir.path());
        let mut latencies: Vec<f64> =
            comparable(&encoded).iter().map(|result| result["latency"].as_f64().unwrap()).collect();
        latencies.sort_by(f64::total_cmp);
        for (our, their) in ours.lines().zip(theirs.lines()).skip(1) {
            let cells = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
            let (our, their) = (cells(our), cells(their));
            assert_eq!(our[1..], their[1..], "{results}");
            let (value, quantile) =
                (our[0].parse::<f64>().unwrap() * 1e6, our[1].parse::<f64>().unwrap());
            let rank = (quantile * latencies.len() as f64).ceil().max(1.0) as usize;
            let truth = latencies[rank - 1];
            assert!(
                (value - truth).abs() <= truth * 0.001 + 1.0,
                "{quantile}: {value} for {truth}"
            );
        }
    }
}

#[test]
fn each_sends_the_targets_that_we_generate_in_either_format() {
    if !has_vegeta() {
        return;
    }
    let dir = temp_dir();
    let setup = Setup::new(dir.path());
    let houseful = setup.start();
    let mut stored = 0;
    for (program, format) in [
        ("vegeta", "http"),
        ("vegeta", "json"),
        ("houseful load", "http"),
        ("houseful load", "json"),
    ] {
        let report = bash(
            &format!(
                "houseful load generate --houses 1 --seconds 5 --seed {stored} --format {format} --force --url {}/rssi_readings > plan
                 {program} attack -targets=targets.{} -format={format} -rate=80 -duration=5s | houseful load report -type=json",
                houseful.url(),
                if format == "http" { "txt" } else { "json" },
            ),
            dir.path(),
        );
        let report: Value = serde_json::from_str(&report).unwrap();
        let codes = serde_json::json!({"201": 20, "409": 380});
        assert_eq!(report["status_codes"], codes, "{program}, {format}: {report}");
        stored += 20;
        assert_eq!(setup.export().len(), stored, "{program}, {format}");
    }
}

#[test]
fn a_stream_of_targets_feeds_either_for_as_long_as_it_asks() {
    if !has_vegeta() {
        return;
    }
    let dir = temp_dir();
    let setup = Setup::new(dir.path());
    let houseful = setup.start();
    let mut stored = 0;
    for program in ["vegeta", "houseful load"] {
        let report = bash(
            &format!(
                "houseful load generate --stream --houses 1 --seed {stored} --url {}/rssi_readings |
                 {program} attack -lazy -format=json -rate=80 -duration=6s | houseful load report -type=json",
                houseful.url(),
            ),
            dir.path(),
        );
        let report: Value = serde_json::from_str(&report).unwrap();
        let codes = serde_json::json!({"201": 40, "409": 440});
        assert_eq!(report["status_codes"], codes, "{program}: {report}");
        stored += 40;
        assert_eq!(setup.export().len(), stored, "{program}");
    }
}
