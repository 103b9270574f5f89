//! Stored readings: one by its id, or lists page by page, as JSON, NDJSON or
//! CSV.

use std::fmt::Write as _;

use axum::body::Bytes;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_TYPE, HeaderValue, LINK, VARY};
use axum::response::{IntoResponse, Response};
use houseful_model::{Millis, Reading};
use houseful_store::{Cursor, Filter, Keys, Order, ReadError, Reader};

use super::chunks::Sender;
use super::front::INGEST_PATH;
use super::parameters::{Pairs, Parameters, id, shown};
use super::reply::Reply;
use super::router::Doors;
use super::{accept, cursor};
use crate::rows::{Format, Rows};

pub(super) const LIMIT_DEFAULT: usize = 50;
pub(super) const LIMIT_MAX: usize = 10_000;

/// Readings read, and held, at once for one client: it gets the next only when
/// it has taken these.
const PAGE: usize = 500;

/// Looks into the store for the keys of one answer, each of some 20 ms at most.
/// Then it is answered with what was found, and a cursor to go on: a Pi that was
/// last heard a year ago is not looked for all year in one request.
const LOOKS_MAX: usize = 50;

pub(super) const PARAMETERS: [&str; 6] = ["badge_id", "pi_id", "from", "to", "limit", "cursor"];

/// The forms that a list may have, by their names, the usual one first.
pub(super) const FORMS: [(&str, Form); 6] = [
    ("application/json", Form::Json),
    ("application/x-ndjson", Form::Rows(Format::Ndjson)),
    ("text/csv", Form::Rows(Format::Csv)),
    ("application/ndjson", Form::Rows(Format::Ndjson)),
    ("application/jsonl", Form::Rows(Format::Ndjson)),
    ("application/x-jsonlines", Form::Rows(Format::Ndjson)),
];

#[derive(Clone, Copy)]
pub(super) enum Form {
    /// `{"readings": [..], "cursor": ..}`.
    Json,
    Rows(Format),
}

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
        return Reply::error(400, format!("id: expected a number from 1, found {}", shown(&id)));
    };
    match read(&doors, move |reader| reader.reading(number)).await {
        Ok(Some(reading)) => Reply::json(200, reading.to_json()),
        Ok(None) => Reply::error(404, format!("reading {number}: not found")),
        Err(error) => unreadable(&error),
    }
}

/// `GET /rssi_readings`: newest first by (`heard_at`, `id`).
///
/// A page holds what was stored when it was asked for; the next one goes on past
/// its last reading, whatever has been stored meanwhile.
pub(crate) async fn list(
    State(doors): State<Doors>,
    headers: HeaderMap,
    parameters: Pairs,
) -> Response {
    list_or_refuse(doors, &headers, parameters).await.unwrap_or_else(Reply::into_response)
}

async fn list_or_refuse(
    doors: Doors,
    headers: &HeaderMap,
    parameters: Pairs,
) -> Result<Response, Reply> {
    let mut parameters = Parameters::new(parameters, &PARAMETERS)?;
    let wanted = Wanted::read(&mut parameters)?;
    let (media, form) = form(headers)?;
    let place = doors.lists.short().await?;
    // All that the head says, and the first readings, before the head.
    let found = find(&doors, &wanted).await.map_err(|error| unreadable(&error))?;
    let next = found.rest.map(|place| cursor::write(place, &wanted.filter));
    let link = next.as_ref().map(|next| link(parameters.pairs(), next));
    let ids: Vec<i64> = found.keys.iter().map(|key| key.id).collect();
    let place = if ids.len() > PAGE { doors.lists.long(place).await? } else { place };
    let first = page(&doors, &ids).await.map_err(|error| unreadable(&error))?;
    let list = List { form, ids, next };
    let mut text = list.begin();
    list.write(&first, true, &mut text);
    let (chunks, mut response) = doors.lists.whole(place, text.len()).await?.answer();

    tokio::spawn(send(doors, list, text, first.is_empty(), chunks));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media));
    headers.insert(VARY, HeaderValue::from_static("accept"));
    if let Some(link) = link {
        headers.insert(LINK, link);
    }
    Ok(response)
}

fn form(headers: &HeaderMap) -> Result<(&'static str, Form), Reply> {
    let media = accept::choose(headers, &FORMS.map(|(media, _)| media));
    let form = FORMS.into_iter().find(|(name, _)| Some(*name) == media);
    match form {
        Some((_, Form::Rows(Format::Csv))) => {
            Ok(("text/csv; charset=utf-8", Form::Rows(Format::Csv)))
        }
        Some(form) => Ok(form),
        None => Err(Reply::error(
            406,
            "accept: expected one of application/json, application/x-ndjson, text/csv",
        )),
    }
}

