//! vegeta's `http` target format.
//!
//! ```text
//! # a comment; blank lines between targets
//! POST http://localhost:8080/rssi_readings
//! Content-Type: application/json
//! @vegeta_data/badge_0_0.json
//!
//! GET http://localhost:8080/healthz
//! ```
//!
//! `METHOD URL`, then headers and comments, then perhaps `@file`, which names the body and ends
//! the target; a blank line ends it too. A file is found relative to the working directory, as in
//! vegeta. Source: `NewHTTPTargeter` in vegeta's `lib/targets.go`, with two differences: where
//! vegeta would silently lose load, this is an error with its line number.
//!
//! * After a header or a comment, vegeta takes the next target's first line for a header.
//! * A line over 64 KiB ends vegeta's stream.

use std::collections::HashMap;
use std::fs;
use std::io::{self, BufRead, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::lines::Lines;
use super::{Defaults, Excerpt, Header, HttpUrl, LineError, ReadError, Target};

/// The longest line that vegeta reads, without its line end.
const LINE_LEN_MAX: usize = 64 * 1024 - 1;

/// So many bytes of bodies a [`Reader`] remembers, so that a body named often is read once.
const BODIES_LEN_MAX: usize = 64 << 20;

const EXAMPLE: &str = "`GET http://localhost:8080/`";

/// Reads all targets of `source`; `name` is what errors call it.
///
/// Each body's file is read once, however many targets name it.
///
/// # Errors
///
/// See [`ReadError`]; no target, a line that is not what the format wants, a body that cannot be
/// read.
pub fn read(
    source: impl BufRead,
    name: &str,
    defaults: &Defaults,
) -> Result<Vec<Target>, ReadError> {
    let mut reader = Reader::new(source, name, defaults.clone());
    reader.bodies.len_max = usize::MAX;
    reader.collect()
}

/// Writes one target, with the name of its body's file if it has one, and a blank line.
///
/// # Errors
///
/// Those of `out`.
pub fn write(
    out: &mut impl Write,
    method: &str,
    url: &HttpUrl,
    headers: &[Header],
    body_path: Option<&str>,
) -> io::Result<()> {
    writeln!(out, "{method} {url}")?;
    for header in headers {
        writeln!(out, "{header}")?;
    }
    if let Some(path) = body_path {
        writeln!(out, "@{path}")?;
    }
    writeln!(out)
}

/// Reads targets one by one, in memory that does not grow with their number.
///
/// No target at all is an error. After an error it ends.
pub struct Reader<R> {
    lines: Lines<R>,
    defaults: Defaults,
    bodies: Bodies,
    /// The target whose end has not been seen.
    begun: Option<Target>,
    place: Place,
    any: bool,
    over: bool,
}

/// Where in a file the next line stands.
#[derive(PartialEq)]
enum Place {
    /// Before a target's first line.
    Between,
    /// Right after it, where the next target may follow without a blank line.
    First,
    /// After at least one header or comment.
    Inside,
}

impl<R: BufRead> Reader<R> {
    /// A reader of `source`; `name` is what errors call it.
    pub fn new(source: R, name: &str, defaults: Defaults) -> Reader<R> {
        Reader {
            lines: Lines::new(source, name, LINE_LEN_MAX),
            defaults,
            bodies: Bodies { known: HashMap::new(), len: 0, len_max: BODIES_LEN_MAX },
            begun: None,
            place: Place::Between,
            any: false,
            over: false,
        }
    }

    fn read(&mut self) -> Result<Option<Target>, ReadError> {
        while self.lines.advance()? {
            let line = self.lines.text().map_err(|fault| self.lines.fault(fault))?.trim();
            let taken =
                take(line, &mut self.place, &mut self.begun, &self.defaults, &mut self.bodies);
            match taken {
                Ok(None) => {}
                Ok(Some(target)) => return Ok(Some(target)),
                Err(fault) => return Err(self.lines.fault(fault)),
            }
        }
        self.over = true;
        Ok(self.begun.take())
    }
}

impl<R: BufRead> Iterator for Reader<R> {
    type Item = Result<Target, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.over {
            return None;
        }
        let read = self.read();
        self.over |= read.is_err();
        match read {
            Ok(None) if !self.any => {
                Some(Err(ReadError::Empty { name: self.lines.name().to_owned(), example: EXAMPLE }))
            }
            Ok(target) => {
                self.any |= target.is_some();
                target.map(Ok)
            }
            Err(error) => Some(Err(error)),
        }
    }
}

