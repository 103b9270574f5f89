//! `GET /badges`, `GET /pis`: who was heard when, by whom, and what was refused
//! of them. What an installer asks when a badge seems dead.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::header::{CONTENT_TYPE, HeaderValue};
use axum::response::{IntoResponse, Response};
use houseful_model::Millis;
use houseful_store::{BADGES_MAX, BadgeHeard, Counts, Known, PIS_MAX, PiHeard, ReadError};

use super::chunks::Sender;
use super::parameters::{Pairs, Parameters, id};
use super::readings::unreadable;
use super::refused::{Last, Reason, RefusedOf};
use super::reply::Reply;
use super::router::Doors;

/// Badges looked up, and held, at once for one client: it gets the next only
/// when it has taken these.
const PAGE: usize = 200;

/// `GET /badges`: all of them in the order of their names, or those asked for by
/// `badge_id`; of one that was never heard it says so.
pub(crate) async fn badges(State(doors): State<Doors>, parameters: Pairs) -> Response {
    badges_or_refuse(doors, parameters).await.unwrap_or_else(Reply::into_response)
}

async fn badges_or_refuse(doors: Doors, parameters: Pairs) -> Result<Response, Reply> {
    let asked = asked(parameters, "badge_id")?;
    let place = doors.lists.short().await?;
    let known = doors.blocking(move |doors| match asked {
        Some(ids) => Ok(Known { ids, truncated: false }),
        None => {
            let mut known = doors.store.badges_known()?;
            known.extend(doors.ingest.refused().badge_ids(), BADGES_MAX);
            Ok(known)
        }
    });
    let Known { ids, truncated } = known.await.map_err(|error| unreadable(&error))?;
    let ids: Vec<Arc<str>> = ids.into_iter().collect();
    let place = if ids.len() > PAGE { doors.lists.long(place).await? } else { place };
    let mut text = begin(&doors, "badges");
    // The first page decides the status; the rest follows as the client reads.
    let first = badges_page(&doors, ids.get(..PAGE).unwrap_or(&ids)).await;
    text += &first.map_err(|error| unreadable(&error))?;
    let (chunks, response) = doors.lists.whole(place, text.len()).await?.answer();
    tokio::spawn(send_badges(doors, ids, text, truncated, chunks));
    Ok(json(response))
}

async fn send_badges(
    doors: Doors,
    ids: Vec<Arc<str>>,
    mut text: String,
    truncated: bool,
    chunks: Sender,
) {
    for page in ids.chunks(PAGE).skip(1) {
        if chunks.send(Ok(Bytes::from(std::mem::take(&mut text)))).await.is_err() {
            return;
        }
        match badges_page(&doors, page).await {
            Ok(page) => {
                text.push(',');
                text += &page;
            }
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "cannot end a list");
                drop(chunks.send(Err(error)).await);
                return;
            }
        }
    }
    text += &end(truncated);
    // The client may have hung up.
    drop(chunks.send(Ok(Bytes::from(text))).await);
}

async fn badges_page(doors: &Doors, ids: &[Arc<str>]) -> Result<String, ReadError> {
    let ids = ids.to_vec();
    let page = doors.blocking(move |doors| {
        let badges = doors.store.badges_heard(&ids)?;
        let refused = doors.ingest.refused();
        let badges = badges.iter().map(|b| badge_json(b, &refused.of_badge(&b.badge_id)));
        Ok(badges.collect::<Vec<_>>().join(","))
    });
    page.await
}

/// `GET /pis`: all of them in the order of their names, or those asked for by
/// `pi_id`; of one that was never heard it says so.
pub(crate) async fn pis(State(doors): State<Doors>, parameters: Pairs) -> Response {
    pis_or_refuse(&doors, parameters).await.unwrap_or_else(Reply::into_response)
}

async fn pis_or_refuse(doors: &Doors, parameters: Pairs) -> Result<Response, Reply> {
    let asked = asked(parameters, "pi_id")?;
    let place = doors.lists.short().await?;
    let told = doors.blocking(move |doors| {
        let refused = doors.ingest.refused();
        let Known { ids, truncated } = match asked {
            Some(ids) => Known { ids, truncated: false },
            None => {
                let mut known = doors.store.pis_known()?;
                known.extend(refused.pi_ids(), PIS_MAX);
                known
            }
        };
        let ids: Vec<Arc<str>> = ids.into_iter().collect();
        let pis = doors.store.pis_heard(&ids)?;
        let pis = pis.iter().map(|pi| pi_json(pi, &refused.of_pi(&pi.pi_id)));
        let pis = pis.collect::<Vec<_>>().join(",");
        Ok(begin(doors, "pis") + &pis + &end(truncated))
    });
    // It is at most 2 MB, and held until the client has it.
    let told = told.await.map_err(|error| unreadable(&error))?;
    let (chunks, response) = doors.lists.whole(place, told.len()).await?.answer();
    chunks.try_send(Ok(Bytes::from(told))).unwrap_or_default();
    Ok(json(response))
}

