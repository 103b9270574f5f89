//! The engine: a main loop that hands out what is due, and workers that each own a connection.
//!
//! ```text
//!  alarm ─▶ main loop ── due, and a worker is free ──▶ worker ─▶ connection ─▶ server
//!             ▲   │                                      │ ▲
//! on_record ◀─┘   └── none free, fewer than the most: spawn │
//!             └────────── record ────────────────────────┘ └── next one already due: takes it
//! ```
//!
//! What waits for a connection is no queue but a number: requests leave in order, so all from
//! the schedule's next on are still to be sent. When all workers are busy, each takes the next due request
//! as it becomes free. All of it runs on one thread, hence `Rc` and `Cell`.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::{Notify, watch};

use super::alarm::Alarm;
use super::client::Failure;
use super::client::connection::Connection;
use super::client::request::append_head;
use super::client::response::{Answer, Decoder, Keep};
use super::endpoint::Endpoints;
use super::supply::{Aim, Supply, Upcoming};
use super::{AttackError, Level, Options, Outcome, Targets};
use crate::duration::Go;
use crate::pacer::{Pacer, Schedule};
use crate::results::Record;

/// A body up to this long is copied behind its head and sent in one piece.
const BODY_LEN_COPIED: usize = 16 * 1024;

/// So many records may lie about before a worker lets the main loop hand them out.
const DONE_LEN_MAX: usize = 1_024;

/// Runs the attack to its end. See [`super::run`].
pub(super) async fn run(
    targets: Targets,
    pacer: Pacer,
    options: Options,
    mut level: watch::Receiver<Level>,
    mut on_record: impl FnMut(Record),
) -> Result<Outcome, AttackError> {
    let mut alarm = Alarm::new().map_err(AttackError::EventLoop)?;
    let endpoints = Endpoints::default();
    let supply = Supply::new(targets, &endpoints);
    // What is known already should not cost the first requests their time.
    for endpoint in endpoints.known() {
        endpoint.addresses().await.map_err(|source| {
            let host = endpoint.host().to_owned();
            AttackError::Resolve { host, source }
        })?;
    }
    let engine = Rc::new(Engine::new(supply, endpoints, pacer, options));
    let mut level_now = *level.borrow_and_update();
    let mut may_rise = true;
    let mut done = Vec::new();
    loop {
        if level_now > Level::Send {
            engine.draining.set(true);
        }
        engine.assign();
        std::mem::swap(&mut done, &mut engine.done.borrow_mut());
        done.drain(..).for_each(&mut on_record);
        let in_flight = engine.in_flight.get();
        let is_over = engine.is_over() && in_flight == 0 && engine.done.borrow().is_empty();
        if is_over || level_now == Level::Abandon {
            if let Some(fault) = engine.supply.fault() {
                return Err(AttackError::Targets(fault));
            }
            let elapsed = engine.started.elapsed();
            return Ok(Outcome { abandoned: in_flight, elapsed, ..engine.outcome.get() });
        }
        let due = engine.next_due_for_main();
        tokio::select! {
            () = engine.wake.notified() => {}
            rung = alarm.wait_until(due.unwrap_or(engine.started)), if due.is_some() => {
                rung.map_err(AttackError::EventLoop)?;
            }
            () = poll_fn(|cx| engine.supply.poll_read(cx, &engine.endpoints)) => {}
            changed = level.changed(), if may_rise => match changed {
                Ok(()) => level_now = *level.borrow_and_update(),
                // Nobody is left to stop us.
                Err(_) => may_rise = false,
            }
        }
    }
}

/// A request that a worker has taken up.
#[derive(Clone)]
struct Job {
    seq: u64,
    aim: Rc<Aim>,
    /// Both since the start.
    due: Duration,
    taken: Duration,
}

/// A task that owns at most one connection and carries one request at a time.
struct Worker {
    /// Put here by the main loop while the worker is idle.
    job: RefCell<Option<Job>>,
    wake: Notify,
    /// Which endpoint its connection leads to.
    endpoint: Cell<usize>,
}

struct Engine {
    supply: Supply,
    endpoints: Endpoints,
    schedule: RefCell<Schedule>,
    options: Options,
    started: Instant,
    started_ns: i128,

    draining: Cell<bool>,
    in_flight: Cell<u64>,
    workers: Cell<usize>,
    /// Workers with an open connection and nothing to do, the one used last on top.
    idle: RefCell<Vec<Rc<Worker>>>,
    done: RefCell<Vec<Record>>,
    outcome: Cell<Outcome>,
    /// Wakes the main loop.
    wake: Notify,
}

impl Engine {
    fn new(supply: Supply, endpoints: Endpoints, pacer: Pacer, options: Options) -> Engine {
        Engine {
            supply,
            endpoints,
            schedule: RefCell::new(Schedule::new(pacer)),
            options,
            started: Instant::now(),
            started_ns: Timestamp::now().as_nanosecond(),
            draining: Cell::new(false),
            in_flight: Cell::new(0),
            workers: Cell::new(0),
            idle: RefCell::new(Vec::new()),
            done: RefCell::new(Vec::new()),
            outcome: Cell::new(Outcome::default()),
            wake: Notify::new(),
        }
    }

