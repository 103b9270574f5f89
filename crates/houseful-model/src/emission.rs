//! One Pi's report of one advertisement.

use std::borrow::Cow;
use std::hash::Hasher;
use std::ops::RangeInclusive;

use crate::Millis;
use crate::show::quoted;

/// How many beacons of an emission are kept: the strongest ones.
pub const BEACONS_MAX: usize = 5;

/// How long an id is at most, in bytes of UTF-8.
pub const ID_BYTES_MAX: usize = 64;

/// How old an emission may be when it arrives, in milliseconds: 400 days.
pub const AGE_MS_MAX: u64 = 400 * 24 * 60 * 60 * 1_000;

/// How far ahead of the collector's clock a Pi's may be, in milliseconds.
pub const AHEAD_MS_MAX: i64 = 60_000;

/// What the RSSI of a beacon may be, in dBm.
pub const RSSI_DBM: RangeInclusive<i8> = -127..=-1;

/// What the RSSI of a badge at a Pi may be, in dBm.
pub const BADGE_STRENGTH_DBM: RangeInclusive<i8> = -127..=20;

/// What BLE stacks say in place of an RSSI that they do not know.
pub const RSSI_UNKNOWN: [i8; 2] = [-128, 127];

/// A beacon that a badge heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beacon<'a> {
    /// The beacon's name: 1 to 64 bytes, no control characters.
    pub id: Cow<'a, str>,
    /// Received signal strength in dBm, −127 to −1.
    pub rssi_dbm: i8,
}

/// When a Pi heard an advertisement, in its own words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Not said: it counts as heard when it arrived.
    OnArrival,
    /// `heard_at`: by the Pi's wall clock.
    At(Millis),
    /// `age_ms`: milliseconds before the request's head arrived.
    Ago(u64),
}

/// One Pi's report of one advertisement, checked and brought into its one form.
///
/// Borrows from the request's body where it can, so that a copy is recognised
/// without an allocation per id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Emission<'a> {
    /// The worn device. 1 to 64 bytes, no control characters.
    pub badge_id: Cow<'a, str>,
    /// The gateway that heard it. 1 to 64 bytes, no control characters.
    pub pi_id: Cow<'a, str>,
    /// At most [`BEACONS_MAX`], strongest first, of equal ones the smaller id
    /// (by bytes) first; no id twice.
    pub beacons: Vec<Beacon<'a>>,
    /// RSSI of the badge at that Pi in dBm, −127 to 20.
    pub badge_strength: Option<i8>,
    /// As the badge reports it.
    pub position: Option<i32>,
    /// As the badge reports it.
    pub motion: Option<i32>,
    /// A badge that this one faced.
    pub opposite_badge_id: Option<Cow<'a, str>>,
    /// When the Pi heard it.
    pub heard: Heard,
}

/// Why a time that a Pi told is not believed. The text names the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeardFault {
    /// More than [`AHEAD_MS_MAX`] ahead of the arrival.
    #[error("heard_at: expected at most 60 s ahead of the collector's clock, found {heard_at}")]
    Ahead {
        /// What the Pi said.
        heard_at: Millis,
    },
    /// Before the year 2000: a clock that was never set, the Pi's or ours.
    #[error("{key}: expected a time from 2000-01-01 on, found {t}")]
    TooOld {
        /// Where the time comes from, `heard_at` or `age_ms`.
        key: &'static str,
        /// The time that it comes to.
        t: Millis,
    },
}

/// Why a text is no id. The text does not name the key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdFault {
    /// Not 1 to [`ID_BYTES_MAX`] bytes.
    #[error("expected 1 to 64 bytes, found {0}")]
    Length(usize),
    /// A character of U+0000–001F or U+007F–009F.
    #[error("expected no control characters, found {}", quoted(.0))]
    Control(String),
}

/// The rule for every id, wherever it comes in: 1 to [`ID_BYTES_MAX`] bytes, no
/// control characters (U+0000–001F, U+007F–009F).
///
/// # Errors
/// Which half of the rule is broken.
pub fn check_id(id: &str) -> Result<(), IdFault> {
    if id.is_empty() || id.len() > ID_BYTES_MAX {
        return Err(IdFault::Length(id.len()));
    }
    // Nearly every id is printable ASCII, which needs no decoding.
    let is_plain = id.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    if !is_plain && id.contains(char::is_control) {
        return Err(IdFault::Control(id.to_owned()));
    }
    Ok(())
}

