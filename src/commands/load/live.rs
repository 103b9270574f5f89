//! What a person sees while an attack runs, and how it is ended early.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::io::IsTerminal;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use houseful_load::attack::Stop;
use houseful_load::duration::Go;
use houseful_load::metrics::Metrics;
use houseful_load::pacer::Pacer;
use houseful_load::results::Record;
use indicatif::{ProgressBar, ProgressStyle};

use crate::interrupt::{self, Interrupt};
use crate::say;

/// How often the view changes on a terminal, and elsewhere a line is printed.
const REDRAW: Duration = Duration::from_millis(500);
const LINE: Duration = Duration::from_secs(10);

/// Live progress on stderr: a bar on a terminal, else a line now and then, also while nothing
/// comes back.
pub(crate) struct Live {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    progress: Mutex<Progress>,
    finished: AtomicBool,
    changed: Condvar,
}

impl Live {
    /// Progress of an attack that begins now.
    pub(crate) fn new(pacer: &Pacer) -> Live {
        let shared = Arc::new(Shared {
            progress: Mutex::new(Progress::new(pacer.clone())),
            finished: AtomicBool::new(false),
            changed: Condvar::new(),
        });
        let thread = std::thread::spawn({
            let shared = Arc::clone(&shared);
            move || shared.show()
        });
        Live { shared, thread: Some(thread) }
    }

    /// Counts a result.
    pub(crate) fn hit(&mut self, record: &Record) {
        self.shared.progress.lock().unwrap_or_else(PoisonError::into_inner).add(record);
    }

    /// Takes the bar away.
    pub(crate) fn finish(self) {}
}

