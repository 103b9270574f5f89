//! The embedded store: one SQLite file in WAL mode, synced at every commit.

pub(crate) mod checkpoint;
mod heard;
pub(crate) mod lock;
mod names;
mod pack;
mod queries;
pub(crate) mod read;
pub(crate) mod schema;
pub(crate) mod walk;
pub(crate) mod write;