/// Brings the beacons that were heard into the form that an emission keeps: the
/// [`BEACONS_MAX`] strongest, strongest first, of equal ones the smaller id
/// first.
pub fn keep_strongest(beacons: &mut Vec<Beacon<'_>>) {
    beacons.sort_unstable_by(|a, b| {
        let stronger_first = b.rssi_dbm.cmp(&a.rssi_dbm);
        stronger_first.then_with(|| a.id.cmp(&b.id))
    });
    beacons.truncate(BEACONS_MAX);
}

impl Heard {
    /// The time `t` of an emission whose request's head arrived at `arrival` by
    /// our clock.
    ///
    /// # Errors
    /// A time that no Pi with a working clock would tell: more than 60 s ahead
    /// of ours, or before the year 2000. An emission without a time has no such
    /// fault, whatever our clock says.
    pub fn resolve(self, arrival: Millis) -> Result<Millis, HeardFault> {
        let (key, t) = match self {
            Heard::OnArrival => return Ok(arrival),
            Heard::At(heard_at) if heard_at.0.saturating_sub(arrival.0) > AHEAD_MS_MAX => {
                return Err(HeardFault::Ahead { heard_at });
            }
            Heard::At(heard_at) => ("heard_at", heard_at),
            Heard::Ago(age_ms) => ("age_ms", Millis(arrival.0.saturating_sub_unsigned(age_ms))),
        };
        if t < Millis::YEAR_2000 {
            return Err(HeardFault::TooOld { key, t });
        }
        Ok(t)
    }
}

impl Beacon<'_> {
    /// The same beacon, on its own feet.
    pub fn into_owned(self) -> Beacon<'static> {
        Beacon { id: Cow::Owned(self.id.into_owned()), rssi_dbm: self.rssi_dbm }
    }
}

