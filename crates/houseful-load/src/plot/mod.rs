//! Results as a picture: latency over time, rate asked and reached, statuses, failures, a histogram.
//!
//! ```text
//! records ─▶ Plot: columns of time, in bounded memory ─▶ Charts: what is drawn ─▶ html, svg, png
//! ```
//!
//! Each column keeps the least and the greatest latency of what succeeded and of what failed, exactly, so
//! no extreme and no failure is ever left out of the picture; percentiles of a stretch of time are at most
//! 0.8 % off. Time is when a request was due, from the first one.

mod axis;
mod chart;
mod column;
mod drawing;
mod font;
mod histogram;
pub mod html;
mod json;
mod kind;
mod panel;
mod panels;
pub mod png;
mod rows;
mod run;
mod sheet;
pub mod svg;
#[cfg(test)]
mod tests;
mod timeline;
mod verdict;
mod words;

pub use self::chart::Charts;
use self::run::Run;
use crate::metrics::Codes;
use crate::results::Record;

/// The most columns of time: a pixel each on a wide screen.
const COLUMNS_MAX: usize = 2_000;

/// The most columns of one attack among several.
const COLUMNS_OF_ONE_MAX: usize = 1_000;

/// How many attacks have charts of their own.
pub const ATTACKS_MAX: usize = 8;

/// What to draw, where there is a choice.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// What stands above; the attack's name if there is none.
    pub title: Option<String>,
    /// Which statuses are successes; `None` is vegeta's rule, 200 to 399.
    pub expect: Option<Codes>,
}

/// The fold: add each record, then ask for the [`Charts`].
#[derive(Debug, Clone)]
pub struct Plot {
    options: Options,
    all: Run,
    /// The name of the attack that came first.
    name: Option<String>,
    /// By attack, in the order of their first results, the first [`ATTACKS_MAX`] only; none while there
    /// is one attack, for that is all.
    attacks: Vec<(String, Run)>,
    has_others: bool,
}

impl Plot {
    /// Of no record yet.
    pub fn new(options: Options) -> Plot {
        let all = Run::new(options.expect.clone(), COLUMNS_MAX);
        Plot { options, all, name: None, attacks: Vec::new(), has_others: false }
    }

    /// Adds one record.
    pub fn add(&mut self, record: &Record) {
        let name = self.name.get_or_insert_with(|| record.attack.clone());
        if self.attacks.is_empty() && *name != record.attack {
            let mut first = self.all.clone();
            first.timeline.limit(COLUMNS_OF_ONE_MAX);
            self.attacks.push((name.clone(), first));
        }
        self.all.add(record);
        if self.attacks.is_empty() {
            return;
        }
        let known = self.attacks.iter().position(|(name, _)| *name == record.attack);
        match known {
            Some(at) => self.attacks[at].1.add(record),
            None if self.attacks.len() < ATTACKS_MAX => {
                let mut run = Run::new(self.options.expect.clone(), COLUMNS_OF_ONE_MAX);
                run.add(record);
                self.attacks.push((record.attack.clone(), run));
            }
            None => self.has_others = true,
        }
    }

    /// How many records.
    pub fn requests(&self) -> u64 {
        self.all.metrics.requests()
    }

    /// What is to be drawn; `None` of no record.
    pub fn charts(&self) -> Option<Charts> {
        Charts::of(self)
    }
}
