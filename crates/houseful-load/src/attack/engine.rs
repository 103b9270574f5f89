//! The engine: a main loop that hands out what is due, and workers that each own a connection (or,
//! over HTTP/2, share one).
//!
//! ```text
//!  alarm ─▶ main loop ── due, and a worker is free ──▶ worker ─▶ connection ─▶ server
//!             ▲   │                                      │ ▲
//! on_record ◀─┘   └── none free, fewer than the most: spawn │
//!             └────────── record ────────────────────────┘ └── next one already due: takes it
//! ```
//!
//! What waits for a connection is no queue but a number: requests leave in order, so all from
//! the schedule's next on are still to be sent. When all workers are busy, each takes the next due
//! request as it becomes free. All of it runs on one thread, hence `Rc` and `Cell`. Records are
//! handed out by reference and used again, so that a request costs no allocation.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::{Rc, Weak};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::{Notify, watch};

use super::alarm::Alarm;
use super::block::{Block, Blocked, Blocks};
use super::busy::Busy;
use super::client::Failure;
use super::client::response::Answer;
use super::deadline::Deadlines;
use super::dial::Dialer;
use super::endpoint::Endpoints;
use super::finished::{Finished, Spare};
use super::http2::{self, Http2};
use super::supply::{Aim, Supply, Upcoming};
use super::worker::{self, Worker};
use super::{AttackError, CATCH_UP_MAX, Level, Options, Outcome, Targets};
use crate::metrics::LATE;
use crate::pacer::{Pacer, Schedule};
use crate::results::{Cause, Record};

/// So many records are handed out at once, or what there is after that time: to run the code of
/// whoever takes them for each alone costs several times as much, and so does waking up for it.
const HAND_OUT_LEN: usize = 64;
const HAND_OUT_EVERY: Duration = Duration::from_millis(50);

/// So many records may lie about before a worker lets the main loop hand them out.
pub(super) const DONE_LEN_MAX: usize = 1_024;

/// Runs the attack to its end. See [`super::run`].
pub(super) async fn run(
    targets: Targets,
    pacer: Pacer,
    options: Options,
    mut level: watch::Receiver<Level>,
    mut on_record: impl FnMut(&Record),
) -> Result<Outcome, AttackError> {
    let mut alarm = Alarm::new().map_err(AttackError::EventLoop)?;
    let endpoints = Endpoints::new(&options.connect_to);
    let dialer = Dialer::new(&options);
    let supply = Supply::new(targets, &endpoints);
    tokio::select! {
        found = look_up(&endpoints, &dialer) => found?,
        () = told(&mut level) => {}
    }
    let engine = Rc::new_cyclic(|this| {
        Engine::new(Weak::clone(this), supply, endpoints, dialer, pacer, options)
    });
    tokio::select! {
        () = engine.prepare() => {}
        () = told(&mut level) => {}
    }
    engine.start();
    let mut may_rise = true;
    let mut done = Vec::new();
    loop {
        let level_now = *level.borrow_and_update();
        if level_now > Level::Send {
            engine.draining.set(true);
        }
        let now = engine.elapsed();
        engine.busy.look(now);
        engine.deadlines.look(now);
        engine.assign();
        // In this order, for to look is to learn that the targets have run out.
        let next_look = engine.next_look();
        let ends = level_now == Level::Abandon || (engine.is_over() && engine.in_flight.get() == 0);
        if ends || engine.wants_to_hand_out() {
            if !ends {
                // Whoever has just got a request sends it first.
                tokio::task::yield_now().await;
            }
            std::mem::swap(&mut done, &mut engine.done.borrow_mut());
            for finished in done.drain(..) {
                on_record(&finished.record);
                engine.spare.put(finished);
            }
            if !ends {
                continue;
            }
            if let Some(fault) = engine.supply.fault() {
                return Err(AttackError::Targets(fault));
            }
            return Ok(engine.outcome_now());
        }
        tokio::select! {
            () = engine.wake.notified() => {}
            rung = alarm.wait_until(next_look.unwrap_or(engine.started.get())), if next_look.is_some() => {
                rung.map_err(AttackError::EventLoop)?;
            }
            () = poll_fn(|cx| engine.supply.poll_read(cx, &engine.endpoints)) => {}
            // Not for ever: perhaps nobody is left to stop us.
            changed = level.changed(), if may_rise => may_rise = changed.is_ok(),
        }
    }
}

/// Finds what is known already, which should not cost the first requests their time.
async fn look_up(endpoints: &Endpoints, dialer: &Dialer) -> Result<(), AttackError> {
    for endpoint in endpoints.known() {
        if endpoint.is_https() {
            dialer.tls()?;
        }
        let looked_up = dialer.look_up(&endpoint).await;
        looked_up.map_err(|failure| AttackError::Resolve(failure.to_string()))?;
    }
    Ok(())
}

