//! How many streams on how many connections, and who waits for what.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use houseful_load::attack::Options;
use houseful_load::metrics::{Limit, Metrics};

use super::http2_server::{Http2Server, Reply, Setup};
use super::{attack, errors, get, h2c, number, targets};

fn slow(streams_max: Option<u32>) -> Http2Server {
    Http2Server::start(Setup { streams_max, ..Setup::default() }, |_| Reply::after(100))
}

#[test]
fn one_connection_carries_all_that_the_server_allows() {
    let server = slow(None);
    let (records, outcome) = attack(get(&server), "200", 300, &h2c());
    assert_eq!((errors(&records), records.len(), server.seen().len()), (vec![""], 60, 60));
    assert_eq!(
        (server.connections(), outcome.connections_opened, outcome.connections_peak),
        (1, 1, 1)
    );
    assert!(server.under_way_peak() >= 15, "{} of about 20", server.under_way_peak());
    assert!(outcome.requests_peak >= 15, "{outcome:?}");
}

#[test]
fn another_is_opened_when_its_streams_are_in_use() {
    let server = slow(Some(5));
    let (records, outcome) = attack(get(&server), "200", 300, &h2c());
    assert_eq!((errors(&records), server.seen().len()), (vec![""], 60));
    assert_eq!(server.under_way_peak(), 5);
    assert!((4..=12).contains(&server.connections()), "{} for 20 at once", server.connections());
    assert_eq!((outcome.connections_peak, outcome.waited), (server.open_peak(), 0), "{outcome:?}");
}

#[test]
fn requests_wait_when_no_more_may_be_opened_and_the_server_is_named() {
    let server = slow(Some(2));
    let options = Options { connections_max: number(2), ..h2c() };
    let (records, outcome) = attack(get(&server), "200", 200, &options);
    assert_eq!((errors(&records), server.seen().len()), (vec![""], 40));
    assert_eq!(
        (server.connections(), outcome.connections_peak, server.under_way_peak()),
        (2, 2, 2)
    );
    // Four at a time, 100 ms each, for 40: 1 s.
    assert!(outcome.waited >= 30 && outcome.queued_max > Duration::from_millis(500), "{outcome:?}");
    assert!(!outcome.is_rate_held());
    let mut metrics = Metrics::new();
    records.iter().for_each(|record| metrics.add(record));
    assert_eq!(metrics.summary().sending.unwrap().limit, Limit::Server);
    // In order, four by four.
    for (n, request) in (0..).zip(server.seen()) {
        assert!(request.seq().abs_diff(n) < 4, "number {n} is {}", request.seq());
    }
}

#[test]
fn one_slow_server_of_two_is_named_though_the_other_has_streams() {
    let (one, other) =
        (slow(Some(1)), Http2Server::start(Setup::default(), |_| Reply::status(200)));
    let targets = targets(&format!("GET {}/\n\nGET {}/", one.url(), other.url()));
    let options = Options { connections_max: number(2), ..h2c() };
    let (records, outcome) = attack(targets, "60", 500, &options);
    assert_eq!((errors(&records), one.seen().len(), other.seen().len()), (vec![""], 15, 15));
    // The slow one takes ten a second.
    assert!(!outcome.is_rate_held());
    let mut metrics = Metrics::new();
    records.iter().for_each(|record| metrics.add(record));
    let sending = metrics.summary().sending.unwrap();
    assert_eq!(sending.limit, Limit::Server, "{sending:?}");
}

#[test]
fn what_waits_too_long_is_not_sent() {
    let server = slow(Some(1));
    let timeout = Some(Duration::from_millis(300));
    let options = Options { connections_max: number(1), timeout, ..h2c() };
    let (records, outcome) = attack(get(&server), "200", 500, &options);
    assert!(errors(&records).contains(&"unsent: none of 1 connections became free within 300ms"));
    // The server need not have seen one that was given up as soon as it was sent.
    let seen = server.seen().len();
    assert!(seen < 30 && outcome.unsent as usize <= 100 - seen, "{seen}: {outcome:?}");
    assert!(outcome.unsent > 60, "{outcome:?}");
}

