//! Says how far it is: a bar on a terminal, elsewhere a line now and then.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::tally::{Tally, Unit, grouped};
use crate::say;

/// What is done sooner needs no bar.
const BAR_AFTER: Duration = Duration::from_secs(2);

/// Between two lines where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(10);

pub(super) struct Progress {
    unit: Unit,
    total: Option<u64>,
    began: Instant,
    next: Instant,
    is_terminal: bool,
    /// From the moment on at which it is shown.
    bar: Option<ProgressBar>,
}

impl Progress {
    /// Of something that has begun now; `total` in the unit that
    /// [`Progress::update`] counts in.
    pub(super) fn begin(unit: Unit, total: Option<u64>) -> Progress {
        let is_terminal = std::io::stderr().is_terminal();
        let began = Instant::now();
        let next = began + if is_terminal { BAR_AFTER } else { LINE_EVERY };
        Progress { unit, total, began, next, is_terminal, bar: None }
    }

    pub(super) fn took(&self) -> Duration {
        self.began.elapsed()
    }

    /// Shows that so much was read, if it is time to.
    pub(super) fn update(&mut self, done: u64, tally: &Tally) {
        if Instant::now() < self.next {
            return;
        }
        let rate = tally.entries() as f64 / self.took().as_secs_f64();
        let counts = format!(
            "{} stored, {} copies, {} refused, {} {}s a second",
            grouped(tally.stored),
            grouped(tally.copies),
            grouped(tally.refused),
            grouped(rate as u64),
            self.unit.name(),
        );
        if self.is_terminal {
            self.next += Duration::from_millis(100);
            let bar = self.bar.get_or_insert_with(|| bar(self.total));
            bar.set_position(done);
            bar.set_message(counts);
        } else {
            self.next += LINE_EVERY;
            let share = self.total.filter(|total| *total > 0).map(|total| {
                // A file may grow while it is read.
                format!("{} %: ", (done.saturating_mul(100) / total).min(100))
            });
            say(format_args!("{}{counts}", share.unwrap_or_default()));
        }
    }

    /// Says a line on stderr, above the bar.
    pub(super) fn say(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| say(format_args!("{line}"))),
            None => say(format_args!("{line}")),
        }
    }

    pub(super) fn end(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

fn bar(total: Option<u64>) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr());
    let template = match total {
        Some(_) => "{wide_bar} {percent} %, {eta} left\n{msg}",
        None => "{spinner} {msg}",
    };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}
