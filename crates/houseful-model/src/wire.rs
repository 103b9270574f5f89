//! Bytes to an [`Emission`], or what is wrong with them.
//!
//! ```json
//! {"badge_id": "badge_0", "pi_id": "32", "beacons": {"beacon_1": -57, "beacon_2": -90, "beacon_3": -33}}
//! ```
//!
//! The JSON grammar is serde_json's. On top of it come the rules that it leaves
//! to a reader: no key twice (compared after unescaping), a bounded depth
//! wherever a value is, numbers by how they were written. A body that breaks the
//! grammar is [broken](WireError::Broken); one that breaks our rules is
//! [invalid](WireError::Invalid), and then every fault is named, not only the
//! first.

mod faults;
mod ids;
#[cfg(test)]
mod tests;
mod value;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;

use self::faults::Faults;
pub use self::ids::Ids;
use crate::emission::{BEACONS_MAX, check_id, keep_strongest};
use crate::show::{escaped, quoted};
use crate::{Beacon, Emission, Heard};

/// How deeply a body may be nested, the emission's own braces included.
pub const DEPTH_MAX: usize = 128;

/// Why a body is no emission.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// Not one JSON object from end to end; where its grammar broke off is
    /// known, where the sender meant it to end is not.
    #[error("{0}")]
    Broken(String),
    /// A JSON object with these faults, one a line, each after its key, in the
    /// order of the body; keys that are missing come last.
    #[error("{}", .0.join("; "))]
    Invalid(Vec<String>),
}

impl WireError {
    /// What to tell the sender: one text a fault, bounded in number and length,
    /// without control characters.
    pub fn errors(&self) -> &[String] {
        match self {
            WireError::Broken(error) => std::slice::from_ref(error),
            WireError::Invalid(errors) => errors,
        }
    }
}

/// Reads one emission. One leading BOM is skipped.
///
/// Allocates once, for the beacons, unless a text has escapes.
///
/// # Errors
/// Everything that is wrong, see [`WireError`].
pub fn parse(body: &[u8]) -> Result<Emission<'_>, WireError> {
    let text = object_text(body).map_err(WireError::Broken)?;
    let mut faults = Faults::default();
    let mut json = serde_json::Deserializer::from_str(text);
    json.deserialize_map(ObjectVisitor(&mut faults))
        .and_then(|object| json.end().map(|()| object))
        .map_err(|error| WireError::Broken(format!("broken JSON: {error}")))?
        .finish(faults)
}

/// Reads the beacons of one emission where they stand alone, as in a cell of
/// CSV. Faults are named as in [`parse`], after `beacons`.
///
/// # Errors
/// Everything that is wrong, see [`WireError`].
pub fn parse_beacons(json: &str) -> Result<Vec<Beacon<'_>>, WireError> {
    let broken = |error| WireError::Broken(format!("beacons: broken JSON: {error}"));
    let value: &RawValue = serde_json::from_str(json).map_err(broken)?;
    let mut faults = Faults::default();
    let beacons = beacons(value, &mut faults);
    if faults.is_empty() { Ok(beacons) } else { Err(WireError::Invalid(faults.into_lines())) }
}

/// The body as text that begins like an object.
fn object_text(body: &[u8]) -> Result<&str, String> {
    let text = std::str::from_utf8(body).map_err(|error| {
        let at = error.valid_up_to();
        format!("expected UTF-8, found byte {:#04x} at offset {at}", body[at])
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let inside = text.trim_start_matches([' ', '\t', '\n', '\r']);
    match inside.chars().next() {
        Some('{') => Ok(text),
        Some(other) => {
            Err(format!("expected a JSON object, found {}", quoted(other.encode_utf8(&mut [0; 4]))))
        }
        None => Err("expected a JSON object, found an empty body".to_owned()),
    }
}

/// The keys of an emission that mean something.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Key {
    BadgeId,
    PiId,
    Beacons,
    BadgeStrength,
    Position,
    Motion,
    OppositeBadgeId,
    HeardAt,
    AgeMs,
}

impl Key {
    fn from_name(name: &str) -> Option<Key> {
        Some(match name {
            "badge_id" => Key::BadgeId,
            "pi_id" => Key::PiId,
            "beacons" => Key::Beacons,
            "badge_strength" => Key::BadgeStrength,
            "position" => Key::Position,
            "motion" => Key::Motion,
            "opposite_badge_id" => Key::OppositeBadgeId,
            "heard_at" => Key::HeardAt,
            "age_ms" => Key::AgeMs,
            _ => return None,
        })
    }
}

/// Which keys of an emission were read so far.
#[derive(Default)]
struct KeysSeen<'a> {
    /// One bit for each [`Key`].
    known: u16,
    others: BTreeSet<Cow<'a, str>>,
}

