//! Lines of a batch that are decided together, in their order.
//!
//! A replay brings each reading with all of its copies in a row, and they are read
//! before the first of them is on disk. So of each identity only the first line
//! goes to the writer at once. The others are held back until it is decided; by
//! then the cache knows nearly all of them as copies, and the writer never sees
//! them. What it does not know goes to the writer next. Of one identity, then,
//! the writer sees the lines in their order, and that is all that order decides.

use std::collections::HashSet;

use houseful_model::wire::Ids;
use houseful_model::{Emission, Millis};
use houseful_store::{Fingerprint, Looked, Outcome, Refusal};
use tokio::sync::oneshot;

use super::run::End;
use super::runs::Fate;
use super::split::{ELEMENT_BYTES_MAX, Found};
use super::tally::Tally;
use crate::serve::ingest::{Fault, Ingest, Received, reason_of};
use crate::serve::refused::Reason;

/// Lines of one batch that are noted as refused with whose they are and why. More
/// of them are only counted: a small body may decode to millions.
const NOTED_MAX: u64 = 1_000;

/// See the module's page.
pub(super) struct Undecided<'a> {
    ingest: &'a Ingest,
    received: Received,
    lines: Vec<Line<'a>>,
    /// Of which identities the writer has a line.
    begun: HashSet<Fingerprint>,
}

struct Line<'a> {
    number: u64,
    state: State<'a>,
}

enum State<'a> {
    Decided(Fate),
    /// The writer has it: these bytes.
    Queued(oneshot::Receiver<Outcome>, &'a [u8]),
    /// To be looked up again when one before it is decided.
    Held(Box<Held<'a>>),
}

struct Held<'a> {
    bytes: &'a [u8],
    emission: Emission<'a>,
    t: Millis,
}

