//! One batch, from its first byte to its last answer.

use std::time::Duration;

use bytes::{Buf, Bytes};
use houseful_model::wire::Ids;
use tokio::task::coop;
use tokio::time::Instant;

use super::decode::{Decoder, Encoding, Step};
use super::incoming::{Incoming, Next};
use super::magic::{self, Begin};
use super::split::{Broken, Splitter};
use super::tally::Tally;
use super::undecided::Undecided;
use crate::serve::ingest::{Ingest, Received};
use crate::serve::refused::Reason;

/// The largest body once it is decoded, in bytes.
const DECODED_BYTES_MAX: u64 = 1 << 30;

/// How much is looked at together: a few thousand emissions, which share one or
/// two commits.
const BUFFER_BYTES: usize = 256 << 10;

/// How many lines are decided together at most: the shortest are 2 bytes.
const LINES_MAX: usize = 4_096;

/// How long a line waits for another to be decided with.
const GATHER: Duration = Duration::from_millis(1);

/// How long a line waits for all others: their times are as exact as this.
const GATHER_MAX: Duration = Duration::from_millis(50);

/// Why a batch was not read to its end, and what its client is told.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    /// It is packed in a way that its head does not name; nothing of it was taken.
    Packed(String),
    /// It is broken here; nothing after it was read.
    Broken(String),
    /// It goes past a limit here.
    TooLarge(String),
    /// Its client makes no progress.
    Late(String),
    /// The collector stops, or its store has failed.
    Stopping,
}

/// A batch that is being read.
pub(super) struct Run {
    pub(super) incoming: Incoming,
    pub(super) encoding: Encoding,
    pub(super) decoder: Decoder,
    pub(super) splitter: Splitter,
    pub(super) ingest: Ingest,
    /// Of what is in the buffer.
    pub(super) received: Received,
    pub(super) tally: Tally,
}

/// What has been received but not decoded, and how much has been.
#[derive(Default)]
struct Input {
    bytes: Bytes,
    decoded_bytes: u64,
}

impl Run {
    /// Reads all of it and has each line decided.
    ///
    /// # Errors
    /// Why it was not read to its end. What was read before is decided; the rest
    /// counts as one emission that was refused.
    pub(super) async fn run(&mut self) -> Result<(), End> {
        let end = self.read().await;
        if let Some((reason, error)) = end.as_ref().err().and_then(End::refusal) {
            self.ingest.note(reason, Ids::default(), &[error]);
        }
        end?;
        self.check_line_ends()
    }

    async fn read(&mut self) -> Result<(), End> {
        let mut input = Input::default();
        let mut buffer = Vec::with_capacity(BUFFER_BYTES);
        let mut has_begun = false;
        loop {
            let filled = self.fill(&mut buffer, &mut input).await;
            if !has_begun {
                match Begin::of(&buffer) {
                    Begin::Packed(name) => {
                        return Err(End::Packed(magic::refusal(name, self.encoding)));
                    }
                    Begin::Unknown if filled == Ok(true) => continue,
                    Begin::Unknown | Begin::Text => has_begun = true,
                }
            }
            self.take(&buffer).await?;
            buffer.drain(..self.splitter.take_rest());
            if !filled.map_err(|end| self.at_line(end))? {
                return self.finish(&buffer).await;
            }
        }
    }

    /// Decodes until the buffer is full, or until there is nothing more to be had
    /// for a moment. Tells whether more may follow.
    ///
    /// # Errors
    /// Why nothing follows. What was decoded before stands in the buffer, and was
    /// received now.
    async fn fill(&mut self, buffer: &mut Vec<u8>, input: &mut Input) -> Result<bool, End> {
        let mut began = None;
        let mut len = buffer.len();
        let rest = len;
        buffer.resize(BUFFER_BYTES, 0);
        let filled = loop {
            coop::consume_budget().await;
            let step = match self.decoder.step(&input.bytes, &mut buffer[len..]) {
                Ok(step) => step,
                Err(error) => break Err(End::Broken(format!("body: {error}"))),
            };
            input.bytes.advance(step.read);
            len += step.written;
            input.decoded_bytes += step.written as u64;
            if input.decoded_bytes > DECODED_BYTES_MAX {
                let error = format!("body: expected at most {DECODED_BYTES_MAX} bytes decoded");
                break Err(End::TooLarge(error));
            }
            if len == BUFFER_BYTES {
                break Ok(true);
            }
            if step == (Step { read: 0, written: 0 }) {
                let limit = (len > rest).then_some(GATHER);
                let gathered = limit.map(|_| began.get_or_insert_with(Instant::now).elapsed());
                if gathered.is_some_and(|gathered| gathered >= GATHER_MAX) {
                    break Ok(true);
                }
                match self.incoming.next(limit).await {
                    Ok(Next::Bytes(bytes)) => input.bytes = bytes,
                    Ok(Next::Nothing) => break Ok(true),
                    Ok(Next::End) => {
                        let whole = self.decoder.finish();
                        break whole
                            .map(|()| false)
                            .map_err(|error| End::Broken(format!("body: {error}")));
                    }
                    Err(end) => break Err(end),
                }
            }
        };
        buffer.truncate(len);
        if len > rest {
            self.received.body = self.ingest.arrival();
        }
        filled
    }