impl KeysSeen<'_> {
    /// Whether this key is new.
    fn insert(&mut self, key: Key) -> bool {
        let is_new = !self.has(key);
        self.known |= 1 << key as u16;
        is_new
    }

    fn has(&self, key: Key) -> bool {
        self.known & 1 << key as u16 != 0
    }
}

/// An emission as far as it was read.
#[derive(Default)]
struct Object<'a> {
    seen: KeysSeen<'a>,
    badge_id: Option<Cow<'a, str>>,
    pi_id: Option<Cow<'a, str>>,
    beacons: Vec<Beacon<'a>>,
    badge_strength: Option<i8>,
    position: Option<i32>,
    motion: Option<i32>,
    opposite_badge_id: Option<Cow<'a, str>>,
    heard: Option<Heard>,
    /// A `heard_at` or `age_ms` that is not null, faulty or not.
    is_timed: bool,
}

impl<'a> Object<'a> {
    /// Takes in the value of a key that is new.
    fn take(&mut self, key: Key, name: &str, value: &'a RawValue, faults: &mut Faults) {
        let is_required = matches!(key, Key::BadgeId | Key::PiId);
        if value::is_null(value) && !is_required {
            return;
        }
        if matches!(key, Key::HeardAt | Key::AgeMs) {
            if self.is_timed {
                faults.push(name, "expected one of heard_at and age_ms, found both");
            }
            self.is_timed = true;
        }
        match key {
            Key::BadgeId => self.badge_id = faults.note(name, value::id(value)),
            Key::PiId => self.pi_id = faults.note(name, value::id(value)),
            Key::Beacons => self.beacons = beacons(value, faults),
            Key::BadgeStrength => {
                self.badge_strength = faults.note(name, value::badge_strength(value)).flatten();
            }
            Key::Position => self.position = faults.note(name, value::int32(value)),
            Key::Motion => self.motion = faults.note(name, value::int32(value)),
            Key::OppositeBadgeId => self.opposite_badge_id = faults.note(name, value::id(value)),
            Key::HeardAt => self.heard = faults.note(name, value::time(value).map(Heard::At)),
            Key::AgeMs => self.heard = faults.note(name, value::age_ms(value).map(Heard::Ago)),
        }
    }

    /// The emission, or everything that is wrong with it.
    fn finish(self, mut faults: Faults) -> Result<Emission<'a>, WireError> {
        for (key, name) in [(Key::BadgeId, "badge_id"), (Key::PiId, "pi_id")] {
            if !self.seen.has(key) {
                faults.push(name, "expected a string, found nothing");
            }
        }
        match (self.badge_id, self.pi_id) {
            (Some(badge_id), Some(pi_id)) if faults.is_empty() => Ok(Emission {
                badge_id,
                pi_id,
                beacons: self.beacons,
                badge_strength: self.badge_strength,
                position: self.position,
                motion: self.motion,
                opposite_badge_id: self.opposite_badge_id,
                heard: self.heard.unwrap_or(Heard::OnArrival),
            }),
            _ => Err(WireError::Invalid(faults.into_lines())),
        }
    }
}

/// Reads the emission's object.
struct ObjectVisitor<'f>(&'f mut Faults);

impl<'de> Visitor<'de> for ObjectVisitor<'_> {
    type Value = Object<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object<'de>, A::Error> {
        let faults = self.0;
        let mut object = Object::default();
        while let Some(Text(name)) = map.next_key()? {
            let key = Key::from_name(&name);
            let is_new = match key {
                Some(key) => object.seen.insert(key),
                None => object.seen.others.insert(name.clone()),
            };
            if !is_new {
                faults.push(escaped(&name), "key appears twice");
            }
            let value = map.next_value_seed(Value)?;
            match key {
                Some(key) if is_new => object.take(key, &name, value, faults),
                _ => {}
            }
        }
        Ok(object)
    }
}

