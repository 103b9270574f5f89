//! What is known of one badge.

use std::borrow::Cow;
use std::sync::Arc;

use houseful_model::{Beacon, Emission, Millis, Reading};

use super::{Beat, Came, Counts, Heard, Ring};

/// How many Pis are known that heard one badge; of more, those that did last.
const RELAYS_MAX: usize = 16;

const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;

/// Sixteen bits each: at the limit they stand still, at 1,092 emissions a second
/// of one badge.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    readings: u16,
    copies: u16,
}

impl Tally {
    fn add(&mut self, came: Came) {
        let count = match came {
            Came::First => &mut self.readings,
            Came::Second => &mut self.copies,
        };
        *count = count.saturating_add(1);
    }
}

/// Under 1 KiB for a badge that four Pis hear.
#[derive(Debug, Default)]
pub(super) struct Badge {
    last: Heard,
    /// The last minute, by 5 s.
    minute: Ring<Tally, 12, { 5 * SECOND }>,
    hour: Ring<Tally, 60, MINUTE>,
    /// The best in each five minutes of the last hour.
    strengths: Ring<Option<i8>, 12, { 5 * MINUTE }>,
    newest_reading: Beat,
    beacons: Packed,
    relays: Vec<Relay>,
    /// Whether the store was asked what it knows from before the start.
    is_recalled: bool,
}

/// A Pi that heard the badge.
#[derive(Debug)]
struct Relay {
    pi_id: Arc<str>,
    last: Heard,
    badge_strength: Option<i8>,
    hour: Ring<u16, 12, { 5 * MINUTE }>,
}

impl Badge {
    pub(super) fn heard(
        &mut self,
        emission: &Emission<'_>,
        heard: Heard,
        came: Came,
        pi_id: Arc<str>,
    ) {
        self.last.update(heard);
        if let Some(tally) = self.minute.bucket(heard.beat) {
            tally.add(came);
        }
        if let Some(tally) = self.hour.bucket(heard.beat) {
            tally.add(came);
        }
        if let Some(strength) = emission.badge_strength
            && let Some(best) = self.strengths.bucket(heard.beat)
        {
            // Nothing measured is less than everything.
            *best = (*best).max(Some(strength));
        }
        if came == Came::First {
            self.read(&emission.beacons, heard.beat);
        }
        let count = self.relayed(pi_id, heard, emission.badge_strength);
        if let Some(count) = count.and_then(|relay| relay.hour.bucket(heard.beat)) {
            *count = count.saturating_add(1);
        }
    }

    /// Takes over what the store knows from before the start.
    pub(super) fn recall(&mut self, newest: Option<(&Reading, Heard)>) {
        self.is_recalled = true;
        let Some((reading, heard)) = newest else {
            return;
        };
        self.last.update(heard);
        self.read(&reading.emission.beacons, heard.beat);
        self.relayed(Arc::from(&*reading.emission.pi_id), heard, reading.emission.badge_strength);
    }

    pub(super) fn is_incomplete(&self, start: Beat) -> bool {
        !self.is_recalled && self.last.beat < start
    }

    /// Those Pis that heard it in the last hour.
    pub(super) fn pis_in_hour(&self, now: Beat) -> impl Iterator<Item = &Arc<str>> {
        let relays = self.relays.iter();
        relays.filter(move |relay| emissions_in_hour(relay, now) > 0).map(|relay| &relay.pi_id)
    }

    pub(super) fn view(&self, badge_id: &str, now: Beat) -> BadgeHeard {
        let hour = self.hour.until(now);
        let mut relays: Vec<_> = self.relays.iter().map(|relay| relay.view(now)).collect();
        relays.sort_unstable_by(|a, b| a.pi_id.cmp(&b.pi_id));
        BadgeHeard {
            badge_id: badge_id.to_owned(),
            last_heard: self.last.t(),
            minute: sum(&self.minute.until(now)),
            hour: sum(&hour),
            readings_by_minute: hour.map(|tally| tally.readings),
            badge_strength_best: self.strengths.until(now).into_iter().max().flatten(),
            beacons: self.beacons.iter().collect(),
            relays,
        }
    }

