//! What the program says about itself: lines on stderr, as text or as JSON.
//!
//! Nothing is logged per request, and no badge is ever named: a log is kept
//! longer, and read by more people, than a reading.

mod json;

use std::fmt;
use std::io::{IsTerminal, Write};
use std::str::FromStr;
use std::sync::OnceLock;

use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::FmtContext;
use tracing_subscriber::fmt::format::{DefaultFields, Format as TextFormat, Full, Writer};
use tracing_subscriber::fmt::{FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

/// The crates that log; a module's name begins with one of them.
const CRATES: [&str; 2] = ["houseful", "houseful_store"];

/// How a line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Format {
    /// For people; under journald without what journald knows itself.
    #[default]
    Text,
    /// One object a line.
    Json,
}

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Format, String> {
        match text {
            "text" => Ok(Format::Text),
            "json" => Ok(Format::Json),
            _ => Err(format!("expected text or json, found `{text}`")),
        }
    }
}

/// How much is said: a level for all, and others for some modules.
///
/// ```text
/// info
/// warn,houseful_store=debug,houseful::serve::listen=off
/// ```
///
/// What is said of a module holds for all whose names begin with it; the
/// longest name that fits decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Levels {
    all: LevelFilter,
    modules: Vec<(String, LevelFilter)>,
}

impl Default for Levels {
    /// `info`.
    fn default() -> Levels {
        Levels { all: LevelFilter::INFO, modules: Vec::new() }
    }
}

impl FromStr for Levels {
    type Err = String;

    /// Strict, where tracing's own parser takes a misspelt level for a module.
    fn from_str(text: &str) -> Result<Levels, String> {
        let mut all = None;
        let mut modules: Vec<(String, LevelFilter)> = Vec::new();
        for part in text.split(',').map(str::trim) {
            match part.split_once('=') {
                None => {
                    if all.replace(level(part)?).is_some() {
                        return Err(format!(
                            "expected one level for all, found `{part}` as another"
                        ));
                    }
                }
                Some((module, level_text)) => {
                    let module = module.trim();
                    check_module(module)?;
                    if modules.iter().any(|(known, _)| known == module) {
                        return Err(format!("expected one level for `{module}`, found another"));
                    }
                    modules.push((module.to_owned(), level(level_text.trim())?));
                }
            }
        }
        Ok(Levels { all: all.unwrap_or(LevelFilter::INFO), modules })
    }
}

fn level(text: &str) -> Result<LevelFilter, String> {
    match text {
        "off" => Ok(LevelFilter::OFF),
        "error" => Ok(LevelFilter::ERROR),
        "warn" => Ok(LevelFilter::WARN),
        "info" => Ok(LevelFilter::INFO),
        "debug" => Ok(LevelFilter::DEBUG),
        "trace" => Ok(LevelFilter::TRACE),
        _ => Err(format!("expected off, error, warn, info, debug or trace, found `{text}`")),
    }
}

fn check_module(module: &str) -> Result<(), String> {
    if CRATES.contains(&module.split("::").next().unwrap_or_default()) {
        return Ok(());
    }
    Err(format!("expected a module such as houseful::serve or houseful_store, found `{module}`"))
}

impl Levels {
    fn filter(&self) -> Targets {
        Targets::new().with_default(self.all).with_targets(self.modules.iter().cloned())
    }
}

/// Set when logging begins, so that what is no event looks alike.
static FORMAT: OnceLock<Format> = OnceLock::new();

/// Begins to log; to be called once, before anything is logged.
pub(crate) fn init(levels: &Levels, format: Format) {
    FORMAT.get_or_init(|| format);
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        // It would say so on stderr, and panic: a log that nobody reads ends no collector.
        .log_internal_errors(false);
    let registry = tracing_subscriber::registry().with(levels.filter());
    match format {
        Format::Json => registry.with(layer.event_format(json::Lines)).init(),
        Format::Text if is_journald() => registry.with(layer.event_format(Journal::new())).init(),
        Format::Text => registry.with(layer.with_ansi(std::io::stderr().is_terminal())).init(),
    }
}

/// Says a line that is no event, whatever the levels: where it listens, why it
/// ends. If nobody reads stderr any more, that ends nothing.
pub(crate) fn say(level: Level, line: fmt::Arguments<'_>) {
    let mut stderr = std::io::stderr();
    drop(match FORMAT.get().copied().unwrap_or_default() {
        Format::Text => writeln!(stderr, "{line}"),
        Format::Json => writeln!(stderr, "{}", json::said(level, &line.to_string())),
    });
}

/// Whether stderr leads to journald, which systemd says by its device and inode.
fn is_journald() -> bool {
    let Ok(stderr) = rustix::fs::fstat(std::io::stderr()) else { return false };
    let id = format!("{}:{}", stderr.st_dev, stderr.st_ino);
    std::env::var("JOURNAL_STREAM").is_ok_and(|journal| journal == id)
}

/// Text without a time, which journald knows, and with a priority in front, by
/// which it sorts: see sd-daemon(3).
struct Journal(TextFormat<Full, ()>);

impl Journal {
    fn new() -> Journal {
        Journal(TextFormat::default().without_time().with_level(false).with_ansi(false))
    }
}

impl<S> FormatEvent<S, DefaultFields> for Journal
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    DefaultFields: for<'a> FormatFields<'a>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, DefaultFields>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let priority = match *event.metadata().level() {
            Level::ERROR => 3,
            Level::WARN => 4,
            Level::INFO => 6,
            Level::DEBUG | Level::TRACE => 7,
        };
        write!(writer, "<{priority}>")?;
        self.0.format_event(context, writer, event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_hold_for_all_and_for_modules() {
        let levels: Levels = " warn , houseful_store = debug,houseful::serve=off".parse().unwrap();
        let filter = levels.filter();
        let rows = [
            ("houseful::commands", Level::WARN, true),
            ("houseful::commands", Level::INFO, false),
            ("houseful_store::writer", Level::DEBUG, true),
            ("houseful_store", Level::TRACE, false),
            ("houseful::serve::listen", Level::ERROR, false),
        ];
        for (module, level, said) in rows {
            assert_eq!(filter.would_enable(module, &level), said, "{module} {level}");
        }
        let plain: Levels = "houseful_store=trace".parse().unwrap();
        assert!(plain.filter().would_enable("houseful::serve", &Level::INFO), "info unless said");
        assert!(!plain.filter().would_enable("houseful::serve", &Level::DEBUG));
    }

    #[test]
    fn a_wrong_level_is_named_and_never_taken_for_a_module() {
        let rows = [
            ("inof", "expected off, error, warn, info, debug or trace, found `inof`"),
            ("", "found ``"),
            ("INFO", "found `INFO`"),
            ("info,debug", "expected one level for all, found `debug` as another"),
            ("houseful_store=loud", "found `loud`"),
            ("houseful_store", "found `houseful_store`"),
            (
                "store=debug",
                "expected a module such as houseful::serve or houseful_store, found `store`",
            ),
            ("houseful=info,houseful=warn", "expected one level for `houseful`, found another"),
        ];
        for (text, want) in rows {
            let error = text.parse::<Levels>().unwrap_err();
            assert!(error.contains(want), "{text}: {error}");
        }
        assert_eq!("yaml".parse::<Format>().unwrap_err(), "expected text or json, found `yaml`");
    }
}
