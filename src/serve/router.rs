//! Everything but the hot door: axum on hyper, one request per connection.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{Method, StatusCode, Uri};
use axum::middleware::{from_fn_with_state, map_response};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use bytes::Bytes;
use houseful_store::{Arrival, Health, ReadError, Store};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio_io_timeout::TimeoutStream;

use super::batch::Turns;
use super::connections::Connections;
use super::feed::{self, Feeds};
use super::front::{BODY_MAX, INGEST_PATH, WRITE_MAX, linger};
use super::ingest::{BODY_BYTES_MAX, Ingest, Peer};
use super::lists::{Lists, Places};
use super::pace::{Counted, Sent, too_slow};
use super::parameters::shown;
use super::reply::Reply;
use super::requests::{self, Requests};
use super::{activity, batch, healthz, heard, media, metrics, openapi, page, readings};

/// hyper's buffer per connection, at most.
const BUFFER_BYTES_MAX: usize = 64 * 1024;

/// What the handlers share.
#[derive(Clone)]
pub(crate) struct Doors {
    pub(crate) store: Arc<Store>,
    pub(crate) ingest: Ingest,
    pub(crate) stopping: watch::Receiver<bool>,
    pub(super) lists: Arc<Lists>,
    /// Held by each batch until it is answered.
    pub(crate) batches: Arc<Turns>,
    pub(crate) connections: Connections,
    pub(crate) requests: Arc<Requests>,
    pub(crate) feeds: Arc<Feeds>,
}

impl Doors {
    pub(crate) fn new(
        store: Arc<Store>,
        ingest: Ingest,
        stopping: watch::Receiver<bool>,
        connections: Connections,
    ) -> Doors {
        Doors {
            feeds: Feeds::new(store.clone()),
            store,
            ingest,
            stopping,
            lists: Arc::new(Lists::new()),
            batches: Arc::default(),
            connections,
            requests: Arc::default(),
        }
    }

    /// For what comes with this request.
    pub(crate) fn ingest_of(&self, request: &Request) -> Ingest {
        self.ingest.of(request.extensions().get().copied().unwrap_or_default())
    }

    /// Looks into the store off the async threads, which must never wait for
    /// the disk.
    pub(crate) async fn blocking<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Doors) -> Result<T, ReadError> + Send + 'static,
    ) -> Result<T, ReadError> {
        let doors = self.clone();
        let found = tokio::task::spawn_blocking(move || look(&doors)).await;
        found.unwrap_or(Err(ReadError::Closed))
    }
}

/// The routes, ready to serve connections.
#[derive(Clone)]
pub(crate) struct Router {
    pub(super) routes: axum::Router,
    pub(super) requests: Arc<Requests>,
    /// Of the routes.
    #[cfg(test)]
    pub(super) paths: Vec<&'static str>,
}

/// Routes as they are made, and their paths, which axum does not tell.
#[derive(Default)]
struct Table {
    routes: axum::Router<Doors>,
    paths: Vec<&'static str>,
}

impl Table {
    fn route(mut self, path: &'static str, door: MethodRouter<Doors>) -> Table {
        self.paths.push(path);
        Table { routes: self.routes.route(path, door), ..self }
    }
}

impl Router {
    pub(crate) fn new(doors: Doors) -> Router {
        let requests = doors.requests.clone();
        let table = Table::default()
            .route(INGEST_PATH, get(readings::list).post(post))
            .route("/rssi_readings/batch", axum::routing::post(batch::post))
            .route("/rssi_readings/{id}", get(readings::one))
            .route("/badges", get(heard::badges))
            .route("/pis", get(heard::pis))
            .route(feed::PATH, get(feed::feed))
            .route("/", get(page::page))
            .route("/livez", get(live))
            .route("/readyz", get(ready))
            .route("/healthz", get(healthz::healthz))
            .route("/activity", get(activity::activity))
            .route("/metrics", get(metrics::metrics))
            .route("/openapi.json", get(openapi::openapi));
        let routes = table
            .routes
            .fallback(not_found)
            .method_not_allowed_fallback(not_allowed)
            .layer(map_response(kept_to_us))
            .layer(from_fn_with_state(requests.clone(), requests::count))
            .with_state(doors);
        Router {
            routes,
            requests,
            #[cfg(test)]
            paths: table.paths,
        }
    }

