//! `GET /healthz`: how each part is, and why.
//!
//! ok: all is well. degraded: emissions are taken, but somebody should look.
//! failed: emissions are not taken; only then the status is 503.

use axum::extract::State;
use houseful_model::Millis;
use serde_json::{Map, Value, json};

use super::ingest;
use super::reply::Reply;
use super::router::Doors;
use super::state::{Disk, Room, StoreState};

/// Less free space than this is worth a look: at the rate of five houses it
/// lasts for a week.
const FREE_BYTES_WARN: u64 = 1 << 30;

/// How a part is; the worst of them is how the whole is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Status {
    Ok,
    Degraded,
    Failed,
}

impl Status {
    #[cfg(test)]
    pub(super) const ALL: [Status; 3] = [Status::Ok, Status::Degraded, Status::Failed];

    pub(super) fn word(self) -> &'static str {
        match self {
            Status::Ok => "ok",
            Status::Degraded => "degraded",
            Status::Failed => "failed",
        }
    }
}

struct Part {
    name: &'static str,
    status: Status,
    /// Why it is not ok.
    reason: Option<String>,
    figures: Value,
}

impl Part {
    /// Degraded if there is a reason.
    fn new(name: &'static str, reason: Option<String>, figures: Value) -> Part {
        let status = if reason.is_some() { Status::Degraded } else { Status::Ok };
        Part { name, status, reason, figures }
    }

    fn told(self) -> (String, Value) {
        let mut told = Map::new();
        told.insert("status".to_owned(), self.status.word().into());
        told.insert("reason".to_owned(), self.reason.into());
        if let Value::Object(figures) = self.figures {
            told.extend(figures);
        }
        (self.name.to_owned(), told.into())
    }
}

/// `GET /healthz`.
pub(crate) async fn healthz(State(doors): State<Doors>) -> Reply {
    let parts = tokio::task::spawn_blocking(move || {
        [store(&doors), queue(&doors), clock(&doors), disk(&doors), connections(&doors)]
    });
    let Ok(parts) = parts.await else {
        return Reply::error(503, "the collector is stopping");
    };
    let worst = parts.iter().map(|part| part.status).max().unwrap_or(Status::Ok);
    let parts: Map<String, Value> = parts.into_iter().map(Part::told).collect();
    let told = format!(r#"{{"status":"{}","parts":{}}}"#, worst.word(), Value::Object(parts));
    let status = if worst == Status::Failed { 503 } else { 200 };
    Reply::json(status, told.into_bytes())
}

fn store(doors: &Doors) -> Part {
    let (state, reason) = StoreState::of(doors);
    let reason = match state {
        StoreState::Ready => None,
        StoreState::Refusing | StoreState::Failed => reason,
        StoreState::Stopping => Some("the collector is stopping".to_owned()),
    };
    let status = if state == StoreState::Ready { Status::Ok } else { Status::Failed };
    let figures = json!({ "state": state.word() });
    Part { name: "store", status, reason, figures }
}

fn queue(doors: &Doors) -> Part {
    let (len, len_max) = (doors.store.queue_len(), doors.store.queue_len_max());
    let reason = (len >= len_max / 4 * 3)
        .then(|| format!("{len} emissions wait for the store; past {len_max} they are refused"));
    Part::new("queue", reason, json!({ "len": len, "len_max": len_max }))
}

fn clock(doors: &Doors) -> Part {
    let (now, newest) = (doors.store.arrival().wall, doors.store.newest_t());
    let figures = json!({
        "now": now.to_string(),
        "newest_reading": newest.map(|newest| newest.to_string()),
    });
    Part::new("clock", clock_reason(now, newest), figures)
}

fn clock_reason(now: Millis, newest: Option<Millis>) -> Option<String> {
    let reason = ingest::unbelievable(now, newest)?;
    Some(format!("the clock says {now}, {reason}; set it"))
}

fn disk(doors: &Doors) -> Part {
    let Some(Room { free_bytes, size_bytes }) = Disk::of(doors.store.path()).room else {
        let reason = "cannot ask how much space is free: is the store still where it was?";
        return Part::new("disk", Some(reason.to_owned()), json!({}));
    };
    let figures = json!({ "free_bytes": free_bytes, "size_bytes": size_bytes });
    Part::new("disk", disk_reason(free_bytes), figures)
}

fn disk_reason(free_bytes: u64) -> Option<String> {
    let (free_mib, warn_mib) = (free_bytes >> 20, FREE_BYTES_WARN >> 20);
    (free_bytes < FREE_BYTES_WARN)
        .then(|| format!("{free_mib} MiB are free; expected at least {warn_mib}"))
}

fn connections(doors: &Doors) -> Part {
    let (open, max) = (doors.connections.open(), doors.connections.max);
    let reason = (open >= max)
        .then(|| "every connection is taken; new ones wait for one to close".to_owned());
    Part::new("connections", reason, json!({ "open": open, "max": max }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_part_decides() {
        assert!(Status::Ok < Status::Degraded && Status::Degraded < Status::Failed);
    }

    #[test]
    fn a_clock_and_a_disk_are_in_order_or_it_is_said_why() {
        let now: Millis = Millis(1_800_000_000_000);
        assert_eq!(clock_reason(now, None), None);
        assert_eq!(clock_reason(now, Some(Millis(now.0 + 60_000))), None);
        let behind = clock_reason(now, Some(Millis(now.0 + 60_001))).unwrap();
        assert!(
            behind.contains("behind the newest stored reading (2027-01-15T08:01:00.001Z)"),
            "{behind}"
        );
        let old = clock_reason(Millis(0), None).unwrap();
        assert!(old.contains("1970-01-01T00:00:00.000Z, a time before this version"), "{old}");
        assert_eq!(disk_reason(1 << 30), None);
        assert_eq!(disk_reason(5 << 20).unwrap(), "5 MiB are free; expected at least 1024");
    }
}
