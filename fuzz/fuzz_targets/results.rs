//! Any bytes as results, recognised as gob, JSON or CSV by the first: no reader
//! panics, and what it read keeps the promises in `checks/results.rs`.

#![no_main]

#[path = "../checks/results.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| checks::check(bytes));
