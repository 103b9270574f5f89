//! The promise and the disk: what was acknowledged is on disk, once.
//!
//! A door submits an [`Item`] to the [`Store`]. What the [`Recent`] cache knows
//! as stored is a copy at once; everything else goes through one bounded queue
//! to one writer thread, which decides, inserts, commits and syncs for all that
//! waits, then tells the cache, then answers.
//!
//! ```text
//! submit ─▶ recent: known? ─▶ intake (bounded) ─▶ writer: decide, commit, sync ─▶ answer
//!             │ Duplicate       │ Full                │ Stored, Duplicate, Refused
//! ```
//!
//! Nothing here knows HTTP. Reads ([`Reader`]) have connections of their own.

mod activity;
mod decide;
mod error;
mod heard;
mod intake;
mod item;
pub mod meters;
mod readers;
mod recent;
mod rehearsal;
mod sqlite;
mod store;
mod writer;

pub use activity::{
    Activity, BADGES_MAX, BadgeHeard, Bounded, Came, Counts, PIS_MAX, PiHeard, PiNote, RelayHeard,
    Ring,
};
pub use decide::{Near, Question, Verdict, decide};
pub use error::{OpenError, ReadError, StoreError};
pub use heard::Known;
pub use item::{Arrival, Item, Outcome, Refusal};
pub use recent::{Fingerprint, Recent};
pub use rehearsal::Rehearsal;
pub use sqlite::read::Reader;
pub use sqlite::stethoscope;
pub use sqlite::walk::{Cursor, Filter, Keys, Order};
pub use store::{Health, Looked, Options, Store, Submitted, wall_clock};

/// The house of every row until a token names another.
pub const HOUSE_DEFAULT: &str = "default";
