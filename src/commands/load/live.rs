//! What a person sees while an attack runs, and how it is ended early.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

use houseful_load::attack::Stop;
use indicatif::{ProgressBar, ProgressStyle};

use crate::{interrupt, say};

/// How often the view changes on a terminal, and elsewhere a line is printed.
const REDRAW: Duration = Duration::from_millis(200);
const LINE: Duration = Duration::from_secs(10);

/// Live progress on stderr: a bar on a terminal, else a line now and then.
pub(crate) struct Live {
    bar: Option<ProgressBar>,
    total: Option<u64>,
    hits: u64,
    codes: BTreeMap<u16, u64>,
    started: Instant,
    shown: Instant,
}

impl Live {
    /// `total` is how many requests are planned, if that is known.
    pub(crate) fn new(total: Option<u64>) -> Live {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = total.map_or_else(ProgressBar::no_length, ProgressBar::new);
            let template = match total {
                Some(_) => "{bar:30} {pos}/{len}  {msg}  {eta} left",
                None => "{spinner} {pos}  {msg}",
            };
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style);
            }
            bar
        });
        let now = Instant::now();
        Live { bar, total, hits: 0, codes: BTreeMap::new(), started: now, shown: now }
    }

    /// Counts an answer. Code 0 is none.
    pub(crate) fn hit(&mut self, code: u16) {
        self.hits += 1;
        *self.codes.entry(code).or_default() += 1;
        let every = if self.bar.is_some() { REDRAW } else { LINE };
        let now = Instant::now();
        if now.duration_since(self.shown) >= every {
            self.shown = now;
            self.show();
        }
    }

    fn show(&self) {
        let codes: Vec<String> =
            self.codes.iter().map(|(code, count)| format!("{code}:{count}")).collect();
        let rate = self.hits as f64 / self.started.elapsed().as_secs_f64().max(0.001);
        let message = format!("{rate:.0}/s  {}", codes.join("  "));
        match (&self.bar, self.total) {
            (Some(bar), _) => {
                bar.set_position(self.hits);
                bar.set_message(message);
            }
            (None, Some(total)) => say(format_args!("{}/{total}  {message}", self.hits)),
            (None, None) => say(format_args!("{}  {message}", self.hits)),
        }
    }

    /// Takes the bar away.
    pub(crate) fn finish(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}

/// A first interrupt sends nothing more and waits for what is under way; a
/// second gives that up.
pub(crate) fn stop_on_interrupt() -> anyhow::Result<Stop> {
    let stop = Stop::new();
    let interrupted = stop.clone();
    interrupt::on_each(move |interrupt| match interrupt.nth {
        1 => interrupted.drain(),
        _ => interrupted.abandon(),
    })?;
    Ok(stop)
}
