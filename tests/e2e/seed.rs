//! The seed's failure, gone: ten houses through nginx.
//!
//! The predecessor's nginx ended at 200 badges with `768 worker_connections
//! are not enough`. (The seed's own run, five houses for a minute, is README's.)

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::houseful::Setup;
use crate::support::http::Client;
use crate::support::nginx::{Nginx, PROGRAM};
use crate::support::{require, temp_dir};

/// Generates, attacks and reports with the program, as a person would.
fn play(dir: &Path, badges: u32, seconds: u32, url: &str) -> Value {
    let rate = badges * 4;
    let program = env!("CARGO_BIN_EXE_houseful");
    // 1: on a busy machine the generator may be late; what was sent and answered is still exact.
    let script = format!(
        "set -euo pipefail
        '{program}' load generate --badges {badges} --seconds {seconds} --url {url} > plan
        '{program}' load attack -targets=targets.txt -rate={rate} -duration={seconds}s -output results.gob || [ $? = 1 ]
        '{program}' load report -type=json results.gob"
    );
    let output = Command::new("bash").args(["-c", &script]).current_dir(dir).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn ten_houses_through_nginx_have_no_error_and_one_201_in_20() {
    if !require(PROGRAM, "nginx-light") {
        return;
    }
    let dir = temp_dir();
    let setup = Setup::new(dir.path());
    let houseful = setup.start();
    let nginx = Nginx::before(houseful.port());
    let url = format!("http://127.0.0.1:{}/rssi_readings", nginx.port());
    let report = play(dir.path(), 200, 30, &url);
    assert_eq!(report["requests"], 24_000, "{report}");
    assert_eq!(report["status_codes"], json!({"201": 1_200, "409": 22_800}), "{report}");
    assert_eq!(report["errors"], json!(["409 Conflict"]), "{report}");
    assert_eq!(nginx.error_log(), "");
    assert_eq!(setup.export().len(), 1_200);
}

#[test]
fn a_foreign_host_is_refused_through_nginx_too() {
    if !require(PROGRAM, "nginx-light") {
        return;
    }
    let dir = temp_dir();
    let houseful = Setup::new(dir.path()).args(&["--allowed-host", "collector.example"]).start();
    let nginx = Nginx::before(houseful.port());
    let mut client = Client::connect(nginx.port()).unwrap();
    for (host, status) in [
        ("localhost", 200),
        ("127.0.0.1:8080", 200),
        ("[::1]:8080", 200),
        ("Collector.example:8080", 200),
        ("rebound.example", 403),
        ("localhost.rebound.example:8080", 403),
    ] {
        let request = format!("GET /rssi_readings HTTP/1.1\r\nHost: {host}\r\n\r\n");
        client.send(request.as_bytes()).unwrap();
        let answer = client.read_response().unwrap();
        assert_eq!(answer.status, status, "{host}: {}", answer.text());
        if status == 403 {
            assert!(answer.json()["errors"][0].as_str().unwrap().contains("--allowed-host"));
        }
    }
}
