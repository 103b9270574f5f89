//! How often each route was asked, and how long its answers took to begin.
//!
//! Behind the hot door: what the front answers to emissions is counted in `pulse`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use houseful_store::Arrival;
use houseful_store::meters::{Counted, Histogram};

/// In nanoseconds: 1 ms to 10 s.
const BOUNDS_NS: [u64; 7] =
    [1_000_000, 5_000_000, 25_000_000, 100_000_000, 500_000_000, 2_500_000_000, 10_000_000_000];

/// For whatever has no route.
const NO_ROUTE: &str = "other";

/// By route and status; there are as many of both as the program has.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    times: Mutex<BTreeMap<(String, u16), Histogram<7>>>,
}

impl Requests {
    /// Notes a request that was refused before a route was looked for.
    pub(crate) fn refused(&self, status: u16, began: Instant) {
        self.note(NO_ROUTE, status, began);
    }

    fn note(&self, route: &str, status: u16, began: Instant) {
        let mut times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        let times =
            times.entry((route.to_owned(), status)).or_insert_with(|| Histogram::new(&BOUNDS_NS));
        times.note(u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX));
    }

    /// Route, status, and nanoseconds from the head's arrival to the beginning
    /// of the answer.
    pub(crate) fn counted(&self) -> Vec<(String, u16, Counted<7>)> {
        let times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        times
            .iter()
            .map(|((route, status), times)| (route.clone(), *status, times.counted()))
            .collect()
    }
}

/// Counts a request that axum answers.
pub(crate) async fn count(
    State(requests): State<Arc<Requests>>,
    request: Request,
    next: Next,
) -> Response {
    let began = request.extensions().get::<Arrival>().map_or_else(Instant::now, |at| at.at);
    let route = request.extensions().get::<MatchedPath>().cloned();
    let response = next.run(request).await;
    let route = route.as_ref().map_or(NO_ROUTE, MatchedPath::as_str);
    requests.note(route, response.status().as_u16(), began);
    response
}
