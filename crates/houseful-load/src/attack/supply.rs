//! Where the target of the next request comes from.

use std::cell::{OnceCell, RefCell};
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use tokio::sync::mpsc;

use super::Targets;
use super::endpoint::Endpoints;
use super::http2;
use crate::targets::{ReadError, Target};

/// So many targets are read ahead of the schedule.
const AHEAD_MAX: usize = 1_024;

/// A target, and which endpoint it is sent to.
pub(super) struct Aim {
    pub(super) target: Target,
    pub(super) endpoint: usize,
    /// Its head, once it is sent over HTTP/2.
    pub(super) http2: OnceCell<http2::Head>,
}

/// What there is to send next.
pub(super) enum Upcoming {
    Ready(Rc<Aim>),
    /// It is still being read.
    NotYet,
    /// Nothing more.
    Over,
}

/// Targets in turn for ever, or as they are read, once.
pub(super) struct Supply(RefCell<Inner>);

enum Inner {
    Eager(Vec<Rc<Aim>>),
    Lazy(Lazy),
}

struct Lazy {
    incoming: mpsc::Receiver<Result<Target, ReadError>>,
    next: Option<Rc<Aim>>,
    /// Whether somebody waits for the next by [`Supply::poll_read`].
    is_awaited: bool,
    /// No more will come, because of the error if there is one.
    over: Option<Option<ReadError>>,
}

impl Supply {
    /// Targets to be read are read from now on, by a thread of their own, so that a slow source
    /// delays nothing that is under way.
    pub(super) fn new(targets: Targets, endpoints: &Endpoints) -> Supply {
        Supply(RefCell::new(match targets {
            Targets::Eager(targets) => {
                Inner::Eager(targets.into_iter().map(|target| aim(target, endpoints)).collect())
            }
            Targets::Lazy(source) => {
                let (sender, incoming) = mpsc::channel(AHEAD_MAX);
                std::thread::spawn(move || {
                    for target in source {
                        if sender.blocking_send(target).is_err() {
                            return;
                        }
                    }
                });
                Inner::Lazy(Lazy { incoming, next: None, is_awaited: false, over: None })
            }
        }))
    }

    /// The target of request number `seq`, which is the next.
    pub(super) fn upcoming(&self, seq: u64, endpoints: &Endpoints) -> Upcoming {
        match &mut *self.0.borrow_mut() {
            Inner::Eager(aims) => {
                Upcoming::Ready(Rc::clone(&aims[(seq % aims.len() as u64) as usize]))
            }
            Inner::Lazy(lazy) => {
                if lazy.next.is_none() && lazy.over.is_none() {
                    match lazy.incoming.try_recv() {
                        Ok(read) => lazy.put(Some(read), endpoints),
                        Err(mpsc::error::TryRecvError::Disconnected) => lazy.put(None, endpoints),
                        Err(mpsc::error::TryRecvError::Empty) => return Upcoming::NotYet,
                    }
                }
                lazy.next.as_ref().map_or(Upcoming::Over, |next| Upcoming::Ready(Rc::clone(next)))
            }
        }
    }

    /// The upcoming target is taken, the next one wanted.
    pub(super) fn advance(&self) {
        if let Inner::Lazy(lazy) = &mut *self.0.borrow_mut() {
            lazy.next = None;
        }
    }

    /// Ready when a target that was [`Upcoming::NotYet`] is there, or known not to come; also when
    /// somebody else was the first to see that.
    pub(super) fn poll_read(&self, cx: &mut Context<'_>, endpoints: &Endpoints) -> Poll<()> {
        let Inner::Lazy(lazy) = &mut *self.0.borrow_mut() else {
            return Poll::Pending;
        };
        if lazy.next.is_none() && lazy.over.is_none() {
            lazy.is_awaited = true;
            let read = ready!(lazy.incoming.poll_recv(cx));
            lazy.put(read, endpoints);
        }
        if std::mem::take(&mut lazy.is_awaited) { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Why the targets ended, if by an error. Told once.
    pub(super) fn fault(&self) -> Option<ReadError> {
        match &mut *self.0.borrow_mut() {
            Inner::Lazy(Lazy { over: Some(fault), .. }) => fault.take(),
            _ => None,
        }
    }
}

impl Lazy {
    fn put(&mut self, read: Option<Result<Target, ReadError>>, endpoints: &Endpoints) {
        match read {
            Some(Ok(target)) => self.next = Some(aim(target, endpoints)),
            Some(Err(error)) => self.over = Some(Some(error)),
            None => self.over = Some(None),
        }
    }
}

/// A target with the number of its endpoint.
pub(super) fn aim(target: Target, endpoints: &Endpoints) -> Rc<Aim> {
    let endpoint = endpoints.of(&target.url);
    Rc::new(Aim { target, endpoint, http2: OnceCell::new() })
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    #[test]
    fn whoever_waits_for_a_target_is_told_also_when_another_saw_it_first() {
        let (tell, told) = std::sync::mpsc::channel();
        let (endpoints, mut cx) = (Endpoints::default(), Context::from_waker(Waker::noop()));
        let supply = Supply::new(Targets::Lazy(Box::new(told.into_iter())), &endpoints);
        let target = crate::targets::http::read(&b"GET http://h/"[..], "t", &Default::default());
        for _ in 0..2 {
            assert!(supply.poll_read(&mut cx, &endpoints).is_pending());
            tell.send(Ok(target.as_ref().unwrap()[0].clone())).unwrap();
            while matches!(supply.upcoming(0, &endpoints), Upcoming::NotYet) {
                std::thread::yield_now();
            }
            assert!(supply.poll_read(&mut cx, &endpoints).is_ready());
            assert!(supply.poll_read(&mut cx, &endpoints).is_pending(), "once");
            supply.advance();
        }
    }
}
