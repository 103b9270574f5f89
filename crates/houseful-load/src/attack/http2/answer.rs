//! An answer of HTTP/2 as the one that a record is made of.

use http::HeaderMap;
use http::response::Parts;

use crate::attack::client::response::{Answer, Keep, canonical};
use crate::results;

/// Takes up the head. What was there of an earlier answer is replaced.
pub(super) fn begin(answer: &mut Answer, head: &Parts, keep: Keep) {
    let code = head.status.as_u16();
    answer.code = code;
    if !(200..400).contains(&code) {
        // HTTP/2 sends none; vegeta, too, takes the usual one.
        answer.reason.push_str(head.status.canonical_reason().unwrap_or_default());
    }
    if keep.headers {
        fill(answer.headers.get_or_insert_default(), &head.headers);
    }
    if keep.location && matches!(code, 301 | 302 | 303 | 307 | 308) {
        let location = head.headers.get(http::header::LOCATION);
        let location = location.map_or(&b""[..], |location| location.as_bytes());
        answer.location.push_str(&String::from_utf8_lossy(location));
    }
}

/// Takes up a piece of the body.
pub(super) fn extend(answer: &mut Answer, bytes: &[u8], keep: Keep) {
    answer.body_len += bytes.len() as u64;
    if let (Some(body), Some(max)) = (&mut answer.body, keep.body_max) {
        let room = max - body.len();
        body.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }
}

/// Puts the headers in place of those in `map`, in Go's writing.
fn fill(map: &mut results::HeaderMap, headers: &HeaderMap) {
    map.clear();
    for name in headers.keys() {
        let values = headers.get_all(name).iter();
        let values = values.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        map.insert(canonical(name.as_str()), values.collect());
    }
}
