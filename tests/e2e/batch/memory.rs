//! Memory is bounded, whatever arrives.

use super::{EACH_LINE, NDJSON, counts, post, zstd};
use crate::support::houseful::{Houseful, Setup};
use crate::support::http::Response;
use crate::support::{distinct, now_ms, temp_dir};

const MIB: u64 = 1 << 20;

/// A collector that has warmed up.
fn warm(dir: &std::path::Path) -> Houseful {
    let houseful = Setup::new(dir).start();
    assert_eq!(houseful.client().post(&distinct(0)).unwrap().status, 201);
    assert_eq!(counts(&post(houseful.client(), &[NDJSON], "{}\n")), [0, 0, 1]);
    houseful
}

/// Does something, and tells how much memory the collector took for it at most,
/// what is mapped of files left out (its store, its program).
fn grows<T>(houseful: &Houseful, something: impl FnOnce() -> T) -> (T, u64) {
    let before = houseful.resident_bytes();
    houseful.forget_peak();
    let done = something();
    (done, houseful.resident_bytes_peak().saturating_sub(before))
}

/// About 160 bytes a line, as Pis send them.
fn line(n: usize, badge: usize, at: i64) -> String {
    format!(
        "{{\"badge_id\":\"badge_{badge}\",\"pi_id\":\"{}\",\"heard_at\":{},\"beacons\":{{\"beacon_1\":-{},\"beacon_2\":-90,\"beacon_3\":-33}},\"badge_strength\":-60}}\n",
        n % 4,
        at - 1_000 * (n as i64 / 100),
        40 + n % 60,
    )
}

#[test]
fn a_batch_of_64_mib_adds_less_than_16_mib() {
    let dir = temp_dir();
    let houseful = warm(dir.path());
    let at = now_ms();
    let mut text = String::new();
    let mut lines = 0;
    while text.len() < (64 << 20) - 200 {
        // One in twenty is new, and 100 badges.
        text.push_str(&line(lines / 20 * 20, lines / 20 % 100, at));
        lines += 1;
    }
    let (response, bytes) = grows(&houseful, || post(houseful.client(), &[NDJSON], &text));
    assert_eq!(response.status, 200, "{}", response.text());
    let counts = counts(&response);
    assert_eq!((counts.iter().sum::<u64>(), counts[2]), (lines as u64, 0));
    assert!(counts[1] > counts[0] * 10, "{counts:?}");
    eprintln!("64 MiB, {lines} lines: {bytes} bytes more");
    assert!(bytes < 16 * MIB, "{bytes} bytes more");

    // A client that reads nothing before it has written all, of a line for each.
    let (response, bytes) =
        grows(&houseful, || post(houseful.client(), &[NDJSON, EACH_LINE], &text));
    assert_eq!((response.status, response.text().lines().count()), (200, lines));
    eprintln!("and each line answered: {bytes} bytes more");
    assert!(bytes < 16 * MIB, "{bytes} bytes more");

    let zstd = zstd(&text);
    let headers = [NDJSON, ("Content-Encoding", "zstd")];
    let (response, bytes) = grows(&houseful, || post(houseful.client(), &headers, &zstd));
    assert_eq!(response.status, 200);
    eprintln!("as zstd: {bytes} bytes more");
    assert!(bytes < 16 * MIB, "{bytes} bytes more");
}

#[test]
fn bombs_are_refused_in_bounded_memory() {
    let dir = temp_dir();
    let houseful = warm(dir.path());
    // A member of 1 MiB, over and over, is over 1 GiB.
    let members =
        |encode: fn(&[u8]) -> Vec<u8>, byte: u8| encode(&vec![byte; 1 << 20]).repeat(1_100);
    let decoded_max = "expected at most 1073741824 bytes decoded";
    let wide = {
        let mut encoder = zstd::stream::Encoder::new(Vec::new(), 1).unwrap();
        encoder.window_log(27).unwrap();
        encoder.include_contentsize(false).unwrap();
        std::io::copy(&mut &vec![b'x'; 9 << 20][..], &mut encoder).unwrap();
        encoder.finish().unwrap()
    };
    let nested = format!("[{}", "[".repeat(30 << 20));
    let nested_line = "[".repeat(30 << 20);
    let many = "1,".repeat(15 << 20);
    let rows: [(&str, &str, Vec<u8>, u16, &str); 7] = [
        (
            "one endless line in gzip",
            "gzip",
            members(|text| super::gzip(text), b'x'),
            413,
            decoded_max,
        ),
        (
            "one endless blank line in zstd",
            "zstd",
            members(|text| zstd(text), b' '),
            413,
            decoded_max,
        ),
        (
            "a window of 128 MiB",
            "zstd",
            wide,
            400,
            "zstd: Frame requires too much memory for decoding",
        ),
        ("an array in an array", "identity", nested.into(), 400, "nested deeper than 128 levels"),
        (
            "an array in a line",
            "identity",
            nested_line.into(),
            400,
            "nested deeper than 128 levels",
        ),
        (
            "millions of elements",
            "identity",
            format!("[{many}").into(),
            400,
            "too many lines are no emissions",
        ),
        (
            "an endless string",
            "identity",
            format!("[\"{}", "x".repeat(60 << 20)).into(),
            400,
            "the array ended early",
        ),
    ];
    for (name, encoding, body, status, error) in rows {
        let (response, bytes): (Response, u64) =
            grows(&houseful, || post(houseful.client(), &[("Content-Encoding", encoding)], &body));
        eprintln!("{name}: {bytes} bytes more");
        assert_eq!(response.status, status, "{name}: {}", response.text());
        let errors = response.json()["errors"].to_string();
        assert!(errors.contains(error), "{name}: {errors}");
        assert!(bytes < 16 * MIB, "{name}: {bytes} bytes more");
    }
    assert_eq!(houseful.client().post(&distinct(1)).unwrap().status, 201);
}

#[test]
fn an_answer_to_each_of_many_lines_is_bounded() {
    let dir = temp_dir();
    let houseful = warm(dir.path());
    // A byte is kept for each line, blank or not; and half of them are emissions, for
    // else it is given up before.
    let body = "{\"badge_id\":\"b\",\"pi_id\":\"1\"}\n\n1\n\n".repeat(1_150_000);
    let (response, bytes) =
        grows(&houseful, || post(houseful.client(), &[NDJSON, EACH_LINE], &body));
    assert_eq!(response.status, 413);
    let text = response.text();
    let last = text.lines().last().unwrap();
    assert!(last.contains("too many lines to answer each"), "{last}");
    let answers = text.lines().count();
    eprintln!("{answers} lines, each answered: {bytes} bytes more");
    assert!((1 << 20..3 << 20).contains(&answers), "{answers}");
    assert!(bytes < 16 * MIB, "{bytes} bytes more");
}

#[test]
fn a_million_badges_stay_below_128_mib() {
    let dir = temp_dir();
    let houseful = warm(dir.path());
    let at = now_ms();
    for batch in 0..4 {
        let text: String = (0..250_000).map(|n| line(0, batch * 250_000 + n, at)).collect();
        let client = houseful.client();
        client.set_patience(std::time::Duration::from_secs(300)).unwrap();
        let response = post(client, &[NDJSON], &text);
        assert_eq!((response.status, counts(&response)), (200, [250_000, 0, 0]));
    }
    let bytes = houseful.resident_bytes_peak();
    eprintln!("a million badges: {bytes} bytes in all");
    assert!(bytes < 128 * MIB, "{bytes} bytes");
}
