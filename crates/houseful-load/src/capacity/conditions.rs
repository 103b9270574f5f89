//! What must hold in a step, and whose fault it is if it does not.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::attack::Outcome;
use crate::duration::{Go, rounded};
use crate::metrics::{Limit, Metrics, Summary};
use crate::thresholds::{Assertion, Judgement};

use super::measure::Fold;
use super::search::Verdict;

/// What piles up while the generator's thread has no rest takes time to be worked off: so many
/// times as long may results be its doing.
const AFTERMATH: f64 = 3.0;

/// What must hold, beside the rate.
#[derive(Debug, Clone, PartialEq)]
pub struct Conditions {
    /// How many results may be other than expected.
    pub errors_max: ErrorsMax,
    /// What else.
    pub assertions: Vec<Assertion>,
}

/// How many results may be other than expected, of those of a step that count.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ErrorsMax {
    /// So many.
    Count(u64),
    /// So many percent.
    Percent(f64),
}

/// A text says no number of errors.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a whole number, or a share from 0% to 100% such as 0.1%, found `{0}`")]
pub struct ErrorsMaxError(String);

impl FromStr for ErrorsMax {
    type Err = ErrorsMaxError;

    fn from_str(text: &str) -> Result<ErrorsMax, ErrorsMaxError> {
        let is_plain = text.starts_with(|c: char| c.is_ascii_digit());
        let max = match text.strip_suffix('%') {
            Some(percent) => {
                let percent = percent.parse::<f64>().ok();
                percent.filter(|p| (0.0..=100.0).contains(p)).map(ErrorsMax::Percent)
            }
            None => text.parse().ok().map(ErrorsMax::Count),
        };
        max.filter(|_| is_plain).ok_or_else(|| ErrorsMaxError(text.to_owned()))
    }
}

impl fmt::Display for ErrorsMax {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ErrorsMax::Count(count) => write!(f, "errors<={count}"),
            ErrorsMax::Percent(percent) => write!(f, "errors<={percent}%"),
        }
    }
}

impl ErrorsMax {
    fn judge(&self, summary: &Summary) -> Judgement {
        let errors = summary.requests - summary.successes;
        let percent = errors as f64 * 100.0 / summary.requests.max(1) as f64;
        let (holds, found) = match self {
            ErrorsMax::Count(max) => (errors <= *max, errors.to_string()),
            ErrorsMax::Percent(max) => {
                (percent <= *max, format!("{percent:.2}%, {errors} of {}", summary.requests))
            }
        };
        let found = match summary.errors.first() {
            Some(error) if !holds => format!("{found}, such as `{error}`"),
            _ => found,
        };
        Judgement { assertion: self.to_string(), holds, found }
    }
}

/// What was found of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What it says of the server.
    pub verdict: Verdict,
    /// Why it says that, if it did not hold: what failed, or what the generator could not do.
    pub why: Vec<String>,
}

impl Conditions {
    /// Judges the results of a step that was to send for `lasted`, its warm-up included.
    pub(super) fn judge(&self, fold: &Fold, outcome: &Outcome, lasted: Duration) -> Finding {
        let summary = fold.metrics.summary();
        let sending = summary.sending;
        let limit = sending.map_or(Limit::None, |sending| sending.limit);
        let limited = sending.map(|sending| sending.verdict().to_string());
        if limit == Limit::Generator {
            return Finding { verdict: Verdict::Void, why: limited.into_iter().collect() };
        }
        let mut why: Vec<_> = limited.filter(|_| limit == Limit::Server).into_iter().collect();
        why.extend(self.failed(&fold.metrics, &summary));
        if why.is_empty() {
            return Finding { verdict: Verdict::Held, why };
        }
        let no_rest = outcome.at_limit.as_secs_f64() / lasted.as_secs_f64();
        match self.excuse(fold, limit, no_rest.min(1.0)) {
            Some(excuse) => Finding { verdict: Verdict::Void, why: vec![excuse] },
            None => Finding { verdict: Verdict::Failed, why },
        }
    }

