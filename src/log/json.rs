//! A log line as a JSON object:
//!
//! ```json
//! {"level":"WARN","message":"the wall clock has stepped","step_ms":3600000,"target":"houseful_store::writer","timestamp":"2026-11-25T03:34:17.082Z"}
//! ```
//!
//! The names are those that tracing-subscriber's own JSON uses, flattened. Not
//! that one, since it would say an error without its causes.

use std::error::Error;
use std::fmt::{self, Write};
use std::time::SystemTime;

use houseful_model::Millis;
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// Events as lines of JSON.
pub(super) struct Lines;

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut fields = Fields(begun(*event.metadata().level(), event.metadata().target()));
        event.record(&mut fields);
        writeln!(writer, "{}", Value::Object(fields.0))
    }
}

/// The line for what is no event.
pub(super) fn said(level: Level, line: &str) -> String {
    let mut fields = begun(level, "houseful");
    fields.insert("message".to_owned(), line.into());
    Value::Object(fields).to_string()
}

fn begun(level: Level, target: &str) -> Map<String, Value> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let now_ms = now.map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX));
    let mut fields = Map::new();
    fields.insert("timestamp".to_owned(), Millis(now_ms).to_string().into());
    fields.insert("level".to_owned(), level.as_str().into());
    fields.insert("target".to_owned(), target.into());
    fields
}

struct Fields(Map<String, Value>);

impl Fields {
    fn put(&mut self, field: &Field, value: impl Into<Value>) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        let mut chain = value.to_string();
        let mut cause = value.source();
        while let Some(error) = cause {
            // Writing to a String cannot fail.
            write!(chain, ": {error}").unwrap_or_default();
            cause = error.source();
        }
        self.put(field, chain);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[derive(Debug)]
    struct Outer(std::io::Error);

    impl fmt::Display for Outer {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("cannot answer")
        }
    }

    impl Error for Outer {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&self.0)
        }
    }

    #[test]
    fn an_event_is_one_object_with_its_causes() {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let written = lines.clone();
        let layer = tracing_subscriber::fmt::layer().event_format(Lines).with_writer(move || {
            struct Shared(Arc<Mutex<Vec<u8>>>);
            impl std::io::Write for Shared {
                fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
                    self.0.lock().unwrap().extend_from_slice(bytes);
                    Ok(bytes.len())
                }
                fn flush(&mut self) -> std::io::Result<()> {
                    Ok(())
                }
            }
            Shared(written.clone())
        });
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            let error = Outer(std::io::Error::other("line\n\"two\""));
            let error = &error as &dyn Error;
            tracing::warn!(error, step_ms = -3_i64, left = 7_u64, shown = %"text", "it {}", "went");
        });
        let text = String::from_utf8(lines.lock().unwrap().clone()).unwrap();
        assert_eq!(text.lines().count(), 1, "{text}");
        let mut line: Value = serde_json::from_str(&text).unwrap();
        assert!(line["timestamp"].take().as_str().unwrap().ends_with('Z'), "{text}");
        let want = serde_json::json!({
            "timestamp": null, "level": "WARN", "target": "houseful::log::json::tests",
            "message": "it went", "error": "cannot answer: line\n\"two\"",
            "step_ms": -3, "left": 7, "shown": "text",
        });
        assert_eq!(line, want);
    }
}
