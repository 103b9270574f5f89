//! HTTP/2: many requests at once on few connections.
//!
//! ```text
//! worker ─▶ host: is a stream free? ── yes ─▶ slot ─▶ exchange ─▶ connection ─▶ server
//!   ▲                └── no: wait in line, and open a connection if there may be another
//!   └── HTTP/1.1, when the server prefers it ─────────┘
//! ```
//!
//! Which hosts speak it: those of https URLs that choose it when TLS is agreed on (ALPN), unless that
//! is turned off; and, if asked for, those of http URLs, which have no say. Until the first connection
//! to a host has told, its requests wait for it: one tells for all.
//!
//! A worker carries one request at a time here, too, but owns no connection: it takes a *slot*, the
//! right to one stream. A host has one connection, and another one when the streams that the server
//! allows (`SETTINGS_MAX_CONCURRENT_STREAMS`) are in use, as far as
//! [`connections_max`](super::Options::connections_max) goes; without keep-alive one for each request.
//! Nothing is sent before the server's settings have come, so that its limit holds from the first
//! request on. Slots go to requests in the order in which they ask.
//!
//! Frames, HPACK and windows are those of the library h2.

mod answer;
mod connection;
mod fault;
mod head;
mod host;
mod io;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

pub(super) use fault::Fault;
pub(super) use head::Head;
pub(super) use host::Host;
use host::{Place, Slot, Turn};

use super::client::Failure;
use super::client::response::Decoder;
use super::client::stream::Stream;
use super::engine::{Engine, Job};
use super::supply::Aim;
use super::worker::{Worker, none_free};
use crate::metrics::LATE;
use connection::Trouble;

/// So often is a request sent again whose connection had gone before the server could take it up: with
/// many under way on a connection that carries few in all, some have to wait for many. A server that
/// refuses it in so many words is asked once more.
const RESENT_MAX: u32 = 16;

/// How a request was, or is to be, carried.
pub(super) enum Carried {
    /// It is answered.
    Here,
    /// Its server speaks HTTP/1.1; perhaps a connection to it was opened to find out.
    ByHttp1(Option<Stream>),
}

/// The hosts of an attack that speak HTTP/2, or may.
#[derive(Default)]
pub(super) struct Http2 {
    /// By the number of their endpoint; `None` for those that speak HTTP/1.1.
    hosts: RefCell<Vec<Option<Rc<Host>>>>,
    /// Workers without a connection of their own: of all, and of those with nothing to do.
    sharing: Cell<usize>,
    idle: RefCell<Vec<Rc<Worker>>>,
    /// Connections that are open, or being opened.
    connections: Cell<usize>,
    /// Of them those that are being closed to make room for others.
    making_room: Cell<usize>,
}

/// What a worker knows of HTTP/2.
#[derive(Default)]
pub(super) struct Share {
    /// Whether it owns no connection.
    shares: Cell<bool>,
    /// What its next request has got already.
    given: RefCell<Option<Given>>,
    /// The host in whose line its request is, while it has not been sent, and since when.
    line: RefCell<Option<(Rc<Host>, Duration)>>,
}

enum Given {
    Slot(Slot),
    Place(Place),
}

impl Given {
    fn is_of(&self, host: &Rc<Host>) -> bool {
        match self {
            Given::Slot(slot) => slot.is_of(host),
            Given::Place(place) => place.is_of(host),
        }
    }
}

impl Share {
    /// Its next request does not come, or is not sent: the stream goes to another.
    pub(super) fn give_back(&self) {
        drop(self.given.take());
    }

    /// Of a request that has been cut off: how long it had been in line for a stream, if it was sent
    /// nowhere.
    pub(super) fn queued(&self, now: Duration) -> Option<Duration> {
        let (host, since) = self.line.take()?;
        Some(now.saturating_sub(host.queued_since()?.max(since)))
    }
}

impl Http2 {
    /// The host at an endpoint; `None` if HTTP/1.1 is spoken there.
    pub(super) fn host(&self, engine: &Engine, endpoint: usize) -> Option<Rc<Host>> {
        let mut hosts = self.hosts.borrow_mut();
        while hosts.len() <= endpoint {
            let number = hosts.len();
            let is_https = engine.endpoints.get(number).is_https();
            let options = &engine.options;
            let may = if is_https { options.http2 } else { options.h2c };
            hosts.push(may.then(|| Rc::new(Host::new(number, !is_https, options))));
        }
        hosts[endpoint].clone()
    }

