//! Any bytes on a connection: the front answers the same however they are cut,
//! always ends, and stores nothing that it does not tell. The checks are in
//! `src/serve/front/oracle.rs`.
//!
//! The first line of an input says how the rest is cut.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let line = input.iter().position(|byte| *byte == b'\n').unwrap_or(0);
    let (splits, bytes) = input.split_at(line);
    houseful::fuzzing::front(bytes.get(1..).unwrap_or_default(), splits);
});
