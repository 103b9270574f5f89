//! A request's head: bytes to where its body ends and who answers it.
//!
//! Pure, and strict where proxies and servers have disagreed (request
//! smuggling): any doubt about where a body ends is refused.

use std::ops::Range;

use axum::http::Uri;
use axum::http::uri::Authority;
use httparse::Status;

use crate::serve::feed;
use crate::serve::host::HostRule;
use crate::serve::ingest::BODY_BYTES_MAX;
use crate::serve::media;
use crate::serve::origin;
use crate::serve::reply::Reply;

/// The longest head, in bytes.
pub(crate) const HEAD_BYTES_MAX: usize = 16 * 1024;

/// The most header fields of one head.
pub(crate) const HEADERS_MAX: usize = 64;

/// The path of the hot door.
pub(crate) const INGEST_PATH: &str = "/rssi_readings";

/// What a look at the bytes found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// More bytes are needed.
    Partial,
    /// A head that we answer ourselves.
    Emission(Head),
    /// A well-framed head of something else, its length, and what it asks for.
    Other(usize, Asks),
    /// This is the answer, and the connection ends with it.
    Refused(Reply),
}

/// The head of a single POST with a body of known length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// Where the body stands, counted from the head's first byte.
    pub(crate) body: Range<usize>,
    /// What the `Connection` header of the reply says, if anything.
    pub(crate) keep: Keep,
    /// A refusal that stands in the head already; it is sent at once.
    pub(crate) refused: Option<Reply>,
}

/// What a request of another door asks for, as far as its connection goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asks {
    /// To be told for as long as it listens.
    Feed,
    /// To look at something.
    Look,
    /// Perhaps to change something.
    Change,
}

/// Whether the connection outlives the reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keep {
    /// HTTP/1.1, as usual.
    Silently,
    /// HTTP/1.0 that asked for it, and must be told.
    AndSay,
    /// The client is done after this.
    No,
}

/// Looks at the beginning of a request. `bytes` may hold more than the head.
pub(crate) fn look(bytes: &[u8], hosts: &HostRule) -> Look {
    // No further than a head may reach, so that the answer does not depend on how
    // much happened to arrive with it. Empty lines before a request are skipped,
    // as httparse does; their number is bounded with the rest.
    let bytes = &bytes[..bytes.len().min(HEAD_BYTES_MAX)];
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut request = httparse::Request::new(&mut headers);
    let head_len = match request.parse(bytes) {
        Ok(Status::Complete(len)) => len,
        Ok(Status::Partial) if bytes.len() < HEAD_BYTES_MAX => return Look::Partial,
        Ok(Status::Partial) => return Look::Refused(too_long(bytes)),
        Err(error) => return Look::Refused(unreadable(error)),
    };
    let (Some(method), Some(target), Some(minor)) = (request.method, request.path, request.version)
    else {
        return Look::Refused(bad("request line: expected METHOD TARGET HTTP/1.1"));
    };
    let fields = Fields::read(request.headers, minor).and_then(|fields| {
        let uri = check_target(target, hosts)?;
        hosts.check(fields.host.unwrap_or_default())?;
        if method == "POST" {
            fields.check_page(uri.as_ref().and_then(Uri::authority))?;
        }
        Ok((fields, uri))
    });
    match fields {
        Err(reply) => Look::Refused(reply.closing()),
        Ok((fields, uri)) => {
            let path = target.split('?').next().unwrap_or_default();
            if method == "POST" && path == INGEST_PATH && !fields.needs_hyper {
                return Look::Emission(fields.head(head_len));
            }
            let asks = match method {
                "GET" if uri.is_some_and(|uri| uri.path() == feed::PATH) => Asks::Feed,
                "GET" | "HEAD" => Asks::Look,
                _ => Asks::Change,
            };
            Look::Other(head_len, asks)
        }
    }
}

/// Whether these bytes are, or begin, a POST of a single emission, however broken
/// the rest of the head is.
pub(crate) fn is_emission(bytes: &[u8]) -> bool {
    let rest =
        bytes.strip_prefix(b"POST ").and_then(|rest| rest.strip_prefix(INGEST_PATH.as_bytes()));
    rest.is_some_and(|rest| matches!(rest.first(), None | Some(b' ' | b'?' | b'\r' | b'\n')))
}

/// Refuses a target that hyper would refuse without a body, and one that names
/// a host which may not be named. `None` is the hot door.
fn check_target(target: &str, hosts: &HostRule) -> Result<Option<Uri>, Reply> {
    if target == INGEST_PATH {
        return Ok(None);
    }
    let uri = Uri::try_from(target)
        .map_err(|error| bad(&format!("request line: cannot read its target: {error}")))?;
    uri.host().map_or(Ok(()), |host| hosts.check(host.as_bytes()))?;
    Ok(Some(uri))
}

/// What the header fields say about framing and the body.
struct Fields<'a> {
    host: Option<&'a [u8]>,
    origin: Option<&'a [u8]>,
    site: Option<&'a [u8]>,
    content_length: Option<u64>,
    content_type: Option<&'a [u8]>,
    content_encoding: Option<&'a [u8]>,
    keep: Keep,
    /// A chunked body, or a client that waits for `100 Continue`.
    needs_hyper: bool,
}