    /// Why what failed may be the generator's doing: had it been on time, and had its thread had
    /// rest, all would have held. `no_rest` is the share of the time in which it had none; at worst
    /// the slowest results are those of that time. What was answered stays as it is.
    fn excuse(&self, fold: &Fold, limit: Limit, no_rest: f64) -> Option<String> {
        let unsure = (AFTERMATH * no_rest).min(1.0);
        if limit == Limit::Server && unsure < 1.0 {
            return None;
        }
        let holds = |metrics: &Metrics| self.failed(metrics, &metrics.summary()).is_empty();
        if holds(&fold.on_time) {
            let own = Go(rounded(fold.own_slip_max));
            Some(format!("generator: all would have held, had it not been up to {own} late itself"))
        } else if holds(&fold.on_time.without_slowest(unsure)) {
            Some(format!(
                "generator: its thread had no rest for {:.0}% of the time, and without that all may have held; give it more of a core",
                no_rest * 100.0
            ))
        } else {
            None
        }
    }

    /// What does not hold, with what was found.
    fn failed(&self, metrics: &Metrics, summary: &Summary) -> Vec<String> {
        let judgements = self.assertions.iter().map(|assertion| assertion.judge(metrics, summary));
        let all = std::iter::once(self.errors_max.judge(summary)).chain(judgements);
        let failed = all.filter(|judgement| !judgement.holds);
        failed
            .map(|Judgement { assertion, found, .. }| format!("{assertion}: found {found}"))
            .collect()
    }
}

