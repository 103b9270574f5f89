//! What a checkpoint has copied must be on disk before the log starts over.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::support::faultfs::{FaultFs, Loss, Which};
use crate::support::houseful::Setup;
use crate::support::http::Answer;
use crate::support::posters::{Ledger, Posters};
use crate::support::{distinct, heard_at, now_ms, require, temp_dir};

/// Another process that holds a snapshot of the store, so that a checkpoint can
/// copy only what is older.
fn hold_snapshot(store: &Path) -> Child {
    let mut shell = Command::new("/usr/bin/sqlite3")
        .arg(store)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let ask = b"BEGIN; SELECT count(*) FROM reading;\n";
    shell.stdin.as_mut().unwrap().write_all(ask).unwrap();
    let mut line = String::new();
    BufReader::new(shell.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert!(line.trim().parse::<u64>().unwrap() > 0, "{line}");
    shell
}

/// SQLite counts a part of the log as copied although it synced nothing. If the
/// sync of that part fails, its pages may never reach the disk, and nothing would
/// copy them again: so the collector has to stop.
#[test]
fn a_part_whose_sync_failed_is_not_believed() {
    const ROUND: usize = 2_000;
    if !require("/usr/bin/sqlite3", "sqlite3") {
        return;
    }
    let dir = temp_dir();
    let disk = FaultFs::with_journal(dir.path());
    let setup = Setup::new(dir.path()).on(&disk);
    let mut houseful = setup.start();
    let now = now_ms();
    let mut rounds = (0..40).map(|round| {
        let numbers = round * ROUND..(round + 1) * ROUND;
        numbers.map(|n| heard_at(distinct(n), now)).collect::<Vec<_>>()
    });
    let mut ledger = Ledger::default();
    ledger.book(Posters::start(houseful.port(), 16, rounds.next().unwrap()).finish());
    let mut snapshot = hold_snapshot(&setup.store_path());
    disk.fail_syncs(Which::NotWal, 0, u64::MAX);
    let mut refused = 0;
    for emissions in rounds {
        let posted = Posters::start(houseful.port(), 16, emissions).finish();
        let known = |answer: &Answer| answer.status != 503;
        let posted = posted.into_iter().map(|(emission, answer)| (emission, answer.filter(known)));
        refused += ledger.book(posted.collect()).len();
        if refused > 0 {
            break;
        }
    }
    assert!(refused > 0, "it went on after {} failed syncs", disk.syncs_failed());
    let status = houseful.wait_exit(Duration::from_secs(10));
    assert_eq!(status.code(), Some(1), "{}", houseful.stderr());
    snapshot.kill().unwrap();
    snapshot.wait().unwrap();

    disk.power_cut(Loss::All);
    disk.fail_syncs(Which::NotWal, 0, 0);
    let _houseful = setup.start();
    ledger.check(&setup.export(), "after the cut");
}