    /// As [`Http2::host`], once it is known.
    fn known(&self, engine: &Engine, endpoint: usize) -> Option<Rc<Host>> {
        self.host(engine, endpoint).filter(|host| host.is_known())
    }

    /// The host at this endpoint has chosen HTTP/1.1.
    fn forget(&self, endpoint: usize) {
        self.hosts.borrow_mut()[endpoint] = None;
    }

    /// How many workers own no connection.
    pub(super) fn sharing(&self) -> usize {
        self.sharing.get()
    }

    /// How many connections are open, or being opened.
    pub(super) fn connections(&self) -> usize {
        self.connections.get()
    }

    fn count(&self, more: isize) {
        self.connections.set(self.connections.get().saturating_add_signed(more));
    }

    fn join(&self, worker: &Worker) {
        if !worker.share.shares.replace(true) {
            self.sharing.set(self.sharing.get() + 1);
        }
    }

    /// The worker is to own a connection, or ends.
    pub(super) fn leave(&self, worker: &Worker) {
        if worker.share.shares.replace(false) {
            self.sharing.set(self.sharing.get() - 1);
        }
    }

    /// A connection may be opened now that could not before, by others than `host`.
    pub(super) fn has_room(&self, engine: &Engine, host: Option<&Host>) {
        if self.connections.get() > 0 || self.sharing.get() > 0 {
            self.others(host).iter().for_each(|other| other.tend(engine));
        }
    }

    /// Whether requests of one host of several are in line.
    fn is_waited_for(&self) -> bool {
        let hosts = self.hosts.borrow();
        hosts.len() > 1 && hosts.iter().flatten().any(|host| host.is_waited_for())
    }

    /// All hosts but this one.
    fn others(&self, host: Option<&Host>) -> Vec<Rc<Host>> {
        let hosts = self.hosts.borrow();
        let others = hosts.iter().flatten();
        let others =
            others.filter(|other| host.is_none_or(|host| !std::ptr::eq(Rc::as_ptr(other), host)));
        others.cloned().collect()
    }

    /// Whether there is room for another connection of `host`. If there is none, one to elsewhere
    /// that has nothing to do is closed, and there will be soon.
    fn make_room(&self, engine: &Engine, host: Option<&Host>) -> bool {
        if !engine.has_place()
            && self.connections.get() > 0
            && self.making_room.get() == 0
            && self.others(host).iter().any(|other| other.close_idle())
        {
            self.making_room.set(1);
        }
        engine.has_place()
    }

    /// Whether there is room, or can be made.
    fn may_make_room(&self, engine: &Engine, host: Option<&Host>) -> bool {
        engine.has_place()
            || (self.connections.get() > 0
                && self.making_room.get() == 0
                && self.others(host).iter().any(|other| other.has_idle()))
    }
}

/// Whether no worker could be given a request for this endpoint; `None` if that is no question of
/// HTTP/2.
pub(super) fn is_full(engine: &Engine, endpoint: usize) -> Option<bool> {
    let host = engine.http2.known(engine, endpoint)?;
    Some(!(may_carry(engine, &host) && has_worker(engine)))
}

fn may_carry(engine: &Engine, host: &Host) -> bool {
    has_stream(engine, host) || may_open(engine, host)
}

/// Whether another request gets a stream without opening more than is being opened.
fn has_stream(engine: &Engine, host: &Host) -> bool {
    host.has_free() || host.will_carry(engine.http2.making_room.get())
}

fn may_open(engine: &Engine, host: &Host) -> bool {
    // A worker that owns an idle connection gives it up.
    engine.http2.may_make_room(engine, Some(host)) || !engine.idle.borrow().is_empty()
}

fn has_worker(engine: &Engine) -> bool {
    !engine.http2.idle.borrow().is_empty() || engine.may_work() || !engine.idle.borrow().is_empty()
}