    /// Hands what is due to workers as long as one is free or may be made.
    fn assign(self: &Rc<Engine>) {
        while let Some(due) = self.next_due() {
            if due > self.started.elapsed() {
                return;
            }
            let Upcoming::Ready(aim) = self.upcoming() else {
                return;
            };
            let Some(worker) = self.free_worker(aim.endpoint) else {
                return;
            };
            // If the plan ended between two looks at the clock, the worker finds nothing to do.
            *worker.job.borrow_mut() = self.take();
            worker.wake.notify_one();
        }
    }

    /// When the next request is due; `None` if there is none to come.
    fn next_due(&self) -> Option<Duration> {
        if self.draining.get() {
            return None;
        }
        let due = self.schedule.borrow().due(self.started.elapsed())?;
        if matches!(self.upcoming(), Upcoming::Over) {
            self.count(|outcome| outcome.ran_out = true);
            return None;
        }
        Some(due)
    }

    fn upcoming(&self) -> Upcoming {
        self.supply.upcoming(self.schedule.borrow().sent(), &self.endpoints)
    }

    fn is_over(&self) -> bool {
        self.next_due().is_none()
    }

    /// When the main loop has to look again by itself. Not at all while every worker is busy,
    /// since the first to be free takes what is due, nor while the next target is being read.
    fn next_due_for_main(&self) -> Option<Instant> {
        let all_busy = self.idle.borrow().is_empty() && !self.may_spawn();
        if all_busy || matches!(self.upcoming(), Upcoming::NotYet) {
            None
        } else {
            self.next_due().and_then(|due| self.started.checked_add(due))
        }
    }

    fn may_spawn(&self) -> bool {
        self.workers.get() < self.options.connections_max.get()
    }

    /// The worker used last whose connection leads to `endpoint`, else a new one, else one whose
    /// connection leads elsewhere.
    fn free_worker(self: &Rc<Engine>, endpoint: usize) -> Option<Rc<Worker>> {
        let mut idle = self.idle.borrow_mut();
        if let Some(at) = idle.iter().rposition(|worker| worker.endpoint.get() == endpoint) {
            return Some(idle.remove(at));
        }
        if !self.may_spawn() {
            return idle.pop();
        }
        let worker = Rc::new(Worker {
            job: RefCell::new(None),
            wake: Notify::new(),
            endpoint: Cell::new(endpoint),
        });
        self.workers.set(self.workers.get() + 1);
        self.count(|outcome| {
            outcome.connections_peak = outcome.connections_peak.max(self.workers.get())
        });
        // Detached: when the main loop returns, the runtime drops whoever is left.
        drop(tokio::task::spawn_local(work(Rc::clone(self), Rc::clone(&worker))));
        Some(worker)
    }

    /// Takes the next request if it is due.
    fn take(&self) -> Option<Job> {
        let taken = self.started.elapsed();
        if self.draining.get() {
            return None;
        }
        let due = self.schedule.borrow().due(taken).filter(|due| *due <= taken)?;
        let Upcoming::Ready(aim) = self.upcoming() else {
            return None;
        };
        self.supply.advance();
        let seq = self.schedule.borrow().sent();
        self.schedule.borrow_mut().advance();
        self.in_flight.set(self.in_flight.get() + 1);
        self.count(|outcome| {
            outcome.requests += 1;
            outcome.slip_max = outcome.slip_max.max(taken - due);
        });
        Some(Job { seq, aim, due, taken })
    }

    /// As [`Engine::take`], for a worker that has just become free.
    fn take_waiting(&self) -> Option<Job> {
        let all_busy = !self.may_spawn();
        let job = self.take()?;
        if all_busy && job.due < job.taken {
            self.count(|outcome| outcome.waited += 1);
        }
        Some(job)
    }

    fn count(&self, change: impl FnOnce(&mut Outcome)) {
        let mut outcome = self.outcome.get();
        change(&mut outcome);
        self.outcome.set(outcome);
    }

    /// Sends one request, over `connection` if that leads there, and leaves the connection there
    /// if it can be used again.
    async fn answer(
        &self,
        job: &Job,
        worker: &Worker,
        connection: &mut Option<Connection>,
        request: &mut Vec<u8>,
    ) -> Result<Answer, Failure> {
        let Aim { target, endpoint } = &*job.aim;
        request.clear();
        append_head(request, target, job.seq, &self.options);
        let rest: &[u8] = if target.body.len() <= BODY_LEN_COPIED {
            request.extend_from_slice(&target.body);
            &[]
        } else {
            &target.body
        };
        let keep = Keep { headers: self.options.keep_headers, body_max: self.options.body_max };

        let kept =
            connection.take().filter(|kept| worker.endpoint.get() == *endpoint && !kept.is_stale());
        let is_fresh = kept.is_none();
        let mut open = match kept {
            Some(kept) => kept,
            None => self.open(*endpoint, worker).await?,
        };
        let mut decoder = Decoder::new(&target.method, keep);
        let mut exchanged = open.exchange([request, rest], &mut decoder).await;
        if !is_fresh && matches!(exchanged, Err(Failure::Send(_))) {
            // The server had closed the connection before it had the whole request, so it cannot
            // have acted on it. Had it been sent, it might: then it is not sent again.
            self.count(|outcome| outcome.resent += 1);
            open = self.open(*endpoint, worker).await?;
            decoder = Decoder::new(&target.method, keep);
            exchanged = open.exchange([request, rest], &mut decoder).await;
        }
        let is_clean = exchanged?;
        let answer = decoder.into_answer();
        if is_clean && answer.reusable && self.options.keep_alive {
            *connection = Some(open);
        }
        Ok(answer)
    }

