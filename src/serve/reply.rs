//! What a door answers: a status and a JSON body.

use std::borrow::Cow;
use std::cell::RefCell;
use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use houseful_model::Reading;
use houseful_store::{Outcome, Refusal};

/// Seconds until a client may try again after a 503, if nothing else is known.
const RETRY_AFTER_SECONDS: u8 = 1;

/// What happens to the connection after a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum After {
    /// It stays open, if the client wants.
    Keep,
    /// It is closed, since what follows cannot be trusted to be a request.
    Close,
}

/// A whole answer; every one that leaves the process has a JSON body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: Cow<'static, [u8]>,
    pub(crate) after: After,
    /// Said if the status says that the client may try again.
    retry_after_seconds: u8,
}

impl Reply {
    pub(crate) fn json(status: u16, body: Vec<u8>) -> Reply {
        Reply::new(status, Cow::Owned(body))
    }

    fn new(status: u16, body: Cow<'static, [u8]>) -> Reply {
        Reply { status, body, after: After::Keep, retry_after_seconds: RETRY_AFTER_SECONDS }
    }

    /// `{"errors": [..]}`.
    pub(crate) fn errors<T: AsRef<str>>(status: u16, errors: &[T]) -> Reply {
        let errors: Vec<&str> = errors.iter().map(AsRef::as_ref).collect();
        Reply::json(status, serde_json::json!({ "errors": errors }).to_string().into_bytes())
    }

    /// What `{"errors": [..]}` says; nothing of another body.
    pub(crate) fn said(&self) -> Vec<String> {
        let body: serde_json::Value = serde_json::from_slice(&self.body).unwrap_or_default();
        let errors = body["errors"].as_array().into_iter().flatten();
        errors.filter_map(|error| Some(error.as_str()?.to_owned())).collect()
    }

    pub(crate) fn error(status: u16, error: impl AsRef<str>) -> Reply {
        Reply::errors(status, &[error])
    }

    /// The same, and then the connection is closed.
    pub(crate) fn closing(self) -> Reply {
        Reply { after: After::Close, ..self }
    }

    /// The same, but the client should wait for so long.
    pub(crate) fn retry_after(self, seconds: u8) -> Reply {
        Reply { retry_after_seconds: seconds, ..self }
    }

    /// 201 with the reading.
    pub(crate) fn stored(reading: &Reading) -> Reply {
        Reply::json(201, reading.to_json())
    }

    /// 409: the original is on disk.
    pub(crate) fn duplicate() -> Reply {
        const BODY: &[u8] = br#"{"errors":["duplicate"]}"#;
        Reply::new(409, Cow::Borrowed(BODY))
    }

    /// 503, and why.
    pub(crate) fn refused(refusal: &Refusal) -> Reply {
        Reply::error(503, refusal.to_string())
    }

    pub(crate) fn of(outcome: &Outcome) -> Reply {
        match outcome {
            Outcome::Stored(reading) => Reply::stored(reading),
            Outcome::Duplicate => Reply::duplicate(),
            Outcome::Refused(refusal) => Reply::refused(refusal),
        }
    }

    /// For how long a client should wait, if the status says that it may try
    /// again.
    pub(crate) fn retry_after_seconds(&self) -> Option<u8> {
        matches!(self.status, 429 | 503).then_some(self.retry_after_seconds)
    }

    /// Appends the reply as HTTP/1.1 bytes.
    pub(crate) fn write_to(&self, out: &mut Vec<u8>, connection: Option<&str>) {
        let status = self.status;
        let reason = reason(status);
        let len = self.body.len();
        // Writing to a Vec cannot fail.
        let mut head = |args: std::fmt::Arguments<'_>| out.write_fmt(args).unwrap_or_default();
        head(format_args!("HTTP/1.1 {status} {reason}\r\n"));
        DATE.with_borrow_mut(|date| head(format_args!("date: {}\r\n", date.now())));
        head(format_args!("content-type: application/json\r\ncontent-length: {len}\r\n"));
        if let Some(seconds) = self.retry_after_seconds() {
            head(format_args!("retry-after: {seconds}\r\n"));
        }
        if let Some(connection) = connection {
            head(format_args!("connection: {connection}\r\n"));
        }
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(&self.body);
    }
}

fn reason(status: u16) -> &'static str {
    axum::http::StatusCode::from_u16(status)
        .ok()
        .and_then(|status| status.canonical_reason())
        .unwrap_or("Unknown")
}

thread_local! {
    static DATE: RefCell<Date> = const { RefCell::new(Date { second: 0, text: String::new() }) };
}

/// The `Date` header's text, made once a second.
struct Date {
    second: u64,
    text: String,
}

impl Date {
    fn now(&mut self) -> &str {
        let now = SystemTime::now();
        let second = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        if second != self.second || self.text.is_empty() {
            self.second = second;
            self.text = httpdate::fmt_http_date(now);
        }
        &self.text
    }
}