impl Emission<'_> {
    /// The same emission, independent of the request's body.
    pub fn into_owned(self) -> Emission<'static> {
        let owned = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        Emission {
            badge_id: owned(self.badge_id),
            pi_id: owned(self.pi_id),
            beacons: self.beacons.into_iter().map(Beacon::into_owned).collect(),
            badge_strength: self.badge_strength,
            position: self.position,
            motion: self.motion,
            opposite_badge_id: self.opposite_badge_id.map(owned),
            heard: self.heard,
        }
    }

    /// Feeds `state` what makes two emissions copies of each other: the house,
    /// the badge, and the kept beacons with their RSSI. Nothing else counts:
    /// each Pi hears the badge at its own level.
    ///
    /// Each text goes in after its length, so different identities never feed
    /// the same bytes; and the bytes are the same on every machine.
    pub fn hash_identity(&self, house: &str, state: &mut impl Hasher) {
        // A length and the byte beside it (a count, an RSSI) share one word: a
        // hasher costs by the write, and no text is as long as 2^56 bytes.
        let mut feed = |text: &str, beside: u8| {
            let head = (text.len() as u64) << 8 | u64::from(beside);
            state.write(&head.to_le_bytes());
            state.write(text.as_bytes());
        };
        feed(house, 0);
        feed(&self.badge_id, self.beacons.len() as u8); // at most BEACONS_MAX
        for beacon in &self.beacons {
            feed(&beacon.id, beacon.rssi_dbm.cast_unsigned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARRIVAL: Millis = Millis(1_795_552_140_123);

    fn emission() -> Emission<'static> {
        let beacon = |id, rssi_dbm| Beacon { id: Cow::Borrowed(id), rssi_dbm };
        Emission {
            badge_id: "badge_0".into(),
            pi_id: "32".into(),
            beacons: vec![beacon("b1", -33), beacon("b2", -57)],
            badge_strength: None,
            position: None,
            motion: None,
            opposite_badge_id: None,
            heard: Heard::OnArrival,
        }
    }

    /// Everything that was fed, in place of a hash.
    #[derive(Default)]
    struct Fed(Vec<u8>);

    impl Hasher for Fed {
        fn write(&mut self, bytes: &[u8]) {
            self.0.extend_from_slice(bytes);
        }

        fn finish(&self) -> u64 {
            0
        }
    }

    fn identity(house: &str, emission: &Emission<'_>) -> Vec<u8> {
        let mut fed = Fed::default();
        emission.hash_identity(house, &mut fed);
        fed.0
    }

    #[test]
    fn a_time_comes_from_heard_at_else_age_ms_else_the_arrival() {
        for (heard, want) in [
            (Heard::OnArrival, ARRIVAL.0),
            (Heard::At(Millis(ARRIVAL.0 - 5)), ARRIVAL.0 - 5),
            (Heard::At(Millis(ARRIVAL.0 + 60_000)), ARRIVAL.0 + 60_000),
            (Heard::At(Millis::YEAR_2000), Millis::YEAR_2000.0),
            (Heard::Ago(0), ARRIVAL.0),
            (Heard::Ago(4_500), ARRIVAL.0 - 4_500),
            (Heard::Ago(AGE_MS_MAX), ARRIVAL.0 - 34_560_000_000),
        ] {
            assert_eq!(heard.resolve(ARRIVAL), Ok(Millis(want)), "{heard:?}");
        }
        let unset_clock = Millis(1_000);
        assert_eq!(Heard::OnArrival.resolve(unset_clock), Ok(unset_clock));
    }

    #[test]
    fn a_time_that_no_working_clock_tells_is_refused() {
        for (heard, arrival, want) in [
            (
                Heard::At(Millis(ARRIVAL.0 + 60_001)),
                ARRIVAL,
                "heard_at: expected at most 60 s ahead of the collector's clock, \
                 found 2026-11-24T20:30:00.124Z",
            ),
            (
                Heard::At(Millis(i64::MAX)),
                Millis(-1),
                "heard_at: expected at most 60 s ahead of the collector's clock, \
                 found 9223372036854775807",
            ),
            (
                Heard::At(Millis(Millis::YEAR_2000.0 - 1)),
                ARRIVAL,
                "heard_at: expected a time from 2000-01-01 on, found 1999-12-31T23:59:59.999Z",
            ),
            (
                Heard::At(Millis(i64::MIN)),
                ARRIVAL,
                "heard_at: expected a time from 2000-01-01 on, found -9223372036854775808",
            ),
            (
                Heard::Ago(1),
                Millis::YEAR_2000,
                "age_ms: expected a time from 2000-01-01 on, found 1999-12-31T23:59:59.999Z",
            ),
            (
                Heard::Ago(u64::MAX),
                ARRIVAL,
                "age_ms: expected a time from 2000-01-01 on, found -9223372036854775808",
            ),
        ] {
            let fault = heard.resolve(arrival).expect_err(want);
            assert_eq!(fault.to_string(), want);
        }
    }

    #[test]
    fn ids_have_1_to_64_bytes_and_no_control_characters() {
        for id in ["x", "Zoë", "a b", "\u{a0}", "🏠", &"é".repeat(32)] {
            assert_eq!(check_id(id), Ok(()), "{id:?}");
        }
        assert_eq!(check_id(""), Err(IdFault::Length(0)));
        assert_eq!(check_id(&"é".repeat(33)), Err(IdFault::Length(66)));
        for control in ('\0'..='\u{1f}').chain('\u{7f}'..='\u{9f}') {
            let id = format!("a{control}");
            assert_eq!(check_id(&id), Err(IdFault::Control(id.clone())));
        }
    }

    #[test]
    fn the_identity_is_the_house_the_badge_and_the_beacons() {
        let original = identity("default", &emission());
        let copy = Emission {
            pi_id: "7".into(),
            badge_strength: Some(-60),
            position: Some(1),
            motion: Some(2),
            opposite_badge_id: Some("badge_1".into()),
            heard: Heard::Ago(5),
            ..emission()
        };
        assert_eq!(identity("default", &copy), original);
        assert_eq!(identity("default", &copy.into_owned()), original);

        let mut others = vec![identity("defaul", &emission())];
        let mut other = |change: fn(&mut Emission<'_>)| {
            let mut emission = emission();
            change(&mut emission);
            others.push(identity("default", &emission));
        };
        other(|it| it.badge_id = "badge_1".into());
        other(|it| it.beacons[1].rssi_dbm = -58);
        other(|it| it.beacons[1].id = "b3".into());
        other(|it| it.beacons.truncate(1));
        other(|it| it.beacons.clear());
        others.push(original);
        let count = others.len();
        others.sort();
        others.dedup();
        assert_eq!(others.len(), count);
    }

    #[test]
    fn texts_that_run_together_keep_different_identities() {
        let split = |house: &str, badge: &'static str, id: &'static str| {
            let mut emission = emission();
            emission.badge_id = badge.into();
            emission.beacons.truncate(1);
            emission.beacons[0].id = id.into();
            identity(house, &emission)
        };
        assert_ne!(split("a", "bc", "d"), split("ab", "c", "d"));
        assert_ne!(split("a", "bc", "d"), split("a", "b", "cd"));
        // Nor does a text pass for the head of the next one.
        let (house, badge) = ("a\u{1}\0\0\0\0\0\0\0b", "b\u{1}\0\0\0\0\0\0\0c");
        assert_ne!(split(house, "c", "d"), split("a", badge, "d"));
    }
}
