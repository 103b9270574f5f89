//! `GET /activity`: the last minutes, for the page.

use axum::extract::State;
use serde_json::{Map, Value, json};

use super::pulse::{History, Pulse, Second, Totals};
use super::refused::{Reason, Refusal};
use super::reply::Reply;
use super::router::Doors;
use super::state::{Disk, StoreState};

/// `GET /activity`.
pub(crate) async fn activity(State(doors): State<Doors>) -> Reply {
    let told = tokio::task::spawn_blocking(move || told(&doors).to_string().into_bytes()).await;
    match told {
        Ok(body) => Reply::json(200, body),
        Err(_) => Reply::error(503, "the collector is stopping"),
    }
}

fn told(doors: &Doors) -> Value {
    let pulse = doors.ingest.pulse();
    let History { started_at, from, seconds, minute } = pulse.history();
    let each = |of: fn(&Second) -> Value| seconds.iter().map(of).collect::<Vec<Value>>();
    let mut minute_told = counts(minute.totals);
    minute_told.insert("answer_p50_ms".to_owned(), json!(minute.p50_ms));
    minute_told.insert("answer_p99_ms".to_owned(), json!(minute.p99_ms));
    json!({
        "now": doors.store.arrival().wall.to_string(),
        "version": env!("CARGO_PKG_VERSION"),
        "started_at": started_at.to_string(),
        "from": from.to_string(),
        "emissions": each(|second| second.totals.emissions().into()),
        "stored": each(|second| second.totals.stored.into()),
        "duplicates": each(|second| second.totals.duplicates.into()),
        "refused": each(|second| second.totals.refused.into()),
        "answer_p50_ms": each(|second| json!(second.p50_ms)),
        "answer_p99_ms": each(|second| json!(second.p99_ms)),
        "minute": minute_told,
        "total": counts(pulse.totals()),
        "refused_by_reason": by_reason(pulse),
        "refused_latest": latest(pulse),
        "store": store(doors),
    })
}

fn counts(totals: Totals) -> Map<String, Value> {
    [
        ("emissions", totals.emissions()),
        ("stored", totals.stored),
        ("duplicates", totals.duplicates),
        ("refused", totals.refused),
    ]
    .into_iter()
    .map(|(name, count)| (name.to_owned(), count.into()))
    .collect()
}

fn by_reason(pulse: &Pulse) -> Map<String, Value> {
    let count = |reason: Reason| (reason.word().to_owned(), pulse.refused.total(reason).into());
    Reason::ALL.into_iter().map(count).collect()
}

/// Newest first, with what an installer needs to find the cause.
fn latest(pulse: &Pulse) -> Vec<Value> {
    let told = |refusal: Refusal| {
        json!({
            "at": refusal.at.to_string(),
            "reason": refusal.reason.word(),
            "badge_id": refusal.ids.badge_id,
            "pi_id": refusal.ids.pi_id,
            "from": refusal.peer.0.map(|ip| ip.to_string()),
            "errors": refusal.errors,
        })
    };
    pulse.refused.latest().into_iter().map(told).collect()
}

fn store(doors: &Doors) -> Value {
    let (state, reason) = StoreState::of(doors);
    let figures = doors.store.figures();
    json!({
        "state": state.word(),
        "reason": reason,
        "readings_newest_id": figures.newest_id,
        "queue_len": figures.queue_len,
        "queue_len_max": figures.queue_len_max,
        "wal_bytes": figures.wal_bytes,
        "file_bytes": Disk::of(doors.store.path()).file_bytes,
        "cache_entries": figures.cache_entries,
        "cache_bytes": figures.cache_bytes,
    })
}
