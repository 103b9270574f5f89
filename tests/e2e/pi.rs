//! `examples/pi.py`: whatever dies, what a Pi has heard is stored once, with the
//! time at which it was heard.

use std::collections::BTreeSet;
use std::fs;
use std::io::{PipeReader, Write, pipe};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::clock::{faketime, with_clock};
use crate::support::between::{Between, Fate, read_request};
use crate::support::houseful::Setup;
use crate::support::rng::Rng;
use crate::support::{
    PATIENCE, distinct, heard_at, in_repository, now_ms, skip, temp_dir, wait_until,
};

/// How to start `pi.py`, with the spool `DIR/spool`.
struct Pi {
    dir: PathBuf,
    url: String,
    args: Vec<&'static str>,
}

/// A running one. Killed when dropped.
struct Running {
    child: Child,
    said: PathBuf,
}

impl Pi {
    /// None, said or refused in CI, where there is no Python.
    fn new(dir: &TempDir, url: &str) -> Option<Pi> {
        let found = Command::new("python3").arg("--version").stdout(Stdio::null()).status();
        if !found.is_ok_and(|status| status.success()) {
            skip("`python3` is missing: apt-get install python3");
            return None;
        }
        Some(Pi { dir: dir.path().to_owned(), url: url.to_owned(), args: Vec::new() })
    }

    fn args(mut self, args: &[&'static str]) -> Pi {
        self.args.extend(args);
        self
    }

    /// Starts it on lines from `input`, which others may read on when it is dead.
    fn start(&self, input: impl Into<Stdio>) -> Running {
        let said = self.dir.join("said");
        let stderr = fs::File::options().create(true).append(true).open(&said).unwrap();
        let child = Command::new("env")
            .args(["--default-signal", "python3", "-W", "error"])
            .arg(in_repository("examples/pi.py"))
            .args(["--url", &self.url, "--pi-id", "32", "--spool"])
            .arg(self.spool())
            .args(&self.args)
            .stdin(input)
            .stderr(stderr)
            .spawn()
            .expect("run python3");
        Running { child, said }
    }

    /// Lets it send these lines and what is in its spool, to the end.
    fn run(&self, lines: &[Value]) -> String {
        let (reader, mut writer) = pipe().unwrap();
        let running = self.start(reader);
        write_lines(&mut writer, lines);
        drop(writer);
        running.end()
    }

    fn spool(&self) -> PathBuf {
        self.dir.join("spool")
    }

    /// Everything in the files of its spool.
    fn spooled(&self) -> Vec<u8> {
        let mut all = Vec::new();
        for path in segments(&self.spool()) {
            // One of them may be done meanwhile.
            all.extend(fs::read(path).unwrap_or_default());
        }
        all
    }

    /// What it has set aside.
    fn rejected(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.spool().join("rejected.ndjson")).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect()
    }
}

impl Running {
    fn kill(mut self) {
        self.child.kill().expect("kill pi.py");
        self.child.wait().expect("wait for pi.py");
    }

    fn term(self) -> String {
        kill_process(Pid::from_child(&self.child), Signal::TERM).expect("signal pi.py");
        self.end()
    }

    /// What it and those before it said, once it has ended well.
    fn end(mut self) -> String {
        let status = self.wait();
        assert!(status.success(), "{status}: {}", self.said());
        self.said()
    }

    fn wait(&mut self) -> ExitStatus {
        let mut status = None;
        wait_until(2 * PATIENCE, "pi.py ends", || {
            status = self.child.try_wait().expect("look after pi.py");
            status.is_some()
        });
        status.expect("it has ended")
    }

    /// What it has said; a Python warning or traceback is never right.
    fn said(&self) -> String {
        let said = fs::read_to_string(&self.said).unwrap();
        for bad in ["Traceback", "Warning", "Exception"] {
            assert!(!said.contains(bad), "{said}");
        }
        said
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Fails only if it has ended already.
        if self.child.kill().is_ok() {
            self.child.wait().expect("wait for pi.py");
        }
    }
}

