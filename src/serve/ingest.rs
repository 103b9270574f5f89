//! Bytes of one emission to an answer. Both doors for single POSTs end here.

use std::sync::Arc;

use houseful_model::emission::HeardFault;
use houseful_model::wire::{self, WireError};
use houseful_model::{Emission, Heard, Millis};
use houseful_store::{Arrival, Outcome, Refusal, Store, Submitted};
use tokio::sync::oneshot;

use super::reply::{After, Reply};

/// The largest body of one emission, in bytes.
pub(crate) const BODY_BYTES_MAX: usize = 16 * 1024;

/// This version was made after this moment (2026-11-24), so a clock before it
/// is wrong. To be moved with each release.
const RELEASED: Millis = Millis(1_795_478_400_000);

/// How far the clock may be behind the newest stored reading and be believed:
/// as far as a reading may be ahead of it.
const BEHIND_NEWEST_MS_MAX: i64 = 60_000;

/// Takes emissions for a store.
#[derive(Clone)]
pub(crate) struct Ingest {
    store: Arc<Store>,
}

/// An answer, or where it will come from.
pub(crate) enum Answer {
    Now(Reply),
    /// The writer has it.
    Later(oneshot::Receiver<Outcome>),
}

impl Answer {
    /// Whether the connection is closed after it, whatever the client wants:
    /// what follows is no request, and must not be taken for one.
    pub(crate) fn is_last(&self) -> bool {
        matches!(self, Answer::Now(reply) if reply.after == After::Close)
    }

    pub(crate) async fn reply(self) -> Reply {
        match self {
            Answer::Now(reply) => reply,
            Answer::Later(outcome) => match outcome.await {
                Ok(outcome) => Reply::of(&outcome),
                // The writer is gone without a word, so nothing is known.
                Err(_) => {
                    Reply::refused(&Refusal::Failed("the writer ended, see the log".to_owned()))
                }
            },
        }
    }
}

impl Ingest {
    pub(crate) fn new(store: Arc<Store>) -> Ingest {
        Ingest { store }
    }

    /// Now, for a request whose head just arrived.
    pub(crate) fn arrival(&self) -> Arrival {
        self.store.arrival()
    }

    /// Parses, checks and submits one emission. Never waits.
    pub(crate) fn post(&self, body: &[u8], arrival: Arrival) -> Answer {
        let emission = match wire::parse(body) {
            Ok(emission) => emission,
            Err(WireError::Broken(error)) => {
                return Answer::Now(Reply::error(400, error).closing());
            }
            Err(WireError::Invalid(errors)) => return Answer::Now(Reply::errors(400, &errors)),
        };
        let t = match emission.heard.resolve(arrival.wall) {
            // Ours alone: the Pi gave no time.
            Ok(t) if t < Millis::YEAR_2000 => return Answer::Now(clock_is_wrong(arrival.wall)),
            Ok(t) => t,
            Err(fault) => return Answer::Now(self.untimely(&emission, &fault, arrival.wall)),
        };
        match self.store.submit(emission, t, arrival) {
            Submitted::Duplicate => Answer::Now(Reply::duplicate()),
            Submitted::Queued(outcome) => Answer::Later(outcome),
            Submitted::Refused(refusal) => Answer::Now(Reply::refused(&refusal)),
        }
    }

    /// 400 is final for a Pi, so it is said only where the emission alone is to
    /// blame; if our clock may be, it is 503.
    fn untimely(&self, emission: &Emission<'_>, fault: &HeardFault, now: Millis) -> Reply {
        match (fault, emission.heard) {
            (HeardFault::Ahead { .. }, _) => match disbelief(now, self.store.newest_t()) {
                Some(reason) => Reply::error(503, reason),
                None => Reply::error(400, fault.to_string()),
            },
            // Counted back from our clock, by at most 400 days.
            (HeardFault::TooOld { .. }, Heard::Ago(_) | Heard::OnArrival) => clock_is_wrong(now),
            (HeardFault::TooOld { .. }, Heard::At(_)) => Reply::error(400, fault.to_string()),
        }
    }
}

fn clock_is_wrong(now: Millis) -> Reply {
    Reply::error(503, format!("the collector's clock says {now}, which cannot be; set it"))
}

/// Why our clock cannot be believed when it calls an emission ahead of it.
fn disbelief(now: Millis, newest: Option<Millis>) -> Option<String> {
    if now < RELEASED {
        return Some(format!(
            "heard_at is ahead of the collector's clock, but that says {now}, a time before this version was made; set it"
        ));
    }
    let newest = newest?;
    (newest.0 - now.0 > BEHIND_NEWEST_MS_MAX).then(|| {
        format!(
            "heard_at is ahead of the collector's clock, but that says {now}, behind the newest stored reading ({newest}); set it"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_believed_unless_it_is_before_the_release_or_behind_what_is_stored() {
        let now = Millis(RELEASED.0 + 1_000_000);
        let rows = [
            (now, None, true),
            (RELEASED, None, true),
            (Millis(RELEASED.0 - 1), None, false),
            (now, Some(Millis(now.0 + 60_000)), true),
            (now, Some(Millis(now.0 + 60_001)), false),
            (now, Some(Millis(0)), true),
        ];
        for (now, newest, believed) in rows {
            assert_eq!(disbelief(now, newest).is_none(), believed, "{now} {newest:?}");
        }
    }

    #[test]
    fn the_release_is_a_day() {
        assert_eq!(RELEASED.to_string(), "2026-11-24T00:00:00.000Z");
    }
}
