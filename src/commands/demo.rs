//! `houseful demo`: houses played against a collector, and every answer
//! compared with what is stored.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use houseful_load::attack::{self, Hit, Options, Stop};
use houseful_load::metrics::Metrics;
use houseful_load::pacer::Pacer;
use houseful_load::plan::{Plan, Ratio};
use houseful_load::reports;
use houseful_load::targets::{Header, HttpUrl, Target};
use houseful_model::{Heard, Millis, wire};
use rustix::process::{Pid, Signal, kill_process};

use super::load::{Live, stop_on_interrupt};
use crate::cli::DemoArgs;
use crate::say;

const BADGES_PER_HOUSE: u32 = 20;

/// The collector's default dedup window, which the demo leaves as it is.
const WINDOW_MS: u64 = 4_500;

/// Kept of each answer: a reading is shorter.
const ANSWER_BYTES_MAX: usize = 4_096;

/// Each emission is kept with its answer: this many take about 1 GiB.
const EMISSIONS_MAX: u64 = 2_000_000;

/// Plays, reports, compares.
pub(crate) fn run(args: &DemoArgs) -> anyhow::Result<ExitCode> {
    let mut plan =
        Plan { badges: args.houses * BADGES_PER_HOUSE, seconds: args.seconds, ..Plan::default() };
    let summary = plan.summary();
    if summary.emissions > EMISSIONS_MAX {
        bail!(
            "expected at most {EMISSIONS_MAX} emissions, for every answer is kept; found {}: --houses {} × {BADGES_PER_HOUSE} badges × {} Pis × --seconds {}",
            summary.emissions,
            args.houses,
            plan.pis,
            args.seconds
        );
    }
    // From here on an interrupt does not end us: the collector would be left behind.
    let stop = stop_on_interrupt()?;
    let directory = tempfile::tempdir().context("cannot make a temporary directory")?;
    let store = directory.path().join("houseful.db");
    let collector = Collector::start(&store)?;
    plan.url = format!("{}/rssi_readings", collector.url).parse::<HttpUrl>()?;
    print(format_args!(
        "collector    {} on a temporary store\n\
         playing      {} houses, {} badges, {} Pis each, for {} s: {} emissions at {} a second, 1 in {} new\n",
        collector.url,
        args.houses,
        plan.badges,
        plan.pis,
        plan.seconds,
        summary.emissions,
        summary.rate(),
        summary.emissions_per_payload()
    ))?;

    let payloads = payloads(&plan);
    let hits = play(&plan, &payloads, &stop)?;
    let mut metrics = Metrics::new();
    for hit in &hits {
        metrics.add(&hit.record);
    }
    print(format_args!("\n"))?;
    reports::text::write(&mut std::io::stdout().lock(), &metrics.summary())
        .context("cannot print the report")?;

    collector.stop()?;
    let exported = directory.path().join("readings.ndjson");
    export(&store, &exported)?;
    let check = Check::new(&payloads, &hits, &read_exported(&exported)?);
    print(format_args!("\n{check}"))?;
    let (played, planned) = (hits.len() as u64, summary.emissions);
    if played < planned {
        let verdict = verdict(check.is_clean());
        print(format_args!(
            "interrupted after {played} of {planned}; what was answered is {verdict}\n"
        ))?;
        return Ok(ExitCode::FAILURE);
    }
    let is_right = check.is_right(summary.payloads);
    print(format_args!("{}\n", verdict(is_right)))?;
    Ok(if is_right { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Prints on stdout. If nobody reads there any more, the demo ends.
fn print(text: std::fmt::Arguments<'_>) -> anyhow::Result<()> {
    std::io::stdout().write_fmt(text).context("cannot write to stdout")
}

fn verdict(is_clean: bool) -> &'static str {
    if is_clean { "clean" } else { "NOT CLEAN" }
}

/// This program, with none of the caller's settings: the demo knows which it
/// checks against.
fn this_program() -> anyhow::Result<Command> {
    let mut command = Command::new(std::env::current_exe().context("cannot find this program")?);
    for (name, _) in std::env::vars_os() {
        if name.as_encoded_bytes().starts_with(b"HOUSEFUL_") {
            command.env_remove(name);
        }
    }
    Ok(command)
}

/// The collector, as a process of its own.
struct Collector {
    child: Child,
    url: String,
}

impl Collector {
    fn start(store: &Path) -> anyhow::Result<Collector> {
        let mut child = this_program()?
            .args(["serve", "--listen", "127.0.0.1:0", "--store"])
            .arg(format!("sqlite:{}", store.display()))
            // A Ctrl-C is for the demo, which then stops the collector itself.
            .process_group(0)
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot start the collector")?;
        let stderr = child.stderr.take();
        // From here on it ends with this, whatever comes.
        let mut collector = Collector { child, url: String::new() };
        let mut lines = BufReader::new(stderr.context("the collector has no stderr")?);
        let mut line = String::new();
        lines.read_line(&mut line).context("cannot read what the collector says")?;
        match line.trim().strip_prefix("listening on ") {
            Some(url) => url.clone_into(&mut collector.url),
            None => bail!("the collector did not start: {}", line.trim()),
        }
        // Whatever else it has to say is said where the user reads.
        std::thread::spawn(move || {
            for line in lines.lines().map_while(Result::ok).filter(|line| !line.contains("INFO")) {
                say(format_args!("collector: {line}"));
            }
        });
        Ok(collector)
    }

    fn stop(mut self) -> anyhow::Result<()> {
        kill_process(Pid::from_child(&self.child), Signal::TERM)
            .context("cannot stop the collector")?;
        let status = self.child.wait().context("cannot wait for the collector")?;
        if !status.success() {
            bail!("the collector ended with {status}");
        }
        Ok(())
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        // After `stop` there is nothing left to end, which is no error.
        if let Ok(None) = self.child.try_wait() {
            drop(self.child.kill());
            drop(self.child.wait());
        }
    }
}

/// A payload of the plan: its bytes, and what makes an emission its copy.
struct Payload {
    body: Arc<[u8]>,
    identity: Identity,
}

type Identity = (String, Vec<(String, i8)>);

/// The payload of each emission, in the order of sending.
fn payloads(plan: &Plan) -> Vec<Arc<Payload>> {
    let mut known: HashMap<(u32, u64), Arc<Payload>> = HashMap::new();
    let payload = |badge, window| {
        let body: Arc<[u8]> = plan.body(badge, window).into_bytes().into();
        let emission = wire::parse(&body).expect("the plan makes emissions");
        let beacons = emission.beacons.iter().map(|b| (b.id.to_string(), b.rssi_dbm)).collect();
        let identity = (emission.badge_id.to_string(), beacons);
        Arc::new(Payload { body, identity })
    };
    plan.emissions()
        .map(|emission| {
            let (badge, window) = (emission.badge, emission.window);
            known.entry((badge, window)).or_insert_with(|| payload(badge, window)).clone()
        })
        .collect()
}

fn play(plan: &Plan, payloads: &[Arc<Payload>], stop: &Stop) -> anyhow::Result<Vec<Hit>> {
    let json: Header = "Content-Type: application/json".parse()?;
    let targets: Vec<Target> = payloads
        .iter()
        .map(|payload| Target {
            method: "POST".to_owned(),
            url: plan.url.clone(),
            headers: vec![json.clone()],
            body: payload.body.clone(),
        })
        .collect();
    let summary = plan.summary();
    let pacer = Pacer::new(summary.rate().parse()?, Some(summary.duration));
    let options = Options {
        body_max: Some(ANSWER_BYTES_MAX),
        keep_headers: false,
        timeout: Some(Duration::from_secs(30)),
        ..Options::default()
    };
    let mut live = Live::new(pacer.requests_total());
    let mut hits = Vec::with_capacity(targets.len());
    attack::run(targets, pacer, &options, stop, |hit| {
        live.hit(hit.record.code);
        hits.push(hit);
    })?;
    live.finish();
    Ok(hits)
}

fn export(store: &Path, to: &Path) -> anyhow::Result<()> {
    let status = this_program()?
        .args(["export", "--format", "ndjson", "--store"])
        .arg(format!("sqlite:{}", store.display()))
        .arg("--output")
        .arg(to)
        .status()
        .context("cannot start the export")?;
    if !status.success() {
        bail!("the export ended with {status}");
    }
    Ok(())
}

/// A line of the export.
struct Exported {
    line: serde_json::Value,
    identity: Identity,
    heard_at: Millis,
}

fn read_exported(path: &Path) -> anyhow::Result<Vec<Exported>> {
    let text = std::fs::read_to_string(path).context("cannot read the export")?;
    text.lines()
        .map(|line| {
            // A line of the export is an emission again, so the wire reads it.
            let emission =
                wire::parse(line.as_bytes()).context("cannot read a line of the export")?;
            let Heard::At(heard_at) = emission.heard else {
                bail!("a line of the export has no heard_at: {line}");
            };
            let beacons = emission.beacons.iter().map(|b| (b.id.to_string(), b.rssi_dbm)).collect();
            let identity = (emission.badge_id.to_string(), beacons);
            Ok(Exported { line: serde_json::from_str(line)?, identity, heard_at })
        })
        .collect()
}

/// What the comparison found.
struct Check {
    stored: u64,
    duplicates: u64,
    others: BTreeMap<u16, u64>,
    rows: u64,
    /// 201, but the reading is not in the export as it was answered.
    lost: u64,
    /// Two 201 for one reading.
    twice: u64,
    /// 409, but nothing in the export that it could be a copy of.
    without_original: u64,
}

impl Check {
    fn new(payloads: &[Arc<Payload>], hits: &[Hit], exported: &[Exported]) -> Check {
        let mut lines: HashMap<i64, &serde_json::Value> = HashMap::new();
        let mut times: HashMap<&Identity, Vec<Millis>> = HashMap::new();
        for row in exported {
            lines.insert(row.line["id"].as_i64().unwrap_or_default(), &row.line);
            times.entry(&row.identity).or_default().push(row.heard_at);
        }
        let mut check = Check {
            stored: 0,
            duplicates: 0,
            others: BTreeMap::new(),
            rows: exported.len() as u64,
            lost: 0,
            twice: 0,
            without_original: 0,
        };
        let mut answered = HashSet::new();
        for Hit { record, .. } in hits {
            match record.code {
                201 => {
                    check.stored += 1;
                    let body = record.body.as_deref().unwrap_or_default();
                    let answer: serde_json::Value =
                        serde_json::from_slice(body).unwrap_or_default();
                    let id = answer["id"].as_i64().unwrap_or_default();
                    check.lost += u64::from(lines.get(&id) != Some(&&answer));
                    check.twice += u64::from(!answered.insert(id));
                }
                409 => {
                    check.duplicates += 1;
                    let identity = &payloads[record.seq as usize % payloads.len()].identity;
                    let sent_ms = record.timestamp.as_millisecond();
                    let answered_ms = sent_ms + record.latency.as_millis() as i64;
                    let is_original = |t: &Millis| {
                        // It arrived at some moment between the two.
                        let nearest = t.0.clamp(sent_ms, answered_ms + 1);
                        t.0.abs_diff(nearest) < WINDOW_MS
                    };
                    let has_original =
                        times.get(identity).is_some_and(|times| times.iter().any(is_original));
                    check.without_original += u64::from(!has_original);
                }
                code => *check.others.entry(code).or_default() += 1,
            }
        }
        check
    }

    /// Whether each answer is true, as far as there are answers.
    fn is_clean(&self) -> bool {
        self.lost + self.twice + self.without_original == 0 && self.others.is_empty()
    }

    /// Whether a whole plan of so many payloads was played, and all is as it
    /// must be.
    fn is_right(&self, payloads: u64) -> bool {
        self.is_clean() && self.stored == payloads && self.rows == payloads
    }
}

impl std::fmt::Display for Check {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let answers = self.stored + self.duplicates + self.others.values().sum::<u64>();
        writeln!(f, "answers      {answers}: {} × 201, {} × 409", self.stored, self.duplicates)?;
        for (code, count) in &self.others {
            writeln!(f, "             {count} × {code}")?;
        }
        writeln!(f, "stored       {} readings", self.rows)?;
        if self.stored > 0 {
            let ratio = Ratio { numerator: answers.into(), denominator: self.stored.into() };
            writeln!(f, "new          1 in {ratio}")?;
        }
        writeln!(f, "lost         {} (201, but not in the export)", self.lost)?;
        writeln!(f, "twice        {} (one reading, two 201)", self.twice)?;
        writeln!(
            f,
            "no original  {} (409, but nothing that it is a copy of)",
            self.without_original
        )
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use houseful_load::results::Record;
    use serde_json::json;

    use super::*;

    fn payload(badge: &str) -> Arc<Payload> {
        Arc::new(Payload { body: Arc::new([]), identity: (badge.to_owned(), Vec::new()) })
    }

    fn hit(seq: u64, code: u16, body: &serde_json::Value, at_ms: i64) -> Hit {
        let record = Record {
            attack: String::new(),
            seq,
            code,
            timestamp: jiff::Timestamp::from_millisecond(at_ms).unwrap(),
            latency: Duration::from_millis(5),
            bytes_out: 0,
            bytes_in: 0,
            error: String::new(),
            body: Some(body.to_string().into_bytes()),
            method: "POST".to_owned(),
            url: String::new(),
            headers: None,
        };
        Hit { record, slip: Duration::ZERO }
    }

    fn exported(id: i64, badge: &str, at_ms: i64) -> Exported {
        let line = json!({"id": id, "badge_id": badge});
        Exported { line, identity: (badge.to_owned(), Vec::new()), heard_at: Millis(at_ms) }
    }

    /// What the check says of these answers: (right, lost, twice, no original).
    fn judged(hits: &[Hit], rows: &[Exported]) -> (bool, u64, u64, u64) {
        let payloads = [payload("a"), payload("b")];
        let check = Check::new(&payloads, hits, rows);
        (check.is_right(2), check.lost, check.twice, check.without_original)
    }

    #[test]
    fn a_part_of_the_answers_is_judged_as_far_as_it_goes() {
        let (a, b) = (json!({"id": 1, "badge_id": "a"}), json!({"id": 2, "badge_id": "b"}));
        // The second was stored, but its answer was given up.
        let rows = [exported(1, "a", 1_000), exported(2, "b", 1_001)];
        let check =
            |hits: &[Hit], rows| Check::new(&[payload("a"), payload("b")], hits, rows).is_clean();
        assert!(check(&[], &[]));
        assert!(check(&[hit(0, 201, &a, 1_000)], &rows));
        assert!(!check(&[hit(0, 201, &a, 1_000)], &rows[1..]));
        assert!(!check(&[hit(0, 201, &a, 1_000), hit(1, 503, &b, 1_001)], &rows));
    }

    #[test]
    fn every_lie_of_a_collector_is_seen() {
        let (a, b) = (json!({"id": 1, "badge_id": "a"}), json!({"id": 2, "badge_id": "b"}));
        let none = json!({"errors": ["duplicate"]});
        let rows = [exported(1, "a", 1_000), exported(2, "b", 1_001)];
        let honest = [hit(0, 201, &a, 1_000), hit(1, 201, &b, 1_001), hit(2, 409, &none, 5_495)];
        assert_eq!(judged(&honest, &rows), (true, 0, 0, 0));
        // 201, and no row, or another one.
        assert_eq!(judged(&honest, &rows[..1]), (false, 1, 0, 0));
        let other = json!({"id": 2, "badge_id": "c"});
        assert_eq!(
            judged(&[hit(0, 201, &a, 1_000), hit(1, 201, &other, 1_001)], &rows),
            (false, 1, 0, 0)
        );
        // Two 201 for one row.
        assert_eq!(
            judged(&[hit(0, 201, &a, 1_000), hit(2, 201, &a, 1_001)], &rows),
            (false, 0, 1, 0)
        );
        // 409, a window after its original, before it, and for nothing at all.
        for at_ms in [5_500, -3_506] {
            let late = [hit(0, 201, &a, 1_000), hit(1, 201, &b, 1_001), hit(2, 409, &none, at_ms)];
            assert_eq!(judged(&late, &rows), (false, 0, 0, 1), "{at_ms}");
        }
        assert_eq!(judged(&[hit(1, 409, &none, 1_000)], &rows[..1]), (false, 0, 0, 1));
        // Neither 201 nor 409; a row that nobody was answered.
        assert!(!judged(&[&honest[..2], &[hit(2, 503, &none, 1_000)]].concat(), &rows).0);
        let more = [exported(1, "a", 1_000), exported(2, "b", 1_001), exported(3, "b", 9_000)];
        assert!(!judged(&honest, &more).0);
    }
}
