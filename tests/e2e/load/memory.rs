//! What an attack holds in memory does not depend on how long it lasts.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::thread;
use std::time::Duration;

use super::{OK, attack, report, stderr, write_targets};
use crate::support::temp_dir;

/// Some ten bytes for each request that the longer attack has more: 200,000 in a debug build.
const GROWTH_KIB_MAX: u64 = 2_048;

/// A server that notes nothing, as a note of each request would be much in the end; where it is.
fn server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            thread::spawn(move || answer(stream.unwrap()));
        }
    });
    url
}

fn answer(stream: TcpStream) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut line = String::new();
    loop {
        line.clear();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        // A GET ends with its head.
        if line == "\r\n" {
            (&stream).write_all(OK.as_bytes()).ok()?;
        }
    }
}

/// The most memory that an attack as fast as possible has held, in KiB, and how many requests it sent.
fn peak(dir: &Path, duration: &str) -> (u64, u64) {
    let mut attack =
        attack(dir, &["-rate=0", "-max-workers=4", "-duration", duration]).spawn().unwrap();
    let status = format!("/proc/{}/status", attack.id());
    let mut peak_kib = 0;
    while attack.try_wait().unwrap().is_none() {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        // Of one that has ended there is none.
        if let Some(peak) = text.lines().find_map(|line| line.strip_prefix("VmHWM:")) {
            peak_kib = peak.trim().strip_suffix(" kB").unwrap().parse().unwrap();
        }
        thread::sleep(Duration::from_millis(10));
    }
    let output = attack.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    (peak_kib, report(dir)["requests"].as_u64().unwrap())
}

#[test]
fn a_longer_attack_holds_no_more() {
    let dir = temp_dir();
    write_targets(dir.path(), &format!("GET {}\n", server()));
    let ((short_kib, few), (long_kib, many)) = (peak(dir.path(), "1s"), peak(dir.path(), "5s"));
    eprintln!("{short_kib} KiB for {few} requests, {long_kib} KiB for {many}");
    assert!(
        long_kib < short_kib + GROWTH_KIB_MAX,
        "{short_kib} KiB for {few} requests, {long_kib} KiB for {many}"
    );
}
