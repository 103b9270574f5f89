//! What a step of the search sends.

use std::time::Duration;

use serde::Serialize;

use crate::duration::Go;
use crate::pacer::{Pacer, PacerError};
use crate::plan::{Plan, PlanError};
use crate::rate::{Frequency, Rate};
use crate::targets::{Header, Target};

/// A step holds its requests in memory, some 500 bytes each with all; so at most so many.
const REQUESTS_MAX: u64 = 2_000_000;

/// Where the requests come from, and what a load of 1 is.
#[derive(Debug, Clone)]
pub enum Source {
    /// Houses, which go on in each step where they were in the last: the same badges, whose payloads
    /// are never those of an earlier step. Each sends what `generate` plans.
    Houses {
        /// Of one house.
        plan: Plan,
        /// For each request.
        headers: Vec<Header>,
    },
    /// These targets in turn, one a second.
    Targets(Vec<Target>),
}

/// What a load is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Houses.
    Houses,
    /// Requests a second.
    Requests,
}

/// How long steps last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lengths {
    /// What is sent first and does not count: connections open, caches fill.
    pub skip: Duration,
    /// What counts.
    pub step: Duration,
}

/// One step, ready to be sent.
#[derive(Debug)]
pub struct Salvo {
    /// What is sent, in this order.
    pub targets: Vec<Target>,
    /// When.
    pub pacer: Pacer,
    /// Of them so many come first and do not count.
    pub skipped: u64,
    /// What counts begins with one of these, if the targets are houses'.
    pub window: Option<UpdateWindow>,
}

/// The emissions of an update window: the first advertising interval brings new payloads, the others
/// bring them again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UpdateWindow {
    /// In all.
    pub emissions: u64,
    /// Of the first advertising interval.
    pub first: u64,
}

/// Makes one step after the other.
#[derive(Debug)]
pub struct Steps {
    source: Source,
    lengths: Lengths,
    /// The first update window that no step has used, or target that is next.
    next: u64,
}

/// Why there are no such steps.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// No house can be planned so.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// No schedule can be made.
    #[error(transparent)]
    Pacer(#[from] PacerError),
    /// Nothing would count.
    #[error("--step: expected at least {}, in which something is sent, found {}", Go(*shortest), Go(*step))]
    TooShort {
        /// In which the smallest load sends one request, or each badge.
        shortest: Duration,
        /// As it was to be.
        step: Duration,
    },
    /// More than memory is to hold, or a number.
    #[error(
        "--to: expected at most {most}, for a step holds its {REQUESTS_MAX} requests at most in memory, found {to}; or a shorter --step"
    )]
    TooMany {
        /// The largest load that would do.
        most: u64,
        /// As it was to be.
        to: u64,
    },
}

impl Steps {
    /// Steps of so much at least and at most.
    ///
    /// # Errors
    ///
    /// See [`SourceError`].
    pub fn new(
        mut source: Source,
        lengths: Lengths,
        from: u64,
        to: Option<u64>,
    ) -> Result<Steps, SourceError> {
        let step = lengths.step;
        let shortest = match &mut source {
            Source::Houses { plan, .. } => {
                // How long it lasts is not up to the plan.
                let seconds = step.max(plan.advertising_interval).as_secs().saturating_add(1);
                plan.seconds = seconds.try_into().unwrap_or(u32::MAX);
                plan.check()?;
                plan.advertising_interval
            }
            Source::Targets(_) => Duration::from_secs(1).div_f64(from as f64),
        };
        if step < shortest {
            return Err(SourceError::TooShort { shortest, step });
        }
        let steps = Steps { source, lengths, next: 0 };
        let (most, to) = (steps.load_max(), to.unwrap_or(from).max(from));
        if to > most {
            return Err(SourceError::TooMany { most, to });
        }
        Ok(steps)
    }

    /// The largest load that can be sent.
    pub fn load_max(&self) -> u64 {
        let Frequency { requests, period } = self.frequency(1);
        let Lengths { skip, step } = self.lengths;
        let most = match &self.source {
            Source::Houses { .. } => {
                let requests_ns = u128::from(requests) * (skip + step).as_nanos();
                u128::from(REQUESTS_MAX) * period.as_nanos() / requests_ns
            }
            // The same targets again and again.
            Source::Targets(_) => u32::MAX.into(),
        };
        most.min(u128::from(u32::MAX) / 1_000) as u64
    }

    /// How fast a load is sent.
    pub fn frequency(&self, load: u64) -> Frequency {
        match &self.source {
            Source::Houses { plan, .. } => Frequency {
                requests: load * u64::from(plan.badges) * u64::from(plan.pis),
                period: plan.advertising_interval,
            },
            Source::Targets(_) => Frequency { requests: load, period: Duration::from_secs(1) },
        }
    }

    /// What a load is counted in.
    pub fn unit(&self) -> Unit {
        match &self.source {
            Source::Houses { .. } => Unit::Houses,
            Source::Targets(_) => Unit::Requests,
        }
    }

    /// How many badges change their payload in a second, for houses: what is new.
    pub fn readings_per_s(&self, load: u64) -> Option<f64> {
        match &self.source {
            Source::Houses { plan, .. } => {
                Some((load * u64::from(plan.badges)) as f64 / plan.update_window.as_secs_f64())
            }
            Source::Targets(_) => None,
        }
    }

