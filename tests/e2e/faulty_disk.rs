//! The disk with faults is itself tested, on SQLite's own shell: a tool that
//! cannot fail proves nothing.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::support::faultfs::{Cut, FaultFs, Loss, Moment, Which};
use crate::support::{PATIENCE, require, temp_dir, wait_until};

const SQLITE: &str = "/usr/bin/sqlite3";

/// Makes the store as `serve` does: a WAL that nobody checkpoints, each commit synced.
const DURABLE: &str =
    "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0;";
/// The same with the guard taken out.
const CARELESS: &str =
    "PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; PRAGMA wal_autocheckpoint = 0;";

/// A shell that stays open until it is killed, as a server would.
struct Shell {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Shell {
    fn start(dir: &Path, disk: &FaultFs) -> Self {
        let mut child = sqlite(dir, disk).spawn().expect("run sqlite3");
        let stdin = child.stdin.take().expect("stdin is piped");
        let stdout = BufReader::new(child.stdout.take().expect("stdout is piped"));
        Self { child, stdin, stdout }
    }

    fn say(&mut self, sql: &str) {
        writeln!(self.stdin, "{sql}").expect("talk to sqlite3");
    }

    /// Returns once everything said so far has been done.
    fn run(&mut self, sql: &str) {
        self.say(sql);
        self.say(".print done");
        let mut line = String::new();
        while line.trim_end() != "done" {
            line.clear();
            assert!(
                self.stdout.read_line(&mut line).expect("listen to sqlite3") > 0,
                "sqlite3 ended"
            );
        }
    }