impl<'a> Fields<'a> {
    fn read(headers: &[httparse::Header<'a>], minor: u8) -> Result<Fields<'a>, Reply> {
        let mut fields = Fields {
            host: None,
            origin: None,
            site: None,
            content_length: None,
            content_type: None,
            content_encoding: None,
            keep: if minor == 0 { Keep::No } else { Keep::Silently },
            needs_hyper: false,
        };
        let mut chunked = false;
        let mut close = false;
        for header in headers.iter() {
            let (name, value) = (header.name, header.value.trim_ascii());
            if name.eq_ignore_ascii_case("content-length") {
                once(&mut fields.content_length, content_length(value)?, "content-length")?;
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                if minor == 0 {
                    return Err(bad("transfer-encoding: not a part of HTTP/1.0"));
                }
                if chunked || !value.eq_ignore_ascii_case(b"chunked") {
                    return Err(Reply::error(501, "transfer-encoding: expected chunked, once"));
                }
                chunked = true;
            } else if name.eq_ignore_ascii_case("host") {
                once(&mut fields.host, value, "host")?;
            } else if name.eq_ignore_ascii_case("origin") {
                once(&mut fields.origin, value, "origin")?;
            } else if name.eq_ignore_ascii_case("sec-fetch-site") {
                once(&mut fields.site, value, "sec-fetch-site")?;
            } else if name.eq_ignore_ascii_case("content-type") {
                once(&mut fields.content_type, value, "content-type")?;
            } else if name.eq_ignore_ascii_case("content-encoding") {
                once(&mut fields.content_encoding, value, "content-encoding")?;
            } else if name.eq_ignore_ascii_case("connection") {
                let has = |wanted: &[u8]| {
                    let mut options = value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
                    options.any(|option| option.eq_ignore_ascii_case(wanted))
                };
                close |= has(b"close");
                // As hyper: what is not text asks for nothing.
                if minor == 0 && value.is_ascii() && has(b"keep-alive") {
                    fields.keep = Keep::AndSay;
                }
            } else if name.eq_ignore_ascii_case("expect") {
                fields.needs_hyper = true;
            }
        }
        if chunked && fields.content_length.is_some() {
            return Err(bad(
                "content-length and transfer-encoding: expected one of them, found both",
            ));
        }
        fields.needs_hyper |= chunked;
        if close {
            fields.keep = Keep::No;
        }
        Ok(fields)
    }

    /// Refuses what a page of another site has its browser send. An authority in
    /// the target stands for the `Host`.
    fn check_page(&self, authority: Option<&Authority>) -> Result<(), Reply> {
        self.site.map_or(Ok(()), origin::check_site)?;
        let host = authority.map_or(self.host, |authority| Some(authority.as_str().as_bytes()));
        let check = |origin| origin::check_origin(origin, host.unwrap_or_default());
        self.origin.map_or(Ok(()), check)
    }

    fn head(&self, head_len: usize) -> Head {
        // On a 32-bit machine a length over 4 GiB is too large all the same.
        let body_len = usize::try_from(self.content_length.unwrap_or(0)).unwrap_or(usize::MAX);
        let refused = self
            .content_type
            .map_or(Ok(()), media::check_type)
            .and_then(|()| self.content_encoding.map_or(Ok(()), media::check_encoding))
            .and_then(
                |()| {
                    if body_len <= BODY_BYTES_MAX { Ok(()) } else { Err(media::too_large()) }
                },
            )
            .err();
        Head { body: head_len..head_len.saturating_add(body_len), keep: self.keep, refused }
    }
}

/// Refuses a field that stands twice: two readers could take two values.
fn once<T: PartialEq>(field: &mut Option<T>, value: T, name: &str) -> Result<(), Reply> {
    if field.replace(value).is_some() {
        return Err(bad(&format!("{name}: expected once, found twice")));
    }
    Ok(())
}

/// At most what a file could hold; hyper's own bound is near it, and its refusal
/// has no body.
fn content_length(value: &[u8]) -> Result<u64, Reply> {
    let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    digits
        .then(|| std::str::from_utf8(value).ok()?.parse().ok())
        .flatten()
        .filter(|len| *len <= i64::MAX.unsigned_abs())
        .ok_or_else(|| bad("content-length: expected a number of bytes"))
}

fn bad(error: &str) -> Reply {
    Reply::error(400, error)
}

fn too_long(bytes: &[u8]) -> Reply {
    let request_line_ends = bytes.contains(&b'\n');
    let reply = if request_line_ends {
        Reply::error(431, format!("head: expected at most {HEAD_BYTES_MAX} bytes"))
    } else {
        Reply::error(414, format!("request line: expected at most {HEAD_BYTES_MAX} bytes"))
    };
    reply.closing()
}

fn unreadable(error: httparse::Error) -> Reply {
    match error {
        httparse::Error::TooManyHeaders => {
            Reply::error(431, format!("head: expected at most {HEADERS_MAX} header fields"))
        }
        httparse::Error::Version => {
            Reply::error(505, "request line: expected HTTP/1.1 or HTTP/1.0")
        }
        error => bad(&format!("request head: {error}")),
    }
    .closing()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_is_known_by_the_target_that_was_meant() {
        let rows = [
            ("GET /feed", Asks::Feed),
            ("\r\nGET /feed?pi_id=1", Asks::Feed),
            ("GET http://localhost/feed", Asks::Feed),
            ("GET http://localhost:6540/feed?badge_id=x", Asks::Feed),
            ("GET /feeds", Asks::Look),
            ("HEAD /feed", Asks::Look),
            ("GET /rssi_readings", Asks::Look),
            ("POST /feed", Asks::Change),
            ("POST /rssi_readings/batch", Asks::Change),
        ];
        for (line, want) in rows {
            let head = format!("{line} HTTP/1.1\r\n\r\n");
            match look(head.as_bytes(), &HostRule::Any) {
                Look::Other(_, asks) => assert_eq!(asks, want, "{line}"),
                other => panic!("{line}: {other:?}"),
            }
        }
    }
}
