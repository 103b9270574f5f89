//! The part of a URL that an HTTP/1.1 client needs.

use std::fmt;
use std::str::FromStr;

/// An absolute `http://` or `https://` URL, checked, with what a request needs of it at hand.
#[derive(Clone, PartialEq, Eq)]
pub struct HttpUrl {
    text: String,
    is_https: bool,
    /// Where in `text` the host ends; it begins after the scheme.
    host_end: usize,
    /// Where host and port end and the path begins.
    authority_end: usize,
    /// Where the path ends and a fragment, which is never sent, begins.
    path_end: usize,
    port: u16,
}

/// Why a text is not a URL that can be attacked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Another scheme, or only a path.
    #[error("expected a URL that begins with http:// or https://, found `{0}`")]
    NotAbsolute(String),
    /// A space, control character or non-ASCII character.
    #[error(
        "expected a URL in printable ASCII without white space (percent-encode it), found `{0}`"
    )]
    NotPrintable(String),
    /// `user:password@`.
    #[error(
        "expected a URL without user and password (send a header `Authorization` instead), found `{0}`"
    )]
    Credentials(String),
    /// The port is not a number from 1 to 65535.
    #[error("expected a port from 1 to 65535, found `{0}`")]
    Port(String),
    /// No host, or one with characters that a host does not have.
    #[error("expected a host name or address, found `{0}`")]
    Host(String),
}

const HTTP: &str = "http://";
const HTTPS: &str = "https://";

impl HttpUrl {
    /// The URL as written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Host and port as written, which is what the `Host` header says.
    pub fn authority(&self) -> &str {
        &self.text[self.scheme().len()..self.authority_end]
    }

    /// The host to connect to, without the brackets of an IPv6 address; as in Go, none is `localhost`.
    pub fn host(&self) -> &str {
        match &self.text[self.scheme().len()..self.host_end] {
            "" => "localhost",
            host => host.trim_start_matches('[').trim_end_matches(']'),
        }
    }

    /// Whether it is reached through TLS.
    pub fn is_https(&self) -> bool {
        self.is_https
    }

    fn scheme(&self) -> &'static str {
        if self.is_https { HTTPS } else { HTTP }
    }

    /// The port; if the URL names none, 80, or 443 for https.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where a redirect to `location`, found at this URL, leads. RFC 3986, section 5.2.
    ///
    /// # Errors
    ///
    /// See [`UrlError`].
    pub(crate) fn join(&self, location: &str) -> Result<HttpUrl, UrlError> {
        let location = location.trim();
        let location = location.split('#').next().unwrap_or_default();
        let (scheme, authority) = (self.scheme(), self.authority());
        let here = self.path_and_query();
        let path = here.split('?').next().unwrap_or_default();
        if location.contains("://") {
            return location.parse();
        }
        if let Some(elsewhere) = location.strip_prefix("//") {
            return format!("{scheme}{elsewhere}").parse();
        }
        let target = match location.chars().next() {
            None => here.to_owned(),
            Some('?') => format!("{path}{location}"),
            Some('/') => location.to_owned(),
            Some(_) => {
                let folder = path.rfind('/').map_or("/", |at| &path[..=at]);
                format!("{folder}{location}")
            }
        };
        let (path, query) = target
            .split_once('?')
            .map_or((target.as_str(), None), |(path, query)| (path, Some(query)));
        let query = query.map(|query| format!("?{query}")).unwrap_or_default();
        format!("{scheme}{authority}{}{query}", without_dots(path)).parse()
    }

    /// Path and query as sent on the request line. Empty when the URL ends after its host, where
    /// `/` is sent; may begin with `?`.
    pub(crate) fn path_and_query(&self) -> &str {
        &self.text[self.authority_end..self.path_end]
    }
}

impl FromStr for HttpUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<HttpUrl, UrlError> {
        if !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(UrlError::NotPrintable(text.to_owned()));
        }
        let scheme_is =
            |scheme: &str| text.get(..scheme.len()).is_some_and(|s| s.eq_ignore_ascii_case(scheme));
        let is_https = scheme_is(HTTPS);
        if !is_https && !scheme_is(HTTP) {
            return Err(UrlError::NotAbsolute(text.to_owned()));
        }
        let scheme_len = if is_https { HTTPS.len() } else { HTTP.len() };
        let end_of = |from: usize, stops: &[char]| {
            text[from..].find(stops).map_or(text.len(), |at| from + at)
        };
        let authority_end = end_of(scheme_len, &['/', '?', '#']);
        let path_end = end_of(authority_end, &['#']);
        let authority = &text[scheme_len..authority_end];
        if authority.contains('@') {
            return Err(UrlError::Credentials(text.to_owned()));
        }
        // The colons of an IPv6 address stand in brackets.
        let after_brackets = authority.rfind(']').map_or(0, |at| at + 1);
        let host_len =
            authority[after_brackets..].find(':').map_or(authority.len(), |at| after_brackets + at);
        let host = &authority[..host_len];
        if authority.is_empty() || !is_host(host) {
            return Err(UrlError::Host(text.to_owned()));
        }
        let port = match authority[host_len..].strip_prefix(':') {
            None if is_https => 443,
            None => 80,
            Some(digits) => {
                let port = digits.parse().ok().filter(|port| *port != 0);
                port.ok_or_else(|| UrlError::Port(text.to_owned()))?
            }
        };
        Ok(HttpUrl {
            text: text.to_owned(),
            is_https,
            authority_end,
            path_end,
            port,
            host_end: scheme_len + host_len,
        })
    }
}

