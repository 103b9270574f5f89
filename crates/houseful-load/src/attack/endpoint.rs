//! The places that requests go to: a host and port each, with the addresses that they have.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::rc::Rc;

use tokio::sync::OnceCell;

use super::ConnectTo;
use super::client::Failure;
use super::resolver::Resolver;
use crate::targets::HttpUrl;

/// A host and port of a URL, and where connections to it really go.
pub(super) struct Endpoint {
    host: String,
    is_https: bool,
    /// Host and port, as errors name it.
    name: String,
    /// At least one; more take turns, connection by connection.
    places: Vec<Place>,
    next: Cell<usize>,
}

/// A host and port, looked up when it is first needed.
pub(super) struct Place {
    host: String,
    port: u16,
    name: String,
    addresses: OnceCell<Vec<SocketAddr>>,
}

impl Place {
    fn new(host: &str, port: u16) -> Place {
        let name =
            if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
        Place { host: host.to_owned(), port, name, addresses: OnceCell::new() }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// All addresses of the host. They are kept; a failure is not.
    pub(super) async fn addresses(&self, resolver: &Resolver) -> Result<&[SocketAddr], Failure> {
        let addresses = self.addresses.get_or_try_init(|| resolver.look_up(&self.host, self.port));
        let resolved = addresses.await.map(Vec::as_slice);
        resolved.map_err(|source| Failure::Resolve { host: self.host.clone(), source })
    }
}

impl Endpoint {
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    pub(super) fn is_https(&self) -> bool {
        self.is_https
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Where the next connection goes.
    pub(super) fn next_place(&self) -> &Place {
        let next = self.next.get();
        self.next.set((next + 1) % self.places.len());
        &self.places[next]
    }

    /// Looks all its places up.
    pub(super) async fn look_up(&self, resolver: &Resolver) -> Result<(), Failure> {
        for place in &self.places {
            place.addresses(resolver).await?;
        }
        Ok(())
    }
}

/// All endpoints of an attack, by number.
#[derive(Default)]
pub(super) struct Endpoints {
    connect_to: Vec<ConnectTo>,
    all: RefCell<Vec<Rc<Endpoint>>>,
    by_host: RefCell<HashMap<String, Vec<Known>>>,
}

/// An endpoint among those of its host.
struct Known {
    port: u16,
    is_https: bool,
    number: usize,
}

impl Endpoints {
    /// None yet; some will really lie elsewhere.
    pub(super) fn new(connect_to: &[ConnectTo]) -> Endpoints {
        Endpoints { connect_to: connect_to.to_vec(), ..Endpoints::default() }
    }

    /// The number of the endpoint that a URL names.
    pub(super) fn of(&self, url: &HttpUrl) -> usize {
        let (host, port, is_https) = (url.host(), url.port(), url.is_https());
        let mut by_host = self.by_host.borrow_mut();
        let known = by_host.get(host).into_iter().flatten();
        let mut known = known.filter(|known| (known.port, known.is_https) == (port, is_https));
        if let Some(known) = known.next() {
            return known.number;
        }
        let here = Place::new(host, port);
        let elsewhere: Vec<Place> = self
            .connect_to
            .iter()
            .filter(|to| to.from == (host.to_owned(), port))
            .map(|to| Place::new(&to.to.0, to.to.1))
            .collect();
        let mut all = self.all.borrow_mut();
        let number = all.len();
        all.push(Rc::new(Endpoint {
            host: host.to_owned(),
            is_https,
            name: here.name.clone(),
            places: if elsewhere.is_empty() { vec![here] } else { elsewhere },
            next: Cell::new(0),
        }));
        by_host.entry(host.to_owned()).or_default().push(Known { port, is_https, number });
        number
    }

    pub(super) fn get(&self, number: usize) -> Rc<Endpoint> {
        Rc::clone(&self.all.borrow()[number])
    }

    /// All of them so far.
    pub(super) fn known(&self) -> Vec<Rc<Endpoint>> {
        self.all.borrow().clone()
    }
}
