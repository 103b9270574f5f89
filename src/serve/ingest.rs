//! Bytes of one emission to an answer. Both doors for single POSTs end here.

use std::net::IpAddr;
use std::sync::Arc;

use houseful_model::emission::HeardFault;
use houseful_model::wire::{self, Ids, WireError};
use houseful_model::{Emission, Heard, Millis};
use houseful_store::{Arrival, Outcome, Refusal, Store, Submitted};
use tokio::sync::oneshot;

use super::pulse::Pulse;
use super::refused::{Reason, Refused};
use super::reply::{After, Reply};

/// The largest body of one emission, in bytes.
pub(crate) const BODY_BYTES_MAX: usize = 16 * 1024;

/// This version was made after this moment (2026-11-24), so a clock before it
/// is wrong. To be moved with each release.
const RELEASED: Millis = Millis(1_795_478_400_000);

/// How far the clock may be behind the newest stored reading and be believed:
/// as far as a reading may be ahead of it.
const BEHIND_NEWEST_MS_MAX: i64 = 60_000;

/// Who is at the other end of a connection: behind a proxy, that. What a client
/// says of itself in a header is not believed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Peer(pub(crate) Option<IpAddr>);

/// Takes emissions for a store.
#[derive(Clone)]
pub(crate) struct Ingest {
    /// Where they come from.
    peer: Peer,
    store: Arc<Store>,
    refused: Arc<Refused>,
    pulse: Arc<Pulse>,
}

/// When an emission came. In a batch that lasts, its head and its lines may be
/// minutes apart.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Received {
    /// The head of its request: what it gives as an age counts back from here.
    pub(crate) head: Arrival,
    /// Its own bytes: an emission cannot be ahead of this, and one without a time
    /// has this one.
    pub(crate) body: Arrival,
}

/// An answer, or where it will come from.
pub(crate) enum Answer {
    Now(Reply),
    /// To what is no emission, and is not counted as one.
    NoEmission(Reply),
    /// The writer has it.
    Later(Queued),
}

/// An emission that the writer has.
pub(crate) struct Queued {
    outcome: oneshot::Receiver<Outcome>,
    /// Whose it is, and where to say so if the writer refuses it.
    ids: Ids<'static>,
    peer: Peer,
    refused: Arc<Refused>,
}

impl Queued {
    async fn reply(self) -> Reply {
        // A writer that is gone without a word leaves nothing known.
        let gone =
            |_| Outcome::Refused(Refusal::Failed("the writer ended, see the log".to_owned()));
        let outcome = self.outcome.await.unwrap_or_else(gone);
        if let Outcome::Refused(refusal) = &outcome {
            self.refused.note(reason_of(refusal), self.ids, self.peer, &[refusal.to_string()]);
        }
        Reply::of(&outcome)
    }
}

impl Answer {
    /// Whether the connection is closed after it, whatever the client wants:
    /// what follows is no request, and must not be taken for one.
    pub(crate) fn is_last(&self) -> bool {
        matches!(self, Answer::Now(reply) | Answer::NoEmission(reply) if reply.after == After::Close)
    }
}

impl Ingest {
    pub(crate) fn new(store: Arc<Store>) -> Ingest {
        let refused = Arc::<Refused>::default();
        let pulse = Arc::new(Pulse::new(store.clone(), refused.clone()));
        Ingest { peer: Peer::default(), store, refused, pulse }
    }

    /// The same, for what comes from this peer.
    pub(crate) fn of(&self, peer: Peer) -> Ingest {
        Ingest { peer, ..self.clone() }
    }

    pub(crate) fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// Notes an emission that was refused.
    pub(crate) fn note<T: AsRef<str>>(&self, reason: Reason, ids: Ids<'_>, errors: &[T]) {
        self.refused.note(reason, ids, self.peer, errors);
    }

    /// What was not acknowledged.
    pub(crate) fn refused(&self) -> &Refused {
        &self.refused
    }

    /// What was answered, and how fast.
    pub(crate) fn pulse(&self) -> &Arc<Pulse> {
        &self.pulse
    }

    /// Waits for the answer to an emission that arrived then, and counts it.
    pub(crate) async fn reply(&self, answer: Answer, arrival: Arrival) -> Reply {
        let reply = match answer {
            Answer::Now(reply) => reply,
            Answer::NoEmission(reply) => return reply,
            Answer::Later(queued) => queued.reply().await,
        };
        self.pulse.answered(reply.status, arrival.at);
        reply
    }

    /// Now, for a request whose head just arrived.
    pub(crate) fn arrival(&self) -> Arrival {
        self.store.arrival()
    }

    /// Refuses an emission by its request, without a look at whose it is.
    pub(crate) fn refuse(&self, reply: Reply) -> Answer {
        let reason = Reason::of_request(reply.status);
        self.note(reason, Ids::default(), &reply.said());
        Answer::Now(reply)
    }

    /// Parses, checks and submits one emission. Never waits.
    pub(crate) fn post(&self, body: &[u8], arrival: Arrival) -> Answer {
        // It has 10 s at most, so the one stands for the other.
        let received = Received { head: arrival, body: arrival };
        let (emission, t) = match self.check(body, received) {
            Ok(checked) => checked,
            Err(fault) => {
                self.note(fault.reason, Ids::read(body), &fault.errors);
                return Answer::Now(fault.reply());
            }
        };
        let ids = Ids::of(&emission);
        match self.store.submit(emission, t, arrival) {
            Submitted::Duplicate => Answer::Now(Reply::duplicate()),
            Submitted::Queued(outcome) => {
                let (ids, refused) = (ids.into_owned(), self.refused.clone());
                Answer::Later(Queued { outcome, ids, peer: self.peer, refused })
            }
            Submitted::Refused(refusal) => {
                self.note(reason_of(&refusal), ids, &[refusal.to_string()]);
                Answer::Now(Reply::refused(&refusal))
            }
        }
    }