impl<'a> Undecided<'a> {
    pub(super) fn new(ingest: &'a Ingest, received: Received) -> Undecided<'a> {
        Undecided { ingest, received, lines: Vec::new(), begun: HashSet::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.lines.len()
    }

    /// Takes the next line, which was found in `buffer`. Waits for room at the
    /// writer.
    ///
    /// # Errors
    /// If this is an element of an array and no JSON: then nothing after it can be
    /// trusted.
    pub(super) async fn take(
        &mut self,
        buffer: &'a [u8],
        found: Found,
        is_array: bool,
        tally: &mut Tally,
    ) -> Result<(), End> {
        let (number, bytes, checked) = match found {
            Found::TooLong(number) => {
                let error = format!("line: expected at most {ELEMENT_BYTES_MAX} bytes");
                self.note(Reason::TooLarge, b"", &[&error], tally);
                tally.no_emission_total += 1;
                tally.name(number, vec![error]);
                tally.may_lack_line_ends = true;
                self.lines.push(Line { number, state: State::Decided(Fate::TooLong) });
                return Ok(());
            }
            Found::Element(number, at) => {
                let bytes = &buffer[at];
                (number, bytes, self.ingest.check(bytes, self.received))
            }
        };
        let state = match checked {
            Ok((emission, t)) => self.submit(Held { bytes, emission, t }, true, tally).await,
            Err(fault) => {
                let fault = in_line(fault);
                if is_array && breaks_off(bytes, &fault) {
                    return Err(End::broken(number, &fault.errors.join("; ")));
                }
                self.note(fault.reason, bytes, &fault.errors, tally);
                if fault.reason.status() == 503 {
                    // Our clock is to blame, not the line.
                    tally.explain(fault.errors.join("; "));
                    State::Decided(Fate::Unavailable)
                } else {
                    tally.may_lack_line_ends |= goes_on(&fault);
                    let is_emission = matches!(fault.reason, Reason::Ahead | Reason::TooOld);
                    tally.no_emission_total += u64::from(!is_emission);
                    tally.name(number, fault.errors);
                    State::Decided(Fate::Invalid)
                }
            }
        };
        self.lines.push(Line { number, state });
        Ok(())
    }

    /// Waits until all lines are decided, and notes them.
    pub(super) async fn decide(&mut self, tally: &mut Tally) {
        let mut lines = std::mem::take(&mut self.lines);
        self.settle(&mut lines, tally).await;
        self.begun.clear();
        for line in &mut lines {
            if let State::Held(_) = line.state
                && let State::Held(held) = line.state.take()
            {
                line.state = self.submit(*held, false, tally).await;
            }
        }
        self.settle(&mut lines, tally).await;
        for line in lines {
            if let State::Decided(fate) = line.state {
                tally.note(line.number, fate);
            }
        }
    }

    /// Looks a line up, and queues or holds it if it is not known.
    async fn submit(&mut self, line: Held<'a>, may_hold: bool, tally: &mut Tally) -> State<'a> {
        let store = self.ingest.store();
        let fingerprint = match store.look(&line.emission, line.t, self.received.body) {
            Looked::Duplicate => return State::Decided(Fate::Duplicate),
            Looked::Refused(refusal) => return self.refuse(refusal, line.bytes, tally),
            Looked::Unknown(fingerprint) => fingerprint,
        };
        if may_hold && !self.begun.insert(fingerprint) {
            return State::Held(Box::new(line));
        }
        // What has refused one is not asked again for each of a million.
        if let Some(refusal) = tally.refusal.clone() {
            return self.refuse(refusal, line.bytes, tally);
        }
        let Held { bytes, emission, t } = line;
        match store.submit_of_batch(emission, t, self.received.body, fingerprint).await {
            Ok(outcome) => State::Queued(outcome, bytes),
            Err(refusal) => self.refuse(refusal, bytes, tally),
        }
    }

    /// Waits until the writer has none of these lines.
    async fn settle(&self, lines: &mut [Line<'a>], tally: &mut Tally) {
        for line in lines {
            let State::Queued(outcome, bytes) = &mut line.state else {
                continue;
            };
            let outcome = outcome.await.unwrap_or_else(|_| {
                // A writer that is gone without a word leaves nothing known.
                Outcome::Refused(Refusal::Failed("the writer ended, see the log".to_owned()))
            });
            line.state = match outcome {
                Outcome::Stored(reading) => State::Decided(Fate::Stored(reading.id)),
                Outcome::Duplicate => State::Decided(Fate::Duplicate),
                Outcome::Refused(refusal) => self.refuse(refusal, bytes, tally),
            };
        }
    }

    /// Notes a line that was refused.
    fn note<T: AsRef<str>>(&self, reason: Reason, bytes: &[u8], errors: &[T], tally: &mut Tally) {
        tally.refused_total += 1;
        if tally.refused_total <= NOTED_MAX {
            self.ingest.note(reason, Ids::read(bytes), errors);
        } else {
            self.ingest.refused().count(reason, 1);
        }
    }

    fn refuse(&self, refusal: Refusal, bytes: &[u8], tally: &mut Tally) -> State<'a> {
        let error = refusal.to_string();
        self.note(reason_of(&refusal), bytes, &[&error], tally);
        tally.explain(error);
        tally.refusal.get_or_insert(refusal);
        State::Decided(Fate::Unavailable)
    }
}

impl State<'_> {
    /// Leaves the worst there is.
    fn take(&mut self) -> Self {
        std::mem::replace(self, State::Decided(Fate::Unavailable))
    }
}

/// What is wrong in a line whose number is told: where in the line, and no other
/// number.
fn in_line(mut fault: Fault) -> Fault {
    if fault.reason == Reason::Broken {
        for error in &mut fault.errors {
            *error = error.replace(" at line 1 column ", " at column ");
        }
    }
    fault
}

/// Whether something follows the object of this line.
fn goes_on(fault: &Fault) -> bool {
    fault.reason == Reason::Broken && fault.errors[0].contains("trailing characters")
}

/// Whether an element is no JSON; else it is only no emission.
fn breaks_off(element: &[u8], fault: &Fault) -> bool {
    let is_json = || {
        let text = std::str::from_utf8(element);
        text.is_ok_and(|text| serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok())
    };
    fault.reason == Reason::Broken && !is_json()
}
