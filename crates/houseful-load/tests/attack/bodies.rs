//! Long bodies, and servers that answer or close before they have all of one.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use houseful_load::attack::Options;
use houseful_load::results::Cause;
use houseful_load::targets::Target;

use super::{OK, at_most, attack, errors, pacer, targets};

/// Accepts connections, and leaves each to `handle` on a thread of its own.
fn raw_server(handle: impl Fn(BufReader<TcpStream>) + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let handle = Arc::new(handle);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let handle = Arc::clone(&handle);
            thread::spawn(move || handle(BufReader::new(stream.unwrap())));
        }
    });
    url
}

fn read_head(reader: &mut impl BufRead) {
    let head_ends = |line: std::io::Result<String>| line.unwrap().is_empty();
    assert!(reader.lines().any(head_ends), "the client sends a whole head");
}

/// A target whose body does not fit into the socket's buffers.
fn put_long_body(dir: &tempfile::TempDir, url: &str) -> Vec<Target> {
    let body = dir.path().join("body");
    std::fs::write(&body, vec![b'x'; LONG]).unwrap();
    targets(&format!("PUT {url}/\n@{}\n", body.display()))
}

const LONG: usize = 20_000_000;

/// With time enough on a busy machine, and an end all the same.
fn patient() -> Options {
    Options { timeout: Some(Duration::from_secs(20)), ..at_most(1) }
}

#[test]
fn what_the_server_may_have_acted_on_is_not_sent_again() {
    let dir = tempfile::tempdir().unwrap();
    let url = raw_server(|mut reader| {
        read_head(&mut reader);
        reader.read_exact(&mut vec![0; LONG]).unwrap();
        reader.get_mut().write_all(OK.as_bytes()).unwrap();
        // Closes while the body of the next request is on its way.
        read_head(&mut reader);
    });
    let (records, outcome) = attack(put_long_body(&dir, &url), pacer("2", 1_000), &at_most(1));
    assert_eq!((records[0].code, records[1].cause()), (200, Some(Cause::Reset)));
    assert_eq!((outcome.requests, outcome.resent, outcome.connections_opened), (2, 0, 1));
}

#[test]
fn a_server_may_go_on_to_read_after_it_has_begun_to_answer() {
    let dir = tempfile::tempdir().unwrap();
    // One that asks for the body, and one that sends back what it reads.
    for is_echo in [false, true] {
        let url = raw_server(move |mut reader| {
            read_head(&mut reader);
            let begin = match is_echo {
                false => "HTTP/1.1 100 Continue\r\n\r\n".to_owned(),
                true => format!("HTTP/1.1 200 OK\r\nContent-Length: {LONG}\r\n\r\n"),
            };
            // When the client can send no more without being read.
            thread::sleep(Duration::from_millis(100));
            reader.get_mut().write_all(begin.as_bytes()).unwrap();
            let (mut left, mut some) = (LONG, vec![0; 100_000]);
            while left > 0 {
                let read = reader.read(&mut some).unwrap();
                left -= read;
                if is_echo {
                    reader.get_mut().write_all(&some[..read]).unwrap();
                }
            }
            if !is_echo {
                reader.get_mut().write_all(OK.as_bytes()).unwrap();
            }
            thread::sleep(Duration::from_secs(60));
        });
        let (records, _) = attack(put_long_body(&dir, &url), pacer("10", 100), &patient());
        let told: Vec<_> =
            records.iter().map(|one| (one.code, one.bytes_in, &*one.error)).collect();
        assert_eq!(told, [(200, if is_echo { LONG as u64 } else { 0 }, "")]);
    }
}

#[test]
fn a_server_that_will_not_answer_any_more_ends_the_request() {
    let dir = tempfile::tempdir().unwrap();
    let url = raw_server(|mut reader| {
        read_head(&mut reader);
        // It reads no more either, but does not reset the connection.
        reader.get_mut().shutdown(Shutdown::Write).unwrap();
        thread::sleep(Duration::from_secs(60));
    });
    let (records, _) = attack(put_long_body(&dir, &url), pacer("10", 100), &patient());
    let error = "closed early: the server closed the connection without an answer";
    assert_eq!(errors(&records).into_iter().collect::<Vec<_>>(), [(error, 1)]);
}

#[test]
fn takes_an_answer_that_comes_before_the_body_is_sent() {
    let dir = tempfile::tempdir().unwrap();
    let url = raw_server(|mut reader| {
        read_head(&mut reader);
        reader.get_mut().write_all(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n").unwrap();
        // Reads no more, and leaves the client time to see the answer.
        thread::sleep(Duration::from_secs(60));
    });
    let options = Options { timeout: Some(Duration::from_secs(5)), ..Options::default() };
    let (records, outcome) = attack(put_long_body(&dir, &url), pacer("10", 300), &options);
    let codes: Vec<_> = records.iter().map(|record| (record.code, record.error.as_str())).collect();
    assert_eq!(codes, [(413, "413 Too Large"); 3]);
    // What is left of the request makes the connection useless.
    assert_eq!(outcome.connections_opened, 3);
}

#[test]
fn a_reset_connection_is_a_cause_of_its_own() {
    let url = raw_server(|mut reader| {
        // To close without having read everything resets the connection.
        assert!(!reader.fill_buf().unwrap().is_empty());
        thread::sleep(Duration::from_millis(50));
    });
    let dir = tempfile::tempdir().unwrap();
    let (records, _) = attack(put_long_body(&dir, &url), pacer("10", 500), &Options::default());
    for record in &records {
        assert_eq!(record.cause(), Some(Cause::Reset), "{}", record.error);
    }
    assert_eq!(records.len(), 5);
}
