//! A worker: a task that carries one request at a time. Over HTTP/1.1 it owns a connection, over
//! HTTP/2 it has a stream of a shared one: see [`http2`].

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

use super::client::Failure;
use super::client::connection::Connection;
use super::client::request::{append_chunked, append_head};
use super::client::response::{Decoder, Keep};
use super::deadline::Deadline;
use super::dial::Offer;
use super::engine::{Engine, Job};
use super::http2::{self, Carried, Share};
use super::supply::{Aim, aim as aim_at};
use crate::targets::{Target, UrlError};

/// A body up to this long is copied behind its head and sent in one piece.
const BODY_LEN_COPIED: usize = 16 * 1024;

/// What the main loop knows of a worker.
pub(super) struct Worker {
    /// Put here by the main loop while the worker is idle.
    job: RefCell<Option<Job>>,
    wake: Notify,
    /// Which endpoint its connection leads to.
    pub(super) endpoint: Cell<usize>,
    pub(super) share: Share,
    /// Of its request.
    pub(super) deadline: Rc<Deadline>,
}

impl Worker {
    pub(super) fn new(endpoint: usize, deadline: Rc<Deadline>) -> Worker {
        Worker {
            job: RefCell::new(None),
            wake: Notify::new(),
            endpoint: Cell::new(endpoint),
            share: Share::default(),
            deadline,
        }
    }

    /// Wakes the worker with a job, or with none.
    pub(super) fn give(&self, job: Option<Job>) {
        if job.is_none() {
            self.share.give_back();
        }
        *self.job.borrow_mut() = job;
        self.wake.notify_one();
    }

    /// Waits until the worker is woken.
    pub(super) async fn given(&self) {
        self.wake.notified().await;
    }

    /// The job that it was given, if it still has it.
    pub(super) fn take_job(&self) -> Option<Job> {
        self.job.take()
    }
}

/// What a worker works with, request by request.
struct Tools {
    connection: Option<Connection>,
    request: Vec<u8>,
    decoder: Decoder,
}

impl Tools {
    fn new(engine: &Engine) -> Tools {
        let options = &engine.options;
        let keep = Keep {
            headers: options.keep_headers,
            location: options.redirects_max.is_some(),
            body_max: options.body_max,
        };
        Tools { connection: None, request: Vec::new(), decoder: Decoder::new(keep) }
    }
}

/// A worker's life: jobs as long as there are any and its connection holds.
pub(super) async fn work(engine: Rc<Engine>, worker: Rc<Worker>) {
    let tools = Tools::new(&engine);
    let first = worker.job.take();
    work_on(engine, worker, tools, first).await;
}

/// As [`work`], for a worker that opens a connection before it has a job.
pub(super) async fn warm_up(engine: Rc<Engine>, worker: Rc<Worker>) {
    let mut tools = Tools::new(&engine);
    let opened = open_first(&engine, &worker);
    tools.connection = match engine.options.timeout {
        None => opened.await.ok().flatten(),
        Some(timeout) => {
            tokio::time::timeout(timeout, opened).await.ok().and_then(Result::ok).flatten()
        }
    };
    engine.is_warm();
    let first = rest(&engine, &worker, &mut tools).await;
    work_on(engine, worker, tools, first).await;
}

async fn work_on(engine: Rc<Engine>, worker: Rc<Worker>, mut tools: Tools, first: Option<Job>) {
    let mut next = first;
    while let Some(job) = next {
        let result = perform(&engine, &job, &worker, &mut tools).await;
        engine.finish(&job, result.map(|()| tools.decoder.answer()));
        http2::has_ended(&engine);
        if engine.has_much_done() {
            tokio::task::yield_now().await;
        }
        next = match engine.take_waiting(&worker) {
            Some(job) => Some(job),
            None => rest(&engine, &worker, &mut tools).await,
        };
    }
    engine.retire(&worker);
}