/// A worker for a request to this endpoint, with the stream for it if one is free, else with a place in
/// line; `None` inside if there is none, outside if that is no question of HTTP/2.
pub(super) fn free_worker(engine: &Rc<Engine>, endpoint: usize) -> Option<Option<Rc<Worker>>> {
    let host = engine.http2.known(engine, endpoint)?;
    if !(may_carry(engine, &host) && has_worker(engine)) {
        return Some(None);
    }
    let takes_over = !has_stream(engine, &host) && !engine.http2.may_make_room(engine, Some(&host));
    let idle = || engine.http2.idle.borrow_mut().pop();
    let worker = if takes_over { None } else { idle() };
    let worker = match worker {
        Some(worker) => worker,
        None if engine.may_work() && !takes_over => engine.spawn(endpoint),
        None => match engine.idle.borrow_mut().pop() {
            Some(worker) => worker,
            None => return Some(None),
        },
    };
    engine.http2.join(&worker);
    let given = match host.slot() {
        Some(slot) => Given::Slot(slot),
        None => Given::Place(host.line_up(engine)),
    };
    worker.share.given.replace(Some(given));
    Some(Some(worker))
}

/// Whether this worker, which has just become free, may take a request for this endpoint: over HTTP/2
/// with a stream, which it gets. Whom that leaves without one waits for the main loop, and its request
/// counts as not sent.
pub(super) fn may_take(engine: &Engine, worker: &Worker, endpoint: usize) -> bool {
    let Some(host) = engine.http2.known(engine, endpoint) else {
        return !shares(worker) || engine.has_place();
    };
    let slot = host.slot();
    let may = slot.is_some();
    worker.share.given.replace(slot.map(Given::Slot));
    may
}

/// Whether [`lend`] finds a worker or makes room for one. While room is being made it is not worth
/// asking: the main loop is woken when that is done.
pub(super) fn may_lend(engine: &Engine) -> bool {
    let http2 = &engine.http2;
    let has_worker = !http2.idle.borrow().is_empty() || engine.may_work();
    has_worker && http2.may_make_room(engine, None)
}

/// An idle worker that owns no connection, to open one over HTTP/1.1. If there is no room for that,
/// it is made.
pub(super) fn lend(engine: &Engine) -> Option<Rc<Worker>> {
    if !engine.http2.make_room(engine, None) {
        return None;
    }
    let worker = engine.http2.idle.borrow_mut().pop()?;
    // So that the place is not given to another before it has opened its connection.
    engine.http2.leave(&worker);
    Some(worker)
}

/// Whether requests wait for a connection for which there is no place.
pub(super) fn wants_place(engine: &Engine) -> bool {
    engine.http2.is_waited_for() && !engine.has_place()
}

/// A request has ended, so its connection may have to make room for those that wait for another.
pub(super) fn has_ended(engine: &Engine) {
    if engine.http2.is_waited_for() {
        engine.http2.has_room(engine, None);
    }
}

