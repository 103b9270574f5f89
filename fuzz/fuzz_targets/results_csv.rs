//! Any bytes as results in CSV: the reader never panics, and what it read keeps
//! the promises in `checks/results.rs`.

#![no_main]

#[path = "../checks/results.rs"]
mod checks;

use houseful_load::results::Encoding;
use libfuzzer_sys::Corpus;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| -> Corpus {
    if checks::encoding(bytes) != Some(Encoding::Csv) {
        return Corpus::Reject;
    }
    checks::check(bytes);
    Corpus::Keep
});