    fn read(&mut self, beacons: &[Beacon<'_>], beat: Beat) {
        if beat >= self.newest_reading {
            self.newest_reading = beat;
            self.beacons.set(beacons);
        }
    }

    /// The entry of a Pi that heard it; `None` if there is none, and no room for
    /// one that heard it that long ago.
    fn relayed(
        &mut self,
        pi_id: Arc<str>,
        heard: Heard,
        badge_strength: Option<i8>,
    ) -> Option<&mut Relay> {
        let place = match self.relays.iter().position(|relay| relay.pi_id == pi_id) {
            Some(place) => place,
            None => {
                let new =
                    Relay { pi_id, last: Heard::default(), badge_strength, hour: Ring::default() };
                if self.relays.len() < RELAYS_MAX {
                    self.relays.reserve_exact(1);
                    self.relays.push(new);
                    self.relays.len() - 1
                } else {
                    let relays = self.relays.iter().enumerate();
                    let (oldest, relay) = relays.min_by_key(|(_, relay)| relay.last.beat)?;
                    if relay.last.beat > heard.beat {
                        return None;
                    }
                    self.relays[oldest] = new;
                    oldest
                }
            }
        };
        let relay = &mut self.relays[place];
        if relay.last.update(heard) {
            relay.badge_strength = badge_strength;
        }
        Some(relay)
    }
}

impl Relay {
    fn view(&self, now: Beat) -> RelayHeard {
        RelayHeard {
            pi_id: self.pi_id.clone(),
            last_heard: self.last.t,
            badge_strength: self.badge_strength,
            emissions_hour: emissions_in_hour(self, now),
        }
    }
}

fn emissions_in_hour(relay: &Relay, now: Beat) -> u64 {
    relay.hour.until(now).into_iter().map(u64::from).sum()
}

fn sum(tallies: &[Tally]) -> Counts {
    Counts {
        readings: tallies.iter().map(|tally| u64::from(tally.readings)).sum(),
        copies: tallies.iter().map(|tally| u64::from(tally.copies)).sum(),
    }
}

/// Beacons in one allocation, which the next ones take over.
///
/// ```text
/// entry  [ length of the id (u8) ] [ id ] [ RSSI (i8) ]
/// ```
#[derive(Debug, Default)]
struct Packed(Vec<u8>);

impl Packed {
    fn set(&mut self, beacons: &[Beacon<'_>]) {
        self.0.clear();
        self.0.reserve_exact(beacons.iter().map(|beacon| beacon.id.len() + 2).sum());
        for beacon in beacons {
            // An id has at most 64 bytes.
            self.0.push(beacon.id.len() as u8);
            self.0.extend_from_slice(beacon.id.as_bytes());
            self.0.push(beacon.rssi_dbm.cast_unsigned());
        }
    }

    fn iter(&self) -> impl Iterator<Item = Beacon<'static>> {
        let mut rest = &*self.0;
        std::iter::from_fn(move || {
            let (len, tail) = rest.split_first()?;
            let (id, tail) = tail.split_at_checked(usize::from(*len))?;
            let (rssi_dbm, tail) = tail.split_first()?;
            rest = tail;
            let id = Cow::Owned(String::from_utf8_lossy(id).into_owned());
            Some(Beacon { id, rssi_dbm: rssi_dbm.cast_signed() })
        })
    }
}

/// A badge, as it was heard. What the last minute means is exact to 5 s, the
/// last hour to a minute, and where Pis and strengths are concerned to 5 minutes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadgeHeard {
    /// Its name.
    pub badge_id: String,
    /// The newest time at which it was heard, if that is known.
    pub last_heard: Option<Millis>,
    /// Emissions heard in the last minute.
    pub minute: Counts,
    /// Emissions heard in the last hour.
    pub hour: Counts,
    /// Readings by minute over the last hour, newest last.
    pub readings_by_minute: [u16; 60],
    /// The strongest at which any Pi heard it in the last hour, in dBm.
    pub badge_strength_best: Option<i8>,
    /// Those of its newest reading, strongest first.
    pub beacons: Vec<Beacon<'static>>,
    /// Who heard it, by name; of many, those that did last.
    pub relays: Vec<RelayHeard>,
}

/// A Pi that heard a badge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelayHeard {
    /// Its name.
    pub pi_id: Arc<str>,
    /// When it last did.
    pub last_heard: Millis,
    /// How strongly it heard it then, in dBm.
    pub badge_strength: Option<i8>,
    /// How often it did in the last hour, first or second.
    pub emissions_hour: u64,
}

impl BadgeHeard {
    /// One of which nothing is known but its name.
    pub(crate) fn unknown(badge_id: &str) -> BadgeHeard {
        Badge::default().view(badge_id, 0)
    }
}