    /// Serves the one request that `stream` begins with; its head arrived at
    /// `arrival`, from `peer`. Then closes the connection. With `half_close`, a client that
    /// shuts its side is still answered.
    pub(crate) async fn serve_one<S>(
        &self,
        stream: S,
        arrival: Arrival,
        peer: Peer,
        half_close: bool,
    ) where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let sent = Sent::default();
        let mut stream = Box::pin(TimeoutStream::new(Counted { stream, sent: sent.clone() }));
        stream.as_mut().set_write_timeout_pinned(Some(WRITE_MAX));
        let (list_of, places) = watch::channel(None::<Arc<Places>>);
        let list_of = Arc::new(list_of);
        let routes = TowerToHyperService::new(self.routes.clone());
        let service = service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
            request.extensions_mut().insert(arrival);
            request.extensions_mut().insert(peer);
            let (routes, list_of) = (routes.clone(), list_of.clone());
            async move {
                let response = hyper::service::Service::call(&routes, request).await?;
                if let Some(places) = response.extensions().get::<Arc<Places>>() {
                    list_of.send_replace(Some(places.clone()));
                }
                Ok::<_, Infallible>(response)
            }
        });
        // It is hyper that shuts our side: without that, it calls a connection done
        // whose answer it has not sent yet, once there is nothing more to read.
        let serving = hyper::server::conn::http1::Builder::new()
            .keep_alive(false)
            .half_close(half_close)
            .max_buf_size(BUFFER_BYTES_MAX)
            .timer(TokioTimer::new())
            .serve_connection(TokioIo::new(&mut stream), service);
        let served = tokio::select! {
            served = serving => served,
            () = too_slow(places, sent) => {
                tracing::debug!("a list is cut: its client is slow, and others wait");
                return;
            }
        };
        match served {
            Ok(()) => linger(&mut stream).await,
            Err(error) => tracing::debug!(%error, "a connection broke"),
        }
    }
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let retry_after = self.retry_after_seconds();
        let mut response = Response::new(Body::from(match self.body {
            std::borrow::Cow::Borrowed(body) => Bytes::from_static(body),
            std::borrow::Cow::Owned(body) => Bytes::from(body),
        }));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(seconds) = retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(u16::from(seconds)));
        }
        response
    }
}

/// A single POST that the front does not frame itself: chunked, or waiting for
/// `100 Continue`.
async fn post(State(doors): State<Doors>, request: Request) -> Reply {
    let arrival = request.extensions().get::<Arrival>().copied();
    let arrival = arrival.unwrap_or_else(|| doors.ingest.arrival());
    let ingest = doors.ingest_of(&request);
    let answer = match body(request).await {
        Ok(body) => ingest.post(&body, arrival),
        Err(reply) => ingest.refuse(reply),
    };
    // Submitted here, answered wherever: the item is the writer's. Its answer is
    // awaited, and counted, also when the client is gone: to hyper it has then only
    // shut its sending side.
    ingest.reply(answer, arrival).await
}

/// The body of a single POST.
async fn body(request: Request) -> Result<Bytes, Reply> {
    check_media(request.headers())?;
    let body = Limited::new(request.into_body(), BODY_BYTES_MAX).collect();
    match tokio::time::timeout(BODY_MAX, body).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(media::too_large()),
        Ok(Err(_)) => Err(Reply::error(400, "body: broken framing, or ended early")),
        Err(_) => Err(Reply::error(408, format!("body: expected within {} s", BODY_MAX.as_secs()))),
    }
}

fn check_media(headers: &HeaderMap) -> Result<(), Reply> {
    let header = |name| headers.get(name).map(HeaderValue::as_bytes);
    header(CONTENT_TYPE).map_or(Ok(()), media::check_type)?;
    header(CONTENT_ENCODING).map_or(Ok(()), media::check_encoding)
}

/// The process answers.
async fn live() -> Reply {
    Reply::json(200, br#"{"status":"live"}"#.to_vec())
}

/// Whether emissions are taken, and if not, why.
async fn ready(State(doors): State<Doors>) -> Reply {
    if *doors.stopping.borrow() {
        return Reply::error(503, "the collector is stopping");
    }
    match doors.store.health() {
        Health::Ready => Reply::json(200, br#"{"status":"ready"}"#.to_vec()),
        Health::Refusing(reason) => {
            Reply::error(503, format!("the store cannot write now: {reason}"))
        }
        Health::Failed(reason) => Reply::error(503, format!("the store has failed: {reason}")),
    }
}

/// Where residents are stays neither on a shared computer nor in a proxy, nor is
/// it a picture or a script in a page of another site; and what is asked again
/// has changed.
async fn kept_to_us(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    let policy = HeaderName::from_static("cross-origin-resource-policy");
    headers.insert(policy, HeaderValue::from_static("same-origin"));
    response
}

async fn not_found(uri: Uri) -> Reply {
    Reply::error(404, format!("{}: not found", shown(uri.path())))
}

async fn not_allowed(method: Method, uri: Uri) -> Reply {
    Reply::error(
        405,
        format!("{}: {} is not allowed here", shown(uri.path()), shown(method.as_str())),
    )
}
