//! The collector's own clock: not believed when it cannot be right, and no
//! matter to live emissions when it steps.

use std::path::Path;
use std::thread;
use std::time::Duration;

use crate::support::houseful::{Houseful, Setup};
use crate::support::{distinct, heard_at, now_ms, require, temp_dir};

/// The library that tells a process another time.
pub(super) fn faketime() -> Option<String> {
    let library =
        format!("/usr/lib/{}-linux-gnu/faketime/libfaketimeMT.so.1", std::env::consts::ARCH);
    require(&library, "libfaketime").then_some(library)
}

/// With its wall clock off, and its monotonic one right.
pub(super) fn with_clock(setup: Setup, library: &str) -> Setup {
    setup.env("LD_PRELOAD", library).env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
}

fn status(houseful: &Houseful, emission: &serde_json::Value) -> u16 {
    houseful.client().post(emission).unwrap().status
}

#[test]
fn a_clock_behind_the_newest_reading_is_not_believed() {
    let Some(library) = faketime() else { return };
    let dir = temp_dir();
    let setup = Setup::new(dir.path());
    let houseful = setup.start();
    assert_eq!(status(&houseful, &heard_at(distinct(1), now_ms())), 201);
    assert!(houseful.term().success());

    let houseful = with_clock(setup, &library).env("FAKETIME", "-2h").start();
    let timed = heard_at(distinct(2), now_ms());
    let answer = houseful.client().post(&timed).unwrap();
    assert_eq!(answer.status, 503, "{answer:?}");
    assert!(answer.json["errors"][0].as_str().unwrap().contains("clock"), "{answer:?}");
    // What needs no clock to believe in is taken.
    assert_eq!(status(&houseful, &distinct(3)), 201);
    assert_eq!(status(&houseful, &distinct(3)), 409);
    assert_eq!(status(&houseful, &heard_at(distinct(4), now_ms() - 3 * 3_600_000)), 201);
    assert!(houseful.term().success());

    let houseful = Setup::new(dir.path()).start();
    assert_eq!(status(&houseful, &timed), 201, "with the clock set, the same is taken");
}

/// With a wall clock that [`set_clock`] sets while it runs.
pub(super) fn with_moving_clock(setup: Setup, library: &str, file: &Path) -> Setup {
    set_clock(file, "+0");
    with_clock(setup, library)
        .env("FAKETIME_NO_CACHE", "1")
        .env("FAKETIME_TIMESTAMP_FILE", file.to_str().unwrap())
}

/// Sets the clock of a process that was started [`with_moving_clock`].
pub(super) fn set_clock(file: &Path, offset: &str) {
    // At once: a reader sees the old offset or the new one.
    let new = file.with_extension("new");
    std::fs::write(&new, offset).unwrap();
    std::fs::rename(new, file).unwrap();
}

fn live_emissions_survive_a_step(library: &str, offset: &str) {
    let dir = temp_dir();
    let file = dir.path().join("clock");
    let setup = with_moving_clock(Setup::new(dir.path()), library, &file);
    let houseful = setup.start();
    let mut client = houseful.client();
    let first = client.post(&distinct(1)).unwrap();
    assert_eq!(first.status, 201);
    set_clock(&file, offset);
    let other = client.post(&distinct(2)).unwrap();
    assert_eq!(other.status, 201, "{offset}: {other:?}");
    let date = |heard_at: &serde_json::Value| heard_at.as_str().unwrap()[..16].to_owned();
    assert_ne!(date(&other.json["heard_at"]), date(&first.json["heard_at"]), "no step");
    thread::sleep(Duration::from_secs(1));
    for n in [1, 2] {
        assert_eq!(client.post(&distinct(n)).unwrap().status, 409, "{offset}: copy of {n}");
    }
    thread::sleep(Duration::from_secs(4));
    for n in [1, 2] {
        assert_eq!(client.post(&distinct(n)).unwrap().status, 201, "{offset}: {n} again");
    }
    assert_eq!(setup.export().len(), 4);
}

#[test]
fn steps_neither_repeat_nor_refuse_live_emissions() {
    let Some(library) = &faketime() else { return };
    thread::scope(|scope| {
        for offset in ["+3600", "-3600"] {
            scope.spawn(move || live_emissions_survive_a_step(library, offset));
        }
    });
}
