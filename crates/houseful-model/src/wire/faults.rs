//! What is wrong with one emission: every fault, but a bounded answer.

use std::fmt::Display;

/// How many faults are named; of the rest only the number is.
const NAMED_MAX: usize = 32;

/// Faults in the order in which they were found.
#[derive(Default)]
pub(super) struct Faults {
    named: Vec<String>,
    unnamed: usize,
}

impl Faults {
    /// Notes that `key` (shown as it is: escape a stranger's) has this fault.
    pub(super) fn push(&mut self, key: impl Display, fault: impl Display) {
        if self.named.len() < NAMED_MAX {
            self.named.push(format!("{key}: {fault}"));
        } else {
            self.unnamed += 1;
        }
    }

    /// The value, or `None` and its fault noted.
    pub(super) fn note<T>(&mut self, key: impl Display, value: Result<T, String>) -> Option<T> {
        match value {
            Ok(value) => Some(value),
            Err(fault) => {
                self.push(key, fault);
                None
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.named.is_empty()
    }

    /// One line a fault, the last one `and 3 more` if there are too many.
    pub(super) fn into_lines(mut self) -> Vec<String> {
        if self.unnamed > 0 {
            self.named.push(format!("and {} more", self.unnamed));
        }
        self.named
    }
}
