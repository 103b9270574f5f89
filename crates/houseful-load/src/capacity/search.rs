//! Which load is tried next, or which is the answer: a pure function of what was found so far.
//!
//! ```text
//! grow      from, twice that, … until one fails, or the most that may be tried
//! bisect    between the highest that held and the lowest that failed, to the resolution
//! repeat    both, until each has been tried `repeats` times
//! ```
//!
//! Real servers and machines stumble. So one that fails is tried again at once, and the majority
//! counts; the answer is the highest load that held each time. What a repeat overturns is searched
//! anew, below it. Void steps say nothing; a load that has too many is where the search ends to see.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use serde::Serialize;

/// A load with so many void steps is not tried again.
pub const VOIDS_MAX: u32 = 3;

/// After so many steps the answer is what is known then.
pub const STEPS_MAX: usize = 100;

/// What is searched, how finely, how surely. Loads are whole numbers: houses, say.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Search {
    /// The smallest load, tried first; from 1.
    pub from: u64,
    /// The largest that may be tried, no smaller.
    pub to: u64,
    /// How far the answer may be from what failed.
    pub resolution: Resolution,
    /// How often the answer has to hold, and what is above it to fail; from 1.
    pub repeats: u32,
}

/// How far apart two loads may be and yet count as neighbours. One apart is near enough.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Resolution {
    /// So many percent of the smaller; above 0.
    Percent(f64),
    /// So many.
    Loads(u64),
}

/// A text is no resolution.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a share such as 5%, up to 100%, or a whole number from 1, found `{0}`")]
pub struct ResolutionError(String);

impl FromStr for Resolution {
    type Err = ResolutionError;

    fn from_str(text: &str) -> Result<Resolution, ResolutionError> {
        let is_plain = text.starts_with(|c: char| c.is_ascii_digit());
        let resolution = match text.strip_suffix('%') {
            Some(percent) => {
                let percent = percent.parse::<f64>().ok();
                percent.filter(|p| *p > 0.0 && *p <= 100.0).map(Resolution::Percent)
            }
            None => text.parse().ok().filter(|loads| *loads > 0).map(Resolution::Loads),
        };
        resolution.filter(|_| is_plain).ok_or_else(|| ResolutionError(text.to_owned()))
    }
}

/// How a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// All that must hold did.
    Held,
    /// Something did not.
    Failed,
    /// The step says nothing of the server: the generator was the limit.
    Void,
}

/// A step that was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trial {
    /// How much.
    pub load: u64,
    /// What came of it.
    pub verdict: Verdict,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Try this load.
    Try(u64),
    /// Nothing more.
    Done(Answer),
}

/// All steps of one load.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Level {
    /// How much.
    pub load: u64,
    /// In how many steps it held.
    pub held: u32,
    /// In how many it did not.
    pub failed: u32,
    /// How many were void.
    pub void: u32,
}

impl Level {
    /// Steps that say something of the server.
    pub fn told(&self) -> u32 {
        self.held + self.failed
    }
}

/// What is known of a server's capacity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The highest load that held in each of its steps.
    pub held: Option<Level>,
    /// Loads above that which held in some steps and failed in others, lowest first; may be above
    /// `above`, too.
    pub doubtful: Vec<Level>,
    /// What ended the search upwards.
    pub above: Above,
    /// Whether the search came to its end: else fewer repeats stand behind it, and the edge is
    /// known less exactly.
    pub is_settled: bool,
}

/// What ended the search upwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Above {
    /// This load failed in most of its steps: the server was the limit.
    Failed(Level),
    /// This load was void [`VOIDS_MAX`] times: the generator was the limit.
    Void(Level),
    /// Nothing: no more was tried.
    Untried,
}

/// What to make of a load after some steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// It held, as far as known, or in most steps.
    Up,
    /// It failed in most steps.
    Down,
    /// The generator does not get there.
    Blind,
    /// It has to be tried again first.
    Open,
}

impl Search {
    /// What to do after these steps.
    pub fn next(&self, trials: &[Trial]) -> Next {
        match self.wanted(&levels(trials)) {
            Some(load) if trials.len() < STEPS_MAX => Next::Try(load),
            wanted => Next::Done(Answer { is_settled: wanted.is_none(), ..self.known(trials) }),
        }
    }

