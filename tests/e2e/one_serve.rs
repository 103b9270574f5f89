//! One store, one `serve`, by whatever name it is reached.

use std::os::unix::fs::symlink;

use crate::support::houseful::Setup;
use crate::support::{distinct, temp_dir};

#[test]
fn a_second_one_is_refused_by_every_name_of_the_file() {
    let dir = temp_dir();
    let setup = Setup::new(dir.path());
    let houseful = setup.start();
    assert_eq!(houseful.client().post(&distinct(1)).unwrap().status, 201);
    symlink("houseful.db", dir.path().join("soft.db")).unwrap();
    std::fs::hard_link(setup.store_path(), dir.path().join("hard.db")).unwrap();
    for name in ["houseful.db", "soft.db", "hard.db", "../SELF/houseful.db"] {
        let own_name = dir.path().file_name().and_then(|name| name.to_str()).unwrap();
        let name = name.replace("SELF", own_name);
        let failure = setup.clone().store_name(&name).start_expecting_failure();
        assert!(!failure.status.success(), "{failure:?}");
        assert!(failure.stderr.contains(&name), "the error names the store: {failure:?}");
        assert!(failure.stderr.contains("is in use"), "another reason: {failure:?}");
    }
    std::fs::remove_file(dir.path().join("hard.db")).unwrap();
    // The refused ones did no harm, and reading needs no lock.
    assert_eq!(houseful.client().post(&distinct(2)).unwrap().status, 201);
    assert_eq!(setup.export().len(), 2);
}

#[test]
fn a_kill_leaves_no_stale_lock() {
    let dir = temp_dir();
    let setup = Setup::new(dir.path());
    for n in 0..3 {
        let houseful = setup.start();
        assert_eq!(houseful.client().post(&distinct(n)).unwrap().status, 201);
        houseful.kill();
    }
    assert_eq!(setup.export().len(), 3);
}
