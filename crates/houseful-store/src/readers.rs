//! The reading connections, each lent to one reader at a time.

use std::ops::{Deref, DerefMut};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::Reader;

/// As many as were opened; no more are, so that a query works when descriptors
/// have run out.
pub(crate) struct Readers<R = Reader> {
    shelf: Mutex<Shelf<R>>,
    changed: Condvar,
}

struct Shelf<R> {
    free: Vec<R>,
    lent: usize,
    is_closed: bool,
}

impl<R> Readers<R> {
    pub(crate) fn new(free: Vec<R>) -> Readers<R> {
        let shelf = Shelf { free, lent: 0, is_closed: false };
        Readers { shelf: Mutex::new(shelf), changed: Condvar::new() }
    }

    /// Waits until any of them is free; `None` once closed.
    pub(crate) fn lend(&self) -> Option<Lent<'_, R>> {
        let waits = |shelf: &mut Shelf<R>| shelf.free.is_empty() && !shelf.is_closed;
        let mut shelf = self.wait_while(waits);
        if shelf.is_closed {
            return None;
        }
        let reader = shelf.free.pop()?;
        shelf.lent += 1;
        Some(Lent { reader: Some(reader), readers: self })
    }

    /// Lends no more, waits for those that are lent, and closes all.
    pub(crate) fn close(&self) {
        self.lock().is_closed = true;
        self.changed.notify_all();
        let free = std::mem::take(&mut self.wait_while(|shelf| shelf.lent > 0).free);
        drop(free);
    }

    fn lock(&self) -> MutexGuard<'_, Shelf<R>> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_while(&self, waits: impl FnMut(&mut Shelf<R>) -> bool) -> MutexGuard<'_, Shelf<R>> {
        self.changed.wait_while(self.lock(), waits).unwrap_or_else(PoisonError::into_inner)
    }
}

/// One of them; given back when dropped. A read that panicked has left nothing
/// but a finished transaction.
pub(crate) struct Lent<'a, R> {
    /// Until it is dropped.
    reader: Option<R>,
    readers: &'a Readers<R>,
}

impl<R> Drop for Lent<'_, R> {
    fn drop(&mut self) {
        let mut shelf = self.readers.lock();
        shelf.free.extend(self.reader.take());
        shelf.lent -= 1;
        // The few that wait may wait for different things.
        self.readers.changed.notify_all();
    }
}

impl<R> Deref for Lent<'_, R> {
    type Target = R;

    fn deref(&self) -> &R {
        self.reader.as_ref().expect("it is lent until it is dropped")
    }
}

impl<R> DerefMut for Lent<'_, R> {
    fn deref_mut(&mut self) -> &mut R {
        self.reader.as_mut().expect("it is lent until it is dropped")
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;

    use super::*;

    /// Longer than anything here takes.
    const HANG: Duration = Duration::from_secs(10);

    #[test]
    fn whichever_is_given_back_is_lent_again() {
        for given_back in 0..2 {
            let readers = Readers::new(vec![0, 1]);
            let (got, gets) = mpsc::channel();
            thread::scope(|scope| {
                let mut lent = [readers.lend(), readers.lend()];
                for _ in 0..3 {
                    let (got, readers) = (got.clone(), &readers);
                    scope.spawn(move || got.send(*readers.lend().unwrap()).unwrap());
                }
                assert!(gets.try_recv().is_err(), "none is free");
                let number = lent[given_back].as_deref().copied();
                lent[given_back] = None;
                for _ in 0..3 {
                    assert_eq!(gets.recv_timeout(HANG).ok(), number);
                }
            });
        }
    }

    #[test]
    fn a_read_that_panics_gives_its_own_back() {
        let readers = Readers::new(vec![0]);
        let panics = AssertUnwindSafe(|| {
            let _lent = readers.lend();
            panic!("a read");
        });
        assert!(catch_unwind(panics).is_err());
        assert!(readers.lend().is_some());
    }

    #[test]
    fn closing_waits_for_those_that_read_and_nobody_gets_another() {
        let readers = Readers::new(vec![0]);
        let (done, ends) = mpsc::channel();
        thread::scope(|scope| {
            let lent = readers.lend();
            let (waits, closes) = (done.clone(), done.clone());
            let readers = &readers;
            scope.spawn(move || {
                readers.close();
                closes.send("closed").unwrap();
            });
            scope.spawn(move || {
                assert!(readers.lend().is_none());
                waits.send("told").unwrap();
            });
            assert_eq!(ends.recv_timeout(HANG), Ok("told"));
            assert!(ends.try_recv().is_err(), "one is still read");
            drop(lent);
            assert_eq!(ends.recv_timeout(HANG), Ok("closed"));
        });
        assert!(readers.lend().is_none());
    }
}
