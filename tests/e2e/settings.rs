//! A wrong setting is named, with where it came from, before anything is touched.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::process::Command;

use crate::support::houseful::Setup;
use crate::support::temp_dir;

#[test]
fn wrong_settings_end_the_start() {
    let dir = temp_dir();
    let setup = Setup::new(dir.path());
    let cases = [
        // Without tokens nobody outside this machine may write.
        (setup.clone().args(&["--listen", "0.0.0.0:0"]), "--insecure-no-auth"),
        (setup.clone().args(&["--listen", "somewhere"]), "--listen"),
        (setup.clone().args(&["--update-window", "soon"]), "--update-window"),
        (setup.clone().args(&["--update-window", "-5s"]), "zero or more, found `-5s`"),
        (setup.clone().env("HOUSEFUL_UPDATE_WINDOW", "soon"), "HOUSEFUL_UPDATE_WINDOW"),
    ];
    for (setup, named) in cases {
        let failure = setup.start_expecting_failure();
        assert_eq!(failure.status.code(), Some(2), "{failure:?}");
        assert!(failure.stderr.contains(named), "expected {named} in {failure:?}");
        assert!(!setup.store_path().exists(), "the store was touched");
    }
}

#[test]
fn a_flag_wins_over_the_environment() {
    let dir = temp_dir();
    let setup = Setup::new(dir.path()).env("HOUSEFUL_LISTEN", "0.0.0.0:0");
    let houseful = setup.args(&["--update-window", "5s"]).start();
    assert_eq!(houseful.client().get("/livez").unwrap().status, 200);
}

#[test]
fn a_variable_that_says_nothing_or_is_no_utf8_ends_the_start() {
    let dir = temp_dir();
    for (name, value) in [
        ("HOUSEFUL_LISTEN", &b""[..]),
        ("HOUSEFUL_LISTEN", b","),
        ("HOUSEFUL_STORE", b"sqlite:h\xff.db"),
    ] {
        // One that starts after all is ended, and that is no 2.
        let output = Command::new("timeout")
            .args(["10", env!("CARGO_BIN_EXE_houseful"), "serve"])
            .env(name, OsStr::from_bytes(value))
            .current_dir(dir.path())
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(stderr.contains(&format!("{name} (environment): expected ")), "{stderr}");
    }
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}
