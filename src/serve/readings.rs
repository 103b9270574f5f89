//! Stored readings, as JSON.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::header::{CONTENT_TYPE, HeaderValue};
use axum::response::{IntoResponse, Response};
use houseful_model::Reading;
use houseful_model::emission::check_id;
use houseful_store::{Cursor, Filter, Order, ReadError};
use hyper::body::Frame;
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use super::reply::Reply;
use super::router::Doors;

const LIMIT_DEFAULT: usize = 50;
const LIMIT_MAX: usize = 10_000;

/// Readings read, and held, at once for one client: it gets the next only when
/// it has taken these.
const PAGE: usize = 500;

/// `GET /rssi_readings/{id}`.
///
/// axum's own refusals have no body of ours, so they are taken as values.
pub(crate) async fn one(
    State(doors): State<Doors>,
    id: Result<Path<String>, PathRejection>,
) -> Reply {
    let Ok(Path(id)) = id else {
        return Reply::error(400, "id: expected a number from 1, found bytes that are not text");
    };
    let Some(number) = id.parse::<i64>().ok().filter(|number| *number > 0) else {
        let shown: String = id.chars().take(40).flat_map(char::escape_default).collect();
        return Reply::error(400, format!("id: expected a number from 1, found {shown}"));
    };
    match read(&doors, move |reader| reader.reading(number)).await {
        Ok(Some(reading)) => Reply::json(200, reading.to_json()),
        Ok(None) => Reply::error(404, format!("reading {number}: not found")),
        Err(error) => unreadable(&error),
    }
}

/// `GET /rssi_readings`: newest first by (`heard_at`, `id`).
pub(crate) async fn list(
    State(doors): State<Doors>,
    parameters: Result<Query<Vec<(String, String)>>, QueryRejection>,
) -> Response {
    let Ok(Query(parameters)) = parameters else {
        return Reply::error(400, "query: expected name=value pairs").into_response();
    };
    let (filter, limit) = match parse(&parameters) {
        Ok(wanted) => wanted,
        Err(errors) => return Reply::errors(400, &errors).into_response(),
    };
    // A client that reads slowly holds its pages, so not everyone may at once.
    let Ok(permit) = doors.lists.clone().try_acquire_owned() else {
        return Reply::error(503, "too many lists are being read").into_response();
    };
    // The first page decides the status; the rest follows as the client reads.
    let first = match page(&doors, filter.clone(), None, limit.min(PAGE)).await {
        Ok(first) => first,
        Err(error) => return unreadable(&error).into_response(),
    };
    let (pages, body) = mpsc::channel(1);
    tokio::spawn(send_pages(doors, filter, limit, first, pages));
    let mut response = Response::new(Body::new(Pages { pages: body, _permit: permit }));
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    response
}

/// All faults at once, each with its parameter.
fn parse(parameters: &[(String, String)]) -> Result<(Filter, usize), Vec<String>> {
    let mut filter = Filter::default();
    let mut limit = None;
    let mut errors = Vec::new();
    for (name, value) in parameters {
        match name.as_str() {
            "limit" if limit.is_none() => match value.parse() {
                Ok(number) if (1..=LIMIT_MAX).contains(&number) => limit = Some(number),
                _ => {
                    let value = value.chars().take(40).flat_map(char::escape_default);
                    errors.push(format!(
                        "limit: expected a number from 1 to {LIMIT_MAX}, found {}",
                        value.collect::<String>()
                    ));
                }
            },
            "badge_id" if filter.badge_id.is_none() => match check_id(value) {
                Ok(()) => filter.badge_id = Some(value.clone()),
                Err(fault) => errors.push(format!("badge_id: {fault}")),
            },
            "limit" | "badge_id" => errors.push(format!("{name}: expected once, found again")),
            _ => {
                let name = name.chars().take(40).flat_map(char::escape_default);
                errors.push(format!(
                    "{}: not a parameter; expected limit or badge_id",
                    name.collect::<String>()
                ));
            }
        }
    }
    if errors.is_empty() { Ok((filter, limit.unwrap_or(LIMIT_DEFAULT))) } else { Err(errors) }
}

/// Writes `{"readings":[..]}` a page at a time.
async fn send_pages(
    doors: Doors,
    filter: Filter,
    limit: usize,
    first: Vec<Reading>,
    pages: mpsc::Sender<Result<Bytes, ReadError>>,
) {
    let mut readings = first;
    let mut sent = 0;
    let mut text = br#"{"readings":["#.to_vec();
    loop {
        for reading in &readings {
            if sent > 0 {
                text.push(b',');
            }
            text.extend_from_slice(&reading.to_json());
            sent += 1;
        }
        let asked = PAGE.min(limit - sent);
        let last = readings.last().filter(|_| asked > 0 && readings.len() == PAGE);
        let Some(after) = last.map(Cursor::past) else {
            break;
        };
        if pages.send(Ok(Bytes::from(std::mem::take(&mut text)))).await.is_err() {
            return;
        }
        match page(&doors, filter.clone(), Some(after), asked).await {
            Ok(next) => readings = next,
            Err(error) => {
                // The body ends without its end, so the client sees that it is cut.
                drop(pages.send(Err(error)).await);
                return;
            }
        }
    }
    text.extend_from_slice(b"]}");
    // The client may have hung up.
    drop(pages.send(Ok(Bytes::from(text))).await);
}

async fn page(
    doors: &Doors,
    filter: Filter,
    after: Option<Cursor>,
    limit: usize,
) -> Result<Vec<Reading>, ReadError> {
    read(doors, move |reader| reader.page(&filter, Order::NewestFirst, after, limit)).await
}

/// Reads off the async threads, which must never wait for the disk.
async fn read<T: Send + 'static>(
    doors: &Doors,
    read: impl FnOnce(&mut houseful_store::Reader) -> Result<T, ReadError> + Send + 'static,
) -> Result<T, ReadError> {
    let store = doors.store.clone();
    tokio::task::spawn_blocking(move || store.read(read)).await.unwrap_or(Err(ReadError::Closed))
}

fn unreadable(error: &ReadError) -> Reply {
    tracing::error!(error = error as &dyn std::error::Error, "cannot answer a query");
    Reply::error(503, error.to_string())
}

/// A body that comes page by page.
struct Pages {
    pages: mpsc::Receiver<Result<Bytes, ReadError>>,
    _permit: OwnedSemaphorePermit,
}

impl hyper::body::Body for Pages {
    type Data = Bytes;
    type Error = ReadError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ReadError>>> {
        self.pages.poll_recv(cx).map(|page| page.map(|bytes| bytes.map(Frame::data)))
    }
}
