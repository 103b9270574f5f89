//! Whether the rate was held, in the words of the page and of the picture.

use crate::metrics::{Limit, Sending};

/// What is said, and how loud.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) level: Level,
    /// Empty where nothing is known.
    pub(super) headline: &'static str,
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
    pub(super) fn of(sending: Option<Sending>) -> Verdict {
        let Some(sending) = sending else {
            let detail = "These results do not tell how late requests were sent, so whether the rate was held is not known.";
            return Verdict { level: Level::Unknown, headline: "", detail: detail.to_owned() };
        };
        let (level, headline) = match sending.limit {
            Limit::None => (Level::Good, "The rate was held."),
            Limit::Generator => (
                Level::Warn,
                "The generator was the limit: these latencies say more about what sent than about the server.",
            ),
            Limit::Server => (Level::Warn, "The rate was not held: the server was the limit."),
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
    use crate::metrics::Slips;
    use crate::results::Record;

    fn verdict(slip: Option<Duration>, queued: Duration) -> Verdict {
        let mut slips = Slips::new();
        slips.add(&Record { slip, queued, ..Record::default() });
        Verdict::of(slips.sending())
    }

    #[test]
    fn says_loudly_who_was_the_limit() {
        let (none, second) = (Duration::ZERO, Duration::from_secs(1));
        for (slip, queued, level, headline, detail) in [
            (None, none, Level::Unknown, "", "These results do not tell"),
            (Some(none), none, Level::Good, "The rate was held.", "99% of requests left within 0s"),
            (
                Some(second),
                none,
                Level::Warn,
                "The generator was the limit",
                "It was late for 1 of 1",
            ),
            (Some(second), second, Level::Warn, "The rate was not held", "1 of 1 requests waited"),
        ] {
            let found = verdict(slip, queued);
            assert_eq!(found.level, level);
            assert!(found.headline.starts_with(headline), "{found:?}");
            assert!(found.detail.starts_with(detail) && found.detail.ends_with('.'), "{found:?}");
        }
    }
}
