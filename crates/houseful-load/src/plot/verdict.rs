//! Whether the rate was held, in the words of the page and of the picture.

use super::words;
use crate::metrics::{Limit, Summary};

/// With a smaller share of successes nothing is called good.
const LITTLE: f64 = 0.5;

/// What is said, and how loud.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) level: Level,
    /// Empty where nothing is known.
    pub(super) headline: String,
    pub(super) detail: String,
}

/// Whether all is well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    Good,
    Unknown,
    Warn,
}

impl Verdict {
    pub(super) fn of(summary: &Summary) -> Verdict {
        let only = (summary.success < LITTLE)
            .then(|| format!("only {} succeeded.", words::percent(summary.success)));
        let Some(sending) = summary.sending else {
            let detail = "These results do not tell how late requests were sent, so whether the rate was held is not known.";
            let (level, headline) = match only {
                Some(only) => (Level::Warn, format!("O{}", &only[1..])),
                None => (Level::Unknown, String::new()),
            };
            return Verdict { level, headline, detail: detail.to_owned() };
        };
        let (level, headline) = match sending.limit {
            Limit::None => (Level::Good, "The rate was held."),
            Limit::Generator => (
                Level::Warn,
                "The generator was the limit: these latencies say more about what sent than about the server.",
            ),
            Limit::Unknown => (Level::Unknown, "As fast as possible: there was no rate to hold."),
            Limit::Server => (Level::Warn, "The rate was not held: the server was the limit."),
        };
        let (level, headline) = match (level, only) {
            (Level::Warn, _) | (_, None) => (level, headline.to_owned()),
            (_, Some(only)) => {
                (Level::Warn, format!("{}, but {only}", headline.trim_end_matches('.')))
            }
        };
        // What the report says begins with who it was.
        let words = sending.verdict().to_string();
        let detail = words.split_once(": ").map_or(&*words, |(_, detail)| detail);
        let mut letters = detail.chars();
        let first = letters.next().into_iter().flat_map(char::to_uppercase);
        let detail = first.chain(letters).chain(['.']).collect();
        Verdict { level, headline, detail }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::metrics::Metrics;
    use crate::results::Record;

    fn verdict(slip: Option<Duration>, queued: Duration, code: u16) -> Verdict {
        let mut metrics = Metrics::new();
        metrics.add(&Record { slip, queued, code, ..Record::default() });
        Verdict::of(&metrics.summary())
    }

    #[test]
    fn says_loudly_who_was_the_limit() {
        let (none, second) = (Duration::ZERO, Duration::from_secs(1));
        let soon = Duration::from_millis(1);
        for (slip, queued, level, headline, detail) in [
            (None, none, Level::Unknown, "", "These results do not tell"),
            (
                Some(soon),
                none,
                Level::Good,
                "The rate was held.",
                "99% of requests left within 1ms",
            ),
            (
                Some(none),
                none,
                Level::Unknown,
                "As fast as possible: there was no rate to hold.",
                "No rate was asked for, and only the attack saw",
            ),
            (
                Some(second),
                none,
                Level::Warn,
                "The generator was the limit",
                "It was late for 1 of 1",
            ),
            (Some(second), second, Level::Warn, "The rate was not held", "1 of 1 requests waited"),
        ] {
            let found = verdict(slip, queued, 200);
            assert_eq!(found.level, level);
            assert!(found.headline.starts_with(headline), "{found:?}");
            assert!(found.detail.starts_with(detail) && found.detail.ends_with('.'), "{found:?}");
        }
    }

    #[test]
    fn nothing_is_good_where_little_succeeded() {
        let (zero, soon) = (Duration::ZERO, Duration::from_millis(1));
        for (slip, headline) in [
            (Some(soon), "The rate was held, but only 0 % succeeded."),
            (Some(zero), "As fast as possible: there was no rate to hold, but only 0 % succeeded."),
            (None, "Only 0 % succeeded."),
        ] {
            let found = verdict(slip, zero, 0);
            assert_eq!((found.level, &*found.headline), (Level::Warn, headline));
        }
    }
}
