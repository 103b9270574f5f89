//! Records as Go's gob, vegeta's own encoding and its default on a pipe.
//!
//! ```text
//! stream:   message …
//! message:  length (uint), then
//!             −id (int), wireType        a type is defined, once a stream
//!             id (int), value            a record
//! uint:     below 128 one byte; else minus the number of bytes, then those, the highest first
//! int:      as uint, shifted left by one; bit 0 says that all bits are inverted
//! struct:   (field − last field (uint), value) …, 0      zero fields are left out
//! ```
//!
//! Ours has two fields more than vegeta's, `Slip` (−1: not known) and `Queued` in nanoseconds, which vegeta's
//! reader skips as gob's rules are. The reader knows types by what the stream says of them, not by number; two
//! streams in a row, which Go refuses, are one to it. Source: the page of Go's `encoding/gob`, and
//! `NewEncoder` in vegeta's `lib/results.go`.

mod decode;
mod encode;
mod types;

pub use decode::Reader;
pub use encode::Writer;

/// Field numbers of `wireType`, the description of a type.
mod wire_type {
    pub(super) const ARRAY: u64 = 0;
    pub(super) const SLICE: u64 = 1;
    pub(super) const STRUCT: u64 = 2;
    pub(super) const MAP: u64 = 3;
    pub(super) const GOB_ENCODER: u64 = 4;
    pub(super) const BINARY_MARSHALER: u64 = 5;
    pub(super) const TEXT_MARSHALER: u64 = 6;
}

/// Numbers of the types that every stream knows.
mod basic {
    pub(super) const BOOL: i64 = 1;
    pub(super) const INT: i64 = 2;
    pub(super) const UINT: i64 = 3;
    pub(super) const FLOAT: i64 = 4;
    pub(super) const BYTES: i64 = 5;
    pub(super) const STRING: i64 = 6;
    pub(super) const COMPLEX: i64 = 7;
    pub(super) const INTERFACE: i64 = 8;
}
