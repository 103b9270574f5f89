//! Load from several connections at once, and the book of what was answered.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::Value;

use super::http::{Answer, Client};

/// An emission, and what came back; `None` if the connection broke first or it was not sent.
pub(crate) type Posted = (Value, Option<Answer>);

/// Threads that post emissions from one queue, each on a kept-alive connection.
///
/// One whose connection breaks stops; if all do, the rest is never sent.
pub(crate) struct Posters {
    shared: Arc<Shared>,
    threads: Vec<thread::JoinHandle<Vec<Posted>>>,
}

struct Shared {
    queue: Mutex<VecDeque<Value>>,
    answered: AtomicUsize,
}

impl Posters {
    /// Begins to post `emissions` over `connections`.
    pub(crate) fn start(port: u16, connections: usize, emissions: Vec<Value>) -> Self {
        let shared =
            Arc::new(Shared { queue: Mutex::new(emissions.into()), answered: AtomicUsize::new(0) });
        let poster = |_| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || shared.post_until_it_breaks(port))
        };
        let threads = (0..connections).map(poster).collect();
        Self { shared, threads }
    }

    /// How many answers have come so far.
    pub(crate) fn answered(&self) -> usize {
        self.shared.answered.load(Ordering::SeqCst)
    }

    /// Whether everything was answered or every connection broke.
    pub(crate) fn are_done(&self) -> bool {
        self.threads.iter().all(thread::JoinHandle::is_finished)
    }

    /// Waits for the end and returns everything, also what was never sent.
    pub(crate) fn finish(self) -> Vec<Posted> {
        let posted =
            self.threads.into_iter().flat_map(|thread| thread.join().expect("a poster panicked"));
        let mut posted: Vec<Posted> = posted.collect();
        posted.extend(self.shared.queue.lock().unwrap().drain(..).map(|emission| (emission, None)));
        posted
    }
}

impl Shared {
    fn post_until_it_breaks(&self, port: u16) -> Vec<Posted> {
        let mut posted = Vec::new();
        let Ok(mut client) = Client::connect(port) else {
            return posted;
        };
        loop {
            let Some(emission) = self.queue.lock().unwrap().pop_front() else {
                return posted;
            };
            let Ok(answer) = client.post(&emission) else {
                posted.push((emission, None));
                return posted;
            };
            self.answered.fetch_add(1, Ordering::SeqCst);
            posted.push((emission, Some(answer)));
        }
    }
}

/// What the server has acknowledged, to be compared with what it stored.
///
/// For emissions that carry their time and have a badge for each identity.
#[derive(Default)]
pub(crate) struct Ledger {
    /// Badge → the reading that its 201 showed.
    created: BTreeMap<String, Value>,
    /// Badges of which a copy was answered with 409.
    duplicates: BTreeSet<String>,
    /// Badges that were sent at all.
    sent: BTreeSet<String>,
}

impl Ledger {
    /// Books answers, and returns the emissions that have none and must be sent again.
    ///
    /// # Panics
    ///
    /// On an answer that is neither 201 nor 409, and on a second 201.
    pub(crate) fn book(&mut self, posted: Vec<Posted>) -> Vec<Value> {
        let mut unanswered = Vec::new();
        for (emission, answer) in posted {
            let badge = badge(&emission);
            self.sent.insert(badge.clone());
            match answer {
                None => unanswered.push(emission),
                Some(Answer { status: 201, json }) => {
                    let first = self.created.insert(badge, json.clone());
                    assert_eq!(first, None, "a second 201, {json}, for {emission}");
                }
                Some(Answer { status: 409, .. }) => {
                    self.duplicates.insert(badge);
                }
                Some(answer) => panic!("{answer:?} to {emission}"),
            }
        }
        unanswered
    }

    /// How many emissions were stored by an answer of 201.
    pub(crate) fn created(&self) -> usize {
        self.created.len()
    }

    /// Holds the book against an export: each 201 there once and unchanged, each 409
    /// with its original, nothing twice and nothing that was never sent.
    ///
    /// # Panics
    ///
    /// If it differs; `when` says where in the test.
    pub(crate) fn check(&self, export: &[Value], when: &str) {
        let mut stored = BTreeMap::new();
        for reading in export {
            let badge = badge(reading);
            assert!(self.sent.contains(&badge), "{when}: {reading} was never sent");
            let twin = stored.insert(badge, reading);
            assert_eq!(twin, None, "{when}: stored twice");
        }
        for (badge, answered) in &self.created {
            assert_eq!(
                stored.get(badge),
                Some(&answered),
                "{when}: what 201 showed must be stored"
            );
        }
        for badge in &self.duplicates {
            assert!(stored.contains_key(badge), "{when}: 409 without an original for {badge}");
        }
    }

    /// As [`Ledger::check`], once everything has been answered: all that was sent is there.
    ///
    /// # Panics
    ///
    /// If it differs.
    pub(crate) fn check_all(&self, export: &[Value], when: &str) {
        self.check(export, when);
        assert_eq!(
            export.len(),
            self.sent.len(),
            "{when}: one reading for each identity that was sent"
        );
    }
}

fn badge(json: &Value) -> String {
    json["badge_id"].as_str().expect("has a badge_id").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::distinct;

    fn answer(status: u16, id: u64, emission: &Value) -> Posted {
        let mut json = emission.clone();
        json["id"] = id.into();
        (emission.clone(), Some(Answer { status, json }))
    }

    #[test]
    #[should_panic(expected = "what 201 showed must be stored")]
    fn a_lost_201_is_found() {
        let mut ledger = Ledger::default();
        assert_eq!(ledger.book(vec![answer(201, 1, &distinct(1))]), [] as [Value; 0]);
        ledger.check(&[], "here");
    }

    #[test]
    #[should_panic(expected = "409 without an original")]
    fn a_false_409_is_found() {
        let mut ledger = Ledger::default();
        ledger.book(vec![answer(409, 0, &distinct(1))]);
        ledger.check(&[], "here");
    }

    #[test]
    #[should_panic(expected = "stored twice")]
    fn a_twin_is_found() {
        let mut ledger = Ledger::default();
        assert_eq!(ledger.book(vec![(distinct(1), None)]), [distinct(1)]);
        ledger.check(&[distinct(1), distinct(1)], "here");
    }

    #[test]
    #[should_panic(expected = "a second 201")]
    fn a_second_201_is_found() {
        let mut ledger = Ledger::default();
        ledger.book(vec![answer(201, 1, &distinct(1)), answer(201, 2, &distinct(1))]);
    }
}
