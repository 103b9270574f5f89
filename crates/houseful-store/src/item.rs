//! What goes into the writer, and what comes back.

use houseful_model::{Emission, Millis, Reading};

/// When the head of a request, or a line of a batch, arrived, on both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// By the wall clock, which may step.
    pub wall: Millis,
    /// Milliseconds on the monotonic clock since some fixed moment of this
    /// process. Never steps.
    pub mono_ms: u64,
    /// The same moment, to tell how long the answer took.
    pub at: std::time::Instant,
}

/// An emission with its time, on its way to the writer.
#[derive(Clone, Debug)]
pub struct Item {
    /// What the Pi reported.
    pub emission: Emission<'static>,
    /// The time `t` that it is compared and stored by.
    pub t: Millis,
    /// For an untimed emission: when it arrived on the monotonic clock, by
    /// which untimed emissions are compared with each other.
    pub arrived_mono_ms: Option<u64>,
}

/// The writer's answer to one item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The reading is on disk.
    Stored(Box<Reading>),
    /// It is a copy, and its original is on disk.
    Duplicate,
    /// Not acknowledged.
    Refused(Refusal),
}

/// Why an item was not acknowledged. Sent again with its time it is never
/// stored twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The queue to the writer is full; nothing was stored.
    QueueFull,
    /// The store could not take it now (full disk, busy); nothing was stored
    /// and the writer goes on. Says what happened.
    Unavailable(String),
    /// The store has failed and takes nothing more until a restart; whether
    /// this item was stored is unknown. Says what happened.
    Failed(String),
    /// The collector is about to stop; nothing was stored.
    Stopping,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Refusal::QueueFull => f.write_str("too many emissions are waiting for the store"),
            Refusal::Unavailable(reason) => write!(f, "the store cannot write now: {reason}"),
            Refusal::Failed(reason) => write!(f, "the store has failed: {reason}"),
            Refusal::Stopping => f.write_str("the collector is stopping"),
        }
    }
}