    /// Has every line that is complete in the buffer decided.
    async fn take(&mut self, buffer: &[u8]) -> Result<(), End> {
        let mut lines = Undecided::new(&self.ingest, self.received);
        let taken = loop {
            // Others get their turn on this thread.
            coop::consume_budget().await;
            let found = match self.splitter.next(buffer) {
                Ok(None) => break Ok(()),
                Ok(Some(found)) => found,
                Err(Broken { line, error }) => break Err(End::broken(line, &error)),
            };
            let is_array = self.splitter.is_array();
            if let Err(end) = lines.take(buffer, found, is_array, &mut self.tally).await {
                break Err(end);
            }
            if lines.len() == LINES_MAX {
                lines.decide(&mut self.tally).await;
                if let Some(end) = self.bound() {
                    break Err(end);
                }
            }
        };
        lines.decide(&mut self.tally).await;
        if self.tally.is_over() {
            return Err(End::Stopping);
        }
        taken.and_then(|()| self.bound().map_or(Ok(()), Err))
    }

    /// Why no more lines are taken, if so.
    fn bound(&self) -> Option<End> {
        if self.tally.is_full() {
            let error = "too many lines to answer each; send fewer, or accept application/json";
            return Some(self.at_line(End::TooLarge(error.to_owned())));
        }
        let error = "too many lines are no emissions";
        self.tally.is_no_batch().then(|| self.at_line(End::Broken(error.to_owned())))
    }

    /// The body ended in order, after this rest.
    async fn finish(&mut self, rest: &[u8]) -> Result<(), End> {
        let found = self.splitter.finish(rest);
        let found = found.map_err(|Broken { line, error }| End::broken(line, &error))?;
        if let Some(found) = found {
            let mut lines = Undecided::new(&self.ingest, self.received);
            lines.take(rest, found, false, &mut self.tally).await?;
            lines.decide(&mut self.tally).await;
        }
        Ok(())
    }

    /// Refuses a body without the ends of its lines, all of which is one invalid
    /// line: a client that asks only for 200 would drop all that it sent.
    fn check_line_ends(&self) -> Result<(), End> {
        let is_one_line = !self.splitter.is_array() && self.splitter.complete() == 1;
        if is_one_line && self.tally.may_lack_line_ends {
            let error = "body: expected an emission a line, found one line of more than one (curl: \
                         --data-binary keeps the ends of lines, -d drops them)";
            return Err(End::Broken(error.to_owned()));
        }
        Ok(())
    }

    /// The end of a body, with the line in which that happened.
    fn at_line(&self, end: End) -> End {
        let line = self.splitter.complete() + 1;
        match end {
            End::Broken(error) => End::broken(line, &error),
            End::TooLarge(error) => End::TooLarge(format!("line {line}: {error}")),
            End::Packed(error) => End::Packed(error),
            End::Late(error) => End::Late(format!("line {line}: {error}")),
            End::Stopping => End::Stopping,
        }
    }
}

impl End {
    /// A body that comes too slowly.
    pub(super) fn slow(expected: &str) -> End {
        End::Late(format!("body: expected {expected}"))
    }

    pub(super) fn broken(line: u64, error: &str) -> End {
        End::Broken(format!("line {line}: {error}"))
    }

    /// What is told of it elsewhere than in its answer; nothing if it is we who end.
    fn refusal(&self) -> Option<(Reason, &str)> {
        match self {
            End::Packed(error) => Some((Reason::MediaType, error)),
            End::Broken(error) => Some((Reason::Broken, error)),
            End::TooLarge(error) => Some((Reason::TooLarge, error)),
            End::Late(error) => Some((Reason::Late, error)),
            End::Stopping => None,
        }
    }
}
