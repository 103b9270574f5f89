//! What became of requests, and the buffers that go from one record to the next.

use std::cell::RefCell;
use std::fmt::Write;
use std::time::Duration;

use jiff::Timestamp;

use super::client::Failure;
use super::client::memo::Memo;
use super::client::response::Answer;
use super::engine::Job;
use crate::results::Record;

/// So many are kept; after a backlog of slow consumers or quick servers there are more.
const LEN_MAX: usize = 1_024;

/// So many of them, those of an everyday hand-out, with a body however long; the others with none
/// longer than this. So a backlog of long answers does not stay in memory for the rest of the attack.
const LONG_LEN_MAX: usize = 64;
const BODY_CAPACITY_MAX: usize = 64 * 1024;

/// A record, and the memo of its headers.
#[derive(Default)]
pub(super) struct Finished {
    pub(super) record: Record,
    pub(super) memo: Memo,
}

impl Finished {
    /// Fills it with what became of `job`, of the attack of that name which began `started_ns` after
    /// 1970, by `now`. The answer gets the buffers of an earlier one.
    pub(super) fn fill(
        &mut self,
        job: &Job,
        name: &str,
        started_ns: i128,
        now: Duration,
        result: Result<&mut Answer, Failure>,
    ) {
        let Finished { record, memo } = self;
        let target = &job.aim.target;
        for (text, new) in [
            (&mut record.attack, name),
            (&mut record.method, target.method.as_str()),
            (&mut record.url, target.url.as_str()),
            (&mut record.error, ""),
        ] {
            text.clear();
            text.push_str(new);
        }
        let timestamp_ns = started_ns + job.due.as_nanos() as i128;
        record.seq = job.seq;
        record.timestamp = Timestamp::from_nanosecond(timestamp_ns).unwrap_or(Timestamp::MAX);
        record.latency = now.saturating_sub(job.due);
        record.slip = Some(job.taken.get() - job.due);
        record.queued = job.queued.get();
        match result {
            Ok(answer) => {
                record.code = answer.code;
                record.bytes_out = target.body.len() as u64;
                record.bytes_in = answer.body_len;
                std::mem::swap(&mut record.body, &mut answer.body);
                std::mem::swap(&mut record.headers, &mut answer.headers);
                std::mem::swap(memo, &mut answer.memo);
                if !record.is_success() {
                    write!(record.error, "{}", answer.code)
                        .expect("writing to a String cannot fail");
                    let reason = answer.reason.trim_end();
                    if !reason.is_empty() {
                        record.error.push(' ');
                        record.error.push_str(reason);
                    }
                }
            }
            Err(failure) => {
                record.code = 0;
                (record.bytes_out, record.bytes_in) = (0, 0);
                (record.body, record.headers) = (None, None);
                memo.forget();
                write!(record.error, "{failure}").expect("writing to a String cannot fail");
            }
        }
    }
}

/// The records of requests that are over and forgotten.
#[derive(Default)]
pub(super) struct Spare(RefCell<Vec<Finished>>);

impl Spare {
    /// One to fill, with whatever it has in it.
    pub(super) fn take(&self) -> Finished {
        self.0.borrow_mut().pop().unwrap_or_default()
    }

    /// Takes one back that nobody needs any more.
    pub(super) fn put(&self, mut finished: Finished) {
        let mut all = self.0.borrow_mut();
        if all.len() >= LEN_MAX {
            return;
        }
        let body = &mut finished.record.body;
        if all.len() >= LONG_LEN_MAX
            && body.as_ref().is_some_and(|body| body.capacity() > BODY_CAPACITY_MAX)
        {
            *body = None;
        }
        all.push(finished);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_bodies_of_a_backlog_are_not_kept() {
        for (body_len, kept_len) in [(1_000, LEN_MAX), (1_000_000, LONG_LEN_MAX)] {
            let spare = Spare::default();
            for _ in 0..2 * LEN_MAX {
                let body = Some(Vec::with_capacity(body_len));
                let record = Record { body, ..Record::default() };
                spare.put(Finished { record, memo: Memo::default() });
            }
            let kept: Vec<Finished> = (0..LEN_MAX).map(|_| spare.take()).collect();
            let with_body = kept.iter().filter(|finished| finished.record.body.is_some());
            assert_eq!(with_body.count(), kept_len);
            assert!(spare.take().record.body.is_none(), "there are no more");
        }
    }
}