    async fn open(&self, endpoint: usize, worker: &Worker) -> Result<Connection, Failure> {
        let to = self.endpoints.get(endpoint);
        let resolved = to.addresses().await;
        let addresses =
            resolved.map_err(|source| Failure::Resolve { host: to.host().to_owned(), source })?;
        let connection = Connection::open(&to.name, addresses).await?;
        worker.endpoint.set(endpoint);
        self.count(|outcome| outcome.connections_opened += 1);
        Ok(connection)
    }

    /// Hands the main loop what became of `job`: an answer, or the text of an error.
    fn finish(&self, job: &Job, result: Result<Answer, String>) {
        let latency = self.started.elapsed().saturating_sub(job.due);
        let target = &job.aim.target;
        let timestamp_ns = self.started_ns + job.due.as_nanos() as i128;
        let mut record = Record {
            attack: self.options.name.clone(),
            seq: job.seq,
            code: 0,
            timestamp: Timestamp::from_nanosecond(timestamp_ns).unwrap_or(Timestamp::MAX),
            latency,
            bytes_out: 0,
            bytes_in: 0,
            error: String::new(),
            body: None,
            method: target.method.clone(),
            url: target.url.as_str().to_owned(),
            headers: None,
            slip: Some(job.taken - job.due),
        };
        match result {
            Ok(answer) => {
                record.code = answer.code;
                record.bytes_out = target.body.len() as u64;
                record.bytes_in = answer.body_len;
                record.body = answer.body;
                record.headers = answer.headers;
                if !record.is_success() {
                    record.error =
                        format!("{} {}", answer.code, answer.reason).trim_end().to_owned();
                }
            }
            Err(error) => record.error = error,
        }
        self.done.borrow_mut().push(record);
        self.in_flight.set(self.in_flight.get() - 1);
        self.wake.notify_one();
    }
}

/// A worker's life: jobs as long as there are any and its connection holds.
async fn work(engine: Rc<Engine>, worker: Rc<Worker>) {
    let mut connection = None;
    let mut request = Vec::new();
    let mut next = worker.job.take();
    while let Some(job) = next {
        let result = perform(&engine, &job, &worker, &mut connection, &mut request).await;
        engine.finish(&job, result);
        if engine.done.borrow().len() >= DONE_LEN_MAX {
            tokio::task::yield_now().await;
        }
        next = match engine.take_waiting() {
            Some(job) => Some(job),
            None => match &connection {
                Some(open) => wait_for_job(&engine, &worker, open).await,
                None => None,
            },
        };
    }
    engine.workers.set(engine.workers.get() - 1);
    // There may be room for another worker now.
    engine.wake.notify_one();
}

/// Answers one job in time, or says why not.
async fn perform(
    engine: &Engine,
    job: &Job,
    worker: &Worker,
    connection: &mut Option<Connection>,
    request: &mut Vec<u8>,
) -> Result<Answer, String> {
    let answer = engine.answer(job, worker, connection, request);
    let Some(timeout) = engine.options.timeout else {
        return answer.await.map_err(|failure| failure.to_string());
    };
    if job.taken - job.due >= timeout {
        let connections_max = engine.options.connections_max;
        return Err(format!(
            "timeout: none of {connections_max} connections became free within {}",
            Go(timeout)
        ));
    }
    match tokio::time::timeout(timeout, answer).await {
        Ok(answer) => answer.map_err(|failure| failure.to_string()),
        Err(_) => Err(format!("timeout: no answer within {}", Go(timeout))),
    }
}

/// Waits idle for the main loop's next job; `None` when the server closes the connection first.
async fn wait_for_job(
    engine: &Engine,
    worker: &Rc<Worker>,
    connection: &Connection,
) -> Option<Job> {
    engine.idle.borrow_mut().push(Rc::clone(worker));
    loop {
        tokio::select! {
            biased;
            () = worker.wake.notified() => {
                // A wake-up without a job is left over from a job that was taken without it.
                if let Some(job) = worker.job.take() {
                    return Some(job);
                }
            }
            () = connection.stirred() => {
                if connection.is_stale() {
                    let mut idle = engine.idle.borrow_mut();
                    return match idle.iter().position(|other| Rc::ptr_eq(other, worker)) {
                        Some(at) => {
                            idle.remove(at);
                            None
                        }
                        // Chosen in the meantime: the job finds out by itself that it needs a fresh connection.
                        None => worker.job.take(),
                    };
                }
            }
        }
    }
}