    /// The load to try, if there is one.
    fn wanted(&self, levels: &[Level]) -> Option<u64> {
        if let Some(open) = levels.iter().find(|level| self.standing(level) == Standing::Open) {
            return Some(open.load);
        }
        let (ups, ceiling) = self.split(levels);
        let Some(top) = ups.last() else {
            return if ceiling.is_none() { Some(self.from) } else { None };
        };
        match ceiling {
            None if top.load < self.to => {
                return Some(top.load.saturating_mul(2).min(self.to));
            }
            Some(ceiling) if !self.are_near(top.load, ceiling.load) => {
                return Some(middle(top.load, ceiling.load));
            }
            // The edge is found; what follows makes sure of it.
            Some(ceiling) if self.is_short(ceiling) => return Some(ceiling.load),
            _ => {}
        }
        let clean = ups.iter().rposition(|level| level.failed == 0)?;
        match (ups[clean], ups.get(clean + 1)) {
            (clean, Some(doubtful)) if !self.are_near(clean.load, doubtful.load) => {
                Some(middle(clean.load, doubtful.load))
            }
            (clean, _) if self.is_short(&clean) => Some(clean.load),
            _ => None,
        }
    }

    /// What is known after these steps, however few: [`Answer::is_settled`] is false.
    pub fn known(&self, trials: &[Trial]) -> Answer {
        let levels = levels(trials);
        let (below, ceiling) = self.split(&levels);
        let clean = below.iter().rposition(|level| level.held > 0 && level.failed == 0);
        let higher = &levels[clean.map_or(0, |clean| clean + 1)..];
        let is_doubtful = |level: &&Level| {
            let is_mixed = level.held > 0 || self.standing(level) == Standing::Open;
            level.failed > 0 && is_mixed && Some(*level) != ceiling
        };
        Answer {
            held: clean.map(|clean| below[clean]),
            doubtful: higher.iter().filter(is_doubtful).copied().collect(),
            above: match ceiling {
                Some(level) if self.standing(level) == Standing::Down => Above::Failed(*level),
                Some(level) => Above::Void(*level),
                None => Above::Untried,
            },
            is_settled: false,
        }
    }

    /// The fewest and the most steps that it takes if the server is steady.
    pub fn steps(&self) -> RangeInclusive<usize> {
        let grown = std::iter::successors(Some(self.from), |load| load.checked_mul(2));
        let grown = grown.take_while(|load| *load < self.to);
        // Edges right below and right above what is tried while it grows.
        let edges = grown.flat_map(|load| [load - 1, load, load + 1]).chain([self.to - 1, self.to]);
        let steps = edges.map(|edge| self.steps_to(edge));
        let (fewest, most) = steps
            .fold((usize::MAX, 0), |(fewest, most), steps| (fewest.min(steps), most.max(steps)));
        fewest..=most
    }

    /// How many steps it takes if exactly the loads up to `edge` hold.
    fn steps_to(&self, edge: u64) -> usize {
        let mut trials = Vec::new();
        while let Next::Try(load) = self.next(&trials) {
            let verdict = if load <= edge { Verdict::Held } else { Verdict::Failed };
            trials.push(Trial { load, verdict });
        }
        trials.len()
    }

    /// The levels below the lowest that is down or blind, and that one.
    fn split<'a>(&self, levels: &'a [Level]) -> (&'a [Level], Option<&'a Level>) {
        let is_ceiling = |level| matches!(self.standing(level), Standing::Down | Standing::Blind);
        let at = levels.iter().position(is_ceiling).unwrap_or(levels.len());
        (&levels[..at], levels.get(at))
    }

    fn standing(&self, level: &Level) -> Standing {
        let most = self.repeats / 2 + 1;
        if level.failed >= most {
            Standing::Down
        } else if level.void >= VOIDS_MAX && level.told() < self.repeats {
            Standing::Blind
        } else if level.held >= most || level.held > 0 && level.failed == 0 {
            Standing::Up
        } else {
            Standing::Open
        }
    }

    /// Whether more steps are needed to be sure of it, and may be made.
    fn is_short(&self, level: &Level) -> bool {
        level.told() < self.repeats && level.void < VOIDS_MAX
    }

    fn are_near(&self, lower: u64, upper: u64) -> bool {
        let near = match self.resolution {
            Resolution::Percent(percent) => (lower as f64 * percent / 100.0) as u64,
            Resolution::Loads(loads) => loads,
        };
        upper - lower <= near.max(1)
    }
}

fn middle(lower: u64, upper: u64) -> u64 {
    lower + (upper - lower) / 2
}

/// The steps by load, lowest first.
fn levels(trials: &[Trial]) -> Vec<Level> {
    let mut levels = BTreeMap::new();
    for Trial { load, verdict } in trials {
        let level = levels.entry(*load);
        let level: &mut Level = level.or_insert(Level { load: *load, held: 0, failed: 0, void: 0 });
        *match verdict {
            Verdict::Held => &mut level.held,
            Verdict::Failed => &mut level.failed,
            Verdict::Void => &mut level.void,
        } += 1;
    }
    levels.into_values().collect()
}

impl fmt::Display for Resolution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Resolution::Percent(percent) => write!(f, "{percent}%"),
            Resolution::Loads(loads) => write!(f, "{loads}"),
        }
    }
}

#[cfg(test)]
mod tests;
