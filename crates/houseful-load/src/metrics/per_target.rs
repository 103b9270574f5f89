//! The figures of each target for itself.

use std::collections::HashMap;

use super::{Metrics, Options, Summary};
use crate::results::Record;

/// How many targets have figures of their own.
pub const TARGETS_MAX: usize = 100;

/// Folds records by method and URL, those of the first [`TARGETS_MAX`] apart, the rest together; so
/// that URLs with a number in them do not fill the memory.
#[derive(Debug, Clone)]
pub struct PerTarget {
    options: Options,
    known: HashMap<String, usize>,
    /// In the order of their first results.
    targets: Vec<(String, Metrics)>,
    others: Option<Metrics>,
    /// `METHOD URL`, used again.
    name: String,
}

/// One target and its figures.
#[derive(Debug, Clone, PartialEq)]
pub struct TargetSummary {
    /// `METHOD URL`; `None` for all that have no figures of their own.
    pub name: Option<String>,
    /// Its figures.
    pub summary: Summary,
}

impl PerTarget {
    /// Of no record yet.
    pub fn new(options: Options) -> PerTarget {
        let (known, name) = (HashMap::new(), String::new());
        PerTarget { options, known, targets: Vec::new(), others: None, name }
    }

    /// Adds one record.
    pub fn add(&mut self, record: &Record) {
        self.name.clear();
        self.name.extend([&record.method, " ", &record.url]);
        let metrics = match self.known.get(&self.name) {
            Some(at) => &mut self.targets[*at].1,
            None if self.targets.len() < TARGETS_MAX => {
                self.known.insert(self.name.clone(), self.targets.len());
                let metrics = Metrics::with(self.options.clone());
                &mut self.targets.push_mut((self.name.clone(), metrics)).1
            }
            None => self.others.get_or_insert_with(|| Metrics::with(self.options.clone())),
        };
        metrics.add(record);
    }

    /// Each target's figures so far, in the order of their first results; the rest come last.
    pub fn summaries(&self) -> Vec<TargetSummary> {
        let summary = |name: Option<&str>, metrics: &Metrics| TargetSummary {
            name: name.map(str::to_owned),
            summary: metrics.summary(),
        };
        let targets = self.targets.iter().map(|(name, metrics)| summary(Some(name), metrics));
        targets.chain(self.others.as_ref().map(|others| summary(None, others))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bounded_number_have_figures_of_their_own() {
        let mut per_target = PerTarget::new(Options::default());
        for n in (0..TARGETS_MAX + 7).chain([3, 3]) {
            let url = format!("http://a/{n}");
            per_target.add(&Record { method: "GET".into(), url, ..Record::default() });
        }
        let summaries = per_target.summaries();
        assert_eq!(summaries.len(), TARGETS_MAX + 1);
        assert_eq!(summaries[3].name.as_deref(), Some("GET http://a/3"));
        assert_eq!(summaries[3].summary.requests, 3);
        let others = summaries.last().unwrap();
        assert_eq!((others.name.as_deref(), others.summary.requests), (None, 7));
    }
}
