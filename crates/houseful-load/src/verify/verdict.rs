//! What is printed of a comparison.

use std::collections::BTreeMap;
use std::fmt;
use std::io;

use serde::Serialize;

use crate::plan::Ratio;

/// How many of each lie are told one by one.
pub const EXAMPLES_MAX: usize = 10;

/// How often something was found, and the first of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Found {
    /// How often.
    pub count: u64,
    /// At most [`EXAMPLES_MAX`], in words.
    pub examples: Vec<String>,
}

/// How each emission of a plan ended, and what the service claimed that is not so.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// Acknowledged with 201.
    pub created: u64,
    /// Acknowledged with 409.
    pub copies: u64,
    /// Answered otherwise, by status: not acknowledged.
    pub refused: BTreeMap<u16, u64>,
    /// Sent and not answered: stored or not.
    pub unknown: u64,
    /// Never sent, as their results say.
    pub unsent: u64,
    /// Without a result: the plan was not played to its end, or the results were cut off. Whether
    /// they were sent is not known.
    pub without_result: u64,
    /// Stored readings of the run.
    pub readings: u64,
    /// Stored readings of other emissions or other times.
    pub others: u64,
    /// 201, but not stored, or not as it was answered.
    pub lost: Found,
    /// Two 201 for one reading, or one emission stored twice.
    pub twice: Found,
    /// 409, but nothing stored that it is a copy of.
    pub without_original: Found,
    /// Stored, but no 201 says so: as it may be when the answer was lost.
    pub unacknowledged: Found,
    /// Refused or not answered, and nothing is stored that it could be, or be a copy of.
    pub missing: Found,
    /// 201 for what was to be a copy, but came a window after its original, so that it is new.
    pub late: Found,
    /// 201, but stored as heard before it was sent or after it was answered. So it is, too, if the
    /// service's clock differs from the generator's.
    pub wrong_time: Found,
    /// What follows from what, and what may be wrong with the question, a sentence each.
    pub notes: Vec<String>,
}

impl Found {
    pub(super) fn add(&mut self, example: impl FnOnce() -> String) {
        self.count += 1;
        if self.examples.len() < EXAMPLES_MAX {
            self.examples.push(example());
        }
    }
}

impl Verdict {
    /// Whether nothing was claimed that is not so.
    pub fn is_kept(&self) -> bool {
        self.lost.count + self.twice.count + self.without_original.count == 0
    }

    /// How many emissions there are in all.
    pub fn emissions(&self) -> u64 {
        let refused: u64 = self.refused.values().sum();
        let answered = self.created + self.copies + refused;
        answered + self.unknown + self.unsent + self.without_result
    }

    /// Writes one JSON object and a line end: the fields of this, `kept` and `emissions` before them. Its
    /// schema is `docs/schemas/verify.json`.
    ///
    /// # Errors
    ///
    /// Those of `out`.
    pub fn write_json(&self, out: &mut impl io::Write) -> io::Result<()> {
        #[derive(Serialize)]
        struct Document<'a> {
            kept: bool,
            emissions: u64,
            #[serde(flatten)]
            verdict: &'a Verdict,
        }
        let document =
            Document { kept: self.is_kept(), emissions: self.emissions(), verdict: self };
        serde_json::to_writer(&mut *out, &document)?;
        out.write_all(b"\n")
    }

    /// What breaks the promise, each under its name.
    pub fn broken(&self) -> impl Iterator<Item = (&'static str, &Found, &'static str)> {
        self.found().into_iter().take(3)
    }

    /// What was found, each under its name: first what breaks the promise, then what may be.
    pub fn found(&self) -> [(&'static str, &Found, &'static str); 7] {
        [
            ("lost", &self.lost, "201, but not stored"),
            ("twice", &self.twice, "one reading, two 201; or stored twice"),
            ("no original", &self.without_original, "409, but nothing that it is a copy of"),
            ("unconfirmed", &self.unacknowledged, "stored, but not acknowledged"),
            ("missing", &self.missing, "not acknowledged, and nothing like it is stored"),
            (
                "late",
                &self.late,
                "201, for it came over a window after what it was to be a copy of",
            ),
            (
                "wrong time",
                &self.wrong_time,
                "heard before it was sent or after its answer, or the clocks differ",
            ),
        ]
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (all, created, copies) = (self.emissions(), self.created, self.copies);
        writeln!(f, "emissions    {all}: {created} × 201, {copies} × 409")?;
        for (code, count) in &self.refused {
            writeln!(f, "             {count} × {code}, refused")?;
        }
        if self.unknown > 0 {
            writeln!(f, "             {} without an answer, unknown", self.unknown)?;
        }
        if self.unsent > 0 {
            writeln!(f, "             {} not sent", self.unsent)?;
        }
        if self.without_result > 0 {
            writeln!(f, "             {} without a result, unknown", self.without_result)?;
        }
        writeln!(f, "stored       {} readings", self.readings)?;
        if self.others > 0 {
            writeln!(f, "             and {} of other emissions or other times", self.others)?;
        }
        if self.created > 0 {
            let acknowledged = u128::from(self.created) + u128::from(self.copies);
            let ratio = Ratio { numerator: acknowledged, denominator: self.created.into() };
            writeln!(f, "new          1 in {ratio}")?;
        }
        for (at, (name, found, meaning)) in self.found().into_iter().enumerate() {
            // What may be is told only if it is.
            if at >= 4 && found.count == 0 {
                continue;
            }
            writeln!(f, "{name:12} {} ({meaning})", found.count)?;
            for example in &found.examples {
                writeln!(f, "             {example}")?;
            }
            let more = found.count - found.examples.len() as u64;
            if more > 0 {
                writeln!(f, "             and {more} more")?;
            }
        }
        for note in &self.notes {
            writeln!(f, "note: {note}")?;
        }
        Ok(())
    }
}
