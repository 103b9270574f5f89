//! What became of the lines of a batch.

use std::collections::VecDeque;
use std::ops::RangeInclusive;

use houseful_store::Refusal;

use super::runs::{Fate, Runs};

/// Invalid lines that an answer in JSON names.
const INVALID_NAMED_MAX: usize = 1_000;

/// How much text about invalid lines is kept, in bytes.
const TEXT_BYTES_MAX: usize = 1 << 20;

/// How much is kept to answer each line, in bytes: some millions of lines.
const RUNS_BYTES_MAX: usize = 4 << 20;

/// How much of that may be added before [`Tally::is_full`] is asked again: at most
/// 20 bytes for each of 4,096 lines, and as many blank ones before them.
const RUNS_STEP_BYTES: usize = 128 << 10;

/// With so many lines that are no emissions, if they are most of its lines, a batch
/// is given up: so that what is small on the wire cannot keep us busy for minutes.
const NO_EMISSIONS_MAX: u64 = 100_000;

/// An invalid line that is named, and why.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Invalid {
    pub(super) line: u64,
    pub(super) errors: Vec<String>,
}

/// Lines in their order, and what became of them.
#[derive(Debug)]
pub(super) struct Tally {
    pub(super) stored: u64,
    pub(super) duplicates: u64,
    pub(super) invalid_total: u64,
    /// Lines that are no emissions, whatever the clock says.
    pub(super) no_emission_total: u64,
    /// Lines that were refused for any reason.
    pub(super) refused_total: u64,
    /// Lines, without the blank ones.
    lines: u64,
    /// The first of the invalid ones, within bounds.
    pub(super) invalid: VecDeque<Invalid>,
    invalid_named_max: usize,
    text_bytes: usize,
    /// A line is more than one emission, as far as one can see: if it is the only
    /// one, the client's tool has dropped the ends of lines.
    pub(super) may_lack_line_ends: bool,
    /// The first and the last line that were not acknowledged.
    pub(super) unavailable: Option<RangeInclusive<u64>>,
    /// Why, in the words of the first.
    pub(super) why: Option<String>,
    /// What the store said, if it was the store.
    pub(super) refusal: Option<Refusal>,
    /// Each line, if the client wants to know.
    pub(super) runs: Option<Runs>,
}

impl Tally {
    /// Of the whole, or of each line, too.
    pub(super) fn new(each_line: bool) -> Tally {
        Tally {
            stored: 0,
            duplicates: 0,
            invalid_total: 0,
            no_emission_total: 0,
            refused_total: 0,
            lines: 0,
            invalid: VecDeque::new(),
            // Where each line has its own answer, only their text is bounded.
            invalid_named_max: if each_line { usize::MAX } else { INVALID_NAMED_MAX },
            text_bytes: 0,
            may_lack_line_ends: false,
            unavailable: None,
            why: None,
            refusal: None,
            runs: each_line.then(Runs::default),
        }
    }

    /// Notes the next line; the numbers of blank ones are left out.
    pub(super) fn note(&mut self, line: u64, fate: Fate) {
        if let Some(runs) = &mut self.runs {
            runs.push(line, fate);
        }
        self.lines += u64::from(fate != Fate::Blank);
        match fate {
            Fate::Blank => {}
            Fate::Stored(_) => self.stored += 1,
            Fate::Duplicate => self.duplicates += 1,
            Fate::Invalid | Fate::TooLong => self.invalid_total += 1,
            Fate::Unavailable => {
                let from = self.unavailable.as_ref().map_or(line, |lines| *lines.start());
                self.unavailable = Some(from..=line);
            }
        }
    }

    /// Notes what is wrong with an invalid line, as long as there is room for it.
    pub(super) fn name(&mut self, line: u64, errors: Vec<String>) {
        let bytes = errors.iter().map(|error| error.len() + size_of::<String>()).sum::<usize>()
            + size_of::<Invalid>();
        let fits = self.invalid.len() < self.invalid_named_max
            && self.text_bytes + bytes <= TEXT_BYTES_MAX;
        if fits {
            self.text_bytes += bytes;
            self.invalid.push_back(Invalid { line, errors });
        } else {
            // The first ones are named, without a gap.
            self.invalid_named_max = 0;
        }
    }

    /// Notes why lines are not acknowledged; the first reason stands.
    pub(super) fn explain(&mut self, why: String) {
        self.why.get_or_insert(why);
    }

    /// Whether no line after this one can be acknowledged.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.refusal, Some(Refusal::Failed(_) | Refusal::Stopping))
    }

    /// Whether this is no batch but some other text.
    pub(super) fn is_no_batch(&self) -> bool {
        self.no_emission_total >= NO_EMISSIONS_MAX && self.no_emission_total > self.lines / 2
    }

    /// Whether no more can be kept of each line. To be asked at least once in so
    /// many lines as [`RUNS_STEP_BYTES`] has room for.
    pub(super) fn is_full(&self) -> bool {
        let bytes = self.runs.as_ref().map_or(0, Runs::bytes);
        bytes > RUNS_BYTES_MAX - RUNS_STEP_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_of_each_line_is_bounded() {
        let mut tally = Tally::new(true);
        let mut line = 0;
        // The worst: no run has a second line, and all ids are far apart.
        while !tally.is_full() {
            for _ in 0..4_096 {
                line += 2;
                tally.note(line, Fate::Stored(if line % 4 == 0 { i64::MAX } else { 1 }));
            }
        }
        let runs = tally.runs.unwrap();
        assert!(runs.capacity() <= RUNS_BYTES_MAX, "{} bytes", runs.capacity());
    }

    #[test]
    fn only_what_is_mostly_no_emissions_is_no_batch() {
        for (no_emissions, lines, want) in [
            (99_999, 99_999, false),
            (100_000, 100_000, true),
            (100_000, 199_999, true),
            (100_000, 200_000, false),
            (1_000_000, 2_000_000, false),
        ] {
            let mut tally = Tally::new(false);
            (tally.no_emission_total, tally.lines) = (no_emissions, lines);
            assert_eq!(tally.is_no_batch(), want, "{no_emissions} of {lines}");
        }
    }
}
