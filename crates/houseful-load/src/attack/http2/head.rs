//! A target as the head of a request of HTTP/2.

use std::fmt::Write;

use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::uri::{Authority, PathAndQuery, Scheme, Uri};
use http::{Method, Request, Version};

use super::Fault;
use crate::attack::Options;
use crate::attack::client::request::{USER_AGENT, is_ours};
use crate::targets::{HttpUrl, Target};

/// What HTTP/1.1 says to the next hop, and HTTP/2 by other means or not at all.
const HOP_BY_HOP: [&str; 6] =
    ["connection", "proxy-connection", "keep-alive", "upgrade", "http2-settings", "te"];

const SEQ: HeaderName = HeaderName::from_static("x-vegeta-seq");
const ATTACK: HeaderName = HeaderName::from_static("x-vegeta-attack");

/// All of a request but its number: made once for each target.
pub(in crate::attack) struct Head(Result<Parts, Fault>);

struct Parts {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
}

impl Head {
    /// The head of requests to this target: that of HTTP/1.1 with names in lower case, `Host` as the
    /// authority, and without what is for the next hop alone.
    pub(in crate::attack) fn new(target: &Target, options: &Options) -> Head {
        Head(parts(target, options).map_err(Fault::Unfit))
    }

    /// The head of request number `seq`.
    pub(super) fn request(&self, seq: u64) -> Result<Request<()>, Fault> {
        let parts = self.0.as_ref().map_err(Fault::clone)?;
        let mut request = Request::new(());
        *request.method_mut() = parts.method.clone();
        *request.uri_mut() = parts.uri.clone();
        *request.version_mut() = Version::HTTP_2;
        *request.headers_mut() = parts.headers.clone();
        request.headers_mut().insert(SEQ, HeaderValue::from(seq));
        Ok(request)
    }
}

fn parts(target: &Target, options: &Options) -> Result<Parts, String> {
    let method = Method::from_bytes(target.method.as_bytes());
    let method = method.map_err(|_| format!("the method `{}`", target.method))?;
    let mut authority = target.url.authority();
    let named: Vec<String> = target
        .headers
        .iter()
        .filter(|header| header.key().eq_ignore_ascii_case("connection"))
        .flat_map(|header| header.value().split(','))
        .map(|name| name.trim().to_ascii_lowercase())
        .collect();
    let mut headers = HeaderMap::with_capacity(target.headers.len() + 4);
    for header in target.headers.iter().filter(|header| !is_ours(header.key())) {
        let key = header.key().to_ascii_lowercase();
        if key == "host" {
            authority = header.value();
            continue;
        }
        // Of the ways to encode a body on its way, HTTP/2 knows trailers alone.
        let is_trailers = key == "te" && header.value().eq_ignore_ascii_case("trailers");
        if (HOP_BY_HOP.contains(&key.as_str()) && !is_trailers) || named.contains(&key) {
            continue;
        }
        let unfit = || format!("the header `{header}`");
        let name = HeaderName::from_bytes(key.as_bytes()).map_err(|_| unfit())?;
        let value = HeaderValue::from_bytes(header.value().as_bytes()).map_err(|_| unfit())?;
        headers.append(name, value);
    }
    headers.entry(http::header::USER_AGENT).or_insert(HeaderValue::from_static(USER_AGENT));
    if !options.name.is_empty() {
        let name = HeaderValue::from_str(&options.name);
        headers.append(ATTACK, name.map_err(|_| format!("the name `{}`", options.name))?);
    }
    // There are no chunks in HTTP/2: the body's length is not said, that is all.
    let is_told = if target.body.is_empty() {
        matches!(target.method.as_str(), "POST" | "PUT" | "PATCH")
    } else {
        !options.is_chunked
    };
    if is_told {
        headers.insert(http::header::CONTENT_LENGTH, HeaderValue::from(target.body.len()));
    }
    let uri = Uri::builder()
        .scheme(if target.url.is_https() { Scheme::HTTPS } else { Scheme::HTTP })
        .authority(Authority::try_from(authority).map_err(|_| format!("the host `{authority}`"))?)
        .path_and_query(path(&target.url)?)
        .build()
        .map_err(|error| error.to_string())?;
    Ok(Parts { method, uri, headers })
}

