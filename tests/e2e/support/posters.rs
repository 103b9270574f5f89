//! Load from several connections at once, and the book of what was answered.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use houseful_load::results::Record;
use houseful_load::targets::Target;
use houseful_load::verify::{Answers, Comparison, Verdict};
use serde_json::Value;

use super::http::{Answer, Client};

/// The collector's window of copies, if nobody sets another.
const WINDOW: Duration = Duration::from_millis(4_500);

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

/// Everything that was sent and answered, for `houseful load verify`'s judge to
/// compare with what is stored.
///
/// For emissions that carry their time.
#[derive(Default)]
pub(crate) struct Ledger {
    targets: Vec<Target>,
    records: Vec<Record>,
}

impl Ledger {
    /// Books answers, and returns the emissions that have none and must be sent again.
    ///
    /// # Panics
    ///
    /// On an answer that is neither 201 nor 409.
    pub(crate) fn book(&mut self, posted: Vec<Posted>) -> Vec<Value> {
        let mut unanswered = Vec::new();
        for (emission, answer) in posted {
            self.targets.push(Target {
                method: "POST".to_owned(),
                url: "http://127.0.0.1/".parse().expect("it is a URL"),
                headers: Vec::new(),
                body: emission.to_string().into_bytes().into(),
            });
            let (code, body) = match answer {
                None => (0, None),
                Some(Answer { status: code @ (201 | 409), json }) => (code, Some(json)),
                Some(answer) => panic!("{answer:?} to {emission}"),
            };
            self.records.push(Record {
                seq: self.records.len() as u64,
                code,
                body: body.map(|json| json.to_string().into_bytes()),
                // So it was this target, and no neighbour.
                slip: Some(Duration::ZERO),
                ..Record::default()
            });
            if code == 0 {
                unanswered.push(emission);
            }
        }
        unanswered
    }

    /// How many were answered with 201.
    pub(crate) fn created(&self) -> usize {
        self.records.iter().filter(|record| record.code == 201).count()
    }

    /// Lets an export be judged: each 201 is there once, as it was sent and answered, each
    /// 409 has its original, nothing is there twice and nothing that was never sent.
    ///
    /// # Panics
    ///
    /// If not, with the verdict; `when` says where in the test.
    pub(crate) fn check(&self, export: &[Value], when: &str) -> Verdict {
        let verdict = self.verdict(export);
        assert!(verdict.is_kept() && verdict.others == 0, "{when}:\n{verdict}");
        verdict
    }

    /// As [`Ledger::check`], and all that was sent is there, answered or not.
    ///
    /// # Panics
    ///
    /// If not.
    pub(crate) fn check_all(&self, export: &[Value], when: &str) {
        let verdict = self.check(export, when);
        assert_eq!(verdict.missing.count, 0, "{when}:\n{verdict}");
    }

    fn verdict(&self, export: &[Value]) -> Verdict {
        let mut answers = Answers::new(&self.targets).expect("emissions were sent");
        self.records.iter().for_each(|record| answers.add(record));
        let mut comparison = Comparison::new(answers, WINDOW);
        for reading in export {
            comparison.add(reading.to_string().as_bytes()).expect("an export has readings");
        }
        comparison.verdict()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::{distinct, heard_at};

    fn sent(n: usize) -> Value {
        heard_at(distinct(n), 1_795_552_140_123)
    }

    fn reading(id: u64, n: usize) -> Value {
        let mut reading = sent(n);
        reading["id"] = id.into();
        reading
    }

    fn answer(status: u16, id: u64, n: usize) -> Posted {
        (sent(n), Some(Answer { status, json: reading(id, n) }))
    }

    fn ledger(posted: Vec<Posted>) -> Ledger {
        let mut ledger = Ledger::default();
        ledger.book(posted);
        ledger
    }

    #[test]
    fn what_has_no_answer_may_be_stored_or_not() {
        let mut ledger = Ledger::default();
        let posted = vec![answer(201, 1, 1), answer(409, 0, 1), (sent(2), None)];
        assert_eq!(ledger.book(posted), [sent(2)]);
        assert_eq!(ledger.created(), 1);
        ledger.check(&[reading(1, 1)], "here");
        ledger.check_all(&[reading(1, 1), reading(2, 2)], "here");
    }

    #[test]
    #[should_panic(expected = "lost         1 ")]
    fn a_lost_201_is_found() {
        ledger(vec![answer(201, 1, 1)]).check(&[], "here");
    }

    #[test]
    #[should_panic(expected = "lost         1 ")]
    fn a_changed_row_is_found() {
        let changed = heard_at(reading(1, 1), 1_000_000_000_000);
        ledger(vec![answer(201, 1, 1)]).check(&[changed], "here");
    }

    #[test]
    #[should_panic(expected = "no original  1 ")]
    fn a_false_409_is_found() {
        ledger(vec![answer(409, 0, 1)]).check(&[], "here");
    }

    #[test]
    #[should_panic(expected = "twice        1 ")]
    fn a_twin_is_found() {
        ledger(vec![(sent(1), None)]).check(&[reading(1, 1), reading(2, 1)], "here");
    }

    #[test]
    #[should_panic(expected = "twice        1 ")]
    fn a_second_201_is_found() {
        ledger(vec![answer(201, 1, 1), answer(201, 1, 1)]).check(&[reading(1, 1)], "here");
    }

    #[test]
    #[should_panic(expected = "and 1 of other emissions")]
    fn what_was_never_sent_is_found() {
        ledger(vec![answer(201, 1, 1)]).check(&[reading(1, 1), reading(2, 2)], "here");
    }

    #[test]
    #[should_panic(expected = "missing      1 ")]
    fn what_is_not_there_in_the_end_is_found() {
        ledger(vec![(sent(1), None)]).check_all(&[], "here");
    }
}
