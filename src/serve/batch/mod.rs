//! `POST /rssi_readings/batch`: many emissions in one request, each with the
//! promise of a single POST.
//!
//! ```text
//! incoming ─▶ decode ─▶ split ─▶ undecided ─▶ tally ─▶ answer
//!   limits     bounded    lines,    check,       counts, a byte
//!                         elements  writer       or two a line
//! ```
//!
//! All of it is read before a byte is answered: so the status tells the whole
//! truth, and a client that writes everything before it reads never waits for
//! one that waits for it. What is kept of each line until then is a byte or two.
//!
//! Some batches are read at once, the others wait for their turn; see `turns`.

mod answer;
mod decode;
mod incoming;
mod magic;
mod run;
mod runs;
pub(crate) mod split;
mod tally;
mod turns;
mod undecided;

use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use axum::response::{IntoResponse, Response};
use houseful_model::wire::Ids;
use houseful_store::Arrival;

use self::decode::Decoder;
pub(crate) use self::decode::Encoding;
use self::incoming::{Incoming, WIRE_BYTES_MAX, too_large};
use self::run::{End, Run};
pub(crate) use self::split::Form;
use self::split::Splitter;
use self::tally::Tally;
use self::turns::Pace;
pub(crate) use self::turns::Turns;
use super::ingest::{Fault, Received};
use super::refused::Reason;
use super::reply::Reply;
use super::router::Doors;
use super::{accept, media};

/// A zstd one counts as so many, for its window may take 8 MiB.
const ZSTD_WEIGHT: u32 = 4;

/// What the answer may be; all but the first have a line for each line.
const ANSWERS: [&str; 5] = [
    "application/json",
    "application/x-ndjson",
    "application/ndjson",
    "application/jsonl",
    "application/x-jsonlines",
];

/// What the head asks for.
struct Wanted {
    /// By the type, if there is one.
    form: Option<Form>,
    encoding: Encoding,
    /// The answer's type.
    answer: &'static str,
}

/// `POST /rssi_readings/batch`.
pub(crate) async fn post(State(doors): State<Doors>, request: Request) -> Response {
    match run(doors, request).await {
        Ok(response) => response,
        Err(reply) => reply.into_response(),
    }
}

async fn run(doors: Doors, request: Request) -> Result<Response, Reply> {
    let arrival = request.extensions().get::<Arrival>().copied();
    let arrival = arrival.unwrap_or_else(|| doors.ingest.arrival());
    let ingest = doors.ingest_of(&request);
    let Wanted { form, encoding, answer } =
        Wanted::read(request.headers()).inspect_err(|reply| {
            let reason = Reason::of_request(reply.status);
            ingest.note(reason, Ids::default(), &reply.said());
        })?;
    let weight = if encoding == Encoding::Zstd { ZSTD_WEIGHT } else { 1 };
    let turn = doors.batches.wait(weight, doors.stopping.clone()).await;
    let turn = turn.map_err(|Fault { reason, errors }| {
        ingest.note(reason, Ids::default(), &errors);
        Reply::errors(reason.status(), &errors)
    })?;
    let decoder = Decoder::new(encoding).map_err(|error| Reply::error(503, error))?;
    let mut run = Run {
        incoming: Incoming::new(request.into_body(), Pace::new(turn), doors.stopping),
        encoding,
        decoder,
        splitter: Splitter::new(form),
        ingest,
        received: Received { head: arrival, body: arrival },
        tally: Tally::new(answer != ANSWERS[0]),
    };
    let end = run.run().await;
    if let Err(End::Packed(error)) = end {
        return Err(Reply::error(415, error));
    }
    let pace = run.incoming.into_pace();
    Ok(answer::answer(end, run.splitter.looked_at(), run.tally, answer, pace))
}

impl Wanted {
    /// Refuses what can be refused before the body is read.
    fn read(headers: &HeaderMap) -> Result<Wanted, Reply> {
        let header = |name| headers.get(name).map(HeaderValue::as_bytes);
        let form = header(CONTENT_TYPE).map(media::batch_form).transpose()?;
        let encoding = header(CONTENT_ENCODING).map(media::batch_encoding).transpose()?;
        let encoding = encoding.unwrap_or(Encoding::Identity);
        let len = headers.get(CONTENT_LENGTH).and_then(|len| len.to_str().ok()?.parse().ok());
        if len.is_some_and(|len: u64| len > WIRE_BYTES_MAX) {
            return Err(Reply::error(413, too_large()).closing());
        }
        // Whoever takes neither is told all the same.
        let answer = accept::choose(headers, &ANSWERS).unwrap_or(ANSWERS[0]);
        Ok(Wanted { form, encoding, answer })
    }
}