/// Waits idle for the next job; `None` when the worker is of no use without a connection.
async fn rest(engine: &Engine, worker: &Rc<Worker>, tools: &mut Tools) -> Option<Job> {
    match &mut tools.connection {
        Some(_) if http2::wants_place(engine) => None,
        Some(open) => wait_for_job(engine, worker, open).await,
        None if http2::shares(worker) => Some(http2::wait_for_job(engine, worker).await),
        None => None,
    }
}

/// Has one job answered in time, or says why not.
async fn perform(
    engine: &Engine,
    job: &Job,
    worker: &Worker,
    tools: &mut Tools,
) -> Result<(), Failure> {
    if http2::shares(worker) {
        // One that it had made room for another.
        tools.connection = None;
    }
    let Some(timeout) = engine.options.timeout else {
        return answer(engine, job, worker, tools).await;
    };
    if job.queued.get() >= timeout {
        worker.share.give_back();
        return Err(none_free(engine, timeout));
    }
    let answer = answer(engine, job, worker, tools);
    let until = job.taken.get().saturating_add(timeout);
    if let Some(result) = worker.deadline.limit(until, answer).await {
        return result;
    }
    let Some(queued) = worker.share.queued(engine.elapsed()) else {
        return Err(Failure::Timeout(timeout));
    };
    http2::has_queued(engine, job, queued);
    Err(none_free(engine, timeout))
}

/// Why a request was not sent that waited so long for others to end.
pub(super) fn none_free(engine: &Engine, timeout: Duration) -> Failure {
    let options = &engine.options;
    let connections_max = options.connections_max.min(options.requests_limit());
    Failure::NoneFree { connections_max, timeout }
}

/// Has one job answered, wherever that leads.
async fn answer(
    engine: &Engine,
    job: &Job,
    worker: &Worker,
    tools: &mut Tools,
) -> Result<(), Failure> {
    exchange(engine, job, &job.aim, worker, tools).await?;
    let Some(redirects_max) = engine.options.redirects_max else {
        return Ok(());
    };
    let mut aim = Rc::clone(&job.aim);
    for followed in 0.. {
        let answer = tools.decoder.answer();
        if answer.location.is_empty() {
            break;
        }
        if followed == redirects_max {
            return Err(Failure::Redirects(redirects_max));
        }
        let target = redirected(&aim.target, answer.code, &answer.location);
        aim = aim_at(target.map_err(Failure::Nowhere)?, &engine.endpoints);
        exchange(engine, job, &aim, worker, tools).await?;
    }
    Ok(())
}

/// What is sent where a redirect leads, as Go does it: 307 and 308 keep method and body, others
/// become a GET; what proves who we are goes to no other host.
fn redirected(target: &Target, code: u16, location: &str) -> Result<Target, UrlError> {
    let url = target.url.join(location)?;
    let mut next = Target { url, ..target.clone() };
    let mut drop_headers = |prefixes: &[&str]| {
        next.headers.retain(|header| {
            let key = header.key().to_ascii_lowercase();
            !prefixes.iter().any(|prefix| key.starts_with(prefix))
        });
    };
    if !matches!(code, 307 | 308) {
        drop_headers(&["content-"]);
    }
    if target.url.host() != next.url.host() {
        drop_headers(&["authorization", "cookie", "host", "www-authenticate"]);
    }
    if !matches!(code, 307 | 308) {
        next.body = Arc::from([]);
        if next.method != "HEAD" {
            next.method = "GET".to_owned();
        }
    }
    Ok(next)
}