    fn kill(mut self) {
        self.child.kill().expect("kill sqlite3");
        self.child.wait().expect("wait for sqlite3");
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        if self.child.kill().is_ok() {
            self.child.wait().expect("wait for sqlite3");
        }
    }
}

fn sqlite(dir: &Path, disk: &FaultFs) -> Command {
    let mut command = Command::new(SQLITE);
    command.arg(dir.join("t.db")).envs(disk.env());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs statements in a shell of their own and returns what it printed and whether it succeeded.
fn once(dir: &Path, disk: &FaultFs, sql: &str) -> (String, bool) {
    let mut child = sqlite(dir, disk).arg("-bail").spawn().expect("run sqlite3");
    child.stdin.take().expect("stdin is piped").write_all(sql.as_bytes()).expect("talk to sqlite3");
    let Output { status, stdout, stderr } = child.wait_with_output().expect("wait for sqlite3");
    let said = String::from_utf8([stdout, stderr].concat()).expect("it speaks UTF-8");
    (said, status.success())
}

fn rows(dir: &Path, disk: &FaultFs) -> Vec<String> {
    let (said, fine) = once(dir, disk, "PRAGMA integrity_check; SELECT x FROM t ORDER BY x;");
    assert!(fine, "{said}");
    let mut lines = said.lines().map(str::to_owned);
    assert_eq!(lines.next().as_deref(), Some("ok"));
    lines.collect()
}

#[test]
fn a_synced_commit_survives_the_cut_and_a_careless_one_does_not() {
    if !require(SQLITE, "sqlite3") {
        return;
    }
    for (pragmas, survives) in [(DURABLE, true), (CARELESS, false)] {
        let dir = temp_dir();
        let disk = FaultFs::with_journal(dir.path());
        let mut shell = Shell::start(dir.path(), &disk);
        shell.run(&format!("{pragmas} CREATE TABLE t (x); PRAGMA wal_checkpoint(TRUNCATE);"));
        // The table is on disk in both cases; only the row is in question.
        shell.kill();
        let (said, fine) =
            once(dir.path(), &disk, &format!("{DURABLE} PRAGMA wal_checkpoint(TRUNCATE);"));
        assert!(fine, "{said}");
        if !survives {
            // Without syncs even the table would be lost; settle it by hand.
            settle(&disk, dir.path());
        }
        let mut shell = Shell::start(dir.path(), &disk);
        shell.run(&format!("{pragmas} INSERT INTO t VALUES (1);"));
        shell.kill();
        let cut = disk.power_cut(Loss::All);
        let expected: &[&str] = if survives { &["1"] } else { &[] };
        assert_eq!(rows(dir.path(), &disk), expected, "with {pragmas} and {cut:?}");
        assert_eq!(cut.lost > 0, !survives, "{cut:?}");
    }
}

#[test]
fn what_a_killed_process_left_unsynced_is_settled_by_the_sync_of_another() {
    if !require(SQLITE, "sqlite3") {
        return;
    }
    for settles in [true, false] {
        let dir = temp_dir();
        let disk = FaultFs::with_journal(dir.path());
        let mut shell = Shell::start(dir.path(), &disk);
        shell.run(&format!("{DURABLE} CREATE TABLE t (x);"));
        disk.kill_at(Moment::BeforeSync, Which::Wal, 0);
        shell.say("INSERT INTO t VALUES (1);");
        wait_until(PATIENCE, "sqlite3 dies", || shell.child.try_wait().unwrap().is_some());
        disk.disarm();
        // The commit is complete in the file, and nobody knows whether on disk too.
        if settles {
            settle(&disk, dir.path());
        }
        let mut second = Shell::start(dir.path(), &disk);
        second.run("SELECT x FROM t;");
        second.kill();
        disk.power_cut(Loss::All);
        let expected: &[&str] = if settles { &["1"] } else { &[] };
        assert_eq!(rows(dir.path(), &disk), expected);
    }
}

/// Syncs every file, as another process with the same disk.
fn settle(disk: &FaultFs, dir: &Path) {
    for entry in dir.read_dir().expect("read the directory") {
        let path = entry.expect("read the directory").path();
        let status = Command::new("sync").arg("--data").arg(path).envs(disk.env()).status();
        assert!(status.expect("run sync").success());
    }
}

#[test]
fn any_part_of_an_unsynced_transaction_may_survive_and_the_store_stays_whole() {
    if !require(SQLITE, "sqlite3") {
        return;
    }
    let dir = temp_dir();
    let disk = FaultFs::with_journal(dir.path());
    let mut expected = Vec::new();
    let mut total = Cut::default();
    for round in 0..12 {
        let mut shell = Shell::start(dir.path(), &disk);
        shell.run(&format!("{DURABLE} CREATE TABLE IF NOT EXISTS t (x);"));
        let row = format!("{round:03}");
        shell.run(&format!("INSERT INTO t VALUES ('{row}'); PRAGMA wal_checkpoint(PASSIVE);"));
        expected.push(row);
        // In the midst of the next commit, whose text fills several pages.
        disk.kill_at(Moment::BeforeWrite, Which::Any, round);
        shell.say("BEGIN; INSERT INTO t SELECT printf('z%09d', value) || hex(zeroblob(900)) FROM generate_series(1, 20); COMMIT; PRAGMA wal_checkpoint(TRUNCATE);");
        wait_until(PATIENCE, "sqlite3 dies", || shell.child.try_wait().unwrap().is_some());
        disk.disarm();
        let cut = disk.power_cut(Loss::Some(round));
        total.lost += cut.lost;
        total.survived += cut.survived;
        total.torn += cut.torn;
        let (mut found, big): (Vec<_>, Vec<_>) =
            rows(dir.path(), &disk).into_iter().partition(|x| x.len() == 3);
        found.sort();
        assert_eq!(found, expected, "in round {round}, after {cut:?}");
        assert_eq!(big.len() % 20, 0, "half a transaction in round {round}");
    }
    assert!(total.lost > 10 && total.survived > 10 && total.torn > 0, "{total:?}");
}

#[test]
fn counts_each_sync_and_delays_it() {
    if !require(SQLITE, "sqlite3") {
        return;
    }
    let dir = temp_dir();
    let disk = FaultFs::new(dir.path());
    let mut shell = Shell::start(dir.path(), &disk);
    shell.run(&format!("{DURABLE} CREATE TABLE t (x);"));
    let (begun, done, writes, bytes) =
        (disk.syncs_begun(), disk.wal_syncs(), disk.writes(), disk.bytes());
    assert!(done > 0 && disk.syncs() >= done && disk.wal_syncs_begun() == done);
    for _ in 0..5 {
        shell.run("INSERT INTO t VALUES (1);");
    }
    assert_eq!((disk.syncs_begun() - begun, disk.wal_syncs() - done), (5, 5));
    // A frame is a header of 24 bytes and a page, in two writes.
    assert_eq!((disk.writes() - writes, disk.bytes() - bytes), (10, 5 * (24 + 4096)));

    disk.slow_syncs(Duration::from_millis(150));
    let start = Instant::now();
    shell.run("INSERT INTO t VALUES (1);");
    assert!(start.elapsed() >= Duration::from_millis(150), "{:?}", start.elapsed());
}

#[test]
fn a_failed_sync_is_seen_and_what_it_covered_is_lost_whatever_comes_later() {
    if !require(SQLITE, "sqlite3") {
        return;
    }
    let dir = temp_dir();
    let disk = FaultFs::with_journal(dir.path());
    let mut shell = Shell::start(dir.path(), &disk);
    shell.run(&format!("{DURABLE} CREATE TABLE t (x);"));
    disk.fail_syncs(Which::Wal, 1, 1);
    shell.run("INSERT INTO t VALUES (1);");
    assert_eq!(disk.syncs_failed(), 0);
    shell.run("INSERT INTO t VALUES (2);");
    assert_eq!(disk.syncs_failed(), 1);
    shell.kill();
    settle(&disk, dir.path());
    let cut = disk.power_cut(Loss::Some(7));
    assert!(cut.lost > 0 && cut.survived == 0, "{cut:?}");
    assert_eq!(rows(dir.path(), &disk), ["1"]);

    disk.fail_syncs(Which::Any, 0, u64::MAX);
    let (said, fine) = once(dir.path(), &disk, &format!("{DURABLE} INSERT INTO t VALUES (3);"));
    assert!(!fine && said.contains("disk I/O error"), "{said}");
}

#[test]
fn a_full_disk_refuses_growth_only_and_recovers() {
    if !require(SQLITE, "sqlite3") {
        return;
    }
    let dir = temp_dir();
    let disk = FaultFs::new(dir.path());
    let (said, fine) = once(dir.path(), &disk, &format!("{DURABLE} CREATE TABLE t (x);"));
    assert!(fine, "{said}");
    disk.set_full(true);
    let (said, fine) = once(dir.path(), &disk, "INSERT INTO t VALUES (1);");
    assert!(!fine && said.contains("full"), "{said}");
    assert!(disk.writes_refused() > 0);
    let path = dir.path().join("t.db");
    let status = Command::new("dd")
        .args(["if=/dev/zero", "bs=1", "count=4", "seek=60", "conv=notrunc", "status=none"])
        .arg(format!("of={}", path.display()))
        .envs(disk.env())
        .status();
    assert!(status.expect("run dd").success(), "a write inside a file needs no space");
    disk.set_full(false);
    let (said, fine) = once(dir.path(), &disk, "INSERT INTO t VALUES (2);");
    assert!(fine, "{said}");
    assert_eq!(rows(dir.path(), &disk), ["2"]);
}

#[test]
fn names_and_files_outside_the_root_are_left_alone() {
    let dir = temp_dir();
    let outside = temp_dir();
    let disk = FaultFs::with_journal(dir.path());
    let sh = |script: &str| {
        let status = Command::new("sh")
            .args(["-ec", script])
            .current_dir(dir.path())
            .envs(disk.env())
            .status();
        assert!(status.expect("run sh").success(), "{script}");
    };
    sh(&format!("echo kept > {}/file", outside.path().display()));
    sh("echo one > a; mv a b; echo two >> b; echo gone > c; rm c; echo fresh > d");
    File::create(dir.path().join("e")).unwrap().write_all(b"unseen").unwrap();
    let cut = disk.power_cut(Loss::All);
    assert_eq!(cut, Cut { lost: 3, survived: 0, torn: 0 });
    let read = |path: &Path| std::fs::read_to_string(path).unwrap();
    assert_eq!(read(&outside.path().join("file")), "kept\n");
    assert_eq!(read(&dir.path().join("b")), "", "both writes are undone under the new name");
    assert_eq!(read(&dir.path().join("d")), "");
    assert_eq!(read(&dir.path().join("e")), "unseen");
    assert!(!dir.path().join("c").exists());
}