/// What a query asks for.
struct Wanted {
    filter: Filter,
    limit: usize,
    after: Option<Cursor>,
}

impl Wanted {
    /// All faults at once, each with its parameter.
    fn read(parameters: &mut Parameters) -> Result<Wanted, Reply> {
        let filter = Filter {
            badge_id: parameters.once("badge_id", id),
            pi_id: parameters.once("pi_id", id),
            from: parameters.once("from", time),
            to: parameters.once("to", time),
            id_max: None,
        };
        if let (Some(from), Some(to)) = (filter.from, filter.to)
            && from >= to
        {
            parameters.fault(format!("from: expected a time before to, {to}, found {from}"));
        }
        let limit = parameters.once("limit", |value| match value.parse() {
            Ok(number) if (1..=LIMIT_MAX).contains(&number) => Ok(number),
            _ => Err(format!("expected a number from 1 to {LIMIT_MAX}, found {}", shown(value))),
        });
        // Which filters a cursor belongs to cannot be told from broken ones.
        let filters = parameters.are_good().then_some(&filter);
        let after = parameters.once("cursor", |value| cursor::read(value, filters));
        parameters.check()?;
        Ok(Wanted { filter, limit: limit.unwrap_or(LIMIT_DEFAULT), after })
    }
}

fn time(value: &str) -> Result<Millis, String> {
    // An unescaped + of an offset arrives as a space, and means nothing else.
    Millis::parse(value).or_else(|fault| Millis::parse(&value.replace(' ', "+")).map_err(|_| fault))
}

/// The keys of the page, and from where the next one goes on.
async fn find(doors: &Doors, wanted: &Wanted) -> Result<Keys, ReadError> {
    let mut search = Search::new(wanted.limit, wanted.after);
    while let Some((after, left)) = search.next() {
        let filter = wanted.filter.clone();
        let look = move |reader: &mut Reader| reader.keys(&filter, Order::NewestFirst, after, left);
        search.take(read(doors, look).await?);
    }
    Ok(search.page())
}

/// Looks for a page until it is full, all has been looked at, or patience ends.
struct Search {
    limit: usize,
    looks: usize,
    found: Keys,
}

impl Search {
    fn new(limit: usize, after: Option<Cursor>) -> Search {
        Search { limit, looks: 0, found: Keys { keys: Vec::new(), rest: after } }
    }

    /// From where to look for how many, if at all.
    fn next(&self) -> Option<(Option<Cursor>, usize)> {
        let Keys { keys, rest } = &self.found;
        let goes_on = self.looks == 0
            || (keys.len() < self.limit && rest.is_some() && self.looks < LOOKS_MAX);
        // One more than asked for tells whether there is a next page; but it is
        // not worth a look of its own.
        goes_on.then(|| (*rest, self.limit + 1 - keys.len()))
    }

    fn take(&mut self, more: Keys) {
        self.looks += 1;
        self.found.keys.extend(more.keys);
        self.found.rest = more.rest;
    }

    fn page(self) -> Keys {
        let Keys { mut keys, mut rest } = self.found;
        if keys.len() > self.limit {
            keys.truncate(self.limit);
            rest = keys.last().copied();
        }
        Keys { keys, rest }
    }
}

/// `Link: <…>; rel="next"`: the same query, from there on.
fn link(pairs: &[(String, String)], next: &str) -> HeaderValue {
    let mut link = format!("<{INGEST_PATH}?");
    for (name, value) in pairs.iter().filter(|(name, _)| name != "cursor") {
        link += name;
        link.push('=');
        for byte in value.bytes() {
            match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b':' => {
                    link.push(char::from(byte));
                }
                // Writing to a String cannot fail.
                _ => write!(link, "%{byte:02X}").unwrap_or_default(),
            }
        }
        link.push('&');
    }
    link += &format!("cursor={next}>; rel=\"next\"");
    HeaderValue::try_from(link).expect("escaped to ASCII")
}

/// A list whose readings are known by their ids.
struct List {
    form: Form,
    ids: Vec<i64>,
    next: Option<String>,
}

