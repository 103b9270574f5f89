//! A worker: a task that owns at most one connection and carries one request at a time.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use tokio::sync::Notify;

use super::client::Failure;
use super::client::connection::Connection;
use super::client::request::append_head;
use super::client::response::{Decoder, Keep};
use super::engine::{Engine, Job};
use super::supply::Aim;

/// A body up to this long is copied behind its head and sent in one piece.
const BODY_LEN_COPIED: usize = 16 * 1024;

/// What the main loop knows of a worker.
pub(super) struct Worker {
    /// Put here by the main loop while the worker is idle.
    job: RefCell<Option<Job>>,
    wake: Notify,
    /// Which endpoint its connection leads to.
    pub(super) endpoint: Cell<usize>,
}

impl Worker {
    pub(super) fn new(endpoint: usize) -> Worker {
        Worker { job: RefCell::new(None), wake: Notify::new(), endpoint: Cell::new(endpoint) }
    }

    /// Wakes the worker with a job, or with none.
    pub(super) fn give(&self, job: Option<Job>) {
        *self.job.borrow_mut() = job;
        self.wake.notify_one();
    }
}

/// What a worker works with, request by request.
struct Tools {
    connection: Option<Connection>,
    request: Vec<u8>,
    decoder: Decoder,
}

/// A worker's life: jobs as long as there are any and its connection holds.
pub(super) async fn work(engine: Rc<Engine>, worker: Rc<Worker>) {
    let options = &engine.options;
    let keep = Keep { headers: options.keep_headers, location: false, body_max: options.body_max };
    let mut tools = Tools { connection: None, request: Vec::new(), decoder: Decoder::new(keep) };
    let mut next = worker.job.take();
    while let Some(job) = next {
        let result = perform(&engine, &job, &worker, &mut tools).await;
        engine.finish(&job, result.map(|()| tools.decoder.answer()));
        if engine.has_much_done() {
            tokio::task::yield_now().await;
        }
        next = match engine.take_waiting() {
            Some(job) => Some(job),
            None => match &tools.connection {
                Some(open) => wait_for_job(&engine, &worker, open).await,
                None => None,
            },
        };
    }
    engine.retire();
}

/// Has one job answered in time, or says why not.
async fn perform(
    engine: &Engine,
    job: &Job,
    worker: &Worker,
    tools: &mut Tools,
) -> Result<(), Failure> {
    let Some(timeout) = engine.options.timeout else {
        return exchange(engine, &job.aim, job.seq, worker, tools).await;
    };
    if job.queued >= timeout {
        let connections_max = engine.options.connections_max;
        return Err(Failure::NoneFree { connections_max, timeout });
    }
    let answer = exchange(engine, &job.aim, job.seq, worker, tools);
    tokio::time::timeout(timeout, answer).await.unwrap_or(Err(Failure::Timeout(timeout)))
}

/// Sends one request, over the worker's connection if that leads there, and leaves the connection
/// there if it can be used again.
async fn exchange(
    engine: &Engine,
    aim: &Aim,
    seq: u64,
    worker: &Worker,
    tools: &mut Tools,
) -> Result<(), Failure> {
    let Aim { target, endpoint } = aim;
    let Tools { connection, request, decoder } = tools;
    request.clear();
    append_head(request, target, seq, &engine.options);
    let rest: &[u8] = if target.body.len() <= BODY_LEN_COPIED {
        request.extend_from_slice(&target.body);
        &[]
    } else {
        &target.body
    };

    let kept =
        connection.take().filter(|kept| worker.endpoint.get() == *endpoint && !kept.is_stale());
    let is_fresh = kept.is_none();
    let mut connected = match kept {
        Some(kept) => kept,
        None => open(engine, *endpoint, worker).await?,
    };
    decoder.begin(&target.method);
    let mut exchanged = connected.exchange([request, rest], decoder).await;
    if !is_fresh && matches!(exchanged, Err(Failure::Send(_))) {
        // The server had closed the connection before it had the whole request, so it cannot
        // have acted on it. Had it been sent, it might: then it is not sent again.
        engine.count(|outcome| outcome.resent += 1);
        connected = open(engine, *endpoint, worker).await?;
        decoder.begin(&target.method);
        exchanged = connected.exchange([request, rest], decoder).await;
    }
    let is_clean = exchanged?;
    if is_clean && decoder.answer().reusable && engine.options.keep_alive {
        *connection = Some(connected);
    }
    Ok(())
}

async fn open(engine: &Engine, endpoint: usize, worker: &Worker) -> Result<Connection, Failure> {
    let to = engine.endpoints.get(endpoint);
    let resolved = to.addresses().await;
    let addresses =
        resolved.map_err(|source| Failure::Resolve { host: to.host().to_owned(), source })?;
    let connection = Connection::open(&to.name, addresses).await?;
    worker.endpoint.set(endpoint);
    engine.count(|outcome| outcome.connections_opened += 1);
    Ok(connection)
}

/// Waits idle for the main loop's next job; `None` when the server closes the connection first.
async fn wait_for_job(
    engine: &Engine,
    worker: &Rc<Worker>,
    connection: &Connection,
) -> Option<Job> {
    engine.idle.borrow_mut().push(Rc::clone(worker));
    engine.note_block();
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