#[test]
fn what_waits_for_a_stream_when_the_connection_is_opened_counts_as_queued() {
    let server = slow(Some(1));
    let timeout = Some(Duration::from_secs(1));
    let options = Options { connections_max: number(1), timeout, ..h2c() };
    // A hundred at once, before it is known that one stream is all there is.
    let (mut records, outcome) = attack(get(&server), "100/1ms for 1ms, 2/s for 2s", 0, &options);
    records.sort_by_key(|record| record.seq);
    let unsent = "unsent: none of 1 connections became free within 1s";
    assert_eq!(errors(&records), ["", unsent]);
    let unsent = records.iter().filter(|record| record.error == unsent).count();
    assert_eq!((outcome.unsent as usize, server.seen().len() + unsent), (unsent, records.len()));
    assert!(server.resets().is_empty(), "{:?}", server.resets());
    // 100 ms each.
    assert!(unsent >= 80, "{unsent}");
    assert!(outcome.waited >= 99 && !outcome.is_rate_held(), "{outcome:?}");
    for record in &records[..100] {
        let rank = Duration::from_millis(record.seq * 100).min(Duration::from_secs(1));
        assert!(record.queued * 10 >= rank * 7, "{record:?}");
        assert!(record.slip >= Some(record.queued), "{record:?}");
    }
    let mut metrics = Metrics::new();
    records.iter().for_each(|record| metrics.add(record));
    assert_eq!(metrics.summary().sending.unwrap().limit, Limit::Server);
    // Who gave up has left the stream to others.
    assert!(records.last().is_some_and(|last| last.is_success()), "{:?}", records.last());
}

#[test]
fn no_more_are_taken_than_what_is_being_opened_can_carry() {
    let server = slow(Some(1));
    let options = Options { connections_max: number(2), ..h2c() };
    // The first tells that a connection carries one at a time.
    let steps = "1/50ms for 50ms, 1/10s for 1s, 20/1ms for 1ms";
    let (records, outcome) = attack(get(&server), steps, 0, &options);
    assert_eq!((errors(&records), server.seen().len()), (vec![""], 21));
    assert_eq!((outcome.requests_peak, outcome.connections_opened), (2, 2), "{outcome:?}");
    assert!(outcome.waited >= 18, "{outcome:?}");
}

#[test]
fn a_stream_that_becomes_free_wakes_who_waits_for_the_next_request() {
    let server = Setup { streams_max: Some(1), ..Setup::default() };
    let server = Http2Server::start(server, |_| Reply::after(5));
    let options = Options { connections_max: number(1), ..h2c() };
    let mut seen = Vec::new();
    // A busy machine may send late; it will not do so every time.
    let is_in_time = (0..20).any(|_| {
        let (records, _) = attack(get(&server), "100", 500, &options);
        assert_eq!((errors(&records), records.len()), (vec![""], 50));
        let slips = records.iter().filter_map(|record| record.slip);
        seen.push(slips.filter(|slip| *slip > Duration::from_millis(4)).count());
        seen.last() <= Some(&5)
    });
    assert!(is_in_time, "so many of 50 were late: {seen:?}");
}

#[test]
fn requests_under_way_have_a_bound_of_their_own() {
    let server = slow(None);
    let (records, outcome) =
        attack(get(&server), "100", 300, &Options { requests_max: Some(number(3)), ..h2c() });
    assert_eq!((errors(&records), server.seen().len()), (vec![""], 30));
    assert_eq!((server.under_way_peak(), outcome.requests_peak, server.connections()), (3, 3, 1));
    assert!(outcome.waited > 15, "{outcome:?}");
}

