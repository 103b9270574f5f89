//! Targets that are read while the attack runs.

use std::io::{BufReader, Read};
use std::sync::{PoisonError, mpsc};
use std::time::Duration;

use houseful_load::attack::{self, AttackError, Options, Outcome, Stop, Targets};
use houseful_load::pacer::Pacer;
use houseful_load::results::Record;
use houseful_load::targets::{Defaults, Format, Reader};

use super::server::{Reply, Server};
use super::{OK, TURN};

/// A source that says what it is told to, and ends when nobody tells any more.
struct Told(mpsc::Receiver<String>, std::io::Cursor<Vec<u8>>);

impl Read for Told {
    fn read(&mut self, to: &mut [u8]) -> std::io::Result<usize> {
        match self.1.read(to)? {
            0 => match self.0.recv() {
                Ok(text) => {
                    self.1 = std::io::Cursor::new(text.into_bytes());
                    self.1.read(to)
                }
                Err(_) => Ok(0),
            },
            read => Ok(read),
        }
    }
}

fn attack(
    source: impl Read + Send + 'static,
    rate: &str,
    mut on_record: impl FnMut(&Record),
) -> (usize, Result<Outcome, AttackError>) {
    let reader = Reader::new(BufReader::new(source), "t", Format::Http, Defaults::default());
    let pacer = Pacer::new(rate.parse().unwrap(), Some(Duration::from_secs(60))).unwrap();
    let (targets, options) = (Targets::Lazy(Box::new(reader)), Options::default());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let mut records = 0;
    let outcome = attack::run(targets, pacer, &options, &Stop::new(), |record| {
        records += 1;
        on_record(record);
    });
    (records, outcome)
}

#[test]
fn each_is_sent_once_and_then_the_attack_is_over() {
    let server = Server::start(|_| Reply::bytes(OK));
    let text: String = (0..50).map(|n| format!("GET {}/{n}\n", server.url())).collect();
    let (records, outcome) = attack(std::io::Cursor::new(text), "500", |record| {
        assert_eq!((record.code, record.error.as_str()), (200, ""));
    });
    let outcome = outcome.unwrap();
    assert_eq!((records, outcome.requests, outcome.ran_out), (50, 50, true));
    let mut seen: Vec<String> =
        server.requests().iter().map(|request| request.line().to_owned()).collect();
    let mut want: Vec<String> = (0..50).map(|n| format!("GET /{n} HTTP/1.1")).collect();
    seen.sort_unstable();
    want.sort_unstable();
    assert_eq!(seen, want);
}

#[test]
fn one_is_sent_as_soon_as_it_is_read_and_due() {
    let server = Server::start(|_| Reply::bytes(OK));
    let (tell, told) = mpsc::channel();
    let url = server.url();
    let target = |n: u64| format!("GET {url}/{n}\n\n");
    tell.send(target(0)).unwrap();
    let mut tell = Some(tell);
    // Each answer brings the next target, so that every one is waited for.
    let (records, outcome) =
        attack(Told(told, std::io::Cursor::default()), "1000", |record| match record.seq + 1 {
            20 => tell = None,
            next => tell.as_ref().unwrap().send(target(next)).unwrap(),
        });
    assert_eq!((records, outcome.unwrap().ran_out), (20, true));
    assert_eq!(server.requests().len(), 20);
}

#[test]
fn as_fast_as_possible_ends_with_its_plan_when_no_other_target_comes() {
    let server = Server::start(|_| Reply::bytes(OK));
    let (tell, told) = mpsc::channel();
    (0..5).for_each(|_| tell.send(format!("GET {}/\n\n", server.url())).unwrap());
    // Open for longer than the plan, but not for ever.
    let (done, is_done) = mpsc::channel::<()>();
    let keeper = std::thread::spawn(move || {
        assert!(is_done.recv_timeout(Duration::from_secs(20)).is_err(), "it only ends");
        drop(tell);
    });
    let told = BufReader::new(Told(told, std::io::Cursor::default()));
    let reader = Reader::new(told, "t", Format::Http, Defaults::default());
    let pacer = Pacer::new("infinity".parse().unwrap(), Some(Duration::from_secs(1))).unwrap();
    let (targets, options) = (Targets::Lazy(Box::new(reader)), Options::default());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let outcome = attack::run(targets, pacer, &options, &Stop::new(), |_| ()).unwrap();
    drop(done);
    keeper.join().unwrap();
    assert_eq!((outcome.requests, outcome.ran_out), (5, false));
    assert!(outcome.elapsed < Duration::from_secs(15), "{outcome:?}");
    assert!(outcome.awaited_targets > outcome.elapsed / 2, "{outcome:?}");
}

#[test]
fn a_bad_one_ends_the_attack_after_those_before_it() {
    let server = Server::start(|_| Reply::bytes(OK));
    let text = format!("GET {0}/\nGET {0}/\nget {0}/\nGET {0}/\n", server.url());
    let (records, outcome) = attack(std::io::Cursor::new(text), "100", |_| ());
    let AttackError::Targets(fault) = outcome.unwrap_err() else { panic!("another error") };
    assert!(fault.to_string().starts_with("t:3: expected `METHOD URL` with"), "{fault}");
    // The second has no end before the third begins.
    assert_eq!((records, server.requests().len()), (1, 1));
}

#[test]
fn a_host_without_an_address_is_a_result() {
    let (records, outcome) = attack(&b"GET http://no-such-host.invalid/\n"[..], "100", |record| {
        let text = "dns: cannot resolve `no-such-host.invalid`: ";
        assert!(record.code == 0 && record.error.starts_with(text), "{}", record.error);
    });
    assert_eq!((records, outcome.unwrap().requests), (1, 1));
}