/// Has a request answered, over HTTP/2 if that is what its server speaks. `aim` is that of the job, or
/// where it is redirected to.
pub(super) async fn exchange(
    engine: &Engine,
    host: &Rc<Host>,
    worker: &Worker,
    job: &Job,
    aim: &Rc<Aim>,
    decoder: &mut Decoder,
) -> Result<Carried, Failure> {
    if host.is_known() {
        engine.http2.join(worker);
    } else {
        // Until it has told what it speaks, who asks counts as the owner of what is opened.
        engine.http2.leave(worker);
    }
    let mut sent = 0;
    loop {
        let is_unsent = sent == 0 && Rc::ptr_eq(aim, &job.aim);
        let given = worker.share.given.take().filter(|given| given.is_of(host));
        let given = given.or_else(|| host.slot().map(Given::Slot));
        let turn = match given.unwrap_or_else(|| Given::Place(host.line_up(engine))) {
            Given::Slot(slot) => Turn::Go(slot, None),
            Given::Place(place) => {
                let since = place.since();
                worker.share.line.replace(is_unsent.then(|| (Rc::clone(host), since)));
                let turn = place.called().await;
                drop(worker.share.line.take());
                match turn {
                    Turn::Go(slot, queued) => Turn::Go(slot, queued.map(|at| at.max(since))),
                    turn => turn,
                }
            }
        };
        let slot = match turn {
            Turn::Go(slot, queued_since) => {
                if let Some(since) = queued_since.filter(|_| is_unsent) {
                    has_queued(engine, job, engine.elapsed().saturating_sub(since));
                    if let Some(timeout) = engine.options.timeout
                        && !worker.deadline.extend(job.taken.get().saturating_add(timeout))
                    {
                        return Err(none_free(engine, timeout));
                    }
                }
                slot
            }
            Turn::Failed(failure) => return Err(Failure::Shared(failure)),
            Turn::Http1(stream) => return Ok(Carried::ByHttp1(stream)),
        };
        engine.http2.join(worker);
        worker.endpoint.set(aim.endpoint);
        let head = aim.http2.get_or_init(|| Head::new(&aim.target, &engine.options));
        let request = head.request(job.seq).map_err(Failure::Http2)?;
        let keep = decoder.keep();
        decoder.begin(&aim.target.method);
        sent += 1;
        let exchanged = slot.exchange(request, &aim.target.body, keep, decoder.answer()).await;
        let (failure, is_again) = match exchanged {
            Ok(()) => return Ok(Carried::Here),
            Err(Trouble::Gone(failure)) if sent <= RESENT_MAX => {
                drop(failure);
                continue;
            }
            Err(Trouble::Gone(failure) | Trouble::Unseen(failure)) => (failure, sent <= RESENT_MAX),
            Err(Trouble::Refused(failure)) => (failure, sent == 1),
            Err(Trouble::Failed(failure)) => (failure, false),
        };
        if !is_again {
            return Err(failure);
        }
        if sent == 1 {
            engine.count(|outcome| outcome.resent += 1);
        }
    }
}

/// A request that had been taken for a connection that was being opened has then waited so much more
/// for others to end. That counts as if it had been taken only now.
pub(super) fn has_queued(engine: &Engine, job: &Job, more: Duration) {
    let (slip_before, queued_before) = (job.taken.get() - job.due, job.queued.get());
    job.taken.set(job.taken.get() + more);
    job.queued.set(queued_before + more);
    let (slip, queued) = (slip_before + more, job.queued.get());
    engine.count(|outcome| {
        outcome.slip_max = outcome.slip_max.max(slip);
        outcome.late += u64::from(slip_before <= LATE && slip > LATE);
        outcome.waited += u64::from(queued_before.is_zero() && !queued.is_zero());
        outcome.queued_max = outcome.queued_max.max(queued);
    });
}

/// Opens a connection to the host before there is a request for it.
pub(super) async fn warm_up(
    engine: &Engine,
    host: &Rc<Host>,
    worker: &Worker,
) -> Result<Carried, Failure> {
    if host.is_known() {
        // It owns none, so it leaves room for the one that is opened here.
        engine.http2.join(worker);
        if !engine.options.keep_alive {
            // It would be closed again before it is of use.
            return Ok(Carried::Here);
        }
    }
    match host.turn(engine).await {
        Turn::Go(..) => {
            engine.http2.join(worker);
            Ok(Carried::Here)
        }
        Turn::Failed(failure) => Err(Failure::Shared(failure)),
        Turn::Http1(stream) => Ok(Carried::ByHttp1(stream)),
    }
}

/// Whether a worker owns no connection, and so has none to lose.
pub(super) fn shares(worker: &Worker) -> bool {
    worker.share.shares.get()
}

/// Waits idle for the main loop's next job.
pub(super) async fn wait_for_job(engine: &Engine, worker: &Rc<Worker>) -> Job {
    engine.http2.idle.borrow_mut().push(Rc::clone(worker));
    engine.note_block();
    loop {
        worker.given().await;
        if let Some(job) = worker.take_job() {
            return job;
        }
        // Left over from a job that was taken without it, or the request it was chosen for has gone.
        let mut idle = engine.http2.idle.borrow_mut();
        if !idle.iter().any(|other| Rc::ptr_eq(other, worker)) {
            engine.http2.join(worker);
            idle.push(Rc::clone(worker));
        }
    }
}