/// The files of a spool that hold records.
fn segments(spool: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(spool) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut segments: Vec<_> =
        paths.filter(|path| path.extension().is_some_and(|kind| kind == "spool")).collect();
    segments.sort();
    segments
}

/// What another Pi's scanner writes: no time, no `pi_id`.
fn heard(n: usize) -> Value {
    let mut emission = distinct(n);
    emission.as_object_mut().unwrap().remove("pi_id");
    emission
}

fn write_lines(writer: &mut impl Write, lines: &[Value]) {
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    writer.write_all(text.as_bytes()).unwrap();
}

fn badges(readings: &[Value]) -> Vec<&str> {
    readings.iter().map(|reading| reading["badge_id"].as_str().unwrap()).collect()
}

/// Those that were heard within a millisecond may change places.
fn sorted(readings: &[Value]) -> Vec<&str> {
    let mut badges = badges(readings);
    badges.sort_unstable();
    badges
}

/// A file of a spool, as a former run left it.
fn leave_behind(pi: &Pi, number: usize, text: &str) {
    fs::create_dir_all(pi.spool()).unwrap();
    fs::write(pi.spool().join(format!("{number:010}.spool")), text).unwrap();
}

/// A line of a spool. `boot` is the beginning of a boot's id.
fn record(n: usize, boot: &str, boottime_ms: i64, wall_ms: i64) -> String {
    format!("\n{}", json!([boot, boottime_ms, wall_ms, distinct(n)]))
}

fn boot() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap()[..8].to_owned()
}

/// The clock that goes on in suspend, with hundredths of a second.
fn boottime_ms() -> i64 {
    let uptime = fs::read_to_string("/proc/uptime").unwrap();
    uptime.split(['.', ' ']).next().unwrap().parse::<i64>().unwrap() * 1000
}

fn time_of(reading: &Value) -> i64 {
    let text = reading["heard_at"].as_str().unwrap();
    text.parse::<jiff::Timestamp>().unwrap().as_millisecond()
}

