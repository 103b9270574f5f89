//! TLS: whom the attack trusts, and who it says that it is.

use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ServerSessionMemoryCache, StoresServerSessions, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};

use super::server::{Reply, Server};
use super::{OK, results, run, write_targets};
use crate::support::{in_repository, temp_dir};

pub(super) fn file(name: &str) -> String {
    in_repository("tests/fixtures/tls").join(name).display().to_string()
}

/// The TLS of a server with a certificate for localhost, which may want one from its clients.
pub(super) fn config(wants_certificate: bool, protocols: &[&str]) -> Arc<ServerConfig> {
    let provider = Arc::new(ring::default_provider());
    let read = |name: &str| CertificateDer::from_pem_file(file(name)).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(read("authority.pem")).unwrap();
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap();
    let builder = if wants_certificate {
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        builder.with_client_cert_verifier(verifier.build().unwrap())
    } else {
        builder.with_no_client_auth()
    };
    let key = PrivateKeyDer::from_pem_file(file("server.key")).unwrap();
    let mut config = builder.with_single_cert(vec![read("server.pem")], key).unwrap();
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    Arc::new(config)
}

fn server(wants_certificate: bool) -> Server {
    // It also speaks what is not asked for.
    server_with(config(wants_certificate, &["h2", "http/1.1"]))
}

/// A server that speaks HTTP/1.1.
pub(super) fn server_with(config: Arc<ServerConfig>) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let authority = format!("localhost:{}", listener.local_addr().unwrap().port());
    let accept = move || {
        let (stream, peer) = listener.accept().unwrap();
        stream.set_nodelay(true).unwrap();
        let session = ServerConnection::new(Arc::clone(&config)).unwrap();
        (StreamOwned::new(session, stream), peer.ip().to_string())
    };
    let long = "x".repeat(100_000);
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{long}", long.len());
    Server::start_with(authority, accept, move |request| {
        Reply::bytes(if request.line().starts_with("PUT") { &answer } else { OK })
    })
}

/// The errors of ten requests, each once.
fn errors(dir: &Path, server: &Server, flags: &[&str]) -> Vec<String> {
    write_targets(dir, &format!("GET https://{}/\n", server.authority()));
    let paced = ["-rate=20", "-duration=500ms", "-max-workers=1", "-http2=false"];
    run(dir, &[&paced, flags].concat());
    let results = results(dir);
    assert_eq!(results.len(), 10);
    let mut errors: Vec<_> =
        results.iter().map(|result| result["error"].as_str().unwrap().to_owned()).collect();
    errors.dedup();
    errors
}

#[test]
fn a_server_is_trusted_for_its_authority_or_because_we_say_so() {
    let dir = temp_dir();
    let server = server(false);
    for flags in [
        &[&*format!("-root-certs={}", file("authority.pem"))][..],
        &[&*format!("-root-certs={},{}", file("client.pem"), file("authority.pem"))],
        &["-insecure"],
    ] {
        let before = server.connections();
        assert_eq!(errors(dir.path(), &server, flags), [""], "{flags:?}");
        assert_eq!(server.connections() - before, 1, "one connection carries all");
    }
    let trusted = server.requests().len();
    assert_eq!(trusted, 30);
    for flags in [&[][..], &[&*format!("-root-certs={}", file("client.pem"))], &["-insecure=false"]]
    {
        let errors = errors(dir.path(), &server, flags);
        let [error] = &errors[..] else { panic!("{errors:?}") };
        let text = format!(
            "tls: cannot agree on TLS with `{}`: invalid peer certificate",
            server.authority()
        );
        assert!(error.starts_with(&text), "{error}");
    }
    assert_eq!(server.requests().len(), trusted);
}

#[test]
fn a_server_that_asks_who_we_are_is_told() {
    let dir = temp_dir();
    let server = server(true);
    let roots = format!("-root-certs={}", file("authority.pem"));
    let (cert, key) =
        (format!("-cert={}", file("client.pem")), format!("-key={}", file("client.key")));
    assert_eq!(errors(dir.path(), &server, &[&roots, &cert, &key]), [""]);
    // Both in one file.
    let read = |name| std::fs::read(file(name)).unwrap();
    let both = dir.path().join("both.pem");
    std::fs::write(&both, [read("client.pem"), read("client.key")].concat()).unwrap();
    assert_eq!(errors(dir.path(), &server, &[&roots, "-cert=both.pem"]), [""]);
    assert_eq!(server.requests().len(), 20);

    let errors = errors(dir.path(), &server, &[&roots]);
    assert!(errors.iter().all(|error| !error.is_empty()), "{errors:?}");
    // In TLS 1.3 it says so when all has been agreed on, as far as we are concerned.
    let why = "tls: cannot read the answer: received fatal alert: CertificateRequired";
    assert!(errors.iter().any(|error| error == why), "{errors:?}");
    assert_eq!(server.requests().len(), 20);
}

/// Sessions that a server keeps, and how many of them were resumed.
#[derive(Debug)]
struct Sessions(Arc<ServerSessionMemoryCache>, Arc<AtomicUsize>);

impl Sessions {
    fn noted(&self, found: Option<Vec<u8>>) -> Option<Vec<u8>> {
        self.1.fetch_add(usize::from(found.is_some()), Ordering::Relaxed);
        found
    }
}

impl StoresServerSessions for Sessions {
    fn put(&self, key: Vec<u8>, value: Vec<u8>) -> bool {
        self.0.put(key, value)
    }

    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.noted(self.0.get(key))
    }

    fn take(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.noted(self.0.take(key))
    }

    fn can_cache(&self) -> bool {
        true
    }
}

#[test]
fn sessions_are_resumed_when_told() {
    let dir = temp_dir();
    let resumed = Arc::new(AtomicUsize::new(0));
    let mut config = Arc::unwrap_or_clone(config(false, &["http/1.1"]));
    config.session_storage =
        Arc::new(Sessions(ServerSessionMemoryCache::new(100), Arc::clone(&resumed)));
    let server = server_with(Arc::new(config));
    for (flag, is_resumed) in
        [(&[][..], false), (&["-session-tickets=false"], false), (&["-session-tickets"], true)]
    {
        let before = server.connections();
        let flags = [&["-insecure", "-keepalive=false"], flag].concat();
        assert_eq!(errors(dir.path(), &server, &flags), [""]);
        assert_eq!(server.connections() - before, 10, "{flag:?}");
        // All but the first of an attack can be.
        let count = resumed.swap(0, Ordering::Relaxed);
        assert!(
            if is_resumed { (1..10).contains(&count) } else { count == 0 },
            "{flag:?}: {count}"
        );
    }
}

#[test]
fn long_bodies_pass_both_ways() {
    let dir = temp_dir();
    let server = server(false);
    let body = "y".repeat(500_000);
    std::fs::write(dir.path().join("body"), &body).unwrap();
    write_targets(dir.path(), &format!("PUT https://{}/\n@body\n", server.authority()));
    run(dir.path(), &["-rate=5", "-duration=1s", "-insecure", "-http2=false"]);
    for result in results(dir.path()) {
        assert_eq!(
            (&result["code"], &result["bytes_in"]),
            (&200.into(), &100_000.into()),
            "{result}"
        );
    }
    assert!(server.requests().iter().all(|request| request.body == body));
}