    /// The next step, of this load.
    ///
    /// # Errors
    ///
    /// [`SourceError::Pacer`] for more requests than a number can count.
    pub fn make(&mut self, load: u64) -> Result<Salvo, SourceError> {
        let frequency = self.frequency(load);
        let Lengths { skip, step } = self.lengths;
        let pacer = |duration| Pacer::new(Rate::Constant(frequency), Some(duration));
        let skipped = pacer(skip)?.requests_total().unwrap_or_default();
        let pacer = pacer(skip + step)?;
        let total = pacer.requests_total().unwrap_or_default();
        let (targets, window) = match &mut self.source {
            Source::Houses { plan, headers } => {
                let badges = load as u32 * plan.badges;
                let plan = Plan { badges, badges_per_house: plan.badges, ..plan.clone() };
                let per_window = plan.emissions_per_window();
                // What counts begins with a window, so that it has its share of what is new.
                let first = self.next + skipped.div_ceil(per_window);
                self.next = first + (total - skipped).div_ceil(per_window);
                let start = first * per_window - skipped;
                let window =
                    UpdateWindow { emissions: per_window, first: plan.emissions_per_interval() };
                (plan.targets(start..start + total, headers), Some(window))
            }
            Source::Targets(targets) => {
                let mut turned = targets.clone();
                let len = targets.len() as u64;
                turned.rotate_left((self.next % len) as usize);
                self.next += total;
                (turned, None)
            }
        };
        Ok(Salvo { targets, pacer, skipped, window })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn steps(plan: Plan, skip_ms: u64, step_ms: u64) -> Result<Steps, SourceError> {
        let source = Source::Houses { plan, headers: Vec::new() };
        let lengths =
            Lengths { skip: Duration::from_millis(skip_ms), step: Duration::from_millis(step_ms) };
        Steps::new(source, lengths, 1, None)
    }

    fn house() -> Plan {
        Plan { badges: 20, ..Plan::default() }
    }

    #[test]
    fn houses_send_their_plan_at_its_rate_and_a_twentieth_of_what_counts_is_new() {
        let mut steps = steps(house(), 1_000, 10_000).unwrap();
        assert_eq!((steps.frequency(3).requests, steps.readings_per_s(3)), (240, Some(12.0)));
        let Salvo { targets, pacer, skipped, window } = steps.make(3).unwrap();
        assert_eq!(window, Some(UpdateWindow { emissions: 1_200, first: 240 }));
        assert_eq!((targets.len(), pacer.requests_total(), skipped), (2_640, Some(2_640), 240));
        let counted = &targets[240..];
        let distinct: HashSet<_> = counted.iter().map(|target| &target.body).collect();
        assert_eq!(distinct.len(), 2_400 / 20);
        assert!(targets[..240].iter().all(|target| !distinct.contains(&target.body)));
        // A badge keeps to its house, and that to its Pis.
        let last = String::from_utf8_lossy(&targets[2_639].body).into_owned();
        assert!(last.starts_with(r#"{"badge_id": "badge_59", "pi_id": "8","#), "{last}");
    }

    #[test]
    fn no_step_sends_what_another_sent() {
        let mut steps = steps(house(), 1_000, 7_000).unwrap();
        let mut seen = HashSet::new();
        for load in [1, 2, 4, 4, 3] {
            let salvo = steps.make(load).unwrap();
            let sent: HashSet<_> = salvo.targets.into_iter().map(|target| target.body).collect();
            assert!(sent.is_disjoint(&seen), "{load} houses");
            seen.extend(sent);
        }
    }

    #[test]
    fn targets_go_on_where_they_were() {
        let target = |n| Target {
            method: "GET".to_owned(),
            url: format!("http://localhost/{n}").parse().unwrap(),
            headers: Vec::new(),
            body: [].into(),
        };
        let lengths = Lengths { skip: Duration::ZERO, step: Duration::from_secs(1) };
        let source = Source::Targets((0..3).map(target).collect());
        let mut steps = Steps::new(source, lengths, 1, None).unwrap();
        let mut first = |load| {
            let salvo = steps.make(load).unwrap();
            assert_eq!(salvo.pacer.requests_total(), Some(load));
            salvo.targets[0].url.as_str().to_owned()
        };
        let firsts = [1, 4, 1].map(&mut first);
        assert_eq!(firsts, ["http://localhost/0", "http://localhost/1", "http://localhost/2"]);
    }

    #[test]
    fn what_cannot_be_sent_is_refused() {
        for (plan, step_ms, error) in [
            (Plan { badges: 0, ..house() }, 1_000, "--badges: expected at least 1, found 0"),
            (house(), 999, "--step: expected at least 1s, in which something is sent, found 999ms"),
            (
                Plan { pis: 200_000, ..house() },
                1_000,
                "--to: expected at most 0, for a step holds its 2000000 requests at most in memory, found 1; or a shorter --step",
            ),
        ] {
            assert_eq!(steps(plan, 0, step_ms).unwrap_err().to_string(), error);
        }
        let slow = Plan { advertising_interval: Duration::from_secs(5), ..house() };
        assert_eq!(steps(slow, 0, 5_000).unwrap().load_max(), 25_000);
    }
}
