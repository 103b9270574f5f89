//! `examples/pi.py`: whatever dies, what a Pi has heard is stored once, with the
//! time at which it was heard.

mod answers;
mod outage;
mod spool;

use std::fs;
use std::io::{Write, pipe};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{PATIENCE, distinct, in_repository, skip, temp_dir, wait_until};

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
