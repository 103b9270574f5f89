//! Cuts off requests that take too long, without a timer for each.
//!
//! A timer of tokio's would cost a request its place in the timer wheel and, when nothing else is
//! under way, a system call and a turn of the event loop. But all requests have the same time, so
//! the main loop can look after all of them: whatever begins after a look ends no sooner than that
//! time after it.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

/// The deadlines of all tasks. Times are since the start of the attack.
pub(super) struct Deadlines {
    timeout: Option<Duration>,
    all: RefCell<Vec<Rc<Deadline>>>,
    next_look: Cell<Option<Duration>>,
}

impl Deadlines {
    /// Of tasks that have so much time for each thing they do.
    pub(super) fn new(timeout: Option<Duration>) -> Deadlines {
        Deadlines { timeout, all: RefCell::new(Vec::new()), next_look: Cell::new(timeout) }
    }

    /// One for another task.
    pub(super) fn add(&self) -> Rc<Deadline> {
        let deadline = Rc::default();
        self.all.borrow_mut().push(Rc::clone(&deadline));
        deadline
    }

    /// Its task has ended.
    pub(super) fn remove(&self, deadline: &Rc<Deadline>) {
        let mut all = self.all.borrow_mut();
        if let Some(at) = all.iter().position(|other| Rc::ptr_eq(other, deadline)) {
            all.swap_remove(at);
        }
    }

    /// When to look again; never without a timeout.
    pub(super) fn next_look(&self) -> Option<Duration> {
        self.next_look.get()
    }

    /// Cuts off what has had its time, if it is time to look.
    pub(super) fn look(&self, now: Duration) {
        if self.next_look.get().is_none_or(|at| now < at) {
            return;
        }
        let all = self.all.borrow();
        let next = all.iter().filter_map(|deadline| deadline.look(now)).min();
        // What begins from now on has its time from now on.
        let of_later = self.timeout.and_then(|timeout| now.checked_add(timeout));
        self.next_look.set(next.or(of_later));
    }
}

/// When what one task does is to be cut off.
#[derive(Default)]
pub(super) struct Deadline {
    at: Cell<Option<Duration>>,
    is_over: Cell<bool>,
    /// Of the task, which is always the same.
    waker: RefCell<Option<Waker>>,
}

impl Deadline {
    /// Works until it is cut off by [`Deadlines::look`] for `at` having passed; then `None`.
    pub(super) async fn limit<T>(&self, at: Duration, work: impl Future<Output = T>) -> Option<T> {
        let mut work = pin!(work);
        self.at.set(Some(at));
        self.is_over.set(false);
        let done = poll_fn(|cx| {
            if let Poll::Ready(done) = work.as_mut().poll(cx) {
                return Poll::Ready(Some(done));
            }
            if self.is_over.get() {
                return Poll::Ready(None);
            }
            let mut waker = self.waker.borrow_mut();
            if !waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
                *waker = Some(cx.waker().clone());
            }
            Poll::Pending
        })
        .await;
        self.at.set(None);
        done
    }

    /// Returns when its time is over, if it is not.
    fn look(&self, now: Duration) -> Option<Duration> {
        let at = self.at.get()?;
        if at > now {
            return Some(at);
        }
        self.at.set(None);
        self.is_over.set(true);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::pending;
    use tokio::task::{LocalSet, spawn_local, yield_now};

    const S: Duration = Duration::from_secs(1);

    #[tokio::test]
    async fn cuts_off_what_takes_too_long_and_nothing_else() {
        let deadlines = Deadlines::new(Some(3 * S));
        let (quick, slow) = (deadlines.add(), deadlines.add());
        assert_eq!(quick.limit(3 * S, async { 1 }).await, Some(1));
        deadlines.look(S);
        assert_eq!(deadlines.next_look(), Some(3 * S), "nothing can be over sooner");
        deadlines.look(3 * S);
        assert_eq!(deadlines.next_look(), Some(6 * S));
        LocalSet::new()
            .run_until(async {
                let task = {
                    let slow = Rc::clone(&slow);
                    spawn_local(async move { slow.limit(7 * S, pending::<()>()).await })
                };
                yield_now().await;
                deadlines.look(6 * S);
                assert_eq!(deadlines.next_look(), Some(7 * S));
                yield_now().await;
                assert!(!task.is_finished());
                deadlines.look(7 * S);
                assert_eq!(deadlines.next_look(), Some(10 * S));
                assert_eq!(task.await.unwrap(), None);
            })
            .await;
        // The next one has its own time.
        assert_eq!(slow.limit(9 * S, async { 2 }).await, Some(2));
        deadlines.remove(&quick);
        deadlines.remove(&slow);
        assert!(deadlines.all.borrow().is_empty());
    }

    #[test]
    fn without_a_timeout_there_is_nothing_to_look_for() {
        let deadlines = Deadlines::new(None);
        deadlines.look(Duration::MAX);
        assert_eq!(deadlines.next_look(), None);
    }
}
