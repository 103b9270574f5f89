//! What a feed says, as server-sent events (WHATWG HTML, 9.2).
//!
//! Each block carries the id after which a client resumes. One with an id and no
//! data is no event to the client, but moves its `Last-Event-ID`: so a client
//! that wants few readings does not come back to where its last one was.

use axum::body::Bytes;
use houseful_model::Reading;
use serde_json::json;

/// After how long a client that was cut comes back, in milliseconds.
const RETRY_MS: u32 = 2_000;

/// A reading, ready to be sent to everyone who wants it.
#[derive(Clone, Debug)]
pub(super) struct Event {
    pub(super) id: i64,
    pub(super) badge_id: Box<str>,
    pub(super) pi_id: Box<str>,
    pub(super) text: Bytes,
}

impl Event {
    pub(super) fn of(reading: &Reading) -> Event {
        let mut text = format!("id: {}\nevent: reading\ndata: ", reading.id).into_bytes();
        // A line, for JSON escapes every line end.
        text.extend(reading.to_json());
        text.extend(b"\n\n");
        Event {
            id: reading.id,
            badge_id: reading.emission.badge_id.as_ref().into(),
            pi_id: reading.emission.pi_id.as_ref().into(),
            text: text.into(),
        }
    }
}

/// The first bytes. They come at once, so that everything in between passes the
/// head on.
pub(super) fn begin(place: i64) -> Vec<u8> {
    format!(": readings as they are stored\nretry: {RETRY_MS}\nid: {place}\n\n").into_bytes()
}

/// The id that the client has is none to resume after.
pub(super) fn reset(newest_id: i64) -> Vec<u8> {
    let data = json!({ "newest_id": newest_id });
    format!("id: {newest_id}\nevent: reset\ndata: {data}\n\n").into_bytes()
}

/// Nothing new that this client wants, up to `place`.
pub(super) fn heartbeat(place: i64) -> Vec<u8> {
    format!(": heartbeat\nid: {place}\n\n").into_bytes()
}

/// The last words to a client that is let go.
pub(super) fn dropped(reason: &str, last_id: i64) -> Vec<u8> {
    let data = json!({ "reason": reason, "last_id": last_id });
    format!("id: {last_id}\nevent: dropped\ndata: {data}\n\n").into_bytes()
}
