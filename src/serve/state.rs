//! What the store is doing and how much room it has, in the words that
//! `/activity`, `/healthz` and `/metrics` share.

use std::path::Path;

use houseful_store::Health;

use super::router::Doors;

/// Whether emissions are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StoreState {
    Ready,
    /// It refused lately, and goes on trying.
    Refusing,
    /// Until a restart.
    Failed,
    /// The collector is about to end.
    Stopping,
}

impl StoreState {
    pub(crate) const ALL: [StoreState; 4] =
        [StoreState::Ready, StoreState::Refusing, StoreState::Failed, StoreState::Stopping];

    /// The word for it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            StoreState::Ready => "ready",
            StoreState::Refusing => "refusing",
            StoreState::Failed => "failed",
            StoreState::Stopping => "stopping",
        }
    }

    /// Now, and why.
    pub(crate) fn of(doors: &Doors) -> (StoreState, Option<String>) {
        match doors.store.health() {
            Health::Failed(reason) => (StoreState::Failed, Some(reason)),
            _ if *doors.stopping.borrow() => (StoreState::Stopping, None),
            Health::Refusing(reason) => (StoreState::Refusing, Some(reason)),
            Health::Ready => (StoreState::Ready, None),
        }
    }
}

/// Bytes of the store, and of the file system that it is on. Asked of the disk:
/// to be called off the async threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Disk {
    /// Of the store's file, without its WAL.
    pub(crate) file_bytes: u64,
    /// What we could still write, and how much there is in all; unknown if the
    /// file system does not say.
    pub(crate) room: Option<Room>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Room {
    pub(crate) free_bytes: u64,
    pub(crate) size_bytes: u64,
}

impl Disk {
    pub(crate) fn of(store: &Path) -> Disk {
        let room = rustix::fs::statvfs(store).ok().map(|found| Room {
            free_bytes: found.f_bavail.saturating_mul(found.f_frsize),
            size_bytes: found.f_blocks.saturating_mul(found.f_frsize),
        });
        Disk { file_bytes: store.metadata().map_or(0, |file| file.len()), room }
    }
}
