//! Who gets which stream of a host's connections, and when another connection is opened.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use h2::client::SendRequest;
use http::Request;
use tokio::sync::oneshot;

use super::connection::{self, Body, Connection, Trouble};
use crate::attack::Options;
use crate::attack::client::Failure;
use crate::attack::client::response::{Answer, Keep};
use crate::attack::client::stream::Stream;
use crate::attack::dial::Offer;
use crate::attack::engine::Engine;

/// A host that speaks HTTP/2, or may.
pub(in crate::attack) struct Host {
    endpoint: usize,
    /// Whether it is known to.
    is_known: Cell<bool>,
    /// Those that take requests, the first first.
    connections: RefCell<Vec<Rc<Connection>>>,
    /// Requests that wait for a stream, the oldest first, and some that have given up.
    line: RefCell<VecDeque<oneshot::Sender<Turn>>>,
    /// How many of them wait still.
    waiting: Cell<usize>,
    /// Since when they are more than what is being opened can carry, as far as is known.
    queued_since: Cell<Option<Duration>>,
    /// How many connections are being opened.
    opening: Cell<usize>,
    /// How many requests a connection takes at once, as far as is known.
    streams: Cell<usize>,
    /// Whether a connection takes a second request.
    keep_alive: bool,
    /// So many connections may have nothing to do.
    idle_max: usize,
}

/// What waiting for a stream led to.
pub(super) enum Turn {
    /// Since when it would have had to wait even if all that was being opened had been open.
    Go(Slot, Option<Duration>),
    /// No connection could be opened.
    Failed(Rc<Failure>),
    /// The server chose HTTP/1.1, perhaps on this connection.
    Http1(Option<Stream>),
}

/// Where a request stands in line.
pub(super) struct Place {
    host: Rc<Host>,
    since: Duration,
    given: oneshot::Receiver<Turn>,
}

impl Place {
    pub(super) fn is_of(&self, host: &Rc<Host>) -> bool {
        Rc::ptr_eq(&self.host, host)
    }

    /// Since when it is there.
    pub(super) fn since(&self) -> Duration {
        self.since
    }

    /// Waits until it is its turn.
    pub(super) async fn called(mut self) -> Turn {
        (&mut self.given).await.expect("nobody who waits is forgotten")
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if matches!(self.given.try_recv(), Err(oneshot::error::TryRecvError::Empty)) {
            self.host.waiting.set(self.host.waiting.get() - 1);
        }
    }
}

/// The right to one stream. Goes to the next in line when dropped.
pub(super) struct Slot {
    host: Rc<Host>,
    connection: Rc<Connection>,
    handle: Option<SendRequest<Body>>,
}

impl Slot {
    pub(super) fn is_of(&self, host: &Rc<Host>) -> bool {
        Rc::ptr_eq(&self.host, host)
    }

    /// See [`Connection::exchange`].
    pub(super) async fn exchange(
        mut self,
        request: Request<()>,
        body: &Arc<[u8]>,
        keep: Keep,
        answer: &mut Answer,
    ) -> Result<(), Trouble> {
        let connection = Rc::clone(&self.connection);
        let handle = self.handle.as_mut().expect("a slot has its handle until it is dropped");
        connection.exchange(handle, request, body, keep, answer).await
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        // The last handle of a connection that takes no more requests closes it.
        drop(self.handle.take());
        self.connection.let_go();
        self.host.let_go(&self.connection);
    }
}

/// What opening a connection led to.
enum Opened {
    Http2(Connection, connection::Driver),
    Http1(Stream),
}

impl Host {
    pub(super) fn new(endpoint: usize, is_known: bool, options: &Options) -> Host {
        Host {
            endpoint,
            is_known: Cell::new(is_known),
            connections: RefCell::default(),
            line: RefCell::default(),
            waiting: Cell::new(0),
            queued_since: Cell::new(None),
            opening: Cell::new(0),
            streams: Cell::new(if options.keep_alive { usize::MAX } else { 1 }),
            keep_alive: options.keep_alive,
            idle_max: options.connections_idle_max,
        }
    }

    /// Whether it is known to speak HTTP/2.
    pub(super) fn is_known(&self) -> bool {
        self.is_known.get()
    }

