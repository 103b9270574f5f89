//! The write-ahead log stays bounded, and a checkpoint that fails is nobody's commit.

use std::collections::VecDeque;
use std::process::Stdio;
use std::thread;

use serde_json::Value;

use crate::support::faultfs::{FaultFs, Which};
use crate::support::houseful::{Houseful, Setup};
use crate::support::http::{Client, request};
use crate::support::posters::Posters;
use crate::support::{emission, heard_at, now_ms, temp_dir};

/// What the log may reach: a checkpoint is due at 16 MiB and forced at 32, and a commit is still to come.
const WAL_BYTES_MAX: u64 = 40 << 20;
/// Four times that must pass through it for the test to mean something.
const BYTES_WRITTEN: u64 = 160 << 20;

/// Posts new readings of a hundred badges, round after round.
struct Load {
    first_ms: i64,
    round: i64,
}

impl Load {
    fn new() -> Self {
        Self { first_ms: now_ms() - 30 * 86_400_000, round: 0 }
    }

    /// Posts some thousands; each must be stored.
    fn post(&mut self, houseful: &Houseful) {
        let mut emissions: Vec<Value> = Vec::new();
        for _ in 0..20 {
            for badge in 0..100 {
                let emission = emission(&format!("badge_{badge}"), &[("beacon_1", -57)]);
                emissions.push(heard_at(emission, self.first_ms + self.round * 5000));
            }
            self.round += 1;
        }
        for (emission, answer) in Posters::start(houseful.port(), 16, emissions).finish() {
            let answer = answer.unwrap_or_else(|| panic!("no answer to {emission}"));
            assert_eq!(answer.status, 201, "{answer:?}");
        }
    }
}

fn wal_bytes(setup: &Setup) -> u64 {
    let mut path = setup.store_path().into_os_string();
    path.push("-wal");
    std::fs::metadata(path).expect("the log is there").len()
}

#[test]
fn under_constant_load_and_while_nobody_reads_an_export() {
    let dir = temp_dir();
    let disk = FaultFs::new(dir.path());
    let setup = Setup::new(dir.path()).on(&disk);
    let houseful = setup.start();
    let mut load = Load::new();
    load.post(&houseful);
    let mut command = setup.command("export");
    let mut unread = command.args(["--format", "ndjson"]).stdout(Stdio::piped()).spawn().unwrap();
    let (before, mut wal_bytes_max) = (disk.bytes(), 0);
    while disk.bytes() - before < BYTES_WRITTEN {
        load.post(&houseful);
        wal_bytes_max = wal_bytes_max.max(wal_bytes(&setup));
    }
    assert!(wal_bytes_max <= WAL_BYTES_MAX, "the log grew to {wal_bytes_max} bytes");
    assert!(unread.try_wait().unwrap().is_none(), "the export did not wait for its reader");
    unread.kill().unwrap();
    unread.wait().unwrap();
    assert!(houseful.resident_bytes() < 64 << 20, "{} bytes resident", houseful.resident_bytes());
}

/// With a reader at every moment, the log can be copied and still not start over:
/// the writer has to make a moment without.
#[test]
fn while_queries_overlap() {
    /// More than the collector answers at once.
    const QUERIES: usize = 6;
    let dir = temp_dir();
    let disk = FaultFs::new(dir.path());
    let setup = Setup::new(dir.path()).on(&disk);
    let houseful = setup.start();
    let load_and_look = || {
        let (mut load, mut wal_bytes_max) = (Load::new(), 0);
        while disk.bytes() < BYTES_WRITTEN {
            load.post(&houseful);
            wal_bytes_max = wal_bytes_max.max(wal_bytes(&setup));
        }
        wal_bytes_max
    };
    let wal_bytes_max = thread::scope(|scope| {
        let load = scope.spawn(load_and_look);
        let mut queries: VecDeque<Client> = VecDeque::new();
        while !load.is_finished() {
            let mut query = houseful.client();
            query.send(&request("GET", "/rssi_readings?limit=10000", &[], b"")).unwrap();
            queries.push_back(query);
            if queries.len() == QUERIES {
                let answer = queries.pop_front().unwrap().read_response().unwrap();
                assert_eq!(answer.status, 200, "{}", answer.text());
            }
        }
        load.join().unwrap()
    });
    assert!(wal_bytes_max <= WAL_BYTES_MAX, "the log grew to {wal_bytes_max} bytes");
}

#[test]
fn a_failed_checkpoint_is_nobodys_commit() {
    let dir = temp_dir();
    let disk = FaultFs::new(dir.path());
    let setup = Setup::new(dir.path()).on(&disk);
    let houseful = setup.start();
    let mut load = Load::new();
    disk.fail_syncs(Which::NotWal, 0, u64::MAX);
    while disk.syncs_failed() == 0 {
        assert!(disk.bytes() < BYTES_WRITTEN, "there was no checkpoint");
        load.post(&houseful);
    }
    load.post(&houseful);
    assert_eq!(houseful.client().get("/readyz").unwrap().status, 200);

    disk.fail_syncs(Which::NotWal, 0, 0);
    let before = disk.bytes();
    let mut wal_bytes_max = 0;
    while disk.bytes() - before < 2 * WAL_BYTES_MAX {
        load.post(&houseful);
        wal_bytes_max = wal_bytes_max.max(wal_bytes(&setup));
    }
    assert!(wal_bytes_max <= WAL_BYTES_MAX, "the log grew to {wal_bytes_max} bytes");
}
