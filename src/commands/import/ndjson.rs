//! NDJSON: one emission a line, as the export writes them and as a Pi posts them.

use houseful_model::{Millis, wire};

use super::entry::Entry;
use super::lines::{LINE_BYTES_MAX, Line, Lines};

/// Reads emissions line by line. Blank lines are counted, and are nothing else.
pub(super) struct Ndjson {
    lines: Lines,
    line: Vec<u8>,
}

impl Ndjson {
    pub(super) fn new(lines: Lines) -> Ndjson {
        Ndjson { lines, line: Vec::new() }
    }

    pub(super) fn next(&mut self, now: Millis) -> anyhow::Result<Option<Entry>> {
        while let Some(read) = self.lines.next(&mut self.line)? {
            let place = self.lines.number().cast_signed();
            let refused = |faults| Ok(Some(Entry { place, read: Err(faults) }));
            if read == Line::Cut {
                return refused(vec![format!(
                    "expected a line of at most {LINE_BYTES_MAX} bytes, found more"
                )]);
            }
            if self.line.trim_ascii().is_empty() {
                continue;
            }
            return match wire::parse(&self.line) {
                Ok(emission) => Ok(Some(Entry::checked(place, emission, "heard_at", now))),
                Err(error) => {
                    // To the parser each line of ours is line 1.
                    let in_line =
                        |fault: &String| fault.replace(" at line 1 column ", " at column ");
                    refused(error.errors().iter().map(in_line).collect())
                }
            };
        }
        Ok(None)
    }

    pub(super) fn bytes(&self) -> u64 {
        self.lines.bytes()
    }
}