#[test]
fn without_keep_alive_each_request_has_its_connection() {
    let server = slow(None);
    let options = Options { keep_alive: false, ..h2c() };
    let (records, outcome) = attack(get(&server), "100", 250, &options);
    assert_eq!((errors(&records), server.seen().len(), server.connections()), (vec![""], 25, 25));
    assert_eq!((server.under_way_peak(), outcome.connections_opened), (1, 25));
    assert!(server.seen().iter().all(|request| request.header("connection").is_none()));

    let options = Options { connections_max: number(2), ..options };
    let (records, outcome) = attack(get(&server), "100", 250, &options);
    assert_eq!((errors(&records), outcome.connections_opened), (vec![""], 25));
    assert!(outcome.connections_peak <= 2, "{outcome:?}");
}

#[test]
fn connections_are_opened_before_the_first_request_if_asked_for() {
    let server = slow(None);
    let options = Options { connections_first: 5, ..h2c() };
    let (records, outcome) = attack(get(&server), "10", 100, &options);
    assert_eq!(
        (errors(&records), server.connections(), outcome.connections_opened),
        (vec![""], 1, 1)
    );
}

#[test]
fn they_are_opened_even_if_they_are_all_that_there_may_be() {
    let server = slow(None);
    let options = Options { connections_first: 10, connections_max: number(10), ..h2c() };
    let options = Options { timeout: Some(Duration::from_secs(3)), ..options };
    let (records, outcome) = attack(get(&server), "10", 100, &options);
    assert_eq!((errors(&records), outcome.connections_opened), (vec![""], 1));
    let connected = server.first_connected().unwrap();
    assert!(connected <= records[0].timestamp, "{connected}: {records:?}");
}

#[test]
fn connections_without_work_are_closed_but_for_so_many() {
    let server = slow(Some(1));
    let options = Options { connections_idle_max: 1, ..h2c() };
    // Ten at once, one when they are idle, and ten again.
    let steps = "10/1ms for 1ms, 1/s for 1s, 10/1ms for 1ms";
    let (records, outcome) = attack(get(&server), steps, 0, &options);
    assert_eq!((errors(&records), records.len()), (vec![""], 21));
    // Nine are closed and opened again; on a busy machine they are not all in use at once.
    assert!(server.connections() > 13, "{outcome:?}");
}

#[test]
fn a_bound_on_connections_is_for_all_hosts_together() {
    let (a, b) = (slow(None), slow(None));
    let both = targets(&format!("GET {}/\n\nGET {}/\n", a.url(), b.url()));
    let options = Options { connections_max: number(1), ..h2c() };
    let (records, outcome) = attack(both.clone(), "10", 600, &options);
    assert_eq!((errors(&records), records.len()), (vec![""], 6));
    assert_eq!((a.seen().len(), b.seen().len()), (3, 3));
    assert_eq!(outcome.connections_peak, 1, "{outcome:?}");
    let (_, outcome) = attack(both, "10", 200, &h2c());
    assert_eq!((outcome.connections_opened, outcome.connections_peak), (2, 2));
}

#[test]
fn a_stall_shows_in_every_request_that_was_due_in_it() {
    let first = AtomicUsize::new(0);
    let server =
        Http2Server::start(Setup { streams_max: Some(128), ..Setup::default() }, move |_| {
            match first.fetch_add(1, Ordering::SeqCst) {
                // Requests 100 to 299 at 200/s: one second, until it is over for all.
                n @ 100..300 => Reply::after(5 * (300 - n as u64)),
                _ => Reply::status(200),
            }
        });
    let (records, outcome) = attack(get(&server), "200", 2_000, &h2c());
    assert_eq!((errors(&records), server.seen().len()), (vec![""], 400));
    let slow = records.iter().filter(|record| record.latency > Duration::from_millis(25)).count();
    assert!(slow >= 190, "{slow}");
    assert_eq!(outcome.waited, 0);
    assert!((2..=4).contains(&server.connections()), "{outcome:?}");
}
