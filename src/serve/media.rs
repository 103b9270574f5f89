//! Which bodies a single POST may have, by their headers.

use super::reply::Reply;

/// Refuses a `Content-Type` that is not JSON in UTF-8. Absent counts as JSON.
///
/// Forms and text/plain are refused too: a browser sends those across sites
/// unasked.
pub(crate) fn check_type(content_type: &[u8]) -> Result<(), Reply> {
    let refuse = |found: &str| {
        let error =
            format!("content-type: expected application/json, found {}", found.escape_default());
        Err(Reply::error(415, error).closing())
    };
    let Ok(text) = std::str::from_utf8(content_type) else {
        return refuse("bytes that are not text");
    };
    let mut parts = text.split(';');
    let media = parts.next().unwrap_or_default().trim().to_ascii_lowercase();
    let is_json = media == "application/json"
        || media.split_once('/').is_some_and(|(kind, sub)| {
            !kind.is_empty() && sub.len() > "+json".len() && sub.ends_with("+json")
        });
    if !is_json {
        return refuse(text);
    }
    let charset =
        parts.filter_map(|parameter| parameter.split_once('=')).find_map(|(key, value)| {
            key.trim().eq_ignore_ascii_case("charset").then(|| value.trim().trim_matches('"'))
        });
    match charset {
        Some(charset)
            if !charset.eq_ignore_ascii_case("utf-8") && !charset.eq_ignore_ascii_case("utf8") =>
        {
            refuse(text)
        }
        _ => Ok(()),
    }
}

/// Refuses a `Content-Encoding`: one emission is not worth it.
pub(crate) fn check_encoding(content_encoding: &[u8]) -> Result<(), Reply> {
    if content_encoding.trim_ascii().eq_ignore_ascii_case(b"identity") {
        return Ok(());
    }
    let found = String::from_utf8_lossy(content_encoding);
    let error = format!("content-encoding: expected none, found {}", found.escape_default());
    Err(Reply::error(415, error).closing())
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
    fn only_identity_is_no_encoding() {
        assert_eq!(check_encoding(b"identity"), Ok(()));
        for encoding in [&b"gzip"[..], b"identity, gzip", b""] {
            assert_eq!(check_encoding(encoding).map_err(|reply| reply.status), Err(415));
        }
    }
}
