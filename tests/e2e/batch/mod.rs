//! `POST /rssi_readings/batch`: each line keeps the promise of a single POST.

mod answers;
mod broken;
mod forms;
mod limits;
mod live;
mod memory;
mod neighbours;
mod refused;
mod replay;

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;

use super::support::heard_at;
use super::support::http::{Client, Response};

const BATCH: &str = "/rssi_readings/batch";

const JSON: (&str, &str) = ("Content-Type", "application/json");
const NDJSON: (&str, &str) = ("Content-Type", "application/x-ndjson");
/// Asks for an answer to each line.
const EACH_LINE: (&str, &str) = ("Accept", "application/x-ndjson");

/// Sends all of a batch, and only then reads its answer.
fn post(mut client: Client, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> Response {
    client.request("POST", BATCH, headers, body.as_ref()).unwrap()
}

/// How many were stored, copies and invalid.
fn counts(response: &Response) -> [u64; 3] {
    let json = response.json();
    ["stored", "duplicates", "invalid_total"]
        .map(|key| json[key].as_u64().unwrap_or_else(|| panic!("{key} in {}", response.text())))
}

/// The lines of an answer that has a line for each.
fn lines(response: &Response) -> Vec<Value> {
    response.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn ndjson(emissions: &[Value]) -> String {
    emissions.iter().map(|emission| format!("{emission}\n")).collect()
}

fn gzip(text: impl AsRef<[u8]>) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_ref()).unwrap();
    encoder.finish().unwrap()
}

fn zstd(text: impl AsRef<[u8]>) -> Vec<u8> {
    zstd::stream::encode_all(text.as_ref(), 1).unwrap()
}

/// The head of a batch whose body comes in chunks.
fn chunked_head(headers: &[(&str, &str)]) -> String {
    let headers: String =
        headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!(
        "POST {BATCH} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n{headers}\r\n"
    )
}

fn chunk(bytes: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}

/// Distinct emissions with a time.
fn timed(range: std::ops::Range<usize>, at: i64) -> Vec<Value> {
    range.map(|n| heard_at(super::support::distinct(n), at)).collect()
}
