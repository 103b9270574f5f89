//! What the promises are tested with: the real program, real files, real HTTP,
//! a disk with faults, and nginx in front.

pub(crate) mod between;
pub(crate) mod browser;
pub(crate) mod faultfs;
pub(crate) mod feed;
pub(crate) mod guide;
pub(crate) mod houseful;
pub(crate) mod http;
pub(crate) mod nginx;
pub(crate) mod posters;
pub(crate) mod prometheus;
pub(crate) mod rng;
pub(crate) mod schema;
pub(crate) mod shell;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

/// How long a test waits for what should take milliseconds, on a machine under load.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A directory for one test, removed at its end.
pub(crate) fn temp_dir() -> TempDir {
    tempfile::tempdir_in(scratch_dir()).expect("make a directory for the test")
}

/// Cargo's directory for what tests leave behind, on the disk that the build is on.
fn scratch_dir() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
}

/// The program, with every signal as a terminal's shell gives it: whoever runs
/// the tests may ignore some (`nohup` does), and that would be inherited.
pub(crate) fn program() -> Command {
    let mut command = Command::new("env");
    command.args(["--default-signal", env!("CARGO_BIN_EXE_houseful")]);
    command
}

/// None of the caller's settings reaches this command.
pub(crate) fn remove_settings(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("HOUSEFUL_") {
            command.env_remove(name);
        }
    }
    command.env_remove("STATE_DIRECTORY");
}

/// Waits until `condition` holds.
///
/// # Panics
///
/// After `limit`, with `what` was waited for.
pub(crate) fn wait_until(limit: Duration, what: &str, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + limit;
    while !condition() {
        assert!(Instant::now() < end, "waited {limit:?} in vain until {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Whether `path`, a program of the Debian package `package`, is there.
///
/// Says so if not: a test that finds something missing returns early.
///
/// # Panics
///
/// If it is missing and `CI` is set: there nothing is skipped.
pub(crate) fn require(path: &str, package: &str) -> bool {
    let there = Path::new(path).exists();
    if !there {
        skip(&format!("`{path}` is missing: apt-get install {package}"));
    }
    there
}

/// Says why a test is skipped.
///
/// # Panics
///
/// If `CI` is set, to whatever.
pub(crate) fn skip(why: &str) {
    assert!(std::env::var_os("CI").is_none(), "must not be skipped in CI: {why}");
    eprintln!("SKIPPED: {why}");
}

/// A directory or file of the repository.
pub(crate) fn in_repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// An untimed emission by Pi 32.
pub(crate) fn emission(badge: &str, beacons: &[(&str, i64)]) -> Value {
    let beacons: serde_json::Map<_, _> =
        beacons.iter().map(|&(id, rssi)| (id.to_owned(), json!(rssi))).collect();
    json!({"badge_id": badge, "pi_id": "32", "beacons": beacons})
}

/// An untimed emission that is a copy of no other `n`.
pub(crate) fn distinct(n: usize) -> Value {
    emission(&format!("badge_{n}"), &[("beacon_1", -57), ("beacon_2", -90)])
}

/// The same emission with the time at which it was heard, in Unix milliseconds.
pub(crate) fn heard_at(mut emission: Value, unix_ms: i64) -> Value {
    emission["heard_at"] = json!(unix_ms);
    emission
}

/// The same emission as another Pi reports it: a copy.
pub(crate) fn by_pi(mut emission: Value, pi: &str) -> Value {
    emission["pi_id"] = json!(pi);
    emission
}

/// The wall clock in Unix milliseconds.
pub(crate) fn now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    i64::try_from(since.expect("the clock is after 1970").as_millis()).expect("within 64 bits")
}