/// Takes a line, and returns the target that it shows to be whole.
fn take(
    line: &str,
    place: &mut Place,
    begun: &mut Option<Target>,
    defaults: &Defaults,
    bodies: &mut Bodies,
) -> Result<Option<Target>, LineError> {
    if line.is_empty() {
        *place = Place::Between;
        return Ok(begun.take());
    }
    if *place == Place::First && starts_with_method(line) {
        *place = Place::Between;
    }
    match begun {
        Some(target) if *place != Place::Between => {
            *place = Place::Inside;
            if let Some(path) = line.strip_prefix('@') {
                target.body = bodies.read(path)?;
                *place = Place::Between;
                return Ok(begun.take());
            } else if !line.starts_with('#') {
                target.headers.push(header(line)?);
            }
            Ok(None)
        }
        _ if line.starts_with('#') => Ok(None),
        _ => {
            *place = Place::First;
            Ok(begun.replace(first_line(line, defaults)?))
        }
    }
}

fn first_line(line: &str, defaults: &Defaults) -> Result<Target, LineError> {
    if line.starts_with(['{', '[']) {
        return Err(LineError::Json(Excerpt::of(line)));
    }
    if !starts_with_method(line) {
        return Err(LineError::NotATarget(Excerpt::of(line)));
    }
    let (method, url) = match line.split_once(' ') {
        Some((method, url)) if is_method(method) && !url.starts_with([' ', '\t']) => (method, url),
        _ => return Err(LineError::NotOneSpace(Excerpt::of(line))),
    };
    if let Some((_, third)) = url.split_once([' ', '\t']) {
        return Err(LineError::ThirdWord(Excerpt::of(third.trim_start())));
    }
    Ok(Target {
        method: method.to_owned(),
        url: url.parse().map_err(LineError::Url)?,
        headers: defaults.headers.clone(),
        body: Arc::clone(&defaults.body),
    })
}

fn header(line: &str) -> Result<Header, LineError> {
    // `GET http://…` would pass for a header named `GET http`.
    let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let rest = rest.trim_start();
    if word.bytes().all(|b| b.is_ascii_alphabetic())
        && (rest.starts_with('/') || rest.contains("://"))
    {
        return Err(match starts_with_method(line) {
            true => LineError::MissingBlankLine(Excerpt::of(line)),
            false => LineError::NotATarget(Excerpt::of(line)),
        });
    }
    if line.starts_with(['{', '[', '"', '<', '}', ']']) {
        return Err(LineError::BodyInPlace(Excerpt::of(line)));
    }
    line.parse().map_err(LineError::Header)
}

/// Bodies by the names of their files.
struct Bodies {
    known: HashMap<PathBuf, Arc<[u8]>>,
    len: usize,
    len_max: usize,
}

impl Bodies {
    fn read(&mut self, path: &str) -> Result<Arc<[u8]>, LineError> {
        if path.is_empty() {
            return Err(LineError::NoBodyName);
        }
        if let Some(body) = self.known.get(Path::new(path)) {
            return Ok(Arc::clone(body));
        }
        let bytes =
            fs::read(path).map_err(|cause| LineError::Body { path: path.to_owned(), cause })?;
        let body: Arc<[u8]> = bytes.into();
        if self.len.saturating_add(body.len()) > self.len_max {
            self.known.clear();
            self.len = 0;
        }
        self.len += body.len();
        self.known.insert(path.into(), Arc::clone(&body));
        Ok(body)
    }
}

/// vegeta's `^[A-Z]+\s`.
fn starts_with_method(line: &str) -> bool {
    line.split_once(char::is_whitespace).is_some_and(|(word, _)| is_method(word))
}