    /// Whether what is being opened, and so many connections more, will carry another request besides
    /// those in line, as far as is known.
    pub(super) fn will_carry(&self, more: usize) -> bool {
        self.waiting.get() < (self.opening.get() + more).saturating_mul(self.streams.get())
    }

    /// Whether anybody is in line.
    pub(super) fn is_waited_for(&self) -> bool {
        self.waiting.get() > 0
    }

    /// Since when those in line wait for others to end; see [`Turn::Go`].
    pub(super) fn queued_since(&self) -> Option<Duration> {
        self.queued_since.get()
    }

    /// Whether a request that comes now gets a stream at once.
    pub(super) fn has_free(&self) -> bool {
        self.connections.borrow().iter().any(|one| one.is_free())
    }

    /// The right to a stream, if one is free: then nobody is in line, see [`Host::hand_out`].
    pub(super) fn slot(self: &Rc<Host>) -> Option<Slot> {
        let mut connections = self.connections.borrow_mut();
        let found = connections.iter().find_map(|one| Some((one.take_up()?, Rc::clone(one))));
        let (handle, connection) = found?;
        connections.retain(|one| one.is_open());
        Some(Slot { host: Rc::clone(self), connection, handle: Some(handle) })
    }

    /// Waits for a stream, if need be for a connection.
    pub(super) async fn turn(self: &Rc<Host>, engine: &Engine) -> Turn {
        match self.slot() {
            Some(slot) => Turn::Go(slot, None),
            None => self.line_up(engine).called().await,
        }
    }

    /// Puts a request in line.
    pub(super) fn line_up(self: &Rc<Host>, engine: &Engine) -> Place {
        let (give, given) = oneshot::channel();
        self.line.borrow_mut().push_back(give);
        self.waiting.set(self.waiting.get() + 1);
        self.tend(engine);
        Place { host: Rc::clone(self), since: engine.elapsed(), given }
    }

    /// Tells one in line. From who has just gone, a stream comes back.
    fn tell(&self, give: oneshot::Sender<Turn>, turn: Turn) {
        if !give.is_closed() {
            self.waiting.set(self.waiting.get() - 1);
            drop(give.send(turn));
        }
    }

    /// Gives free streams to those in line, and opens connections for the others.
    pub(super) fn tend(self: &Rc<Host>, engine: &Engine) {
        self.hand_out();
        self.open_enough(engine);
        let is_queued = self.is_known() && !self.is_enough();
        let since = is_queued.then(|| self.queued_since.get().unwrap_or_else(|| engine.elapsed()));
        self.queued_since.set(since);
    }

    /// Whether all in line can be carried by what is being opened.
    fn is_enough(&self) -> bool {
        let enough = match self.is_known() {
            true => self.opening.get().saturating_mul(self.streams.get()),
            // The first one tells for all.
            false if self.opening.get() > 0 => usize::MAX,
            false => 0,
        };
        self.waiting.get() <= enough
    }

    fn open_enough(self: &Rc<Host>, engine: &Engine) {
        while !self.is_enough() {
            // Before it is known what it speaks, a worker's own place will do.
            if self.is_known() && !engine.http2.make_room(engine, Some(self)) {
                return;
            }
            self.opening.set(self.opening.get() + 1);
            if self.is_known() {
                engine.http2.count(1);
            }
            drop(tokio::task::spawn_local(Rc::clone(self).open(engine.this())));
        }
    }

    /// Gives free streams to those in line. Called whenever one becomes free.
    fn hand_out(self: &Rc<Host>) {
        loop {
            let next = {
                let mut line = self.line.borrow_mut();
                while line.front().is_some_and(oneshot::Sender::is_closed) {
                    line.pop_front();
                }
                if line.is_empty() { return } else { self.slot() }
            };
            let Some(slot) = next else { return };
            let give = self.line.borrow_mut().pop_front().expect("somebody is in line");
            self.tell(give, Turn::Go(slot, self.queued_since.get()));
        }
    }

    /// A request on this connection is over.
    fn let_go(self: &Rc<Host>, connection: &Connection) {
        self.hand_out();
        if connection.is_idle() && connection.is_open() {
            let idle = self.connections.borrow().iter().filter(|one| one.is_idle()).count();
            if idle > self.idle_max {
                connection.retire();
                self.connections.borrow_mut().retain(|one| one.is_open());
            }
        }
    }

