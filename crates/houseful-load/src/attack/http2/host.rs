//! Who gets which stream of a host's connections, and when another connection is opened.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;

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
    /// Requests that wait for a stream, the oldest first.
    line: RefCell<VecDeque<oneshot::Sender<Turn>>>,
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
    Go(Slot),
    /// No connection could be opened.
    Failed(Rc<Failure>),
    /// The server chose HTTP/1.1, perhaps on this connection.
    Http1(Option<Stream>),
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

    pub(super) fn is_opening(&self) -> bool {
        self.opening.get() > 0
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
        loop {
            if let Some(slot) = self.slot() {
                return Turn::Go(slot);
            }
            let (give, given) = oneshot::channel();
            self.line.borrow_mut().push_back(give);
            self.tend(engine);
            if let Ok(turn) = given.await {
                return turn;
            }
        }
    }

    /// Gives free streams to those in line, and opens connections for the others.
    pub(super) fn tend(self: &Rc<Host>, engine: &Engine) {
        self.hand_out();
        loop {
            let enough = match self.is_known() {
                true => self.opening.get().saturating_mul(self.streams.get()),
                // The first one tells for all.
                false if self.is_opening() => usize::MAX,
                false => 0,
            };
            let waiting = self.line.borrow().iter().filter(|one| !one.is_closed()).count();
            if waiting <= enough {
                return;
            }
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
            // Who has just gone gives it back.
            drop(give.send(Turn::Go(slot)));
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
        idle.makes_room.set(true);
        idle.retire();
        true
    }

    /// Opens a connection, for as long as a request may take, and tells those in line.
    async fn open(self: Rc<Host>, engine: Rc<Engine>) {
        let had_place = self.is_known();
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
                for give in self.line.borrow_mut().drain(..).filter(|give| !give.is_closed()) {
                    drop(give.send(Turn::Http1(stream.take())));
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
            drop(give.send(Turn::Failed(Rc::clone(failure))));
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
        driver.drive(&connection, on_change).await;
        self.connections.borrow_mut().retain(|one| one.is_open());
        engine.http2.count(-1);
        if connection.makes_room.get() {
            engine.http2.making_room.set(0);
        }
        engine.http2.has_room(&engine, None);
        engine.wake();
    }
}
