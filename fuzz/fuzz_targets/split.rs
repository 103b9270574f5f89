//! Any bytes as the body of a batch: its lines and elements are the same however
//! it arrives. The checks are in `src/serve/batch/split/oracle.rs`.
//!
//! The first line of an input says which form it has and how the rest is cut.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let line = input.iter().position(|byte| *byte == b'\n').unwrap_or(0);
    let (splits, body) = input.split_at(line);
    houseful::fuzzing::split(body.get(1..).unwrap_or_default(), splits);
});
