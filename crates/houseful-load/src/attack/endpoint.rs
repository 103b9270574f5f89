//! The places that requests go to: a host and port each, with the addresses that they have.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;

use tokio::sync::OnceCell;

use crate::targets::HttpUrl;

/// A host and port, looked up when it is first needed.
pub(super) struct Endpoint {
    host: String,
    port: u16,
    /// Host and port, as errors name it.
    pub(super) name: String,
    addresses: OnceCell<Vec<SocketAddr>>,
}

impl Endpoint {
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// All addresses of the host. They are kept; a failure is not.
    pub(super) async fn addresses(&self) -> io::Result<&[SocketAddr]> {
        let addresses = self.addresses.get_or_try_init(|| async {
            let found = tokio::net::lookup_host((self.host.as_str(), self.port)).await?;
            Ok::<_, io::Error>(found.collect())
        });
        Ok(addresses.await?)
    }
}

/// All endpoints of an attack, by number.
#[derive(Default)]
pub(super) struct Endpoints {
    all: RefCell<Vec<Rc<Endpoint>>>,
    /// Ports and numbers by host.
    by_host: RefCell<HashMap<String, Vec<(u16, usize)>>>,
}

impl Endpoints {
    /// The number of the endpoint that a URL names.
    pub(super) fn of(&self, url: &HttpUrl) -> usize {
        let (host, port) = (url.host(), url.port());
        let mut by_host = self.by_host.borrow_mut();
        let known = by_host.get(host).and_then(|ports| ports.iter().find(|known| known.0 == port));
        if let Some((_, number)) = known {
            return *number;
        }
        let mut all = self.all.borrow_mut();
        let number = all.len();
        all.push(Rc::new(Endpoint {
            host: host.to_owned(),
            port,
            name: format!("{host}:{port}"),
            addresses: OnceCell::new(),
        }));
        by_host.entry(host.to_owned()).or_default().push((port, number));
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