/// A path without its `.` and `..` segments.
fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        match segment {
            "." | ".." => {
                if segment == ".." {
                    kept.pop();
                }
                if segments.peek().is_none() {
                    kept.push("");
                }
            }
            segment => kept.push(segment),
        }
    }
    format!("/{}", kept.join("/"))
}

fn is_host(host: &str) -> bool {
    match host.strip_prefix('[') {
        Some(inner) => inner
            .strip_suffix(']')
            .is_some_and(|address| address.parse::<std::net::Ipv6Addr>().is_ok()),
        None => host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b)),
    }
}

impl fmt::Display for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_urls_apart() {
        for (text, authority, host, port, path) in [
            (
                "http://localhost:8080/rssi_readings",
                "localhost:8080",
                "localhost",
                8080,
                "/rssi_readings",
            ),
            ("http://example.org", "example.org", "example.org", 80, ""),
            ("HTTP://example.org?x=1#top", "example.org", "example.org", 80, "?x=1"),
            ("http://[::1]:9/a?b=/c#d", "[::1]:9", "::1", 9, "/a?b=/c"),
            ("http://[::1]/", "[::1]", "::1", 80, "/"),
            ("https://a/x", "a", "a", 443, "/x"),
            ("HTTPS://a:1", "a:1", "a", 1, ""),
            ("http://:80", ":80", "localhost", 80, ""),
        ] {
            let url: HttpUrl = text.parse().expect(text);
            assert_eq!(
                (url.authority(), url.host(), url.port()),
                (authority, host, port),
                "{text}"
            );
            assert_eq!(url.path_and_query(), path, "{text}");
            assert_eq!(url.as_str(), text);
        }
    }

    #[test]
    fn joins_where_redirects_lead() {
        let from: HttpUrl = "http://a:1/b/c/d?q=1".parse().unwrap();
        for (location, to) in [
            ("https://x/y", "https://x/y"),
            ("//x:2/y", "http://x:2/y"),
            ("/y?z", "http://a:1/y?z"),
            ("y", "http://a:1/b/c/y"),
            ("./y#top", "http://a:1/b/c/y"),
            ("../y", "http://a:1/b/y"),
            ("../../../../y", "http://a:1/y"),
            ("..", "http://a:1/b/"),
            ("?z=/../", "http://a:1/b/c/d?z=/../"),
            ("", "http://a:1/b/c/d?q=1"),
            (" /y ", "http://a:1/y"),
        ] {
            assert_eq!(from.join(location).expect(location).as_str(), to, "{location}");
        }
        let bare: HttpUrl = "https://a".parse().unwrap();
        assert_eq!(bare.join("y").unwrap().as_str(), "https://a/y");
        bare.join("/a b").unwrap_err();
        bare.join("ftp://x/").unwrap_err();
    }

    #[test]
    fn refuses_with_a_reason() {
        for (text, error) in [
            ("/path", "expected a URL that begins with http:// or https://, found `/path`"),
            ("ftp://x/", "expected a URL that begins with http:// or https://, found `ftp://x/`"),
            (
                "http://x/a b",
                "expected a URL in printable ASCII without white space (percent-encode it), found `http://x/a b`",
            ),
            (
                "http://me:pw@x/",
                "expected a URL without user and password (send a header `Authorization` instead), found `http://me:pw@x/`",
            ),
            ("http://x:0/", "expected a port from 1 to 65535, found `http://x:0/`"),
            ("http://x:65536/", "expected a port from 1 to 65535, found `http://x:65536/`"),
            ("http://x:/", "expected a port from 1 to 65535, found `http://x:/`"),
            ("http:///path", "expected a host name or address, found `http:///path`"),
            ("http://a,b/", "expected a host name or address, found `http://a,b/`"),
            ("http://[::1/", "expected a host name or address, found `http://[::1/`"),
        ] {
            assert_eq!(text.parse::<HttpUrl>().expect_err(text).to_string(), error, "{text}");
        }
    }
}
