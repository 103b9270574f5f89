//! What would be stored, without touching the store.

use std::path::Path;
use std::time::Duration;

use houseful_model::{Emission, Millis};

use crate::sqlite::probe::Originals;
use crate::{Arrival, OpenError, Options, ReadError, Store, Submitted};

/// A store that only says what it would do.
///
/// What it would store goes into a scratch store of its own; what the real one
/// holds is only read. An emission is new to the two together exactly if it is
/// new to each, so the answers are those that the real one would give, as long
/// as nobody else writes to it.
pub struct Rehearsal {
    /// `None` if there is no store yet.
    originals: Option<Originals>,
    scratch: Store,
    window: Duration,
}

impl Rehearsal {
    /// Opens the store at `path`, which may be missing, for reading, and makes a
    /// scratch store at `scratch`.
    ///
    /// # Errors
    /// See [`OpenError`]; the store is not changed in any case.
    pub fn open(path: &Path, scratch: &Path, options: Options) -> Result<Rehearsal, OpenError> {
        Ok(Rehearsal {
            originals: Originals::open(path)?,
            scratch: Store::open(scratch, options)?,
            window: options.window,
        })
    }

    /// Submits a timed emission, as [`Store::submit`] does.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn submit(
        &mut self,
        emission: Emission<'_>,
        t: Millis,
        arrival: Arrival,
    ) -> Result<Submitted, ReadError> {
        if let Some(originals) = &mut self.originals
            && originals.has_original_of(&emission, t, self.window)?
        {
            return Ok(Submitted::Duplicate);
        }
        Ok(self.scratch.submit(emission, t, arrival))
    }

    /// Now, on both clocks.
    pub fn arrival(&self) -> Arrival {
        self.scratch.arrival()
    }

    /// Closes the scratch store.
    pub fn close(&self) {
        self.scratch.close();
    }
}