/// Reads the beacons into the form that an emission keeps.
fn beacons<'a>(value: &'a RawValue, faults: &mut Faults) -> Vec<Beacon<'a>> {
    if !value::is_object(value) {
        faults.push("beacons", format_args!("expected an object, found {}", value::found(value)));
        return Vec::new();
    }
    let mut json = serde_json::Deserializer::from_str(value.get());
    // The grammar was checked, but not that the escapes in keys make up characters.
    json.deserialize_map(BeaconsVisitor(faults)).unwrap_or_else(|_| {
        faults.push("beacons", "expected ids of whole characters, found half a surrogate pair");
        Vec::new()
    })
}

/// Reads the object of beacons.
struct BeaconsVisitor<'f>(&'f mut Faults);

impl<'de> Visitor<'de> for BeaconsVisitor<'_> {
    type Value = Vec<Beacon<'de>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of beacons")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let faults = self.0;
        let mut beacons = Beacons::default();
        while let Some(Text(id)) = map.next_key()? {
            let key = BeaconKey(&id);
            if let Err(fault) = check_id(&id) {
                faults.push(key, format_args!("id: {fault}"));
            }
            if beacons.has(&id) {
                faults.push(key, "key appears twice");
            }
            let rssi_dbm = faults.note(key, value::rssi_dbm(map.next_value()?)).flatten();
            beacons.push(id, rssi_dbm);
        }
        Ok(beacons.strongest())
    }
}

/// How a fault names a beacon.
#[derive(Clone, Copy)]
struct BeaconKey<'a>(&'a str);

impl fmt::Display for BeaconKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "beacons.{}", escaped(self.0))
    }
}

/// All beacons of one emission, heard or not, in the order of the body.
#[derive(Default)]
struct Beacons<'a> {
    all: Vec<Beacon<'a>>,
    /// The ids again, once there are too many to look through.
    ids: BTreeSet<Cow<'a, str>>,
}

impl<'a> Beacons<'a> {
    /// Up to here a look through all ids is quicker than a set; past it, a body
    /// full of beacons would cost the square of its length.
    const LOOK_THROUGH_MAX: usize = 16;

    /// Marks a beacon that was named but not heard; no beacon's RSSI.
    const NOT_HEARD: i8 = 127;

    fn has(&self, id: &str) -> bool {
        if self.all.len() <= Self::LOOK_THROUGH_MAX {
            self.all.iter().any(|beacon| beacon.id == id)
        } else {
            self.ids.contains(id)
        }
    }

    fn push(&mut self, id: Cow<'a, str>, rssi_dbm: Option<i8>) {
        if self.all.is_empty() {
            self.all.reserve_exact(BEACONS_MAX);
        }
        let rssi_dbm = rssi_dbm.unwrap_or(Self::NOT_HEARD);
        self.all.push(Beacon { id, rssi_dbm });
        if self.all.len() > Self::LOOK_THROUGH_MAX {
            let unlisted = &self.all[self.ids.len()..];
            self.ids.extend(unlisted.iter().map(|beacon| beacon.id.clone()));
        }
    }

    /// The [`BEACONS_MAX`] strongest that were heard, strongest first, of equal
    /// ones the smaller id first.
    fn strongest(self) -> Vec<Beacon<'a>> {
        let mut beacons = self.all;
        beacons.retain(|beacon| beacon.rssi_dbm != Self::NOT_HEARD);
        keep_strongest(&mut beacons);
        // An emission waits in a queue that is bounded by its length only.
        beacons.shrink_to(BEACONS_MAX);
        beacons
    }
}

/// A value of the emission's object as it was written, refused if it is nested
/// too deeply. (serde_json bounds its own recursion, but reads such a value
/// without any.)
struct Value;

impl<'de> DeserializeSeed<'de> for Value {
    type Value = &'de RawValue;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        let value = <&RawValue>::deserialize(json)?;
        if value::is_nested_deeper(value, DEPTH_MAX - 1) {
            return Err(D::Error::custom(format_args!("nested deeper than {DEPTH_MAX} levels")));
        }
        Ok(value)
    }
}

/// A key, unescaped; borrowed if it has no escapes (serde's own `Cow` never is).
struct Text<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        struct TextVisitor;

        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }

        json.deserialize_str(TextVisitor)
    }
}
