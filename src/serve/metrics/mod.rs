//! `GET /metrics`: all that is counted, as Prometheus reads it.

mod exposition;
mod process;

use axum::extract::State;
use axum::http::header::{CONTENT_TYPE, HeaderValue};
use axum::response::{IntoResponse, Response};
use houseful_store::meters::Figures;

use self::exposition::Exposition;
use super::feed::{Dropped, FEEDS_MAX};
use super::pulse::Answered;
use super::refused::Reason;
use super::reply::Reply;
use super::router::Doors;
use super::state::{Disk, Room, StoreState};

const NS_PER_SECOND: f64 = 1e9;

/// `GET /metrics`.
pub(crate) async fn metrics(State(doors): State<Doors>) -> Response {
    let Ok(page) = tokio::task::spawn_blocking(move || page(&doors)).await else {
        return Reply::error(503, "the collector is stopping").into_response();
    };
    let mut response = Response::new(page.into());
    let media_type = HeaderValue::from_static(exposition::MEDIA_TYPE);
    response.headers_mut().insert(CONTENT_TYPE, media_type);
    response
}

fn page(doors: &Doors) -> String {
    let mut page = Exposition::default();
    let version = [("version", env!("CARGO_PKG_VERSION"))];
    page.gauge("houseful_build_info", "Which collector this is.").value(&version, 1);
    let figures = doors.store.figures();
    emissions(&mut page, doors, &figures);
    answers(&mut page, doors);
    feeds(&mut page, doors);
    writer(&mut page, &figures);
    store(&mut page, doors, &figures);
    process::process(&mut page, doors.ingest.pulse().started.wall);
    page.into_text()
}

fn emissions(page: &mut Exposition, doors: &Doors, figures: &Figures) {
    page.counter("houseful_readings_stored_total", "Emissions stored as readings.")
        .value(&[], figures.stored);
    page.counter(
        "houseful_duplicates_total",
        "Emissions that were copies of a stored reading, by what knew the reading.",
    )
    .value(&[("known_by", "cache")], figures.duplicates_known)
    .value(&[("known_by", "writer")], figures.duplicates_found);
    let refused = &doors.ingest.pulse().refused;
    page.counter(
        "houseful_emissions_refused_total",
        "Emissions not acknowledged, by reason; those refused by their request alone, too.",
    );
    for reason in Reason::ALL {
        page.value(&[("reason", reason.word())], refused.total(reason));
    }
    let waiting = "Single emissions that wait for the writer.";
    page.gauge("houseful_queue_length", waiting).value(&[], figures.queue_len);
    page.gauge("houseful_queue_length_max", "Single emissions that may wait for the writer.")
        .value(&[], figures.queue_len_max);
    let on_the_way = "Emissions of batches that wait for the writer or are being written.";
    page.gauge("houseful_batch_queue_length", on_the_way).value(&[], figures.bulk_len);
    page.gauge("houseful_batch_queue_length_max", "How many of batches may.")
        .value(&[], figures.bulk_len_max);
    page.gauge("houseful_cache_entries", "Recent readings that copies are known by.")
        .value(&[], figures.cache_entries);
    page.gauge("houseful_cache_bytes", "Memory that the recent readings take.")
        .value(&[], figures.cache_bytes);
}

fn answers(page: &mut Exposition, doors: &Doors) {
    let pulse = doors.ingest.pulse();
    page.histogram(
        "houseful_answer_seconds",
        "From the arrival of a single emission's head to its answer, by status.",
    );
    for answered in Answered::ALL {
        let labels = [("status", answered.status())];
        // Every other bound: 1, 2, 5.
        page.buckets(&labels, &pulse.times(answered), NS_PER_SECOND, 2);
    }
    page.histogram(
        "houseful_request_seconds",
        "From the arrival of a head to the beginning of the answer, by route and status; not those of houseful_answer_seconds. Refused before a route was looked for: other.",
    );
    for (route, status, times) in doors.requests.counted() {
        let labels = [("route", route.as_str()), ("status", &status.to_string())];
        page.buckets(&labels, &times, NS_PER_SECOND, 1);
    }
    page.gauge("houseful_connections", "Connections that are open.")
        .value(&[], doors.connections.open());
    page.gauge("houseful_connections_max", "Connections that may be open.")
        .value(&[], doors.connections.max);
    page.gauge("houseful_lists", "Lists that are being sent.").value(&[], doors.lists.open());
}

fn feeds(page: &mut Exposition, doors: &Doors) {
    let feeds = &doors.feeds;
    page.gauge("houseful_feeds", "Live feeds that are open.").value(&[], feeds.open());
    page.gauge("houseful_feeds_max", "Live feeds that may be open.").value(&[], FEEDS_MAX);
    page.counter(
        "houseful_feeds_dropped_total",
        "Live feeds that were ended before their clients ended them, by reason.",
    );
    for why in Dropped::ALL {
        page.value(&[("reason", why.word())], feeds.dropped(why));
    }
}

fn writer(page: &mut Exposition, figures: &Figures) {
    page.histogram(
        "houseful_commit_seconds",
        "From the beginning of a transaction to the end of its sync.",
    )
    .buckets(&[], &figures.commits, NS_PER_SECOND, 2);
    page.histogram("houseful_commit_emissions", "Emissions decided in one transaction.").buckets(
        &[],
        &figures.commit_emissions,
        1.0,
        1,
    );
    page.counter(
        "houseful_commits_failed_total",
        "Transactions that stored nothing because the store refused or failed.",
    )
    .value(&[], figures.commits_failed);
    page.histogram("houseful_checkpoint_seconds", "Copying the WAL into the store.").buckets(
        &[],
        &figures.checkpoints,
        NS_PER_SECOND,
        2,
    );
    page.counter(
        "houseful_checkpoints_unfinished_total",
        "Checkpoints that readers or trouble kept from copying all.",
    )
    .value(&[], figures.checkpoints_unfinished);
    page.counter("houseful_clock_steps_total", "Steps of the wall clock over a second.")
        .value(&[("direction", "forward")], figures.clock_steps_forward)
        .value(&[("direction", "back")], figures.clock_steps_back);
}

fn store(page: &mut Exposition, doors: &Doors, figures: &Figures) {
    let (state, _) = StoreState::of(doors);
    page.gauge("houseful_store_state", "1 for the state that the store is in.");
    for each in StoreState::ALL {
        page.value(&[("state", each.word())], u8::from(each == state));
    }
    if let Some(newest) = doors.store.newest_t() {
        page.gauge(
            "houseful_newest_reading_timestamp_seconds",
            "When the newest stored reading was heard.",
        )
        .value(&[], newest.0 as f64 / 1e3);
    }
    page.gauge("houseful_wal_bytes", "The WAL's content after the last commit.")
        .value(&[], figures.wal_bytes);
    let Disk { file_bytes, room } = Disk::of(doors.store.path());
    page.gauge("houseful_store_file_bytes", "The store's file, without its WAL.")
        .value(&[], file_bytes);
    if let Some(Room { free_bytes, size_bytes }) = room {
        page.gauge(
            "houseful_disk_free_bytes",
            "What the collector can still write to the store's file system.",
        )
        .value(&[], free_bytes);
        page.gauge("houseful_disk_size_bytes", "The size of the store's file system.")
            .value(&[], size_bytes);
    }
}
