//! Where entries go: through the store's one writer, some thousands at a time.

use std::collections::VecDeque;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use houseful_store::{OpenError, Options, Outcome, Refusal, Rehearsal, Store, Submitted};
use tempfile::TempDir;
use tokio::sync::oneshot;

use super::entry::Timed;
use super::tally::Tally;

/// How many emissions may wait for their answer: half of what the store lets
/// wait, so that the writer always finds some while others are answered.
const WAITING_MAX: usize = 4_096;

/// The store, or what stands for it in a dry run.
pub(super) struct Destination {
    to: To,
    /// Submitted, in order, and not answered yet.
    waiting: VecDeque<(i64, oneshot::Receiver<Outcome>)>,
    unacknowledged: Option<(i64, i64, Refusal)>,
}

enum To {
    Store(Store),
    /// The scratch store lies in the directory, which goes with it.
    Rehearsal(Box<Rehearsal>, TempDir),
}

impl Destination {
    /// Opens the store as its one writer.
    pub(super) fn store(path: &Path, window: Duration) -> anyhow::Result<Destination> {
        let store = match Store::open(path, Options { window }) {
            Err(OpenError::InUse { path }) => bail!(
                "store `{}` is in use, and has one writer at a time; stop the `houseful serve` (or `import`) \
                 that holds it, or send that collector NDJSON with POST /rssi_readings/batch",
                path.display()
            ),
            opened => opened?,
        };
        Ok(Destination::to(To::Store(store)))
    }

    /// Opens the store to read it only.
    pub(super) fn rehearsal(path: &Path, window: Duration) -> anyhow::Result<Destination> {
        let scratch = TempDir::with_prefix("houseful-dry-run-")
            .context("cannot make a temporary directory")?;
        let rehearsal =
            Rehearsal::open(path, &scratch.path().join("scratch.db"), Options { window })?;
        Ok(Destination::to(To::Rehearsal(Box::new(rehearsal), scratch)))
    }

    fn to(to: To) -> Destination {
        Destination { to, waiting: VecDeque::new(), unacknowledged: None }
    }

    /// Hands one over, and waits for the answers of earlier ones if too many
    /// wait.
    pub(super) fn submit(
        &mut self,
        place: i64,
        timed: Timed,
        tally: &mut Tally,
    ) -> anyhow::Result<()> {
        let Timed { emission, t } = timed;
        let submitted = match &mut self.to {
            To::Store(store) => store.submit(emission, t, store.arrival()),
            To::Rehearsal(rehearsal, _) => {
                let arrival = rehearsal.arrival();
                rehearsal.submit(emission, t, arrival)?
            }
        };
        match submitted {
            Submitted::Duplicate => tally.copies += 1,
            Submitted::Queued(answer) => self.waiting.push_back((place, answer)),
            Submitted::Refused(refusal) => self.note(place, refusal),
        }
        if self.waiting.len() > WAITING_MAX {
            // The rest of them is being decided meanwhile.
            self.settle(WAITING_MAX / 2, tally);
        }
        Ok(())
    }

    /// Waits for all answers.
    pub(super) fn settle_all(&mut self, tally: &mut Tally) {
        self.settle(0, tally);
    }

    /// The first and the last line that were not acknowledged, and why: then
    /// nothing more should be submitted.
    pub(super) fn unacknowledged(&self) -> Option<&(i64, i64, Refusal)> {
        self.unacknowledged.as_ref()
    }

    /// Waits until only `left` wait.
    fn settle(&mut self, left: usize, tally: &mut Tally) {
        while self.waiting.len() > left
            && let Some((place, answer)) = self.waiting.pop_front()
        {
            match answer.blocking_recv() {
                Ok(Outcome::Stored(_)) => tally.stored += 1,
                Ok(Outcome::Duplicate) => tally.copies += 1,
                Ok(Outcome::Refused(refusal)) => self.note(place, refusal),
                Err(_) => self.note(place, Refusal::Failed("the writer ended".to_owned())),
            }
        }
    }

    fn note(&mut self, place: i64, refusal: Refusal) {
        match &mut self.unacknowledged {
            Some((_, last, _)) => *last = place,
            none => *none = Some((place, place, refusal)),
        }
    }

    /// Copies all into the store's file with a sync, and closes it.
    pub(super) fn close(self) {
        match self.to {
            To::Store(store) => store.close(),
            To::Rehearsal(rehearsal, scratch) => {
                rehearsal.close();
                // It is of no use to anybody, and cleaned up by the system at the latest.
                drop(scratch.close());
            }
        }
    }
}