/// Waits until the attack is to end early; for ever, if nobody is left to say so.
async fn told(level: &mut watch::Receiver<Level>) {
    while *level.borrow_and_update() == Level::Send {
        if level.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// A request that a worker has taken up.
pub(super) struct Job {
    pub(super) seq: u64,
    pub(super) aim: Rc<Aim>,
    /// Both since the start.
    pub(super) due: Duration,
    pub(super) taken: Cell<Duration>,
    /// See [`Record::queued`].
    pub(super) queued: Cell<Duration>,
}

pub(super) struct Engine {
    this: Weak<Engine>,
    supply: Supply,
    pub(super) endpoints: Endpoints,
    pub(super) dialer: Dialer,
    pub(super) http2: Http2,
    /// Whether a server has closed a kept connection without a word when it was to be used again.
    pub(super) hangs_up: Cell<bool>,
    schedule: RefCell<Schedule>,
    pub(super) options: Options,
    started: Cell<Instant>,
    started_ns: Cell<i128>,
    busy: Busy,

    draining: Cell<bool>,
    blocks: Blocks,
    in_flight: Cell<u64>,
    workers: Cell<usize>,
    deadlines: Deadlines,
    /// Workers that open a connection before the first request.
    warming: Cell<usize>,
    /// Workers with an open connection and nothing to do, the one used last on top.
    pub(super) idle: RefCell<Vec<Rc<Worker>>>,
    done: RefCell<Vec<Finished>>,
    /// When the first of them was.
    done_since: Cell<Duration>,
    spare: Spare,
    outcome: Cell<Outcome>,
    /// Wakes the main loop.
    wake: Rc<Notify>,
}

impl Engine {
    fn new(
        this: Weak<Engine>,
        supply: Supply,
        endpoints: Endpoints,
        dialer: Dialer,
        pacer: Pacer,
        options: Options,
    ) -> Engine {
        let wake = Rc::new(Notify::new());
        Engine {
            this,
            supply,
            endpoints,
            dialer,
            http2: Http2::default(),
            hangs_up: Cell::new(false),
            schedule: RefCell::new(Schedule::new(pacer)),
            deadlines: Deadlines::new(Rc::clone(&wake)),
            options,
            started: Cell::new(Instant::now()),
            started_ns: Cell::new(Timestamp::now().as_nanosecond()),
            busy: Busy::new(),
            draining: Cell::new(false),
            blocks: Blocks::new(),
            in_flight: Cell::new(0),
            workers: Cell::new(0),
            warming: Cell::new(0),
            idle: RefCell::new(Vec::new()),
            done: RefCell::new(Vec::new()),
            done_since: Cell::new(Duration::ZERO),
            spare: Spare::default(),
            outcome: Cell::new(Outcome::default()),
            wake,
        }
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.started.get().elapsed()
    }

    /// Waits for the first target and opens the connections that are to be there before the first
    /// request, as far as the server lets us; what it does not, the first requests will tell.
    async fn prepare(self: &Rc<Engine>) {
        while matches!(self.upcoming(), Upcoming::NotYet) {
            poll_fn(|cx| self.supply.poll_read(cx, &self.endpoints)).await;
        }
        let first = self.options.connections_first.min(self.options.connections_max.get());
        let first = first.min(self.options.requests_limit().get());
        for number in 0..first {
            if let Upcoming::Ready(aim) = self.supply.upcoming(number as u64, &self.endpoints) {
                self.warming.set(self.warming.get() + 1);
                let worker = self.add_worker(aim.endpoint);
                drop(tokio::task::spawn_local(worker::warm_up(Rc::clone(self), worker)));
            }
        }
        while self.warming.get() > 0 {
            self.wake.notified().await;
        }
    }

    /// A worker has its connection, or has none.
    pub(super) fn is_warm(&self) {
        self.warming.set(self.warming.get() - 1);
        self.wake.notify_one();
    }

    /// From now on it counts.
    fn start(&self) {
        self.started.set(Instant::now());
        self.started_ns.set(Timestamp::now().as_nanosecond());
        self.blocks.restart();
    }

    /// Hands what is due to workers as long as one is free or may be made, and gives up what the
    /// generator is too late for.
    fn assign(self: &Rc<Engine>) {
        while let Some(due) = self.next_due() {
            let now = self.elapsed();
            if due > now {
                break;
            }
            let Upcoming::Ready(aim) = self.upcoming() else {
                break;
            };
            if self.is_too_late(due, now) {
                if let Some(job) = self.take() {
                    self.finish(&job, Err(Failure::Late));
                }
                if self.has_much_done() {
                    self.wake.notify_one();
                    break;
                }
                continue;
            }
            let Some(worker) = self.free_worker(aim.endpoint) else {
                break;
            };
            // If the plan ended between two looks at the clock, the worker finds nothing to do.
            worker.give(self.take());
        }
        self.note_block();
    }

    /// When the next request is due; `None` if there is none to come.
    fn next_due(&self) -> Option<Duration> {
        if self.draining.get() {
            return None;
        }
        let due = self.schedule.borrow().due(self.elapsed())?;
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

    /// When the main loop has to look again by itself.
    fn next_look(&self) -> Option<Instant> {
        let (due, hand_out) = (self.next_due_for_main(), self.next_hand_out());
        let next = match (due, hand_out) {
            // Records can wait for that one, which saves a turn of the event loop.
            (Some(due), Some(hand_out)) if due <= hand_out + HAND_OUT_EVERY => Some(due),
            (due, hand_out) => [due, hand_out].into_iter().flatten().min(),
        };
        let next = [next, self.deadlines.next_look()].into_iter().flatten().min()?;
        self.started.get().checked_add(next)
    }

    /// Not at all while every worker is busy, since the first to be free takes what is due; while
    /// the next target is being read, when the plan ends without it.
    fn next_due_for_main(&self) -> Option<Duration> {
        if self.is_full() {
            return None;
        }
        let due = self.next_due()?;
        match self.upcoming() {
            Upcoming::NotYet => self.schedule.borrow().ends(),
            _ => Some(due),
        }
    }

    /// When the first record that is done has waited for others long enough.
    fn next_hand_out(&self) -> Option<Duration> {
        let is_any = !self.done.borrow().is_empty();
        is_any.then(|| self.done_since.get() + HAND_OUT_EVERY)
    }

    fn wants_to_hand_out(&self) -> bool {
        self.done.borrow().len() >= HAND_OUT_LEN
            || self.next_hand_out().is_some_and(|at| at <= self.elapsed())
    }

    fn is_full(&self) -> bool {
        if let Upcoming::Ready(aim) = self.upcoming()
            && let Some(is_full) = http2::is_full(self, aim.endpoint)
        {
            return is_full;
        }
        self.idle.borrow().is_empty() && !self.may_spawn() && !http2::may_lend(self)
    }

    fn may_spawn(&self) -> bool {
        self.may_work() && self.has_place()
    }

    /// Whether another request may be under way.
    pub(super) fn may_work(&self) -> bool {
        self.workers.get() < self.options.requests_limit().get()
    }

    /// Whether another connection may be opened.
    pub(super) fn has_place(&self) -> bool {
        let owners = self.workers.get() - self.http2.sharing();
        owners + self.http2.connections() < self.options.connections_max.get()
    }

    /// Has the main loop look again.
    pub(super) fn wake(&self) {
        self.wake.notify_one();
    }

    /// For tasks that outlive the call.
    pub(super) fn this(&self) -> Rc<Engine> {
        self.this.upgrade().expect("the engine is alive while it is used")
    }

    /// Notes whether sending is blocked, and by what.
    pub(super) fn note_block(&self) {
        let block = if self.is_full() {
            Some(Block::Connections)
        } else if matches!(self.upcoming(), Upcoming::NotYet) {
            Some(Block::Targets)
        } else {
            None
        };
        let known = self.blocks.now();
        if known != block {
            self.blocks.set(block, self.elapsed());
            if known == Some(Block::Connections) {
                // The main loop went to sleep without a thought of what is due next.
                self.wake.notify_one();
            }
        }
    }

    /// For how long of the time from `due` to `now` sending was blocked. A generator that is at its own
    /// limit does not get to its answers, so then it is not the connections' fault that they are in
    /// use.
    fn blocked(&self, due: Duration, now: Duration) -> Blocked {
        let blocked = self.blocks.between(due, now);
        if self.busy.is_at_limit() {
            return Blocked { connections: Duration::ZERO, ..blocked };
        }
        blocked
    }

    /// Whether the generator alone made a request so late that it is not sent any more: to catch
    /// up with a long pause at once is not the load that was asked for.
    fn is_too_late(&self, due: Duration, now: Duration) -> bool {
        let late = now.saturating_sub(due);
        if late <= CATCH_UP_MAX {
            return false;
        }
        let Blocked { connections, targets } = self.blocked(due, now);
        late.saturating_sub(connections + targets) > CATCH_UP_MAX
    }

    /// The worker used last whose connection leads to `endpoint`, else a new one, else one whose
    /// connection leads elsewhere.
    fn free_worker(self: &Rc<Engine>, endpoint: usize) -> Option<Rc<Worker>> {
        if let Some(found) = http2::free_worker(self, endpoint) {
            return found;
        }
        let mut idle = self.idle.borrow_mut();
        if let Some(at) = idle.iter().rposition(|worker| worker.endpoint.get() == endpoint) {
            return Some(idle.remove(at));
        }
        if !self.may_spawn() {
            return idle.pop().or_else(|| http2::lend(self));
        }
        drop(idle);
        Some(self.spawn(endpoint))
    }

    pub(super) fn spawn(self: &Rc<Engine>, endpoint: usize) -> Rc<Worker> {
        let worker = self.add_worker(endpoint);
        // Detached: when the main loop returns, the runtime drops whoever is left.
        drop(tokio::task::spawn_local(worker::work(Rc::clone(self), Rc::clone(&worker))));
        worker
    }

    fn add_worker(&self, endpoint: usize) -> Rc<Worker> {
        let worker = Rc::new(Worker::new(endpoint, self.deadlines.add()));
        self.workers.set(self.workers.get() + 1);
        worker
    }

    /// A worker has ended.
    pub(super) fn retire(&self, worker: &Worker) {
        self.http2.leave(worker);
        self.deadlines.remove(&worker.deadline);
        self.workers.set(self.workers.get() - 1);
        self.http2.has_room(self, None);
        // There may be room for another one now.
        self.wake.notify_one();
    }

    /// Takes the next request if it is due.
    fn take(&self) -> Option<Job> {
        let taken = self.elapsed();
        if self.draining.get() {
            return None;
        }
        let due = self.schedule.borrow().due(taken).filter(|due| *due <= taken)?;
        let Upcoming::Ready(aim) = self.upcoming() else {
            return None;
        };
        let queued = self.blocked(due, taken).connections;
        self.blocks.forget(due);
        self.supply.advance();
        let seq = self.schedule.borrow().sent();
        self.schedule.borrow_mut().advance();
        self.in_flight.set(self.in_flight.get() + 1);
        let (slip, in_flight) = (taken - due, self.in_flight.get() as usize);
        self.count(|outcome| {
            outcome.requests_peak = outcome.requests_peak.max(in_flight);
            outcome.requests += 1;
            outcome.slip_max = outcome.slip_max.max(slip);
            outcome.late += u64::from(slip > LATE);
            outcome.waited += u64::from(!queued.is_zero());
            outcome.queued_max = outcome.queued_max.max(queued);
        });
        Some(Job { seq, aim, due, taken: Cell::new(taken), queued: Cell::new(queued) })
    }

    /// As [`Engine::take`], for a worker that has just become free. What is too late is left to
    /// the main loop.
    pub(super) fn take_waiting(&self, worker: &Worker) -> Option<Job> {
        let now = self.elapsed();
        let due = self.schedule.borrow().due(now).filter(|due| *due <= now)?;
        if self.is_too_late(due, now) {
            self.wake.notify_one();
            return None;
        }
        if let Upcoming::Ready(aim) = self.upcoming()
            && !http2::may_take(self, worker, aim.endpoint)
        {
            return None;
        }
        let job = self.take();
        if job.is_none() {
            worker.share.give_back();
        }
        // The one after it may be for a host that has a stream free, and the main loop asleep.
        self.note_block();
        job
    }

    pub(super) fn has_much_done(&self) -> bool {
        self.done.borrow().len() >= DONE_LEN_MAX
    }

    pub(super) fn count(&self, change: impl FnOnce(&mut Outcome)) {
        let mut outcome = self.outcome.get();
        change(&mut outcome);
        self.outcome.set(outcome);
    }

    fn outcome_now(&self) -> Outcome {
        Outcome {
            abandoned: self.in_flight.get(),
            connections_opened: self.dialer.connections().opened(),
            connections_peak: self.dialer.connections().peak(),
            at_limit: self.busy.at_limit(),
            awaited_targets: self.blocks.by(self.elapsed()).targets,
            elapsed: self.elapsed(),
            ..self.outcome.get()
        }
    }

    /// Hands the main loop what became of `job`. The answer gets the buffers of an earlier one.
    pub(super) fn finish(&self, job: &Job, result: Result<&mut Answer, Failure>) {
        let now = self.elapsed();
        if matches!(&result, Err(failure) if failure.cause() == Cause::Unsent) {
            self.count(|outcome| outcome.unsent += 1);
        }
        let mut finished = self.spare.take();
        finished.fill(job, &self.options.name, self.started_ns.get(), now, result);
        let mut done = self.done.borrow_mut();
        done.push(finished);
        let len = done.len();
        drop(done);
        if len == 1 {
            self.done_since.set(now);
        }
        self.in_flight.set(self.in_flight.get() - 1);
        // The main loop goes on when it has to, and no sooner: each time is a turn of the event loop.
        let may_end = || self.in_flight.get() == 0 && self.is_over();
        if len == 1 || len == HAND_OUT_LEN || may_end() {
            self.wake.notify_one();
        }
    }
}
