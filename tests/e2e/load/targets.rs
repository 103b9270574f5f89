//! Targets: what is wrong is told with its file, its line and what was expected,
//! before anything is sent; what is fine is sent as it stands.

use std::path::Path;
use std::process::Output;

use super::server::{Reply, Server};
use super::{OK, stderr};
use crate::support::{program, temp_dir};

fn attack(dir: &Path, targets: &str, format: &str) -> Output {
    program()
        .args(["load", "attack", "-rate=20", "-duration=100ms", "-max-workers=1"])
        .args(["-output=results.gob", "-targets", targets, "-format", format])
        .current_dir(dir)
        .output()
        .unwrap()
}

fn utf_16(text: &str) -> Vec<u8> {
    std::iter::once(0xfeff).chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect()
}

#[test]
fn what_is_wrong_is_told_with_file_and_line_and_nothing_is_sent() {
    let dir = temp_dir();
    let server = Server::start(|_| Reply::bytes(OK));
    let url = server.url();
    let get = format!("GET {url}/\n");
    let http = |wrong: &str| format!("{get}\n{}\n", wrong.replace("URL", &url)).into_bytes();
    let json = |wrong: &str| wrong.replace("URL", &url).into_bytes();
    for (format, text, fault) in [
        ("http", http("GET URL/ more"), "3: expected nothing after the URL, found `more`"),
        (
            "http",
            http("get URL/"),
            "3: expected `METHOD URL` with the method in upper case, found `get ",
        ),
        ("http", http("GET\tURL/"), "3: expected one space between method and URL, found `GET\\t"),
        (
            "http",
            http("POST URL/\n@missing"),
            "4: cannot read the body `missing`: No such file or directory (os error 2); it is looked \
             for from the working directory",
        ),
        (
            "http",
            http("POST URL/\n{\"a\": 1}"),
            "4: expected a header or `@file`, found what looks like a body",
        ),
        (
            "http",
            http("POST URL/\nA: b\nGET URL/"),
            "5: expected a header, `@file` or a blank line before the next target, found `GET ",
        ),
        ("http", utf_16(&get), "1: expected UTF-8, found UTF-16: save the file as UTF-8"),
        (
            "json",
            json("[\n  {\"method\": \"GET\", \"url\": \"URL\"}\n]\n"),
            "1: expected a target as one JSON object, found `[`: each target stands on a line of its own",
        ),
        (
            "json",
            json("{\n  \"method\": \"GET\",\n  \"url\": \"URL\"\n}\n"),
            "1: expected a target as one JSON object on one line, found a line that ends inside it",
        ),
        ("json", utf_16("{\"method\""), "1: expected UTF-8, found UTF-16: save the file as UTF-8"),
    ] {
        std::fs::write(dir.path().join("wrong"), text).unwrap();
        let output = attack(dir.path(), "wrong", format);
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{fault}: {said}");
        assert!(said.starts_with(&format!("houseful: wrong:{fault}")), "{fault}: {said}");
    }
    assert_eq!(server.requests().len(), 0);
}

#[test]
fn crlf_a_bom_and_a_last_line_without_its_end_are_fine_and_bodies_are_found_from_here() {
    let dir = temp_dir();
    let server = Server::start(|_| Reply::bytes(OK));
    let url = server.url();
    std::fs::create_dir(dir.path().join("sub")).unwrap();
    std::fs::write(dir.path().join("body"), "here").unwrap();
    std::fs::write(dir.path().join("sub/body"), "not where the targets are").unwrap();
    let http = format!("\u{feff}POST {url}/a\r\nX-A: b\r\n@body\r\n\r\nPOST {url}/b\r\n@body");
    let json = [("a", "\r\n"), ("b", "")].map(|(path, end)| {
        format!(
            "{{\"method\": \"POST\", \"url\": \"{url}/{path}\", \"body\": \"aGVyZQ==\", \"header\": {{\"X-A\": [\"b\"]}}}}{end}"
        )
    });
    for (format, text) in [("http", http), ("json", format!("\u{feff}{}", json.concat()))] {
        std::fs::write(dir.path().join("sub/targets"), text).unwrap();
        let before = server.requests().len();
        let output = attack(dir.path(), "sub/targets", format);
        assert!(matches!(output.status.code(), Some(0 | 1)), "{format}: {}", stderr(&output));
        let seen = server.requests().split_off(before);
        let lines: Vec<_> = seen.iter().map(|request| request.line()).collect();
        assert_eq!(lines, ["POST /a HTTP/1.1", "POST /b HTTP/1.1"], "{format}");
        assert!(seen.iter().all(|request| request.body == "here"), "{format}");
        assert_eq!(seen[0].header("X-A"), Some("b"), "{format}");
    }
}
