//! What a batch is answered: counts, or a line for each of its lines.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, HeaderValue};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use houseful_store::Refusal;
use hyper::body::Frame;
use tokio::sync::mpsc;

use super::run::End;
use super::runs::{Fate, IntoLines};
use super::tally::{Invalid, Tally};
use super::turns::Pace;
use crate::serve::reply::Reply;

/// How much of an answer is made at once, in bytes.
const PIECE_BYTES: usize = 16 << 10;

/// A longer answer keeps its turn until its client has taken it.
const WHOLE_BYTES_MAX: usize = 64 << 10;

/// Answers a batch of which the lines up to `read_to` were looked at.
pub(super) fn answer(
    end: Result<(), End>,
    read_to: u64,
    mut tally: Tally,
    media: &'static str,
    pace: Pace,
) -> Response {
    let (status, errors) = verdict(&end, &tally);
    let mut counts = String::new();
    if !errors.is_empty() {
        counts += &format!(r#""errors":{},"#, texts(&errors));
    }
    counts += &format!(
        r#""stored":{},"duplicates":{},"invalid_total":{}"#,
        tally.stored, tally.duplicates, tally.invalid_total
    );
    if let Some((from, to)) = unavailable(&end, read_to, &tally) {
        let to = to.map_or_else(|| "null".to_owned(), |to| to.to_string());
        counts += &format!(r#","unavailable":{{"from":{from},"to":{to}}}"#);
    }
    let Some(runs) = tally.runs.take() else {
        let invalid = tally.invalid.iter().map(|Invalid { line, errors }| {
            format!(r#"{{"line":{line},"errors":{}}}"#, texts(errors))
        });
        let invalid = invalid.collect::<Vec<_>>().join(",");
        let body = format!(r#"{{{counts},"invalid":[{invalid}]}}"#);
        if body.len() <= WHOLE_BYTES_MAX {
            return Reply::json(status, body.into_bytes()).into_response();
        }
        let whole = Bytes::from(body);
        let pieces = (0..whole.len()).step_by(PIECE_BYTES);
        let pieces = pieces.map(move |at| whole.slice(at..whole.len().min(at + PIECE_BYTES)));
        // For its headers.
        let mut response = Reply::json(status, Vec::new()).into_response();
        *response.body_mut() = Body::new(Pieces::send(pieces, pace));
        return response;
    };
    let last = (status != 200).then(|| format!("{{\"status\":{status},{counts}}}\n"));
    let lines = Lines {
        lines: runs.into_lines(),
        invalid: tally.invalid,
        why: tally.why.unwrap_or_default(),
        last,
    };
    // For its headers.
    let mut response = Reply::json(status, Vec::new()).into_response();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media));
    *response.body_mut() = Body::new(Pieces::send(lines, pace));
    response
}

/// The status of the whole, and why.
fn verdict(end: &Result<(), End>, tally: &Tally) -> (u16, Vec<String>) {
    let (status, error) = match end {
        Ok(()) => (200, None),
        // Answered without counts.
        Err(End::Packed(error)) => (415, Some(error.clone())),
        Err(End::Broken(error)) => (400, Some(error.clone())),
        Err(End::Late(error)) => (408, Some(error.clone())),
        Err(End::TooLarge(error)) => (413, Some(error.clone())),
        Err(End::Stopping) if tally.why.is_some() => (503, None),
        Err(End::Stopping) => (503, Some(Refusal::Stopping.to_string())),
    };
    // That it may be sent again goes before that it is wrong.
    let status = if tally.why.is_some() { 503 } else { status };
    (status, tally.why.iter().cloned().chain(error).collect())
}

/// Which lines were not acknowledged and may be sent again as they are: those
/// that were refused, and those that were not read. `to` is null if nobody
/// knows how many those are.
fn unavailable(end: &Result<(), End>, read_to: u64, tally: &Tally) -> Option<(u64, Option<u64>)> {
    match (&tally.unavailable, end) {
        (None, Ok(()) | Err(End::Packed(_) | End::Broken(_))) => None,
        (None, Err(_)) => Some((read_to + 1, None)),
        (Some(lines), Ok(())) => Some((*lines.start(), Some(*lines.end()))),
        (Some(lines), Err(_)) => Some((*lines.start(), None)),
    }
}

/// As a JSON array.
fn texts<T: AsRef<str>>(texts: &[T]) -> String {
    let texts: Vec<&str> = texts.iter().map(AsRef::as_ref).collect();
    serde_json::json!(texts).to_string()
}

/// An answer of a line for each line, made as the client takes it.
struct Lines {
    lines: IntoLines,
    /// Those of the invalid ones whose errors are known, in order.
    invalid: VecDeque<Invalid>,
    /// Why those that are unavailable are.
    why: String,
    /// What is wrong with the whole.
    last: Option<String>,
}

impl Lines {
    fn push(&mut self, text: &mut String, line: u64, fate: Fate) {
        let (status, errors) = match fate {
            Fate::Blank => return,
            Fate::Stored(id) => {
                text.push_str(&format!("{{\"line\":{line},\"status\":201,\"id\":{id}}}\n"));
                return;
            }
            Fate::Duplicate => (409, texts(&["duplicate"])),
            Fate::Invalid => (400, self.errors(line)),
            Fate::TooLong => (413, self.errors(line)),
            Fate::Unavailable => (503, texts(&[&self.why])),
        };
        let line = format!("{{\"line\":{line},\"status\":{status},\"errors\":{errors}}}\n");
        text.push_str(&line);
    }

    /// What is wrong with an invalid line.
    fn errors(&mut self, line: u64) -> String {
        match self.invalid.pop_front_if(|invalid| invalid.line == line) {
            Some(invalid) => texts(&invalid.errors),
            None => texts(&["too much is wrong to keep it all; send this line alone to be told"]),
        }
    }
}

impl Iterator for Lines {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        let mut text = String::with_capacity(PIECE_BYTES + 1024);
        while text.len() < PIECE_BYTES {
            let Some((line, fate)) = self.lines.next() else {
                text.push_str(&self.last.take().unwrap_or_default());
                break;
            };
            self.push(&mut text, line, fate);
        }
        (!text.is_empty()).then(|| Bytes::from(text))
    }
}

/// An answer as its client takes it.
struct Pieces {
    /// `None` is its end; without that it is cut.
    pieces: mpsc::Receiver<Option<Bytes>>,
}

/// Why an answer has no end, as its client sees.
const CUT: &str = "an answer to a batch was read too slowly";

impl Pieces {
    /// Sends all of these, as long as the client makes progress; its turn ends
    /// with them.
    fn send(pieces: impl Iterator<Item = Bytes> + Send + 'static, mut pace: Pace) -> Pieces {
        let (sender, receiver) = mpsc::channel(1);
        tokio::spawn(async move {
            for piece in pieces.map(Some).chain([None]) {
                let len = piece.as_ref().map_or(0, Bytes::len);
                let sent = pace.wait(sender.send(piece), None, |_| len).await;
                if !matches!(sent, Ok(Some(Ok(())))) {
                    return;
                }
            }
        });
        Pieces { pieces: receiver }
    }
}

impl hyper::body::Body for Pieces {
    type Data = Bytes;
    type Error = &'static str;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, &'static str>>> {
        self.pieces.poll_recv(cx).map(|piece| match piece {
            Some(Some(bytes)) => Some(Ok(Frame::data(bytes))),
            Some(None) => None,
            None => Some(Err(CUT)),
        })
    }
}
