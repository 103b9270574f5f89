//! Cuts off requests that take too long, without a timer for each.
//!
//! A timer of tokio's would cost a request its place in the timer wheel and, when nothing else is
//! under way, a system call and a turn of the event loop. But all requests have the same time, so
//! the main loop can look after all of them: mostly what begins later ends later than what it is
//! going to look for next, and when it looks, most have been done long since.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

use tokio::sync::Notify;

/// The deadlines of all tasks. Times are since the start of the attack.
pub(super) struct Deadlines {
    all: RefCell<Vec<Rc<Deadline>>>,
    look: Rc<Look>,
}

/// When the main loop looks after the deadlines.
struct Look {
    next: Cell<Option<Duration>>,
    /// The main loop's, for when it has to look sooner than it knows.
    wake: Rc<Notify>,
}

impl Deadlines {
    /// Those that the main loop looks after that is woken by this.
    pub(super) fn new(wake: Rc<Notify>) -> Deadlines {
        let look = Rc::new(Look { next: Cell::new(None), wake });
        Deadlines { all: RefCell::new(Vec::new()), look }
    }

    /// One for another task.
    pub(super) fn add(&self) -> Rc<Deadline> {
        let mut all = self.all.borrow_mut();
        let deadline = Rc::new(Deadline {
            at: Cell::new(None),
            is_over: Cell::new(false),
            waker: RefCell::new(None),
            place: Cell::new(all.len()),
            look: Rc::clone(&self.look),
        });
        all.push(Rc::clone(&deadline));
        deadline
    }

    /// Its task has ended.
    pub(super) fn remove(&self, deadline: &Deadline) {
        let (mut all, place) = (self.all.borrow_mut(), deadline.place.get());
        all.swap_remove(place);
        if let Some(moved) = all.get(place) {
            moved.place.set(place);
        }
    }

    /// When to look again; never while nothing has a deadline.
    pub(super) fn next_look(&self) -> Option<Duration> {
        self.look.next.get()
    }

    /// Cuts off what has had its time, if it is time to look.
    pub(super) fn look(&self, now: Duration) {
        if self.look.next.get().is_none_or(|at| now < at) {
            return;
        }
        let all = self.all.borrow();
        self.look.next.set(all.iter().filter_map(|deadline| deadline.look(now)).min());
    }
}

/// When what one task does is to be cut off.
pub(super) struct Deadline {
    at: Cell<Option<Duration>>,
    is_over: Cell<bool>,
    /// Of the task, which is always the same.
    waker: RefCell<Option<Waker>>,
    /// Where it stands among all.
    place: Cell<usize>,
    look: Rc<Look>,
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
            // Mostly the main loop will look for an earlier one anyway.
            if self.look.next.get().is_none_or(|next| at < next) {
                self.look.next.set(Some(at));
                self.look.wake.notify_one();
            }
            Poll::Pending
        })
        .await;
        self.at.set(None);
        done
    }

    /// Gives what is worked on time until `at`, which is later than before; `false` if that is too
    /// late.
    pub(super) fn extend(&self, at: Duration) -> bool {
        if self.is_over.get() {
            return false;
        }
        self.at.set(Some(at));
        true
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
        let wake = Rc::new(Notify::new());
        let deadlines = Deadlines::new(Rc::clone(&wake));
        let (quick, slow) = (deadlines.add(), deadlines.add());
        assert_eq!(quick.limit(3 * S, async { 1 }).await, Some(1));
        assert_eq!(deadlines.next_look(), None, "nothing had to wait");
        LocalSet::new()
            .run_until(async {
                let begin = |deadline: &Rc<Deadline>, at| {
                    let deadline = Rc::clone(deadline);
                    spawn_local(async move { deadline.limit(at, pending::<()>()).await })
                };
                let task = begin(&slow, 7 * S);
                // As the main loop does, which sleeps without a look ahead.
                wake.notified().await;
                assert_eq!(deadlines.next_look(), Some(7 * S));
                deadlines.look(6 * S);
                yield_now().await;
                assert!(!task.is_finished());
                let later = begin(&quick, 9 * S);
                yield_now().await;
                assert_eq!(deadlines.next_look(), Some(7 * S), "early enough for both");
                deadlines.look(7 * S);
                assert_eq!(task.await.unwrap(), None);
                assert_eq!(deadlines.next_look(), Some(9 * S));
                deadlines.look(9 * S);
                assert_eq!(later.await.unwrap(), None);
                assert_eq!(deadlines.next_look(), None, "nothing is under way any more");
            })
            .await;
        // The next one has its own time.
        assert_eq!(slow.limit(9 * S, async { 2 }).await, Some(2));
        deadlines.look(Duration::MAX);
        assert_eq!(deadlines.next_look(), None);
    }

    #[test]
    fn any_can_be_removed() {
        let deadlines = Deadlines::new(Rc::default());
        let all: Vec<_> = (0..4).map(|_| deadlines.add()).collect();
        for (removed, left) in [(1, vec![0, 2, 3]), (3, vec![0, 2]), (0, vec![2]), (2, vec![])] {
            deadlines.remove(&all[removed]);
            let is_there = |place: &usize| {
                deadlines.all.borrow().iter().any(|other| Rc::ptr_eq(other, &all[*place]))
            };
            assert_eq!((0..4).filter(is_there).collect::<Vec<usize>>(), left);
        }
    }
}
