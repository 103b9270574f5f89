//! Whether a service kept its promise: what it answered, compared with what it stored.
//!
//! Of services that store each distinct emission once: 201 says that it is stored, 409 that one of
//! which it is a copy is. Add each result of an attack to [`Answers`], then each stored reading to a
//! [`Comparison`] with them, and ask for the [`Verdict`]. What makes an emission a copy of another is
//! the badge, the beacons and a time less than a window away, either side.
//!
//! An emission without a time of its own was heard when it arrived, at some moment between its
//! sending and its answer; so a server's clock may differ from ours by less than the window.
//!
//! [`Verdict::is_kept`] is about the promise alone. What a service may do, and its owner should
//! know, is told beside it: what is stored and unconfirmed, what was refused and is missing, what
//! came too late to be a copy, and times that cannot be if both have the same clock.
//!
//! Memory grows with results and readings: about 150 bytes of each.

mod answers;
mod comparison;
#[cfg(test)]
mod honest;
mod judge;
pub mod pages;
#[cfg(test)]
mod tests;
mod verdict;

use houseful_model::Emission;

pub use answers::{Answers, NoEmission, Unusable};
pub use comparison::{Comparison, ReadingError};
pub use verdict::{EXAMPLES_MAX, Found, Verdict};

/// A badge, and its kept beacons with their RSSI in dBm.
type Identity = (String, Vec<(String, i8)>);

fn identity_of(emission: &Emission<'_>) -> Identity {
    let beacons = emission.beacons.iter().map(|b| (b.id.to_string(), b.rssi_dbm)).collect();
    (emission.badge_id.to_string(), beacons)
}
