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
use std::io::{self, BufRead, Read, Write};
use std::path::PathBuf;
use std::sync::Arc;

use super::{Defaults, Header, HeaderError, HttpUrl, Target, UrlError};

/// The longest line that vegeta reads, without its line end.
const LINE_LEN_MAX: usize = 64 * 1024 - 1;

/// Why a target file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The source broke.
    #[error("cannot read targets from `{name}`")]
    Read {
        /// Where the targets come from.
        name: String,
        /// What happened.
        source: io::Error,
    },
    /// There is none.
    #[error(
        "{name}: expected at least one target such as `GET http://localhost:8080/`, found none"
    )]
    Empty {
        /// Where the targets come from.
        name: String,
    },
    /// A line is not what the format wants there.
    #[error("{name}:{line}: {fault}")]
    Line {
        /// Where the targets come from.
        name: String,
        /// Line number, from 1.
        line: u64,
        /// What is wrong with it.
        fault: LineError,
    },
}

/// What is wrong with a line of a target file.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// Not UTF-8.
    #[error("expected UTF-8")]
    NotUtf8,
    /// Longer than vegeta would read.
    #[error("expected a line of at most {LINE_LEN_MAX} bytes")]
    TooLong,
    /// Not the first line of a target.
    #[error("expected `METHOD URL` with the method in upper case, found `{0}`")]
    NotATarget(String),
    /// The URL cannot be attacked.
    #[error(transparent)]
    Url(UrlError),
    /// A target's first line where only headers, a body or a blank line may stand.
    #[error("expected a header, `@file` or a blank line before the next target, found `{0}`")]
    MissingBlankLine(String),
    /// Not a header.
    #[error(transparent)]
    Header(HeaderError),
    /// `@` alone.
    #[error("expected the name of the body's file after `@`")]
    NoBodyName,
    /// The body's file cannot be read.
    #[error("cannot read the body `{path}`: {cause}")]
    Body {
        /// As written, relative to the working directory.
        path: String,
        /// What happened.
        cause: io::Error,
    },
}

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
    let mut lines = Lines { source, name, number: 0, buffer: Vec::new() };
    let mut reader = TargetReader {
        defaults,
        bodies: HashMap::new(),
        targets: Vec::new(),
        place: Place::Between,
    };
    while lines.advance()? {
        let taken = lines.text().and_then(|line| reader.take(line));
        taken.map_err(|fault| ReadError::Line {
            name: name.to_owned(),
            line: lines.number,
            fault,
        })?;
    }
    match reader.targets {
        targets if targets.is_empty() => Err(ReadError::Empty { name: name.to_owned() }),
        targets => Ok(targets),
    }
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

struct TargetReader<'a> {
    defaults: &'a Defaults,
    bodies: HashMap<PathBuf, Arc<[u8]>>,
    targets: Vec<Target>,
    place: Place,
}

impl TargetReader<'_> {
    fn take(&mut self, line: &str) -> Result<(), LineError> {
        let line = line.trim();
        if line.is_empty() {
            self.place = Place::Between;
            return Ok(());
        }
        if self.place == Place::First && starts_with_method(line) {
            self.place = Place::Between;
        }
        match self.targets.last_mut() {
            Some(target) if self.place != Place::Between => {
                self.place = Place::Inside;
                if let Some(path) = line.strip_prefix('@') {
                    target.body = body(&mut self.bodies, path)?;
                    self.place = Place::Between;
                } else if !line.starts_with('#') {
                    target.headers.push(header(line)?);
                }
            }
            _ if line.starts_with('#') => {}
            _ => {
                self.targets.push(first_line(line, self.defaults)?);
                self.place = Place::First;
            }
        }
        Ok(())
    }
}

fn first_line(line: &str, defaults: &Defaults) -> Result<Target, LineError> {
    let not_a_target = || LineError::NotATarget(line.to_owned());
    if !starts_with_method(line) {
        return Err(not_a_target());
    }
    let (method, url) = line.split_once(' ').ok_or_else(not_a_target)?;
    Ok(Target {
        method: method.to_owned(),
        url: url.parse().map_err(LineError::Url)?,
        headers: defaults.headers.clone(),
        body: Arc::clone(&defaults.body),
    })
}

fn header(line: &str) -> Result<Header, LineError> {
    // `GET http://…` would pass for a header named `GET http`.
    let rest = line.split_once(char::is_whitespace).map_or("", |(_, rest)| rest.trim_start());
    if starts_with_method(line) && (rest.starts_with('/') || rest.contains("://")) {
        return Err(LineError::MissingBlankLine(line.to_owned()));
    }
    line.parse().map_err(LineError::Header)
}

fn body(bodies: &mut HashMap<PathBuf, Arc<[u8]>>, path: &str) -> Result<Arc<[u8]>, LineError> {
    if path.is_empty() {
        return Err(LineError::NoBodyName);
    }
    if let Some(body) = bodies.get(std::path::Path::new(path)) {
        return Ok(Arc::clone(body));
    }
    let bytes = fs::read(path).map_err(|cause| LineError::Body { path: path.to_owned(), cause })?;
    let body: Arc<[u8]> = bytes.into();
    bodies.insert(path.into(), Arc::clone(&body));
    Ok(body)
}

/// vegeta's `^[A-Z]+\s`.
fn starts_with_method(line: &str) -> bool {
    line.split_once(char::is_whitespace).is_some_and(|(method, _)| {
        !method.is_empty() && method.bytes().all(|b| b.is_ascii_uppercase())
    })
}

/// The lines of a source, each bounded, one buffer for all.
struct Lines<'a, R> {
    source: R,
    name: &'a str,
    number: u64,
    buffer: Vec<u8>,
}

impl<R: BufRead> Lines<'_, R> {
    /// Reads the next line; `false` at the end.
    fn advance(&mut self) -> Result<bool, ReadError> {
        self.buffer.clear();
        self.number += 1;
        // The longest line, its CR LF, and a byte more to see that it is too long.
        let mut bounded = (&mut self.source).take(LINE_LEN_MAX as u64 + 3);
        bounded
            .read_until(b'\n', &mut self.buffer)
            .map(|read| read > 0)
            .map_err(|source| ReadError::Read { name: self.name.to_owned(), source })
    }

    fn text(&self) -> Result<&str, LineError> {
        let line = self.buffer.strip_suffix(b"\n").unwrap_or(&self.buffer);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.len() > LINE_LEN_MAX {
            return Err(LineError::TooLong);
        }
        std::str::from_utf8(line).map_err(|_| LineError::NotUtf8)
    }
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
                "GET",
                "targets.txt:1: expected `METHOD URL` with the method in upper case, found `GET`",
            ),
            (
                "\nGET /only/path",
                "targets.txt:2: expected an absolute URL such as http://localhost:8080/, found `/only/path`",
            ),
            (
                "GET https://a/",
                "targets.txt:1: expected an http:// URL, found `https://a/`: https is not supported in this version",
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
                "targets.txt:2: cannot read the body `/no/such/file`: No such file or directory (os error 2)",
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
