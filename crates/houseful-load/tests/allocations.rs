//! What a request costs in memory: nothing, once buffers have their size.
//!
//! The engine runs on the thread that calls it, and only that thread is counted.

#[path = "server/mod.rs"]
mod server;

use std::io;
use std::num::NonZeroUsize;

use houseful_load::attack::{self, Options, Stop};
use houseful_load::metrics::Metrics;
use houseful_load::pacer::Pacer;
use houseful_load::results::{Encoding, Writer};
use houseful_load::targets::{self, Defaults};
use server::{Reply, Server};

/// Allocations of an attack of so many requests, or a few more, with its results written.
fn allocations(url: &str, requests: u64, options: &Options) -> u64 {
    let text = format!("POST {url}/\nContent-Type: application/json\n\nGET {url}/b\n");
    let targets = targets::http::read(text.as_bytes(), "t", &Defaults::default()).unwrap();
    // As fast as possible: on a busy machine nothing is late.
    let pacer = Pacer::new("infinity".parse().unwrap(), None).unwrap();
    let (mut metrics, mut out) = (Metrics::new(), Writer::new(io::sink(), Encoding::Gob));
    let mut records = 0;
    let stop = Stop::new();
    let counted = allocation_counter::measure(|| {
        let outcome = attack::run(targets, pacer, options, &stop, |record| {
            records += 1;
            assert_eq!(record.code, 409);
            assert_eq!(record.headers.is_some(), options.keep_headers);
            metrics.add(record);
            out.write(record).unwrap();
            if records == requests {
                stop.drain();
            }
        });
        assert_eq!(outcome.unwrap().requests, records);
    });
    assert!((requests..requests + 100).contains(&records), "{records}");
    counted.count_total
}

#[test]
fn a_request_allocates_nothing_in_the_steady_state() {
    let server = Server::start(|_| {
        Reply::bytes(
            "HTTP/1.1 409 Conflict\r\nContent-Type: application/json\r\nDate: now\r\nX-A: 1\r\nx-a: 2\r\n\
             Content-Length: 24\r\n\r\n{\"errors\":[\"duplicate\"]}",
        )
    });
    for body_max in [None, Some(16)] {
        // One connection: with more, how many there are is chance, and each has its buffers.
        let options = Options {
            connections_max: NonZeroUsize::MIN,
            name: "n".into(),
            body_max,
            ..Options::default()
        };
        let (few, many) = (
            allocations(&server.url(), 1_000, &options),
            allocations(&server.url(), 5_000, &options),
        );
        // What 4,000 more requests cost: a histogram may still grow, a list may double.
        assert!(many.saturating_sub(few) < 100, "{few} for 1,000 requests, {many} for 5,000");
    }
}