    /// Whether it has a connection with nothing to do.
    pub(super) fn has_idle(&self) -> bool {
        self.connections.borrow().iter().any(|one| one.is_idle())
    }

    /// Closes one of those, to make room for another; whether there was one.
    pub(super) fn close_idle(&self) -> bool {
        let mut connections = self.connections.borrow_mut();
        let Some(at) = connections.iter().position(|one| one.is_idle()) else { return false };
        let idle = connections.remove(at);
        idle.make_room();
        true
    }

    /// Opens a connection, for as long as a request may take, and tells those in line.
    async fn open(self: Rc<Host>, engine: Rc<Engine>) {
        let had_place = self.is_known();
        // A worker that gives up its connection for this one does so first.
        tokio::task::yield_now().await;
        let opened = match engine.options.timeout {
            None => Some(self.dial(&engine).await),
            Some(timeout) => tokio::time::timeout(timeout, self.dial(&engine)).await.ok(),
        };
        self.opening.set(self.opening.get() - 1);
        if had_place {
            engine.http2.count(-1);
        }
        match opened {
            Some(Ok(Opened::Http2(connection, driver))) => {
                self.is_known.set(true);
                engine.http2.count(1);
                if self.keep_alive {
                    self.streams.set(connection.in_use_max());
                }
                let connection = Rc::new(connection);
                self.connections.borrow_mut().push(Rc::clone(&connection));
                let keep = Rc::clone(&self).keep(Rc::clone(&engine), connection, driver);
                drop(tokio::task::spawn_local(keep));
                self.tend(&engine);
            }
            Some(Ok(Opened::Http1(stream))) => {
                self.is_known.set(false);
                engine.http2.forget(self.endpoint);
                let mut stream = Some(stream);
                for give in self.line.take().into_iter().filter(|give| !give.is_closed()) {
                    self.tell(give, Turn::Http1(stream.take()));
                }
            }
            Some(Err(failure)) => self.fail(&Rc::new(failure), &engine),
            // Who asked for it has given up by now; who came later may wait for another.
            None => self.tend(&engine),
        }
        engine.http2.has_room(&engine, Some(&self));
        engine.wake();
    }

    async fn dial(&self, engine: &Engine) -> Result<Opened, Failure> {
        let to = engine.endpoints.get(self.endpoint);
        let stream = engine.dialer.open(&to, Offer::Http2).await?;
        if to.is_https() && !stream.is_http2() {
            return Ok(Opened::Http1(stream));
        }
        let how = if to.is_https() { "" } else { " in clear text" };
        let begun = connection::begin(stream, self.keep_alive, to.name(), how);
        let (connection, driver) = begun.await?;
        Ok(Opened::Http2(connection, driver))
    }

    /// Tells those in line that no connection could be opened: as many as it would have carried. Where
    /// there is another, they wait for that.
    fn fail(self: &Rc<Host>, failure: &Rc<Failure>, engine: &Engine) {
        if self.connections.borrow().iter().any(|one| one.is_open()) {
            self.hand_out();
            return;
        }
        let mut line = self.line.borrow_mut();
        line.retain(|give| !give.is_closed());
        let len = line.len().min(self.streams.get());
        for give in line.drain(..len) {
            self.tell(give, Turn::Failed(Rc::clone(failure)));
        }
        drop(line);
        self.tend(engine);
    }

    /// Keeps a connection going to its end.
    async fn keep(
        self: Rc<Host>,
        engine: Rc<Engine>,
        connection: Rc<Connection>,
        driver: connection::Driver,
    ) {
        let on_change = || {
            self.hand_out();
            engine.wake();
        };
        tokio::select! {
            () = driver.drive(&connection, on_change) => {}
            () = connection.is_out_of_time() => {}
        }
        self.connections.borrow_mut().retain(|one| one.is_open());
        engine.http2.count(-1);
        if connection.makes_room() {
            engine.http2.making_room.set(0);
        }
        engine.http2.has_room(&engine, None);
        engine.wake();
    }
}
