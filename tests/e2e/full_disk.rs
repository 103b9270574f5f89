//! Full disk: refused, not forgotten, and over when space returns.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::support::faultfs::FaultFs;
use crate::support::houseful::{Houseful, Setup};
use crate::support::http::{Response, post};
use crate::support::{PATIENCE, distinct, heard_at, now_ms, skip, temp_dir, wait_until};

/// Fills the disk under a running collector, looks at its answers, and frees it again.
fn fills_and_empties(setup: &Setup, set_full: &mut dyn FnMut(bool)) {
    let houseful = setup.start();
    let emissions: Vec<_> = (0..200).map(|n| heard_at(distinct(n), now_ms())).collect();
    let mut client = houseful.client();
    assert_eq!(client.post(&emissions[0]).unwrap().status, 201);
    set_full(true);

    // Some may still fit: a disk has a last corner, and the log is used again from its start.
    let (mut stored, mut refused) = (1, Vec::new());
    for emission in &emissions[1..] {
        let response = whole_answer(&houseful, emission);
        if response.status == 201 {
            stored += 1;
            continue;
        }
        assert_eq!(response.status, 503, "{}", response.text());
        assert!(response.header("retry-after").is_some(), "{:?}", response.headers);
        assert!(response.text().contains("space"), "the reason: {}", response.text());
        refused.push(emission);
    }
    assert!(refused.len() >= 10, "the disk was hardly ever full: {} refused", refused.len());
    // What is in the log fits into the store, so the log could start over after a refusal.
    assert!(stored > 1, "no room was made in the log");
    // A copy of what is stored is known; reads go on.
    assert_eq!(client.post(&emissions[0]).unwrap().status, 409);
    let newest = client.get("/rssi_readings?limit=10000").unwrap();
    assert_eq!(
        (newest.status, newest.json()["readings"].as_array().map(Vec::len)),
        (200, Some(stored))
    );
    assert_eq!(setup.export().len(), stored);

    set_full(false);
    let mut client = houseful.client();
    wait_until(PATIENCE, "it stores again", || {
        let answer = client.post(refused[0]).unwrap();
        assert!(matches!(answer.status, 201 | 503), "{answer:?}");
        answer.status == 201
    });
    // Refused means that nothing was stored: none of these may be a copy.
    for emission in &refused[1..] {
        assert_eq!(client.post(emission).unwrap().status, 201);
    }
    assert_eq!(client.get("/readyz").unwrap().status, 200);
    assert_eq!(setup.export().len(), emissions.len());
}

fn whole_answer(houseful: &Houseful, emission: &serde_json::Value) -> Response {
    let mut client = houseful.client();
    client.send(&post(emission)).unwrap();
    client.read_response().unwrap()
}

#[test]
fn by_the_library() {
    let dir = temp_dir();
    let disk = FaultFs::new(dir.path());
    fills_and_empties(&Setup::new(dir.path()).on(&disk), &mut |full| disk.set_full(full));
    assert!(disk.writes_refused() > 0);
}

#[test]
fn by_a_small_tmpfs() {
    let Some(mount) = Tmpfs::mount("16m") else {
        return;
    };
    let ballast = mount.path().join("ballast");
    fills_and_empties(&Setup::new(mount.path()), &mut |full| {
        if full {
            fill(&ballast);
        } else {
            std::fs::remove_file(&ballast).unwrap();
        }
    });
}

/// Writes to the file until there is no space.
fn fill(path: &Path) {
    let mut file = File::create(path).unwrap();
    while file.write(&[0; 4096]).is_ok_and(|written| written > 0) {}
}

/// A small file system of its own, unmounted when dropped.
struct Tmpfs(TempDir);

impl Tmpfs {
    /// `None`, and said so, if this user may not mount.
    fn mount(size: &str) -> Option<Self> {
        let dir = temp_dir();
        let options = format!("size={size},mode=0700");
        let output = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "tmpfs"])
            .arg(dir.path())
            .output()
            .expect("run mount");
        if output.status.success() {
            return Some(Self(dir));
        }
        skip(&format!("cannot mount a tmpfs: {}", String::from_utf8_lossy(&output.stderr).trim()));
        None
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        // Lazily: a collector of a failed test may still have its files open.
        let status = Command::new("umount").arg("--lazy").arg(self.path()).status();
        assert!(status.expect("run umount").success());
    }
}