fn is_method(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|b| b.is_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read_text(text: &str) -> Result<Vec<Target>, ReadError> {
        read(text.as_bytes(), "targets.txt", &Defaults::default())
    }

    /// Method, URL, headers, body of each target.
    fn shape(targets: &[Target]) -> Vec<String> {
        targets
            .iter()
            .map(|t| {
                let headers: Vec<_> = t.headers.iter().map(Header::to_string).collect();
                format!(
                    "{} {} [{}] {}",
                    t.method,
                    t.url,
                    headers.join("; "),
                    String::from_utf8_lossy(&t.body)
                )
            })
            .collect()
    }

    #[test]
    fn reads_what_vegeta_reads() {
        let dir = tempfile::tempdir().unwrap();
        let body = dir.path().join("body.json");
        fs::write(&body, "{}").unwrap();
        let at = format!("@{}", body.display());
        for (text, expected) in [
            ("GET http://a/", vec!["GET http://a/ [] "]),
            ("\n\n# comment\n  GET http://a/  \r\n\r\n", vec!["GET http://a/ [] "]),
            (
                "\u{feff}GET http://a/\r\nX: 1\r\n\r\nGET http://b/",
                vec!["GET http://a/ [X: 1] ", "GET http://b/ [] "],
            ),
            ("GET http://a/\nGET http://b/\n", vec!["GET http://a/ [] ", "GET http://b/ [] "]),
            (
                "POST http://a/\nX: 1\n# note\nX: 2\nx:3\n\nGET http://b/",
                vec!["POST http://a/ [X: 1; X: 2; x: 3] ", "GET http://b/ [] "],
            ),
            (
                &format!("PUT http://a/\nX: 1\n{at}\nGET http://b/"),
                vec!["PUT http://a/ [X: 1] {}", "GET http://b/ [] "],
            ),
            (
                &format!("PUT http://a/\n{at}\n\n\nPUT http://a/\n{at}"),
                vec!["PUT http://a/ [] {}", "PUT http://a/ [] {}"],
            ),
            (
                "GET http://a/\n# between\n\n# more\nGET http://b/",
                vec!["GET http://a/ [] ", "GET http://b/ [] "],
            ),
        ] {
            assert_eq!(shape(&read_text(text).expect(text)), expected, "{text}");
        }
    }

    #[test]
    fn refuses_with_file_and_line() {
        let long = format!("GET http://a/\nX: {}", "x".repeat(70_000));
        for (text, error) in [
            (
                "",
                "targets.txt: expected at least one target such as `GET http://localhost:8080/`, found none",
            ),
            (
                "# only\n\n",
                "targets.txt: expected at least one target such as `GET http://localhost:8080/`, found none",
            ),
            (
                "get http://a/",
                "targets.txt:1: expected `METHOD URL` with the method in upper case, found `get http://a/`",
            ),
            (
                "GET http://a/\nget http://b/",
                "targets.txt:2: expected `METHOD URL` with the method in upper case, found `get http://b/`",
            ),
            (
                "GET",
                "targets.txt:1: expected `METHOD URL` with the method in upper case, found `GET`",
            ),
            (
                "\nGET /only/path",
                "targets.txt:2: expected a URL that begins with http:// or https://, found `/only/path`",
            ),
            (
                "GET ftp://a/",
                "targets.txt:1: expected a URL that begins with http:// or https://, found `ftp://a/`",
            ),
            (
                "GET http://a/\nX: 1\nGET http://b/",
                "targets.txt:3: expected a header, `@file` or a blank line before the next target, found `GET http://b/`",
            ),
            (
                "GET http://a/\n# note\nPOST /b",
                "targets.txt:3: expected a header, `@file` or a blank line before the next target, found `POST /b`",
            ),
            (
                "GET http://a/\nnonsense",
                "targets.txt:2: expected a header such as `Key: value`, found `nonsense`",
            ),
            (
                "GET http://a/\nX:",
                "targets.txt:2: expected a header such as `Key: value`, found `X:`",
            ),
            ("GET http://a/\n@", "targets.txt:2: expected the name of the body's file after `@`"),
            (
                "GET http://a/\n@/no/such/file",
                "targets.txt:2: cannot read the body `/no/such/file`: No such file or directory (os error 2); it is looked for from the working directory",
            ),
            (
                "GET http://a/ HTTP/1.1",
                "targets.txt:1: expected nothing after the URL, found `HTTP/1.1`",
            ),
            (
                "GET\thttp://a/",
                "targets.txt:1: expected one space between method and URL, found `GET\\thttp://a/`",
            ),
            (
                "POS\u{c} http://a/",
                "targets.txt:1: expected one space between method and URL, found `POS\\u{c} http://a/`",
            ),
            (
                "GET  http://a/",
                "targets.txt:1: expected one space between method and URL, found `GET  http://a/`",
            ),
            (
                "POST http://a/\nX: 1\n{\"a\": 1}",
                "targets.txt:3: expected a header or `@file`, found what looks like a body (put it into a file, and its name here): `{\"a\": 1}`",
            ),
            (
                "[\n  {\n    \"method\": \"GET\"",
                "targets.txt:1: expected `METHOD URL`, found JSON (read it with --format json): `[`",
            ),
            (&long, "targets.txt:2: expected a line of at most 65535 bytes"),
        ] {
            assert_eq!(
                read_text(text).expect_err(text).to_string(),
                error,
                "{}",
                &text[..text.len().min(80)]
            );
        }
        for mark in [true, false] {
            let text = ["", "\u{feff}"][usize::from(mark)].to_owned() + "GET http://a/\n";
            let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
            let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
            for bytes in [big, little] {
                let error = read(&bytes[..], "t", &Defaults::default()).unwrap_err();
                assert_eq!(
                    error.to_string(),
                    "t:1: expected UTF-8, found UTF-16: save the file as UTF-8"
                );
            }
        }
        let error = read(&b"GET http://a/\nX: \xff\n"[..], "t", &Defaults::default()).unwrap_err();
        assert_eq!(error.to_string(), "t:2: expected UTF-8");
    }

    #[test]
    fn takes_the_longest_line_vegeta_takes() {
        let value = "x".repeat(LINE_LEN_MAX - "X: ".len());
        let text = format!("GET http://a/\nX: {value}\r\n\r\nGET http://b/");
        let targets = read_text(&text).unwrap();
        assert_eq!(targets[0].headers[0].value(), value);
        assert_eq!(targets.len(), 2);
    }

    #[test]
    fn defaults_come_first() {
        let defaults =
            Defaults { headers: vec!["A: 1".parse().unwrap()], body: b"default"[..].into() };
        let targets = read(&b"GET http://a/\nA: 2\n"[..], "t", &defaults).unwrap();
        assert_eq!(shape(&targets), ["GET http://a/ [A: 1; A: 2] default"]);
    }

    #[test]
    fn bodies_are_shared() {
        let dir = tempfile::tempdir().unwrap();
        let body = dir.path().join("b");
        fs::write(&body, "x").unwrap();
        let targets =
            read_text(&format!("PUT http://a/\n@{0}\nPUT http://a/\n@{0}\n", body.display()))
                .unwrap();
        assert!(Arc::ptr_eq(&targets[0].body, &targets[1].body));
    }

    prop_compose! {
        /// Method, URL, headers, and the body if there is one.
        fn any_target()(
            method in "[A-Z]{1,8}",
            url in "http://[a-z]{1,8}(:[1-9][0-9]{0,3})?(/[a-z0-9%?&=]{0,20})?",
            headers in prop::collection::vec("[A-Za-z][A-Za-z0-9-]{0,10}: [!-~]([ -~]{0,10}[!-~])?", 0..4),
            body: Option<Vec<u8>>,
        ) -> (String, HttpUrl, Vec<Header>, Option<Vec<u8>>) {
            let headers = headers.iter().map(|header| header.parse().unwrap()).collect();
            (method, url.parse().unwrap(), headers, body)
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn reads_back_what_it_writes(written in prop::collection::vec(any_target(), 1..6)) {
            let dir = tempfile::tempdir().unwrap();
            let mut file = Vec::new();
            let mut expected = Vec::new();
            for (number, (method, url, headers, body)) in written.into_iter().enumerate() {
                let path = dir.path().join(number.to_string());
                let path = path.to_str().unwrap();
                if let Some(body) = &body {
                    fs::write(path, body).unwrap();
                }
                write(&mut file, &method, &url, &headers, body.as_ref().map(|_| path)).unwrap();
                expected.push(Target { method, url, headers, body: body.unwrap_or_default().into() });
            }
            prop_assert_eq!(read(&file[..], "t", &Defaults::default()).unwrap(), expected);
        }
    }
}
