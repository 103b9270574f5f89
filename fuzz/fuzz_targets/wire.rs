//! Any bytes as the body of a POST: `wire::parse` never panics, and what it
//! answers keeps the promises in `checks/wire.rs`.

#![no_main]

#[path = "../checks/wire.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|body: &[u8]| checks::check(body));
