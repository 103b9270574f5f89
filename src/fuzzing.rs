//! What fuzz targets call; there only for them (`--cfg fuzzing`) and for tests.

use std::cell::RefCell;
use std::time::Duration;

use crate::serve::batch::Form;
use crate::serve::batch::split::oracle;
use crate::serve::front::oracle::{Bench, Then};

/// Longer than any half-closed conversation takes.
const HANG: Duration = Duration::from_secs(10);

thread_local! {
    static BENCH: RefCell<Option<Bench>> = const { RefCell::new(None) };
}

/// Sends `bytes` to the front in pieces, then in one, and shuts the sending side.
///
/// Each of `splits` is the length of a piece, and in its two low bits a pause.
///
/// # Panics
/// If the answers differ, are malformed, or do not end.
pub fn front(bytes: &[u8], splits: &[u8]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    BENCH.with_borrow_mut(|bench| {
        let bench = bench.get_or_insert_with(Bench::new);
        runtime.expect("a runtime").block_on(async {
            let check = bench.check(bytes, splits, Then::HalfCloses);
            let answers = tokio::time::timeout(HANG, check).await;
            assert!(answers.is_ok(), "the front hangs");
        });
    });
}

/// Cuts `body` into lines or elements as it comes in pieces, then as it comes in
/// one.
///
/// The first of `splits` tells the form, each of the others the length of a piece.
///
/// # Panics
/// If what is found differs.
pub fn split(body: &[u8], splits: &[u8]) {
    let form = match splits.first() {
        None => None,
        Some(form) if form % 3 == 0 => None,
        Some(form) if form % 3 == 1 => Some(Form::Array),
        Some(_) => Some(Form::Lines),
    };
    // In squares, so that some are longer than an element may be.
    let pieces: Vec<usize> =
        splits.iter().skip(1).map(|len| 1 + usize::from(*len).pow(2)).collect();
    oracle::check(form, body, if pieces.is_empty() { &[1] } else { &pieces });
}
