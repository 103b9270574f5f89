//! vegeta's `json` target format: one JSON object a line.
//!
//! ```text
//! {"method":"POST","url":"http://localhost:8080/rssi_readings","body":"e30=","header":{"Content-Type":["application/json"]}}
//! ```
//!
//! `method` and `url` are required; `body` is base64; `header` maps each key to its values; other
//! keys are ignored. Source: `NewJSONTargeter` in vegeta's `lib/targets.go`, which drops a last
//! line without its end; here it counts.

use std::fmt;
use std::io::{self, BufRead, Write};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::lines::Lines;
use super::{Defaults, Excerpt, Header, HttpUrl, LineError, ReadError, Target};
use crate::reports::json::write_string;

/// The longest line that is read: a body of some 48 MiB.
const LINE_LEN_MAX: usize = 64 << 20;

const EXAMPLE: &str = r#"`{"method": "GET", "url": "http://localhost:8080/"}`"#;

/// Reads all targets of `source`; `name` is what errors call it.
///
/// # Errors
///
/// See [`ReadError`]; no target, or a line that is not one.
pub fn read(
    source: impl BufRead,
    name: &str,
    defaults: &Defaults,
) -> Result<Vec<Target>, ReadError> {
    Reader::new(source, name, defaults.clone()).collect()
}

/// Writes one target on a line.
///
/// # Errors
///
/// Those of `out`.
pub fn write(
    out: &mut impl Write,
    method: &str,
    url: &HttpUrl,
    headers: &[Header],
    body: &[u8],
) -> io::Result<()> {
    let mut line = Vec::new();
    line.extend_from_slice(b"{\"method\":");
    write_string(&mut line, method);
    line.extend_from_slice(b",\"url\":");
    write_string(&mut line, url.as_str());
    if !body.is_empty() {
        write!(line, ",\"body\":\"{}\"", STANDARD.encode(body))?;
    }
    if !headers.is_empty() {
        line.extend_from_slice(b",\"header\":{");
        let mut keys: Vec<&str> = Vec::new();
        for header in headers {
            if !keys.contains(&header.key()) {
                keys.push(header.key());
            }
        }
        for (at, key) in keys.iter().enumerate() {
            line.extend_from_slice(if at == 0 { b"" } else { b"," });
            write_string(&mut line, key);
            let values = headers.iter().filter(|header| header.key() == *key);
            for (at, header) in values.enumerate() {
                line.extend_from_slice(if at == 0 { b":[" } else { b"," });
                write_string(&mut line, header.value());
            }
            line.push(b']');
        }
        line.push(b'}');
    }
    line.extend_from_slice(b"}\n");
    out.write_all(&line)
}

/// Reads targets one by one, in memory that does not grow with their number.
///
/// No target at all is an error. After an error it ends.
pub struct Reader<R> {
    lines: Lines<R>,
    defaults: Defaults,
    any: bool,
    over: bool,
}

impl<R: BufRead> Reader<R> {
    /// A reader of `source`; `name` is what errors call it.
    pub fn new(source: R, name: &str, defaults: Defaults) -> Reader<R> {
        Reader { lines: Lines::new(source, name, LINE_LEN_MAX), defaults, any: false, over: false }
    }

    fn read(&mut self) -> Result<Option<Target>, ReadError> {
        while self.lines.advance()? {
            let line = self.lines.text().and_then(|line| match line.trim() {
                "" => Ok(None),
                line => target(line, &self.defaults).map(Some),
            });
            match line {
                Ok(None) => {}
                Ok(target) => return Ok(target),
                Err(fault) => return Err(self.lines.fault(fault)),
            }
        }
        Ok(None)
    }
}

impl<R: BufRead> Iterator for Reader<R> {
    type Item = Result<Target, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.over {
            return None;
        }
        let read = self.read();
        self.over = !matches!(read, Ok(Some(_)));
        match read {
            Ok(None) if !self.any => {
                Some(Err(ReadError::Empty { name: self.lines.name().to_owned(), example: EXAMPLE }))
            }
            Ok(target) => {
                self.any = true;
                target.map(Ok)
            }
            Err(error) => Some(Err(error)),
        }
    }
}

