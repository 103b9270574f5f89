//! Any bytes as targets in vegeta's http format: the reader never panics, and what
//! it answers keeps the promises in `checks/targets.rs`.

#![no_main]

#[path = "../checks/targets.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    checks::check(bytes, houseful_load::targets::Format::Http);
});