/// The ids of a query that may repeat one parameter; `None` asks for all.
fn asked(parameters: Pairs, name: &str) -> Result<Option<BTreeSet<Arc<str>>>, Reply> {
    let mut parameters = Parameters::new(parameters, &[name])?;
    let ids = parameters.each(name, id);
    parameters.check()?;
    Ok((!ids.is_empty()).then(|| ids.into_iter().map(Arc::from).collect()))
}

fn json(mut response: Response) -> Response {
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    response
}

fn begin(doors: &Doors, list: &str) -> String {
    let now = doors.store.arrival();
    let since = doors.store.activity().counting_since(now);
    format!(r#"{{"now":"{}","counting_since":"{since}","{list}":["#, now.wall)
}

fn end(truncated: bool) -> String {
    format!(r#"],"truncated":{truncated}}}"#)
}

fn badge_json(badge: &BadgeHeard, refused: &RefusedOf) -> String {
    let beacons = badge.beacons.iter().map(|b| format!("{}:{}", quoted(&b.id), b.rssi_dbm));
    let relays = badge.relays.iter().map(|relay| {
        format!(
            r#"{{"pi_id":{},"last_heard":"{}","badge_strength":{},"emissions_hour":{}}}"#,
            quoted(&relay.pi_id),
            relay.last_heard,
            or_null(relay.badge_strength),
            relay.emissions_hour,
        )
    });
    format!(
        concat!(
            r#"{{"badge_id":{},"last_heard":{},{},"badge_strength_best":{},"beacons":{{{}}},"#,
            r#""readings_by_minute":{},"refused_hour":{},"refused":{{{}}},"refused_last":{},"#,
            r#""pis":[{}]}}"#,
        ),
        quoted(&badge.badge_id),
        time(badge.last_heard),
        counts(badge.minute, badge.hour),
        or_null(badge.badge_strength_best),
        listed(beacons),
        numbers(&badge.readings_by_minute),
        refused.counts.iter().sum::<u64>(),
        by_reason(refused),
        last(refused, "pi_id", |last| &last.pi_id),
        listed(relays),
    )
}

fn pi_json(pi: &PiHeard, refused: &RefusedOf) -> String {
    format!(
        concat!(
            r#"{{"pi_id":{},"last_heard":{},{},"emissions_by_minute":{},"#,
            r#""badges_hour":{},"refused":{{{}}},"refused_last":{}}}"#,
        ),
        quoted(&pi.pi_id),
        time(pi.last_heard),
        counts(pi.minute, pi.hour),
        numbers(&pi.emissions_by_minute),
        pi.badges_hour,
        by_reason(refused),
        last(refused, "badge_id", |last| &last.badge_id),
    )
}

fn by_reason(refused: &RefusedOf) -> String {
    let counts = Reason::ALL.iter().zip(refused.counts).filter(|(_, count)| *count > 0);
    listed(counts.map(|(reason, count)| format!(r#""{}":{count}"#, reason.word())))
}

/// The last refusal, and whose it was besides.
fn last(refused: &RefusedOf, name: &str, other: fn(&Last) -> &Option<Arc<str>>) -> String {
    let Some(last) = &refused.last else {
        return "null".to_owned();
    };
    format!(
        r#"{{"at":"{}","reason":"{}","{name}":{},"errors":[{}]}}"#,
        last.at,
        last.reason.word(),
        other(last).as_deref().map_or("null".to_owned(), quoted),
        listed(last.errors().map(quoted)),
    )
}

fn counts(minute: Counts, hour: Counts) -> String {
    format!(
        r#""readings_minute":{},"readings_hour":{},"copies_minute":{},"copies_hour":{}"#,
        minute.readings, hour.readings, minute.copies, hour.copies
    )
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("a text is JSON")
}

fn time(t: Option<Millis>) -> String {
    t.map_or("null".to_owned(), |t| format!("\"{t}\""))
}

fn or_null(number: Option<i8>) -> String {
    number.map_or("null".to_owned(), |number| number.to_string())
}

fn numbers<T: std::fmt::Display>(numbers: &[T]) -> String {
    let mut text = "[".to_owned();
    for (n, number) in numbers.iter().enumerate() {
        let comma = if n > 0 { "," } else { "" };
        // Writing to a String cannot fail.
        write!(text, "{comma}{number}").unwrap_or_default();
    }
    text + "]"
}

fn listed(texts: impl Iterator<Item = String>) -> String {
    texts.collect::<Vec<_>>().join(",")
}
