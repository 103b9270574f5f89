//! Which bodies a single POST and a batch may have, by their headers.

use super::batch::{Encoding, Form};
use super::reply::Reply;

/// What a `Content-Type` says of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Media {
    Json,
    Ndjson,
}

/// Refuses a `Content-Type` that is not JSON in UTF-8. Absent counts as JSON.
///
/// Forms and text/plain are refused too: a browser sends those across sites
/// unasked.
pub(crate) fn check_type(content_type: &[u8]) -> Result<(), Reply> {
    match read_type(content_type) {
        Some(Media::Json) => Ok(()),
        _ => Err(refuse_type(content_type, "application/json")),
    }
}

/// The form of a batch with this `Content-Type`.
pub(crate) fn batch_form(content_type: &[u8]) -> Result<Form, Reply> {
    match read_type(content_type) {
        Some(Media::Json) => Ok(Form::Array),
        Some(Media::Ndjson) => Ok(Form::Lines),
        None => Err(refuse_type(content_type, "application/json or application/x-ndjson")),
    }
}

/// The encoding of a batch with this `Content-Encoding`.
pub(crate) fn batch_encoding(content_encoding: &[u8]) -> Result<Encoding, Reply> {
    let is = |name: &[u8]| content_encoding.trim_ascii().eq_ignore_ascii_case(name);
    if is(b"identity") {
        return Ok(Encoding::Identity);
    }
    if is(b"gzip") || is(b"x-gzip") {
        return Ok(Encoding::Gzip);
    }
    if is(b"zstd") {
        return Ok(Encoding::Zstd);
    }
    Err(refuse_encoding(content_encoding, "one of gzip, zstd and identity"))
}

fn read_type(content_type: &[u8]) -> Option<Media> {
    let text = std::str::from_utf8(content_type).ok()?;
    let mut parts = text.split(';');
    let media = parts.next().unwrap_or_default().trim().to_ascii_lowercase();
    let charset =
        parts.filter_map(|parameter| parameter.split_once('=')).find_map(|(key, value)| {
            key.trim().eq_ignore_ascii_case("charset").then(|| value.trim().trim_matches('"'))
        });
    let is_utf_8 = charset.is_none_or(|charset| {
        charset.eq_ignore_ascii_case("utf-8") || charset.eq_ignore_ascii_case("utf8")
    });
    let (kind, sub) = media.split_once('/')?;
    match (kind, sub) {
        _ if !is_utf_8 || kind.is_empty() => None,
        ("application", "x-ndjson" | "ndjson" | "jsonl" | "x-jsonlines") => Some(Media::Ndjson),
        ("application", "json") => Some(Media::Json),
        _ => (sub.len() > "+json".len() && sub.ends_with("+json")).then_some(Media::Json),
    }
}

fn refuse_type(content_type: &[u8], expected: &str) -> Reply {
    let found = std::str::from_utf8(content_type).unwrap_or("bytes that are not text");
    let error = format!("content-type: expected {expected}, found {}", shown(found));
    Reply::error(415, error).closing()
}

fn refuse_encoding(content_encoding: &[u8], expected: &str) -> Reply {
    let found = String::from_utf8_lossy(content_encoding);
    let error = format!("content-encoding: expected {expected}, found {}", shown(&found));
    Reply::error(415, error).closing()
}

/// A header's value in an error; an empty value is there, and says nothing.
fn shown(value: &str) -> String {
    match value.trim() {
        "" => "an empty value".to_owned(),
        value => value.escape_default().to_string(),
    }
}

/// Refuses a `Content-Encoding`: one emission is not worth it.
pub(crate) fn check_encoding(content_encoding: &[u8]) -> Result<(), Reply> {
    if content_encoding.trim_ascii().eq_ignore_ascii_case(b"identity") {
        return Ok(());
    }
    Err(refuse_encoding(content_encoding, "none"))
}

/// 413, said before the body is read.
pub(crate) fn too_large() -> Reply {
    let error = format!("body: expected at most {} bytes", super::ingest::BODY_BYTES_MAX);
    Reply::error(413, error).closing()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_in_utf_8_is_taken_and_nothing_else() {
        let good = [
            "application/json",
            "Application/JSON",
            "application/json; charset=utf-8",
            "application/json;charset=\"UTF-8\"",
            "application/vnd.houseful+json",
            "application/json; profile=x",
        ];
        let bad = [
            "",
            "text/plain",
            "text/json+plain",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "application/x-ndjson",
            "application/json; charset=latin1",
            "application/+json",
            "application/jsonx",
            "json",
        ];
        for media in good {
            assert_eq!(check_type(media.as_bytes()), Ok(()), "{media}");
        }
        for media in bad {
            assert_eq!(check_type(media.as_bytes()).map_err(|r| r.status), Err(415), "{media}");
        }
    }

    #[test]
    fn an_empty_header_is_called_empty() {
        let error = |reply: Reply| reply.said().concat();
        for empty in [&b""[..], b" "] {
            let by_type = error(check_type(empty).unwrap_err());
            assert_eq!(by_type, "content-type: expected application/json, found an empty value");
            let by_encoding = error(check_encoding(empty).unwrap_err());
            assert_eq!(by_encoding, "content-encoding: expected none, found an empty value");
        }
    }

    #[test]
    fn only_identity_is_no_encoding() {
        assert_eq!(check_encoding(b"identity"), Ok(()));
        for encoding in [&b"gzip"[..], b"identity, gzip", b""] {
            assert_eq!(check_encoding(encoding).map_err(|reply| reply.status), Err(415));
        }
    }

    #[test]
    fn a_batch_is_an_array_or_lines_by_its_type() {
        let rows = [
            ("application/json", Some(Form::Array)),
            ("application/vnd.houseful+json;charset=UTF-8", Some(Form::Array)),
            ("application/x-ndjson", Some(Form::Lines)),
            ("APPLICATION/X-NDJSON; charset=\"utf-8\"", Some(Form::Lines)),
            ("application/ndjson", Some(Form::Lines)),
            ("application/jsonl", Some(Form::Lines)),
            ("application/x-jsonlines", Some(Form::Lines)),
            ("application/x-ndjson; charset=utf-16", None),
            ("text/x-ndjson", None),
            ("text/plain", None),
            ("application/x-www-form-urlencoded", None),
            ("", None),
        ];
        for (media, want) in rows {
            let form = batch_form(media.as_bytes());
            assert_eq!(form.as_ref().ok(), want.as_ref(), "{media}");
        }
    }

    #[test]
    fn a_batch_has_one_encoding() {
        let rows: [(&[u8], Option<Encoding>); 8] = [
            (b"identity", Some(Encoding::Identity)),
            (b"gzip", Some(Encoding::Gzip)),
            (b" X-GZIP ", Some(Encoding::Gzip)),
            (b"zstd", Some(Encoding::Zstd)),
            (b"gzip, gzip", None),
            (b"br", None),
            (b"deflate", None),
            (b"", None),
        ];
        for (encoding, want) in rows {
            assert_eq!(batch_encoding(encoding).ok(), want, "{encoding:?}");
        }
    }
}
