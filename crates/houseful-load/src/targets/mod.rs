//! What an attack sends: one [`Target`] per request, read from vegeta's target files.

pub mod http;
mod url;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

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

/// One `Key: value` pair, fit to be sent: the key is an HTTP token, the value one line of text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    key: String,
    value: String,
}

/// A text is not `Key: value`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a header such as `Key: value`, found `{0}`")]
pub struct HeaderError(String);

impl Header {
    /// The key as written.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The value without surrounding white space, never empty.
    pub fn value(&self) -> &str {
        &self.value
    }
}

impl FromStr for Header {
    type Err = HeaderError;

    fn from_str(text: &str) -> Result<Header, HeaderError> {
        let refuse = || HeaderError(text.to_owned());
        let (key, value) = text.split_once(':').ok_or_else(refuse)?;
        let (key, value) = (key.trim(), value.trim());
        // A line break inside would smuggle in a header or a request.
        let fit = !key.is_empty()
            && !value.is_empty()
            && key.bytes().all(is_token)
            && !value.chars().any(char::is_control);
        if !fit {
            return Err(refuse());
        }
        Ok(Header { key: key.to_owned(), value: value.to_owned() })
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
        for text in [
            "",
            "no colon",
            ": value",
            "Key:",
            "Key:  ",
            "A key: x",
            "Key: a\r\nX-Evil: 1",
            "Kéy: 1",
        ] {
            let error = text.parse::<Header>().expect_err(text);
            assert_eq!(
                error.to_string(),
                format!("expected a header such as `Key: value`, found `{text}`")
            );
        }
    }
}