/// The path as sent. Characters that a URL should not have are sent as they are over HTTP/1.1; here
/// they have to be encoded.
fn path(url: &HttpUrl) -> Result<PathAndQuery, String> {
    let path = url.path_and_query();
    let slash = if path.starts_with('/') { "" } else { "/" };
    let plain = format!("{slash}{path}");
    if let Ok(path) = PathAndQuery::try_from(plain.as_str()) {
        return Ok(path);
    }
    let mut encoded = String::with_capacity(plain.len() + 8);
    for c in plain.chars() {
        if c.is_ascii_alphanumeric() || "-._~!$&'()*+,;=:@/?%[]".contains(c) {
            encoded.push(c);
        } else {
            // A URL is printable ASCII.
            write!(encoded, "%{:02X}", u32::from(c)).expect("writing to a String cannot fail");
        }
    }
    PathAndQuery::try_from(encoded).map_err(|_| format!("the path `{path}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(method: &str, url: &str, headers: &[&str], body: &[u8], options: &Options) -> String {
        let target = Target {
            method: method.into(),
            url: url.parse().unwrap(),
            headers: headers.iter().map(|header| header.parse().unwrap()).collect(),
            body: body.into(),
        };
        let request = match Head::new(&target, options).request(7) {
            Ok(request) => request,
            Err(fault) => return fault.to_string(),
        };
        let mut text = format!("{} {}", request.method(), request.uri());
        for (name, value) in request.headers() {
            let value = String::from_utf8_lossy(value.as_bytes());
            text.push_str(&format!("|{name}: {value}").replace(USER_AGENT, "UA"));
        }
        text
    }

    #[test]
    fn heads() {
        let default = Options::default();
        let chunked = Options { is_chunked: true, ..Options::default() };
        let named = Options { name: "run 1".into(), keep_alive: false, ..Options::default() };
        for (head, expected) in [
            (
                head("GET", "http://a:1", &[], b"", &default),
                "GET http://a:1/|user-agent: UA|x-vegeta-seq: 7",
            ),
            (
                head("GET", "https://[::1]:1?a=1#b", &[], b"", &default),
                "GET https://[::1]:1/?a=1|user-agent: UA|x-vegeta-seq: 7",
            ),
            (
                head("GET", "http://a/x<y>?a=\"1\"&b={%20}|^`\\", &[], b"", &default),
                "GET http://a/x%3Cy%3E?a=%221%22&b=%7B%20%7D%7C%5E%60%5C|user-agent: UA|x-vegeta-seq: 7",
            ),
            (
                head("POST", "http://a/x", &["X-A: 1", "x-b: Zoë", "X-a: 2"], b"{}", &named),
                "POST http://a/x|x-a: 1|x-a: 2|x-b: Zoë|user-agent: UA|x-vegeta-attack: run 1|content-length: 2|x-vegeta-seq: 7",
            ),
            (
                head("POST", "http://a/", &[], b"x", &chunked),
                "POST http://a/|user-agent: UA|x-vegeta-seq: 7",
            ),
            (
                head("POST", "http://a/", &[], b"", &chunked),
                "POST http://a/|user-agent: UA|content-length: 0|x-vegeta-seq: 7",
            ),
            (
                head("PUT", "http://a/", &["host: b", "User-agent: me"], b"", &default),
                "PUT http://b/|user-agent: me|content-length: 0|x-vegeta-seq: 7",
            ),
            (
                head(
                    "GET",
                    "http://a/",
                    &[
                        "Connection: close, X-Hop",
                        "x-hop: 1",
                        "Keep-Alive: 5",
                        "Transfer-Encoding: chunked",
                        "Content-Length: 9",
                        "X-Vegeta-Seq: 1",
                        "Upgrade: h2c",
                        "HTTP2-Settings: x",
                        "TE: gzip",
                        "te: trailers",
                    ],
                    b"",
                    &default,
                ),
                "GET http://a/|te: trailers|user-agent: UA|x-vegeta-seq: 7",
            ),
            (
                head("GET", "http://a/", &["Host: a b"], b"", &default),
                "cannot be sent over HTTP/2: the host `a b`",
            ),
        ] {
            assert_eq!(head, expected);
        }
    }
}