/// Sends one request, over the worker's connection if that leads there, and leaves the connection
/// there if it can be used again.
async fn exchange(
    engine: &Engine,
    job: &Job,
    aim: &Rc<Aim>,
    worker: &Worker,
    tools: &mut Tools,
) -> Result<(), Failure> {
    let Aim { target, endpoint, .. } = &**aim;
    let Tools { connection, request, decoder } = tools;
    let mut opened = None;
    if let Some(host) = engine.http2.host(engine, *endpoint) {
        *connection = None;
        match http2::exchange(engine, &host, worker, job, aim, decoder).await? {
            Carried::Here => return Ok(()),
            Carried::ByHttp1(stream) => opened = stream.map(Connection::new),
        }
    }
    engine.http2.leave(worker);
    request.clear();
    append_head(request, target, job.seq, &engine.options);
    let rest: &[u8] = if engine.options.is_chunked {
        append_chunked(request, &target.body);
        &[]
    } else if target.body.len() <= BODY_LEN_COPIED {
        request.extend_from_slice(&target.body);
        &[]
    } else {
        &target.body
    };

    let kept =
        connection.take().filter(|_| worker.endpoint.get() == *endpoint).and_then(|mut kept| {
            let is_stale = kept.is_stale_for_another(engine.hangs_up.get());
            engine.hangs_up.set(engine.hangs_up.get() || is_stale);
            (!is_stale).then_some(kept)
        });
    let is_fresh = kept.is_none();
    let mut connected = match kept {
        Some(kept) => kept,
        None => open(engine, *endpoint, worker, opened).await?,
    };
    decoder.begin(&target.method);
    let mut may_resend = false;
    let mut exchanged = connected.exchange([request, rest], decoder).await;
    if let Err(failure) = &exchanged
        && !is_fresh
        && failure.is_end_of_connection()
        && !decoder.has_begun()
    {
        // From now on it is worth a look before each request whether the connection is still open.
        engine.hangs_up.set(true);
        // Of what it has seen nothing of, it cannot have acted on. Else it may have: then only what asks
        // for no act is sent again.
        may_resend = !connected.has_sent() || is_safe(&target.method);
    }
    if may_resend {
        engine.count(|outcome| outcome.resent += 1);
        connected = open(engine, *endpoint, worker, None).await?;
        decoder.begin(&target.method);
        exchanged = connected.exchange([request, rest], decoder).await;
    }
    let is_clean = exchanged?;
    if is_clean && decoder.answer().reusable && engine.options.keep_alive {
        *connection = Some(connected);
    }
    Ok(())
}

/// Whether a request asks for nothing to be done (RFC 9110, 9.2.1), so that it does no harm when the
/// server sees it twice.
fn is_safe(method: &str) -> bool {
    matches!(method, "GET" | "HEAD" | "OPTIONS" | "TRACE")
}

/// Opens a connection to the endpoint, unless that was `done` to find out what it speaks.
async fn open(
    engine: &Engine,
    endpoint: usize,
    worker: &Worker,
    done: Option<Connection>,
) -> Result<Connection, Failure> {
    let connection = match done {
        Some(connection) => connection,
        None => {
            let to = engine.endpoints.get(endpoint);
            Connection::new(engine.dialer.open(&to, Offer::Http1).await?)
        }
    };
    worker.endpoint.set(endpoint);
    Ok(connection)
}

/// Opens the connection that a worker is to have before its first job; `None` if it shares one.
async fn open_first(engine: &Engine, worker: &Worker) -> Result<Option<Connection>, Failure> {
    let endpoint = worker.endpoint.get();
    let mut opened = None;
    if let Some(host) = engine.http2.host(engine, endpoint) {
        match http2::warm_up(engine, &host, worker).await? {
            Carried::Here => return Ok(None),
            Carried::ByHttp1(stream) => opened = stream.map(Connection::new),
        }
    }
    open(engine, endpoint, worker, opened).await.map(Some)
}

/// Waits idle for the main loop's next job; `None` when the server closes the connection first.
async fn wait_for_job(
    engine: &Engine,
    worker: &Rc<Worker>,
    connection: &mut Connection,
) -> Option<Job> {
    if engine.idle.borrow().len() >= engine.options.connections_idle_max {
        return None;
    }
    engine.idle.borrow_mut().push(Rc::clone(worker));
    engine.note_block();
    loop {
        tokio::select! {
            biased;
            () = worker.wake.notified() => {
                if let Some(job) = worker.job.take() {
                    return Some(job);
                }
                // Left over from a job that was taken without it, or the request it was chosen for
                // has gone.
                let mut idle = engine.idle.borrow_mut();
                if !idle.iter().any(|other| Rc::ptr_eq(other, worker)) {
                    engine.http2.leave(worker);
                    idle.push(Rc::clone(worker));
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
