//! `GET /feed`: each reading after its commit, in the order of storing, as
//! server-sent events.
//!
//! ```text
//! writer ─▶ newest id ─▶ pump: reads each new one once ─▶ ring ─▶ feeds that keep up
//!                                   store ◀─ catch up, page by page ─┘ (the others)
//! ```
//!
//! A feed is a place in the order of ids, and nothing else: what is after it is
//! taken from the ring or from the store, as fast as the client reads. So it
//! resumes anywhere, also after a restart, and nothing waits in memory for a
//! client that is slow. The ingest path knows of it that one number changes.

mod event;
mod follow;
mod pump;
mod ring;

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use houseful_store::Store;
use tokio::sync::{Semaphore, watch};

use self::event::Event;
pub(super) use self::follow::Dropped;
use self::follow::Follow;
use self::pump::Pump;
use super::chunks::Chunks;
use super::parameters::{Pairs, Parameters, id};
use super::reply::Reply;
use super::router::Doors;

pub(super) const PATH: &str = "/feed";

/// Feeds at once. For a client that reads nothing, each holds some 120 KiB.
pub(super) const FEEDS_MAX: usize = 256;

/// So many readings behind the newest one, a client is told to begin anew
/// instead of being fed the past.
const BEHIND_MAX: i64 = 100_000;

/// A feed that falls so many behind is let go: more than it may begin with, so
/// that it has time to catch up.
const FALLEN_BEHIND_MAX: i64 = 2 * BEHIND_MAX;

/// Seconds until a client that found all feeds taken may try again: they are
/// open for hours, and there may be many such clients.
const FULL_RETRY_SECONDS: u8 = 15;

/// What a client sends when it comes back.
const LAST_EVENT_ID: &str = "last-event-id";

/// Keeps nginx, and others that know its header, from collecting the answer
/// before they pass it on; `no-transform` does with those that would compress it.
const UNBUFFERED: (HeaderName, HeaderValue) =
    (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));

/// All feeds.
pub(crate) struct Feeds {
    pump: Arc<Pump>,
    /// Held by each while it is open.
    permits: Arc<Semaphore>,
    /// How many were let go, by why.
    dropped: [AtomicU64; Dropped::ALL.len()],
}

impl Feeds {
    pub(crate) fn new(store: Arc<Store>) -> Arc<Feeds> {
        Arc::new(Feeds {
            pump: Pump::new(store),
            permits: Arc::new(Semaphore::new(FEEDS_MAX)),
            dropped: Default::default(),
        })
    }

    /// How many are open.
    pub(super) fn open(&self) -> usize {
        FEEDS_MAX.saturating_sub(self.permits.available_permits())
    }

    /// How many were let go for this reason.
    pub(super) fn dropped(&self, why: Dropped) -> u64 {
        self.dropped[why as usize].load(Ordering::Relaxed)
    }

    fn note_dropped(&self, why: Dropped) {
        self.dropped[why as usize].fetch_add(1, Ordering::Relaxed);
    }
}

/// Whose readings a feed wants: of any of these badges, by any of these Pis.
/// None named means all.
#[derive(Debug, Default)]
struct Wanted {
    badges: HashSet<String>,
    pis: HashSet<String>,
}

impl Wanted {
    fn has(&self, event: &Event) -> bool {
        let has = |ids: &HashSet<String>, id: &str| ids.is_empty() || ids.contains(id);
        has(&self.badges, &event.badge_id) && has(&self.pis, &event.pi_id)
    }
}

/// `GET /feed`.
pub(super) async fn feed(
    State(doors): State<Doors>,
    headers: HeaderMap,
    parameters: Pairs,
) -> Response {
    open(&doors, &headers, parameters).unwrap_or_else(Reply::into_response)
}

fn open(doors: &Doors, headers: &HeaderMap, parameters: Pairs) -> Result<Response, Reply> {
    let mut parameters = Parameters::new(parameters, &["badge_id", "pi_id"])?;
    let wanted = Wanted {
        badges: parameters.each("badge_id", id).into_iter().collect(),
        pis: parameters.each("pi_id", id).into_iter().collect(),
    };
    parameters.check()?;
    let Ok(permit) = doors.feeds.permits.clone().try_acquire_owned() else {
        let full = Reply::error(503, format!("{FEEDS_MAX} feeds are open, which is all"));
        return Err(full.retry_after(FULL_RETRY_SECONDS));
    };
    let attached = doors.feeds.pump.attach();
    let last_id = headers.get(LAST_EVENT_ID).map(HeaderValue::as_bytes);
    let (place, is_reset) = begin_at(last_id, attached.newest_id());
    let mut first = event::begin(place);
    if is_reset {
        first.extend(event::reset(place));
    }
    let (chunks, body) = Chunks::new(permit);
    let follow = Follow { attached, wanted, place, chunks };
    tokio::spawn(run(doors.clone(), follow, first));

    let mut response = Response::new(Body::new(body));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store, no-transform"));
    headers.insert(UNBUFFERED.0, UNBUFFERED.1);
    Ok(response)
}

/// After which id a feed begins, and whether that is not where the client
/// wanted to go on: its id is unreadable, ahead of all, or too old.
fn begin_at(last_id: Option<&[u8]>, newest_id: i64) -> (i64, bool) {
    let Some(last_id) = last_id else {
        return (newest_id, false);
    };
    let last_id = std::str::from_utf8(last_id).ok().and_then(|id| id.trim().parse().ok());
    match last_id {
        Some(id) if (0..=newest_id).contains(&id) && newest_id - id <= BEHIND_MAX => (id, false),
        _ => (newest_id, true),
    }
}

/// Ends when the client is gone or let go, or when the collector drains.
async fn run(doors: Doors, follow: Follow, first: Vec<u8>) {
    tokio::select! {
        biased;
        () = stopped(doors.stopping) => {}
        () = follow.run(first, |why| doors.feeds.note_dropped(why)) => {}
    }
}

async fn stopped(mut stopping: watch::Receiver<bool>) {
    // A lost sender means that the collector ends, too.
    drop(stopping.wait_for(|stopping| *stopping).await);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_feed_resumes_where_that_can_be() {
        let newest = 200_000;
        let rows: [(Option<&str>, (i64, bool)); 12] = [
            (None, (newest, false)),
            (Some("200000"), (newest, false)),
            (Some("199999"), (199_999, false)),
            (Some(" 199999 "), (199_999, false)),
            (Some("100000"), (100_000, false)),
            (Some("99999"), (newest, true)),
            (Some("0"), (newest, true)),
            (Some("-1"), (newest, true)),
            (Some("200001"), (newest, true)),
            (Some("99999999999999999999"), (newest, true)),
            (Some(""), (newest, true)),
            (Some("seventeen"), (newest, true)),
        ];
        for (last_id, want) in rows {
            assert_eq!(begin_at(last_id.map(str::as_bytes), newest), want, "{last_id:?}");
        }
        assert_eq!(begin_at(Some(b"0"), 0), (0, false));
        assert_eq!(begin_at(Some(b"\xff"), 0), (0, true));
    }
}