#[derive(Deserialize)]
struct Line {
    method: String,
    url: String,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    header: Option<HeaderLists>,
}

/// Keys with their values, in the order of the line.
struct HeaderLists(Vec<(String, Vec<String>)>);

impl<'de> Deserialize<'de> for HeaderLists {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<HeaderLists, D::Error> {
        struct Lists;

        impl<'de> Visitor<'de> for Lists {
            type Value = HeaderLists;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of lists of strings")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<HeaderLists, M::Error> {
                let mut lists = Vec::new();
                while let Some(entry) = map.next_entry::<String, Option<Vec<String>>>()? {
                    lists.push((entry.0, entry.1.unwrap_or_default()));
                }
                Ok(HeaderLists(lists))
            }
        }

        deserializer.deserialize_map(Lists)
    }
}

fn target(line: &str, defaults: &Defaults) -> Result<Target, LineError> {
    if !line.starts_with('{') {
        return Err(LineError::NotAnObject(Excerpt::of(line)));
    }
    let found: Line = serde_json::from_str(line).map_err(|error| {
        if error.is_eof() {
            return LineError::Unfinished(Excerpt::of(line));
        }
        let text = error.to_string();
        let reason = text.split(" at line ").next().unwrap_or_default().to_owned();
        LineError::NotTheJson { reason, column: error.column() }
    })?;
    let Line { method, url, body, header } = found;
    let is_upper_case = |b: u8| !b.is_ascii_lowercase() && super::is_token(b);
    if method.is_empty() || !method.bytes().all(is_upper_case) {
        return Err(LineError::Method(Excerpt::of(&method)));
    }
    let body = match body {
        Some(text) => STANDARD.decode(text).map_err(LineError::Base64)?.into(),
        None => Arc::clone(&defaults.body),
    };
    let mut headers = defaults.headers.clone();
    for (key, values) in header.map_or(Vec::new(), |lists| lists.0) {
        for value in values {
            headers.push(Header::new(&key, &value).map_err(LineError::Header)?);
        }
    }
    Ok(Target { method, url: url.parse().map_err(LineError::Url)?, headers, body })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read_bytes(bytes: &[u8]) -> Result<Vec<Target>, ReadError> {
        read(bytes, "t.json", &Defaults::default())
    }

    fn get(url: &str) -> Target {
        let (headers, body) = (Vec::new(), b""[..].into());
        Target { method: "GET".into(), url: url.parse().unwrap(), headers, body }
    }

    #[test]
    fn reads_what_vegeta_reads_and_a_last_line_without_its_end() {
        let (a, b) = (get("http://a/"), get("http://b/"));
        let line = r#"{"method":"GET","url":"http://a/"}"#;
        for text in [
            format!("{line}\n{{\"url\": \"http://b/\", \"method\": \"GET\", \"other\": [1]}}\n"),
            format!(
                "\u{feff}\r\n  {line}\r\n\n{{\"method\":\"GET\",\"url\":\"http://b/\",\"body\":null,\"header\":null}}"
            ),
        ] {
            assert_eq!(read_bytes(text.as_bytes()).unwrap(), [a.clone(), b.clone()], "{text}");
        }
        let full = r#"{"method":"PUT","url":"http://a/","body":"e30=","header":{"B":["1","2"],"A":[""],"C":[]}}"#;
        let target = &read_bytes(full.as_bytes()).unwrap()[0];
        assert_eq!(&*target.body, b"{}");
        let headers: Vec<_> = target.headers.iter().map(Header::to_string).collect();
        assert_eq!(headers, ["B: 1", "B: 2", "A: "]);
    }

    #[test]
    fn defaults_come_first_and_a_body_replaces_theirs() {
        let defaults = Defaults { headers: vec!["A: 1".parse().unwrap()], body: b"d"[..].into() };
        let text = r#"{"method":"PUT","url":"http://a/","header":{"A":["2"]}}
            {"method":"PUT","url":"http://a/","body":"eA=="}"#;
        let targets = read(text.as_bytes(), "t", &defaults).unwrap();
        let headers: Vec<_> = targets[0].headers.iter().map(Header::to_string).collect();
        assert_eq!((headers, &*targets[0].body), (vec!["A: 1".into(), "A: 2".into()], &b"d"[..]));
        assert_eq!(&*targets[1].body, b"x");
    }

    #[test]
    fn refuses_with_file_and_line() {
        let array = "[\n  {\n    \"method\": \"GET\",";
        for (text, error) in [
            (
                "",
                r#"t.json: expected at least one target such as `{"method": "GET", "url": "http://localhost:8080/"}`, found none"#,
            ),
            (
                array,
                "t.json:1: expected a target as one JSON object, found `[`: each target stands on a line of its own, without an array around them or commas between",
            ),
            (
                "\n{\n\"method\":",
                "t.json:2: expected a target as one JSON object on one line, found a line that ends inside it: `{`",
            ),
            (
                r#"{"method":"GET","url":"http://a/"},"#,
                "t.json:1: expected a target as a JSON object: trailing characters at column 35",
            ),
            (
                r#"{"url":"http://a/"}"#,
                "t.json:1: expected a target as a JSON object: missing field `method` at column 19",
            ),
            (
                r#"{"Method":"GET","url":"http://a/"}"#,
                "t.json:1: expected a target as a JSON object: missing field `method` at column 34",
            ),
            (
                r#"{"method":"GET"}"#,
                "t.json:1: expected a target as a JSON object: missing field `url` at column 16",
            ),
            (
                r#"{"method":"get","url":"http://a/"}"#,
                "t.json:1: method: expected upper case such as `GET`, found `get`",
            ),
            (
                r#"{"method":"GET","url":"/a"}"#,
                "t.json:1: expected a URL that begins with http:// or https://, found `/a`",
            ),
            (
                r#"{"method":"GET","url":"http://a/","body":"{}"}"#,
                "t.json:1: body: expected base64: Invalid symbol 123, offset 0.",
            ),
            (
                r#"{"method":"GET","url":"http://a/","header":{"A":"1"}}"#,
                "t.json:1: expected a target as a JSON object: invalid type: string \"1\", expected a sequence at column 51",
            ),
            (
                r#"{"method":"GET","url":"http://a/","header":{"A":["1\r\nB: 2"]}}"#,
                "t.json:1: expected a header such as `Key: value`, found `A: 1\r\nB: 2`",
            ),
            (
                "GET http://a/",
                "t.json:1: expected a target as one JSON object, found `GET http://a/`: each target stands on a line of its own, without an array around them or commas between",
            ),
        ] {
            assert_eq!(read_bytes(text.as_bytes()).expect_err(text).to_string(), error, "{text}");
        }
        let utf16: Vec<u8> = "{}\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let error = read_bytes(&utf16).unwrap_err();
        assert_eq!(
            error.to_string(),
            "t.json:1: expected UTF-8, found UTF-16: save the file as UTF-8"
        );
    }

    prop_compose! {
        fn any_target()(
            method in "[A-Z]{1,8}",
            url in "http://[a-z]{1,8}(:[1-9][0-9]{0,3})?(/[a-z0-9%?&=]{0,20})?",
            headers in prop::collection::vec(("[A-Za-z]{1,3}", "([!-~é]([ -~]{0,10}[!-~])?)?"), 0..4),
            body: Vec<u8>,
        ) -> Target {
            let mut headers: Vec<Header> =
                headers.iter().map(|(key, value)| Header::new(key, value).unwrap()).collect();
            // Those of one key stand together in JSON.
            headers.sort_by(|a, b| a.key().cmp(b.key()));
            Target { method, url: url.parse().unwrap(), headers, body: body.into() }
        }
    }

    proptest! {
        #[test]
        fn reads_back_what_it_writes(written in prop::collection::vec(any_target(), 1..6)) {
            let mut file = Vec::new();
            for Target { method, url, headers, body } in &written {
                write(&mut file, method, url, headers, body).unwrap();
            }
            prop_assert_eq!(read_bytes(&file).unwrap(), written);
        }
    }
}