/// Sends the list a page at a time; `text` is its beginning, with no reading in
/// it if `is_first`.
async fn send(doors: Doors, list: List, mut text: Vec<u8>, mut is_first: bool, chunks: Sender) {
    for ids in list.ids.chunks(PAGE).skip(1) {
        if chunks.send(Ok(Bytes::from(std::mem::take(&mut text)))).await.is_err() {
            return;
        }
        match page(&doors, ids).await {
            Ok(readings) => {
                list.write(&readings, is_first, &mut text);
                is_first &= readings.is_empty();
            }
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "cannot end a list");
                drop(chunks.send(Err(error)).await);
                return;
            }
        }
    }
    list.end(&mut text);
    // The client may have hung up.
    drop(chunks.send(Ok(Bytes::from(text))).await);
}

impl List {
    fn begin(&self) -> Vec<u8> {
        match self.form {
            Form::Json => br#"{"readings":["#.to_vec(),
            Form::Rows(format) => {
                Rows::begin(format, Vec::new()).and_then(Rows::finish).expect(TO_MEMORY)
            }
        }
    }

    fn write(&self, readings: &[Reading], is_first: bool, text: &mut Vec<u8>) {
        match self.form {
            Form::Json => {
                for (n, reading) in readings.iter().enumerate() {
                    if n > 0 || !is_first {
                        text.push(b',');
                    }
                    text.extend_from_slice(&reading.to_json());
                }
            }
            Form::Rows(format) => {
                let mut rows = Rows::go_on(format, text);
                for reading in readings {
                    rows.write(reading).expect(TO_MEMORY);
                }
                rows.finish().expect(TO_MEMORY);
            }
        }
    }

    fn end(&self, text: &mut Vec<u8>) {
        if let Form::Json = self.form {
            let next = self.next.as_ref().map_or("null".to_owned(), |next| format!("\"{next}\""));
            text.extend_from_slice(format!(r#"],"cursor":{next}}}"#).as_bytes());
        }
    }
}

const TO_MEMORY: &str = "memory takes every byte";

/// The readings of the first ids. What retention has removed since they were
/// found is left out.
async fn page(doors: &Doors, ids: &[i64]) -> Result<Vec<Reading>, ReadError> {
    let ids = ids[..ids.len().min(PAGE)].to_vec();
    read(doors, move |reader| reader.readings(&ids)).await
}

async fn read<T: Send + 'static>(
    doors: &Doors,
    read: impl FnOnce(&mut Reader) -> Result<T, ReadError> + Send + 'static,
) -> Result<T, ReadError> {
    doors.blocking(move |doors| doors.store.read(read)).await
}

pub(super) fn unreadable(error: &ReadError) -> Reply {
    tracing::error!(error = error as &dyn std::error::Error, "cannot answer a query");
    Reply::error(503, error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A search among the ids below `after`, which finds those that divide by
    /// `each`, looking at 100 in a look.
    fn search(limit: usize, after: i64, each: i64) -> (usize, Keys) {
        let at = |id| Cursor { t: Millis(0), id };
        let mut search = Search::new(limit, Some(at(after)));
        while let Some((after, left)) = search.next() {
            let from = after.unwrap().id;
            let mut more = Keys { keys: Vec::new(), rest: None };
            for id in (0..from).rev() {
                if id % each == 0 {
                    more.keys.push(at(id));
                }
                if more.keys.len() == left || from - id == 100 {
                    more.rest = Some(at(id));
                    break;
                }
            }
            search.take(more);
        }
        (search.looks, search.page())
    }

    #[test]
    fn a_search_ends_with_a_page_or_when_its_patience_does() {
        // limit, after, each → looks, keys, where it goes on.
        let rows = [
            ((3, 50, 10), (1, 3, Some(20))),
            // The last of a page that is not known to be the last of all.
            ((10, 1_000, 10), (1, 10, Some(900))),
            ((5, 50, 10), (1, 5, None)),
            ((10, 50, 10), (1, 5, None)),
            ((3, 1_000, 100), (3, 3, Some(700))),
            ((3, 100_000, 10_000_000), (LOOKS_MAX, 0, Some(95_000))),
            ((3, 100_000, 98_000), (LOOKS_MAX, 1, Some(95_000))),
            ((3, 0, 1), (1, 0, None)),
        ];
        for ((limit, after, each), (looks, keys, rest)) in rows {
            let (looked, page) = search(limit, after, each);
            let found = (looked, page.keys.len(), page.rest.map(|rest| rest.id));
            assert_eq!(found, (looks, keys, rest), "{limit} from {after}, each {each}th");
        }
    }
}
