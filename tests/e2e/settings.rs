//! A wrong setting is named, with where it came from, before anything is touched.

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
