//! What an attack sends: one [`Target`] per request, read from vegeta's target files.
//!
//! In vegeta's two formats, [`http`] and [`json`]; [`Reader`] is told which.

mod error;
pub mod http;
pub mod json;
mod lines;
mod url;

use std::fmt;
use std::io::BufRead;
use std::str::FromStr;
use std::sync::Arc;

pub use error::{Excerpt, LineError, ReadError};
pub use url::{HttpUrl, UrlError};

/// One request to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The method, upper case.
    pub method: String,
    /// Where it goes.
    pub url: HttpUrl,
    /// Headers in the order they are sent. Case is kept; a key may come more than once.
    pub headers: Vec<Header>,
    /// The body, empty when there is none; targets that name the same file share one.
    pub body: Arc<[u8]>,
}

/// What every target of a file gets in addition to what the file says.
#[derive(Debug, Clone, Default)]
pub struct Defaults {
    /// Sent before a target's own headers; a key that comes in both is sent twice.
    pub headers: Vec<Header>,
    /// The body of targets that name none.
    pub body: Arc<[u8]>,
}

/// How targets are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// `METHOD URL`, headers, and the names of the bodies' files.
    #[default]
    Http,
    /// One JSON object a line, bodies included.
    Json,
}

/// Reads targets one by one, in either format.
pub enum Reader<R> {
    /// See [`http::Reader`].
    Http(Box<http::Reader<R>>),
    /// See [`json::Reader`].
    Json(Box<json::Reader<R>>),
}

impl<R: BufRead> Reader<R> {
    /// A reader of `source`; `name` is what errors call it.
    pub fn new(source: R, name: &str, format: Format, defaults: Defaults) -> Reader<R> {
        match format {
            Format::Http => Reader::Http(Box::new(http::Reader::new(source, name, defaults))),
            Format::Json => Reader::Json(Box::new(json::Reader::new(source, name, defaults))),
        }
    }
}

impl<R: BufRead> Iterator for Reader<R> {
    type Item = Result<Target, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Reader::Http(reader) => reader.next(),
            Reader::Json(reader) => reader.next(),
        }
    }
}

/// Reads all targets of `source`; `name` is what errors call it.
///
/// # Errors
///
/// See [`ReadError`]; no target, or a line that is not what the format wants.
pub fn read(
    source: impl BufRead,
    name: &str,
    format: Format,
    defaults: &Defaults,
) -> Result<Vec<Target>, ReadError> {
    match format {
        Format::Http => http::read(source, name, defaults),
        Format::Json => json::read(source, name, defaults),
    }
}

/// One `Key: value` pair, fit to be sent: the key is an HTTP token, the value one line of text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    key: String,
    value: String,
}

/// A text is not `Key: value`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a header such as `Key: value`{}, found `{text}`", self.of_key())]
pub struct HeaderError {
    text: String,
}

impl HeaderError {
    /// What is easily overlooked, in words.
    fn of_key(&self) -> &'static str {
        match self.text.split_once(':') {
            Some((key, _)) if !key.is_ascii() => " with a key in ASCII",
            _ => "",
        }
    }
}

impl Header {
    /// A header; white space around the value is left out.
    ///
    /// # Errors
    ///
    /// If the key is not an HTTP token or the value not one line of text.
    pub fn new(key: &str, value: &str) -> Result<Header, HeaderError> {
        let trimmed = value.trim();
        // A line break inside would smuggle in a header or a request.
        let fit =
            !key.is_empty() && key.bytes().all(is_token) && !trimmed.chars().any(char::is_control);
        if !fit {
            return Err(HeaderError { text: format!("{key}: {value}") });
        }
        Ok(Header { key: key.to_owned(), value: trimmed.to_owned() })
    }

    /// The key as written.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The value without surrounding white space.
    pub fn value(&self) -> &str {
        &self.value
    }
}

impl FromStr for Header {
    type Err = HeaderError;

    fn from_str(text: &str) -> Result<Header, HeaderError> {
        let refuse = || HeaderError { text: text.to_owned() };
        let (key, value) = text.split_once(':').ok_or_else(refuse)?;
        // As in vegeta, an empty value is a mistake in a line of text.
        Header::new(key.trim(), value)
            .ok()
            .filter(|header| !header.value.is_empty())
            .ok_or_else(refuse)
    }
}

impl fmt::Display for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key, self.value)
    }
}

/// RFC 9110's `tchar`.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_headers() {
        for (text, key, value) in [
            ("Content-Type: application/json", "Content-Type", "application/json"),
            ("x-Case-KEPT:1", "x-Case-KEPT", "1"),
            ("  Spaced  :  a b:c  ", "Spaced", "a b:c"),
            ("Name: Zoë", "Name", "Zoë"),
        ] {
            let header: Header = text.parse().expect(text);
            assert_eq!((header.key(), header.value()), (key, value), "{text}");
        }
    }

    #[test]
    fn refuses_what_is_no_header() {
        for text in ["", "no colon", ": value", "Key:", "Key:  ", "A key: x", "Key: a\r\nX-Evil: 1"]
        {
            let error = text.parse::<Header>().expect_err(text);
            assert_eq!(
                error.to_string(),
                format!("expected a header such as `Key: value`, found `{text}`")
            );
        }
        assert_eq!(
            "Naïve: é".parse::<Header>().unwrap_err().to_string(),
            "expected a header such as `Key: value` with a key in ASCII, found `Naïve: é`"
        );
    }
}