impl fmt::Display for Conditions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for assertion in &self.assertions {
            write!(f, "{assertion}, ")?;
        }
        write!(f, "{}", self.errors_max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::Record;

    /// A hundred results of 1 ms, but for those that `change` changes, by their number from 0.
    fn fold(change: impl Fn(u64, &mut Record)) -> Fold {
        let mut fold = Fold::new(0, None, Some("201,409".parse().unwrap()));
        for seq in 0..100 {
            let mut record = Record {
                seq,
                code: 409,
                timestamp: jiff::Timestamp::from_millisecond(seq as i64 * 10).unwrap(),
                latency: Duration::from_millis(1),
                slip: Some(Duration::ZERO),
                ..Record::default()
            };
            change(seq, &mut record);
            fold.add(&record);
        }
        fold
    }

    fn judge(fold: &Fold, at_limit_ms: u64) -> (Verdict, String) {
        let assertions = vec!["p90<=50ms".parse().unwrap()];
        let conditions = Conditions { errors_max: ErrorsMax::Count(0), assertions };
        let outcome =
            Outcome { at_limit: Duration::from_millis(at_limit_ms), ..Outcome::default() };
        let finding = conditions.judge(fold, &outcome, Duration::from_secs(1));
        (finding.verdict, finding.why.join("; "))
    }

    fn is_one_in_five(seq: u64) -> bool {
        seq.is_multiple_of(5)
    }

    #[test]
    fn a_step_holds_if_all_does() {
        assert_eq!(judge(&fold(|_, _| ()), 0), (Verdict::Held, String::new()));
        // A generator without rest measures too much, never too little.
        assert_eq!(judge(&fold(|_, _| ()), 900), (Verdict::Held, String::new()));
    }

    #[test]
    fn what_the_server_does_fails_it() {
        let slow = fold(|seq, record| {
            if is_one_in_five(seq) {
                record.latency = Duration::from_millis(80);
            }
        });
        let (verdict, why) = judge(&slow, 30);
        assert_eq!((verdict, why.as_str()), (Verdict::Failed, "p90<=50ms: found 80ms"));
        let refusing = fold(|seq, record| {
            if seq == 7 {
                (record.code, record.error) = (503, "503 Service Unavailable".into());
            }
        });
        let refused = "errors<=0: found 1, such as `503 Service Unavailable`".to_owned();
        // Its answers are its own, whoever had no rest.
        assert_eq!(judge(&refusing, 900), (Verdict::Failed, refused));
        // It kept every connection busy.
        let full = fold(|seq, record| {
            if is_one_in_five(seq) {
                record.latency = Duration::from_millis(300);
                record.slip = Some(Duration::from_millis(290));
                record.queued = Duration::from_millis(285);
            }
        });
        assert_eq!(judge(&full, 900).0, Verdict::Void);
        let (verdict, why) = judge(&full, 100);
        assert_eq!(verdict, Verdict::Failed);
        assert!(why.starts_with("server: 20 of 100 requests waited"), "{why}");
        assert!(why.contains("; p90<=50ms: found "), "{why}");
    }

    #[test]
    fn what_the_generator_does_makes_it_void() {
        let own = |ms| {
            fold(move |seq, record| {
                if is_one_in_five(seq) {
                    record.latency = Duration::from_millis(ms + 1);
                    record.slip = Some(Duration::from_millis(ms));
                }
            })
        };
        // Late by more than is allowed at all, even where the latencies would do.
        let (verdict, why) = judge(&own(101), 0);
        assert_eq!(verdict, Verdict::Void);
        assert!(why.starts_with("generator: it was late for 20 of 100 requests"), "{why}");
        // Late by less, but it is what the latencies fail for.
        assert_eq!(
            judge(&own(70), 0),
            (
                Verdict::Void,
                "generator: all would have held, had it not been up to 70ms late itself".into()
            )
        );
        assert_eq!(judge(&own(40), 0).0, Verdict::Held);
        // How late it was is its own, even if that is all that fails.
        let strict = Conditions {
            errors_max: ErrorsMax::Count(0),
            assertions: vec!["slip_p99<1ms".parse().unwrap()],
        };
        let lasted = Duration::from_secs(1);
        assert_eq!(strict.judge(&own(40), &Outcome::default(), lasted).verdict, Verdict::Void);
        // Late by as much, for all connections were in use: that is the server's.
        let queued = fold(|seq, record| {
            if is_one_in_five(seq) {
                record.latency = Duration::from_millis(71);
                (record.slip, record.queued) =
                    (Some(Duration::from_millis(70)), Duration::from_millis(70));
            }
        });
        assert_eq!(judge(&queued, 0).0, Verdict::Failed);
        // Late, but without it the latencies fail, too.
        let both = fold(|seq, record| {
            if is_one_in_five(seq) {
                record.latency = Duration::from_millis(150);
                record.slip = Some(Duration::from_millis(70));
            }
        });
        assert_eq!(judge(&both, 0).0, Verdict::Failed);
        // Answers may have lain there unread: a twentieth of the time without rest can explain 15
        // of these 20, which leaves fewer than one in ten.
        assert_eq!(judge(&both, 30).0, Verdict::Failed);
        let why = "generator: its thread had no rest for 5% of the time, and without that all may have held; give it more of a core";
        assert_eq!(judge(&both, 50), (Verdict::Void, why.into()));
        assert_eq!(judge(&both, 1_000).0, Verdict::Void);
    }

    #[test]
    fn errors_are_counted_or_shares() {
        for (text, shown) in [("0", "errors<=0"), ("12", "errors<=12"), ("0.5%", "errors<=0.5%")] {
            assert_eq!(text.parse::<ErrorsMax>().unwrap().to_string(), shown);
        }
        for text in ["", "-1", "1.5", "101%", "%", "nan%", "+1", "none"] {
            assert_eq!(text.parse::<ErrorsMax>(), Err(ErrorsMaxError(text.into())), "{text}");
        }
        let failing = fold(|seq, record| {
            if is_one_in_five(seq) {
                (record.code, record.error) = (0, "reset: gone".into());
            }
        });
        let summary = failing.metrics.summary();
        let judge = |text: &str| {
            let judgement = text.parse::<ErrorsMax>().unwrap().judge(&summary);
            (judgement.holds, judgement.found)
        };
        assert_eq!(judge("20"), (true, "20".into()));
        assert_eq!(judge("19"), (false, "20, such as `reset: gone`".into()));
        assert_eq!(judge("20%"), (true, "20.00%, 20 of 100".into()));
        assert_eq!(judge("19.9%"), (false, "20.00%, 20 of 100, such as `reset: gone`".into()));
    }
}