/// A free port that no other test, and no connection's own end takes while nobody
/// listens.
fn lasting_port() -> u16 {
    static TAKEN: AtomicU16 = AtomicU16::new(0);
    let first = 20_000 + u16::try_from(std::process::id() % 10_000).unwrap();
    loop {
        let port = first + TAKEN.fetch_add(1, Ordering::Relaxed);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

#[test]
fn nothing_is_lost_and_nothing_stored_twice_while_both_are_killed() {
    const ROUNDS: usize = 12;
    const LINES: usize = 150;
    let dir = temp_dir();
    let port = lasting_port();
    let address = format!("127.0.0.1:{port}");
    let setup = Setup::new(dir.path()).args(&["--listen", &address]);
    let Some(pi) = Pi::new(&dir, &format!("http://{address}")) else { return };
    let mut rng = Rng::new(7);
    let mut houseful = Some(setup.start());
    let (reader, mut writer) = pipe().unwrap();
    let input = |reader: &PipeReader| reader.try_clone().unwrap();
    let mut running = pi.start(input(&reader));
    let began = now_ms();
    for round in 0..ROUNDS {
        let lines: Vec<_> = (round * LINES..(round + 1) * LINES).map(heard).collect();
        write_lines(&mut writer, &lines);
        let fed = (round + 1) * LINES;
        // What a killed process had read but not written is nobody's.
        wait_until(PATIENCE, "all lines are on the Pi's disk or stored", || {
            let spooled = pi.spooled();
            let spooled = String::from_utf8_lossy(&spooled);
            let stored = setup.export();
            let stored: BTreeSet<_> = badges(&stored).into_iter().collect();
            let is_safe = |line: &Value| {
                let badge = line["badge_id"].as_str().unwrap();
                stored.contains(badge) || spooled.contains(&format!("{badge:?}"))
            };
            lines.iter().all(is_safe)
        });
        if houseful.is_some() {
            let stored = setup.export().len();
            let enough = stored + usize::try_from(rng.below((fed - stored) as u64)).unwrap();
            wait_until(2 * PATIENCE, "some of it is stored", || setup.export().len() >= enough);
        }
        if rng.below(3) < 2 {
            running.kill();
            running = pi.start(input(&reader));
        }
        houseful = match houseful {
            Some(houseful) if rng.below(3) < 2 => {
                houseful.kill();
                None
            }
            Some(houseful) => Some(houseful),
            None => Some(setup.start()),
        };
    }
    let houseful = houseful.unwrap_or_else(|| setup.start());
    drop((writer, reader));
    running.end();
    assert_eq!(segments(&pi.spool()), [] as [PathBuf; 0]);
    assert_eq!(pi.rejected(), [] as [Value; 0]);
    let readings = setup.export();
    let sent: Vec<_> = (0..ROUNDS * LINES).map(heard).collect();
    assert!(sorted(&readings) == sorted(&sent), "{} sent, {} stored", sent.len(), readings.len());
    assert!(readings.iter().all(|reading| reading["pi_id"] == "32"));
    // The clocks that are compared here may differ by a rounding.
    assert!(readings.iter().all(|reading| (began - 10..=now_ms()).contains(&time_of(reading))));
    assert!(houseful.term().success());
}

#[test]
fn what_is_said_by_something_in_between_is_not_believed() {
    let dir = temp_dir();
    let setup = Setup::new(dir.path());
    let houseful = setup.start();
    let rows = [
        ("400 Bad Request", "<html>", "ALARM"),
        ("400 Bad Request", r#"{"error": "no"}"#, "ALARM"),
        ("400 Bad Request", r#"{"errors": "no"}"#, "ALARM"),
        ("400 Bad Request", r#"{"errors": [{"code": 7}]}"#, "ALARM"),
        ("413 Content Too Large", "<html>", "ALARM"),
        ("415 Unsupported Media Type", "", "ALARM"),
        ("409 Conflict", "[]", "ALARM"),
        ("201 Created", "{}", "ALARM"),
        ("200 OK", "<html>", "ALARM"),
        ("429 Too Many Requests", "", "away"),
        ("502 Bad Gateway", "<html>", "away"),
    ];
    for (n, (status, body, kind)) in rows.into_iter().enumerate() {
        let said = Fate::say(status, "content-type: text/html\r\n", body);
        let between = Between::before(houseful.port(), vec![said]);
        let Some(pi) = Pi::new(&dir, &between.url()) else { return };
        let said = pi.run(&[heard(n)]);
        let wanted = format!(
            "{kind}: {}: not the collector's own answer; files in the spool: 1",
            &status[..3]
        );
        assert!(said.contains(&wanted), "{said}");
        assert!(said.contains("back; files in the spool: 0"), "{said}");
        assert_eq!(setup.export().len(), n + 1, "after {status}");
        assert_eq!(pi.rejected(), [] as [Value; 0], "after {status}");
        fs::remove_file(dir.path().join("said")).unwrap();
    }
}

#[test]
fn what_may_pass_and_what_a_person_must_mend_is_kept_and_said_once() {
    let dir = temp_dir();
    let setup = Setup::new(dir.path());
    let houseful = setup.start();
    let fates = vec![
        Fate::say("403 Forbidden", "", r#"{"errors":["the Host"]}"#),
        Fate::say("302 Found", "location: /login\r\n", ""),
        Fate::say("503 Service Unavailable", "retry-after: 1\r\n", r#"{"errors":["full"]}"#),
    ];
    let between = Between::before(houseful.port(), fates);
    let Some(pi) = Pi::new(&dir, &between.url()) else { return };
    let said = pi.run(&[heard(0)]);
    let waits = "files in the spool: 1";
    assert_eq!(
        said.lines().skip(1).collect::<Vec<_>>(),
        [
            format!("pi.py: ALARM: 403: the Host; {waits}"),
            format!("pi.py: refused: 503: full; {waits}"),
            "pi.py: back; files in the spool: 0".to_owned(),
            "pi.py: 1 answered, 0 rejected, 0 dropped; files in the spool: 0".to_owned(),
        ],
        "{said}"
    );
    assert_eq!(setup.export().len(), 1);
}

#[test]
fn what_is_refused_for_long_holds_up_nothing_that_is_heard_now() {
    let Some(library) = faketime() else { return };
    let dir = temp_dir();
    let port = lasting_port();
    let setup = Setup::new(dir.path()).args(&["--listen", &format!("127.0.0.1:{port}")]);
    let Some(pi) = Pi::new(&dir, &format!("http://127.0.0.1:{port}")) else { return };
    let houseful = setup.start();
    houseful.client().post(&distinct(0)).unwrap();
    assert!(houseful.term().success());

    // It cannot tell whether a time is ahead, and takes all that has none.
    let houseful = with_clock(setup.clone(), &library).env("FAKETIME", "-2h").start();
    let (reader, mut writer) = pipe().unwrap();
    let running = pi.start(reader);
    write_lines(&mut writer, &[heard_at(heard(1), now_ms())]);
    wait_until(PATIENCE, "it is refused", || running.said().contains("refused: 503"));
    for n in 2..5 {
        write_lines(&mut writer, &[heard(n)]);
        wait_until(PATIENCE, "a later one is stored", || setup.export().len() == n);
    }
    assert!(houseful.term().success());
    let _houseful = setup.start();
    drop(writer);
    let said = running.end();
    assert_eq!(said.matches("refused: 503").count(), 1, "{said}");
    assert_eq!(sorted(&setup.export()), ["badge_0", "badge_1", "badge_2", "badge_3", "badge_4"]);
}

#[test]
fn an_answer_that_is_lost_leads_to_no_second_reading() {
    let dir = temp_dir();
    let setup = Setup::new(dir.path());
    let houseful = setup.start();
    let fates = vec![Fate::Swallow, Fate::Cut, Fate::Swallow];
    let between = Between::before(houseful.port(), fates);
    let Some(pi) = Pi::new(&dir, &between.url()) else { return };
    // Without its time it would be another reading now.
    let hour_ms = 3_600_000;
    leave_behind(&pi, 1, &record(0, &boot(), boottime_ms() - hour_ms, 0));
    let began = now_ms();
    pi.run(&[]);
    let readings = setup.export();
    assert_eq!(badges(&readings), ["badge_0"]);
    let age_ms = now_ms() - time_of(&readings[0]);
    let took_ms = now_ms() - began;
    // The uptime has whole seconds.
    assert!((hour_ms..=hour_ms + took_ms + 1_001).contains(&age_ms), "{age_ms} in {took_ms}");
    assert_eq!(between.heads().len(), 4);
}

#[test]
fn what_can_never_be_stored_is_set_aside_and_the_rest_goes_on() {
    let dir = temp_dir();
    let setup = Setup::new(dir.path());
    let houseful = setup.start();
    let Some(pi) = Pi::new(&dir, &houseful.url()) else { return };
    let (reader, mut writer) = pipe().unwrap();
    let running = pi.start(reader);
    let too_long = format!("{{\"x\":\"{}\"}}\n", "x".repeat(17_000));
    let bodies = [
        "{\"badge_id\": 7, \"beacons\": {}}\n",
        "no JSON\n",
        "[1]\n",
        "\n",
        "{\"badge_id\": \"b\", \"age_ms\": -1}\n",
        "\u{fffd}{\n",
        &too_long,
    ];
    for body in bodies {
        write_lines(&mut writer, &[heard(0)]);
        writer.write_all(body.as_bytes()).unwrap();
    }
    writer.write_all(b"\xff\n").unwrap();
    writer.write_all(heard(1).to_string().as_bytes()).unwrap();
    drop(writer);
    let said = running.end();
    assert!(
        said.ends_with("11 answered, 7 rejected, 0 dropped; files in the spool: 0\n"),
        "{said}"
    );
    assert_eq!(sorted(&setup.export()), ["badge_0", "badge_1"]);

    let rejected = pi.rejected();
    let reasons: BTreeSet<_> = rejected.iter().map(|it| it["reason"].as_str().unwrap()).collect();
    for reason in [
        "400: age_ms: expected an integer from 0 to 34560000000, found -1",
        "400: badge_id: expected a string, found 7",
        "413: body: expected at most 16384 bytes",
        "expected a JSON object",
    ] {
        assert!(reasons.contains(reason), "{rejected:#?}");
    }
    assert_eq!(rejected.len(), 7);
    let asked = rejected.iter().find(|it| it["reason"].as_str().unwrap().contains("a string"));
    let asked = asked.unwrap();
    // It can be mended and sent again: its time is with it.
    assert!(asked["emission"]["heard_at"].is_i64(), "{asked}");
    let mut mended = asked["emission"].clone();
    mended["badge_id"] = json!("badge_7");
    pi.run(&[mended.clone()]);
    let readings = setup.export();
    let reading = readings.iter().find(|reading| reading["badge_id"] == "badge_7").unwrap();
    assert_eq!(time_of(reading), mended["heard_at"].as_i64().unwrap());
}

#[test]
fn when_the_spool_is_full_the_oldest_go_and_that_is_said() {
    const ROUNDS: usize = 5;
    const LINES: usize = 2_500; // more than a file has
    let dir = temp_dir();
    let Some(pi) = Pi::new(&dir, "http://127.0.0.1:1") else { return };
    let pi = pi.args(&["--spool-mib", "0.5"]);
    let (reader, mut writer) = pipe().unwrap();
    let running = pi.start(reader);
    for round in 1..=ROUNDS {
        let lines: Vec<_> = ((round - 1) * LINES..round * LINES).map(heard).collect();
        write_lines(&mut writer, &lines);
        let last = format!("\"badge_{}\"", round * LINES - 1);
        wait_until(PATIENCE, "the last line is on the disk", || {
            String::from_utf8_lossy(&pi.spooled()).contains(&last)
        });
    }
    let said = running.term();
    let (before, _) = said.rsplit_once(" dropped; files in the spool: 2").expect(&said);
    let dropped: usize = before.rsplit(' ').next().unwrap().parse().unwrap();
    assert!(said.contains("ALARM: full, the oldest go: "), "{said}");
    assert!((1..ROUNDS * LINES).contains(&dropped), "{said}");
    let kept: BTreeSet<String> =
        (dropped..ROUNDS * LINES).map(|n| format!("\"badge_{n}\"")).collect();
    let spooled = String::from_utf8(pi.spooled()).unwrap();
    assert_eq!(spooled.matches("badge_id").count(), kept.len());
    assert!(kept.iter().all(|badge| spooled.contains(badge)));
}

#[test]
fn a_spool_that_a_power_cut_left_is_read_as_far_as_it_is_whole() {
    let dir = temp_dir();
    let setup = Setup::new(dir.path());
    let houseful = setup.start();
    let Some(pi) = Pi::new(&dir, &houseful.url()) else { return };
    // Cut at each byte, and what a file system makes of it.
    let boot = boot();
    let line = record(0, &boot, boottime_ms(), 0);
    let mut whole = Vec::new();
    for cut in 0..=line.len() {
        let whole_line = record(2 * cut, &boot, boottime_ms(), 0);
        let torn = record(2 * cut + 1, &boot, boottime_ms(), 0);
        let end = (torn.len() - line.len() + cut).min(torn.len());
        leave_behind(&pi, cut, &(whole_line + &torn[..end]));
        whole.push(heard(2 * cut));
        if end == torn.len() {
            whole.push(heard(2 * cut + 1));
        }
    }
    let next = line.len() + 1;
    leave_behind(&pi, next, &("\0".repeat(5000) + &record(9000, &boot, boottime_ms(), 0)));
    leave_behind(&pi, next + 1, "");
    whole.push(heard(9000));
    pi.run(&[]);
    assert_eq!(sorted(&setup.export()), sorted(&whole));
    assert_eq!(segments(&pi.spool()), [] as [PathBuf; 0]);
}

#[test]
fn what_was_heard_before_a_reboot_has_the_time_of_the_clock_as_it_was_set_by_then() {
    let dir = temp_dir();
    let setup = Setup::new(dir.path());
    let houseful = setup.start();
    let Some(pi) = Pi::new(&dir, &houseful.url()) else { return };
    // Four hours ago; the wall clock was in 1970 until NTP set it.
    let heard_at = now_ms() - 4 * 3_600_000;
    let (one, another) = ("00000000", "11111111");
    leave_behind(&pi, 1, &(record(0, one, 10_000, 5) + &record(1, one, 20_000, 10_005)));
    leave_behind(&pi, 2, &record(2, one, 30_000, heard_at));
    leave_behind(&pi, 3, &record(3, another, 30_000, heard_at + 50_000));
    pi.run(&[heard(4)]);
    let readings = setup.export();
    assert_eq!(badges(&readings), ["badge_0", "badge_1", "badge_2", "badge_3", "badge_4"]);
    let times: Vec<_> = readings.iter().map(time_of).collect();
    assert_eq!(times[..4], [heard_at - 20_000, heard_at - 10_000, heard_at, heard_at + 50_000]);
}

#[test]
fn a_disk_that_fails_costs_nothing_while_the_program_runs() {
    let dir = temp_dir();
    let port = lasting_port();
    let address = format!("127.0.0.1:{port}");
    let setup = Setup::new(dir.path()).args(&["--listen", &address]);
    let Some(pi) = Pi::new(&dir, &format!("http://{address}")) else { return };
    let (reader, mut writer) = pipe().unwrap();
    let running = pi.start(reader);
    wait_until(PATIENCE, "it has its spool", || running.said().contains("posting to"));
    fs::remove_dir_all(pi.spool()).unwrap();
    write_lines(&mut writer, &[heard(0), json!("no emission"), heard(1)]);
    wait_until(PATIENCE, "it is away", || running.said().contains("away: "));
    write_lines(&mut writer, &[heard(2)]);
    let _houseful = setup.start();
    drop(writer);
    let said = running.end();
    assert_eq!(said.matches("ALARM: the spool's disk fails").count(), 1, "{said}");
    assert_eq!(sorted(&setup.export()), ["badge_0", "badge_1", "badge_2"]);
}

#[test]
fn a_collector_that_was_restarted_while_nothing_was_heard_is_not_missed() {
    let dir = temp_dir();
    let port = lasting_port();
    let address = format!("127.0.0.1:{port}");
    let setup = Setup::new(dir.path()).args(&["--listen", &address]);
    let Some(pi) = Pi::new(&dir, &format!("http://{address}")) else { return };
    let houseful = setup.start();
    let (reader, mut writer) = pipe().unwrap();
    let running = pi.start(reader);
    write_lines(&mut writer, &[heard(0)]);
    wait_until(PATIENCE, "it is stored", || setup.export().len() == 1);
    houseful.kill();
    let _houseful = setup.start();
    write_lines(&mut writer, &[heard(1)]);
    drop(writer);
    let said = running.end();
    let says = said.lines().skip(1).collect::<Vec<_>>();
    assert_eq!(says, ["pi.py: 2 answered, 0 rejected, 0 dropped; files in the spool: 0"]);
    assert_eq!(sorted(&setup.export()), ["badge_0", "badge_1"]);
}

#[test]
fn all_goes_on_one_connection() {
    let dir = temp_dir();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let Some(pi) = Pi::new(&dir, &url) else { return };
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        drop(listener);
        while read_request(&mut stream).unwrap().is_some() {
            let body = r#"{"errors":["duplicate"]}"#;
            let length = body.len();
            let head = format!("HTTP/1.1 409 Conflict\r\ncontent-length: {length}\r\n\r\n");
            stream.write_all((head + body).as_bytes()).unwrap();
        }
    });
    let said = pi.run(&(0..100).map(heard).collect::<Vec<_>>());
    assert!(
        said.ends_with("100 answered, 0 rejected, 0 dropped; files in the spool: 0\n"),
        "{said}"
    );
    assert!(!said.contains("away"), "{said}");
}

#[test]
fn a_collector_that_says_when_to_come_again_is_left_alone_until_then() {
    let dir = temp_dir();
    let setup = Setup::new(dir.path());
    let houseful = setup.start();
    let later = Fate::say("503 Service Unavailable", "retry-after: 600\r\n", r#"{"errors":[]}"#);
    let between = Between::before(houseful.port(), vec![later]);
    let Some(pi) = Pi::new(&dir, &between.url()) else { return };
    let (reader, mut writer) = pipe().unwrap();
    let running = pi.start(reader);
    for n in 0..3 {
        write_lines(&mut writer, &[heard(n)]);
        wait_until(PATIENCE, "what is heard meanwhile is on the disk", || {
            String::from_utf8_lossy(&pi.spooled()).contains(&format!("\"badge_{n}\""))
        });
    }
    running.term();
    assert_eq!(between.heads().len(), 1);
}

#[test]
fn sigterm_keeps_the_spool_and_what_is_answered_is_not_sent_again() {
    let dir = temp_dir();
    let setup = Setup::new(dir.path());
    let houseful = setup.start();
    let fates = [Fate::Pass].into_iter().chain((0..100).map(|_| Fate::Cut)).collect();
    let failing = Between::before(houseful.port(), fates);
    let passing = Between::before(houseful.port(), Vec::new());
    let Some(pi) = Pi::new(&dir, &failing.url()) else { return };
    leave_behind(&pi, 7, &(0..3).map(|n| record(n, &boot(), boottime_ms(), 0)).collect::<String>());
    let (reader, mut writer) = pipe().unwrap();
    let running = pi.start(reader);
    wait_until(PATIENCE, "the first is stored, and it is away", || running.said().contains("away"));
    write_lines(&mut writer, &[heard(3)]);
    wait_until(PATIENCE, "what is heard is on the disk", || {
        String::from_utf8_lossy(&pi.spooled()).contains("badge_3")
    });
    let said = running.term();
    assert!(said.contains("1 answered, 0 rejected, 0 dropped; files in the spool: 1"), "{said}");
    assert_eq!(badges(&setup.export()), ["badge_0"]);

    Pi::new(&dir, &passing.url()).unwrap().run(&[]);
    assert_eq!(sorted(&setup.export()), ["badge_0", "badge_1", "badge_2", "badge_3"]);
    assert_eq!(passing.heads().len(), 3);
}

#[test]
fn a_spool_has_one_user_and_a_wrong_call_is_said() {
    let dir = temp_dir();
    let Some(pi) = Pi::new(&dir, "http://127.0.0.1:1") else { return };
    let (reader, _writer) = pipe().unwrap();
    let first = pi.start(reader.try_clone().unwrap());
    wait_until(PATIENCE, "the first has the spool", || first.said().contains("posting to"));
    let mut second = pi.start(reader.try_clone().unwrap());
    assert_eq!(second.wait().code(), Some(2));
    assert!(second.said().contains("another process uses this spool"), "{}", second.said());
    first.term();
    for url in ["ftp://x", "127.0.0.1:6540", "http://"] {
        let mut pi = Pi::new(&dir, url).unwrap().start(reader.try_clone().unwrap());
        assert_eq!(pi.wait().code(), Some(2), "{}", pi.said());
    }
}

#[test]
fn python_3_7_reads_it() {
    let dir = temp_dir();
    let Some(_) = Pi::new(&dir, "") else { return };
    let check = "import ast, sys; ast.parse(open(sys.argv[1]).read(), feature_version=(3, 7))";
    let path = in_repository("examples/pi.py");
    let output = Command::new("python3").args(["-W", "error", "-c", check]).arg(path).output();
    let output = output.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