    /// An emission and its time, or what is wrong with it; touches nothing.
    ///
    /// 400 is final for a Pi, so it is said only where the emission alone is to
    /// blame; if our clock may be, it is 503.
    pub(crate) fn check<'a>(
        &self,
        body: &'a [u8],
        received: Received,
    ) -> Result<(Emission<'a>, Millis), Fault> {
        let emission = wire::parse(body).map_err(|error| match error {
            WireError::Broken(error) => Fault::new(Reason::Broken, error.to_string()),
            WireError::Invalid(errors) => Fault { reason: Reason::Invalid, errors },
        })?;
        let now = match emission.heard {
            Heard::Ago(_) => received.head.wall,
            Heard::At(_) | Heard::OnArrival => received.body.wall,
        };
        match (emission.heard.resolve(now), emission.heard) {
            // Ours alone: the Pi gave no time.
            (Ok(t), _) if t < Millis::YEAR_2000 => Err(clock_is_wrong(now)),
            (Ok(t), _) => Ok((emission, t)),
            (Err(fault @ HeardFault::Ahead { .. }), _) => {
                Err(match disbelief(now, self.store.newest_t()) {
                    Some(reason) => Fault::new(Reason::Clock, reason),
                    None => Fault::new(Reason::Ahead, fault.to_string()),
                })
            }
            // Counted back from our clock, by at most 400 days.
            (Err(HeardFault::TooOld { .. }), Heard::Ago(_) | Heard::OnArrival) => {
                Err(clock_is_wrong(now))
            }
            (Err(fault @ HeardFault::TooOld { .. }), Heard::At(_)) => {
                Err(Fault::new(Reason::TooOld, fault.to_string()))
            }
        }
    }
}

/// What is wrong with an emission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) reason: Reason,
    /// One line each, not empty.
    pub(crate) errors: Vec<String>,
}

impl Fault {
    fn new(reason: Reason, error: String) -> Fault {
        Fault { reason, errors: vec![error] }
    }

    fn reply(&self) -> Reply {
        let reply = Reply::errors(self.reason.status(), &self.errors);
        // What follows broken JSON may be the rest of it.
        if self.reason == Reason::Broken { reply.closing() } else { reply }
    }
}

/// Why the store took no emission, in one word.
pub(crate) fn reason_of(refusal: &Refusal) -> Reason {
    match refusal {
        Refusal::QueueFull => Reason::QueueFull,
        Refusal::Unavailable(_) => Reason::Unavailable,
        Refusal::Failed(_) => Reason::Failed,
        Refusal::Stopping => Reason::Stopping,
    }
}

fn clock_is_wrong(now: Millis) -> Fault {
    let error = format!("the collector's clock says {now}, which cannot be; set it");
    Fault::new(Reason::Clock, error)
}

/// Why our clock cannot be believed when it calls an emission ahead of it.
fn disbelief(now: Millis, newest: Option<Millis>) -> Option<String> {
    let reason = unbelievable(now, newest)?;
    Some(format!(
        "heard_at is ahead of the collector's clock, but that says {now}, {reason}; set it"
    ))
}

/// What is wrong with a clock that says `now`.
pub(crate) fn unbelievable(now: Millis, newest: Option<Millis>) -> Option<String> {
    if now < RELEASED {
        return Some("a time before this version was made".to_owned());
    }
    let newest = newest?;
    (newest.0 - now.0 > BEHIND_NEWEST_MS_MAX)
        .then(|| format!("behind the newest stored reading ({newest})"))
}

#[cfg(test)]
mod tests {
    use houseful_store::Options;

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
    fn an_age_counts_back_from_the_head_and_the_line_itself_is_not_ahead() {
        let dir = tempfile::tempdir().unwrap();
        let window = std::time::Duration::from_millis(4_500);
        let store = Store::open(&dir.path().join("houseful.db"), Options { window }).unwrap();
        let ingest = Ingest::new(Arc::new(store));
        let head = Arrival { wall: Millis(RELEASED.0 + 1_000_000), ..ingest.arrival() };
        let body = Arrival { wall: Millis(head.wall.0 + 120_000), ..head };
        let received = Received { head, body };
        let t = |time: &str, received| {
            let emission = format!(r#"{{"badge_id":"b","pi_id":"1"{time}}}"#);
            ingest.check(emission.as_bytes(), received).map(|(_, t)| t).map_err(|f| f.reason)
        };
        let at = |ms: i64| format!(r#","heard_at":{}"#, head.wall.0 + ms);
        assert_eq!(t("", received), Ok(body.wall));
        assert_eq!(t(r#","age_ms":1000"#, received), Ok(Millis(head.wall.0 - 1_000)));
        assert_eq!(t(&at(180_000), received), Ok(Millis(head.wall.0 + 180_000)));
        assert_eq!(t(&at(180_001), received), Err(Reason::Ahead));
        // A line that came with the head may not be.
        assert_eq!(t(&at(60_001), Received { head, body: head }), Err(Reason::Ahead));
    }

    #[test]
    fn the_release_is_a_day() {
        assert_eq!(RELEASED.to_string(), "2026-11-24T00:00:00.000Z");
    }
}