impl Drop for Live {
    fn drop(&mut self) {
        {
            // Under the lock, so that it is seen before the next wait.
            let _progress = self.shared.progress.lock().unwrap_or_else(PoisonError::into_inner);
            self.shared.finished.store(true, Ordering::Relaxed);
        }
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

impl Shared {
    /// Shows the progress until it is finished.
    fn show(&self) {
        let is_terminal = std::io::stderr().is_terminal();
        let every = if is_terminal { REDRAW } else { LINE };
        let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        let bar = is_terminal.then(|| bar(progress.pacer.requests_total()));
        while !self.finished.load(Ordering::Relaxed) {
            let (guard, wait) =
                self.changed.wait_timeout(progress, every).unwrap_or_else(PoisonError::into_inner);
            progress = guard;
            if !wait.timed_out() || self.finished.load(Ordering::Relaxed) {
                continue;
            }
            let elapsed = progress.started.elapsed();
            let line = progress.line(elapsed);
            match &bar {
                Some(bar) => {
                    bar.set_position(progress.hits);
                    bar.set_message(line);
                }
                None => say(format_args!("{line}")),
            }
        }
        if let Some(bar) = bar {
            bar.finish_and_clear();
        }
    }
}

fn bar(total: Option<u64>) -> ProgressBar {
    let bar = total.map_or_else(ProgressBar::no_length, ProgressBar::new);
    let template = if total.is_some() { "{bar:10} {wide_msg}" } else { "{spinner} {wide_msg}" };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}

/// What has come back so far, and since the last look.
struct Progress {
    pacer: Pacer,
    started: Instant,
    hits: u64,
    unanswered: u64,
    codes: BTreeMap<u16, u64>,
    looked: Duration,
    since: Metrics,
}

impl Progress {
    fn new(pacer: Pacer) -> Progress {
        Progress {
            pacer,
            started: Instant::now(),
            hits: 0,
            unanswered: 0,
            codes: BTreeMap::new(),
            looked: Duration::ZERO,
            since: Metrics::new(),
        }
    }

    fn add(&mut self, record: &Record) {
        self.hits += 1;
        match record.code {
            0 => self.unanswered += 1,
            code => *self.codes.entry(code).or_default() += 1,
        }
        self.since.add(record);
    }

    /// All so far, with the rate, the latencies and the slip since the last line. A terminal cuts it off:
    /// what there can be any number of comes last, and what is before it has room in 80 columns.
    fn line(&mut self, elapsed: Duration) -> String {
        let since = std::mem::take(&mut self.since).summary();
        let passed = elapsed.saturating_sub(self.looked).as_secs_f64().max(0.001);
        self.looked = elapsed;
        let mut line = self.hits.to_string();
        let mut put = |text: std::fmt::Arguments<'_>| {
            line.write_fmt(text).expect("writing to a String cannot fail");
        };
        if let Some(total) = self.pacer.requests_total() {
            put(format_args!("/{total}"));
        }
        put(format_args!("  {:.0}/s", since.requests as f64 / passed));
        if let Some(asked) = self.pacer.per_second_at(elapsed) {
            put(format_args!(" of {asked:.0}/s"));
        }
        if let Some(left) = self.pacer.duration().and_then(|all| all.checked_sub(elapsed)) {
            put(format_args!("  {}s left", left.as_secs()));
        }
        if since.requests > 0 {
            let (p50, p99) = (short(since.latencies.p50), short(since.latencies.p99));
            put(format_args!("  p50 {}  p99 {}", Go(p50), Go(p99)));
        }
        if let Some(sending) = since.sending {
            put(format_args!("  slip p99 {}", Go(short(sending.slip_p99))));
        }
        put(format_args!("  no answer:{}", self.unanswered));
        for (code, count) in &self.codes {
            put(format_args!("  {code}:{count}"));
        }
        line
    }
}

/// To three digits, for there is little room.
fn short(duration: Duration) -> Duration {
    let ns = duration.as_nanos() as u64;
    let unit = 10u64.pow(ns.checked_ilog10().unwrap_or_default().saturating_sub(2));
    Duration::from_nanos(ns.saturating_add(unit / 2) / unit * unit)
}

/// A first interrupt sends nothing more and waits for what is under way; a second gives that up. `on` is
/// called for each before.
pub(crate) fn stop_on_interrupt(
    mut on: impl FnMut(Interrupt) + Send + 'static,
) -> anyhow::Result<Stop> {
    let stop = Stop::new();
    let interrupted = stop.clone();
    interrupt::on_each(move |interrupt| {
        on(interrupt);
        match interrupt.nth {
            1 => interrupted.drain(),
            _ => interrupted.abandon(),
        }
    })?;
    Ok(stop)
}

/// Says what an interrupt waits for, for it may look as if it hung. A third ends the process at once,
/// even if it hangs where nobody reads its results.
pub(crate) fn say_waits(timeout: Option<Duration>) -> impl FnMut(Interrupt) + Send + 'static {
    move |interrupt| match interrupt.nth {
        1 => {
            // The bar is on this line, and comes again below.
            let clear = if std::io::stderr().is_terminal() { "\r\x1b[2K" } else { "" };
            let most =
                timeout.map(|timeout| format!("at most {} ", Go(timeout))).unwrap_or_default();
            say(format_args!(
                "{clear}waiting {most}for what is under way; interrupt again to give it up"
            ));
        }
        2 => {}
        _ => interrupt.end(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_short() {
        for (ns, text) in
            [(0, "0s"), (7, "7ns"), (507_135, "507µs"), (2_624_500, "2.62ms"), (999_500_000, "1s")]
        {
            assert_eq!(Go(short(Duration::from_nanos(ns))).to_string(), text);
        }
    }

    #[test]
    fn lines() {
        let of = |rate: &str, duration| {
            Progress::new(Pacer::new(rate.parse().unwrap(), duration).unwrap())
        };
        let mut progress = of("linear(0, 100)", Some(Duration::from_secs(60)));
        for code in [201, 409, 409, 0] {
            progress.add(&Record {
                code,
                latency: Duration::from_millis(2),
                slip: Some(Duration::from_micros(30)),
                ..Record::default()
            });
        }
        assert_eq!(
            progress.line(Duration::from_millis(15_000)),
            "4/3000  0/s of 25/s  45s left  p50 2ms  p99 2ms  slip p99 30µs  no answer:1  201:1  409:2"
        );
        // Nothing more came.
        assert_eq!(
            progress.line(Duration::from_secs(61)),
            "4/3000  0/s of 100/s  no answer:1  201:1  409:2"
        );
        let mut progress = of("infinity", None);
        progress.add(&Record { code: 200, ..Record::default() });
        assert_eq!(
            progress.line(Duration::from_millis(100)),
            "1  10/s  p50 0s  p99 0s  no answer:0  200:1"
        );
    }
}
