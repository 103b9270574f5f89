//! Results on their way out.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use houseful_load::results::{Encoding, Record, Writer};

/// How long results lie in our buffer at most: a report at the other end of a pipe should be of now,
/// also when they come slowly, and be woken seldom when they do not.
const FLUSH_EVERY: Duration = Duration::from_millis(100);

/// Writes results; a thread of its own sees that none of them lies about, even if no other comes.
pub(super) struct Outflow {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    to: Writer<Box<dyn Write + Send>>,
    /// Whether something may lie in the buffer.
    is_waiting: bool,
    is_finished: bool,
    /// Why the last flush failed, until somebody is told.
    failed: Option<io::Error>,
}

impl Outflow {
    /// Results in this encoding; `on_failure` is called when they cannot be written while no new one
    /// comes.
    pub(super) fn new(
        to: Box<dyn Write + Send>,
        encoding: Encoding,
        on_failure: impl Fn() + Send + 'static,
    ) -> Outflow {
        let to = Writer::new(to, encoding);
        let state = State { to, is_waiting: false, is_finished: false, failed: None };
        let shared = Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new() });
        let thread = std::thread::spawn({
            let shared = Arc::clone(&shared);
            move || shared.keep_flowing(&on_failure)
        });
        Outflow { shared, thread: Some(thread) }
    }

    pub(super) fn write(&self, record: &Record) -> io::Result<()> {
        let mut state = self.shared.state();
        if let Some(error) = state.failed.take() {
            return Err(error);
        }
        state.to.write(record)?;
        if !state.is_waiting {
            state.is_waiting = true;
            self.shared.changed.notify_one();
        }
        Ok(())
    }

    /// Writes what is left.
    pub(super) fn finish(mut self) -> io::Result<()> {
        self.end_thread();
        let mut state = self.shared.state();
        state.failed.take().map_or(Ok(()), Err)?;
        state.to.flush()
    }

    fn end_thread(&mut self) {
        self.shared.state().is_finished = true;
        self.shared.changed.notify_one();
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

impl Drop for Outflow {
    fn drop(&mut self) {
        self.end_thread();
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep_flowing(&self, on_failure: &dyn Fn()) {
        let mut state = self.state();
        loop {
            state = self
                .changed
                .wait_while(state, |state| !state.is_waiting && !state.is_finished)
                .unwrap_or_else(PoisonError::into_inner);
            state = self
                .changed
                .wait_timeout_while(state, FLUSH_EVERY, |state| !state.is_finished)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
            if state.is_finished {
                return;
            }
            state.is_waiting = false;
            if let Err(error) = state.to.flush() {
                state.failed = Some(error);
                on_failure();
            }
        }
    }
}
