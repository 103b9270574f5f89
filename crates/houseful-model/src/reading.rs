//! What is stored: a distinct emission with its id and its time.

use serde::ser::{Serialize, SerializeStruct as _, Serializer};

use crate::{Beacon, Emission, Millis};

/// A stored emission.
///
/// Its JSON, wherever it is shown (an answer, a query, the export, the feed),
/// and whose lines can be posted back:
///
/// ```json
/// {"id": 17, "badge_id": "badge_0", "pi_id": "32", "heard_at": "2026-11-24T20:29:00.123Z",
///  "beacons": {"beacon_3": -33, "beacon_1": -57, "beacon_2": -90},
///  "badge_strength": null, "position": null, "motion": null, "opposite_badge_id": null}
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Grows with the order of storing, from 1.
    pub id: i64,
    /// The time `t` that it was stored under.
    pub heard_at: Millis,
    /// What the Pi reported; its `heard` says how `heard_at` came about and is
    /// not stored.
    pub emission: Emission<'static>,
}

impl Reading {
    /// The reading as one line of JSON, without a line's end.
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("its keys are strings and a Vec takes every byte")
    }
}

impl Serialize for Reading {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let emission = &self.emission;
        let mut object = serializer.serialize_struct("Reading", 9)?;
        object.serialize_field("id", &self.id)?;
        object.serialize_field("badge_id", &emission.badge_id)?;
        object.serialize_field("pi_id", &emission.pi_id)?;
        object.serialize_field("heard_at", &self.heard_at)?;
        object.serialize_field("beacons", &ByStrength(&emission.beacons))?;
        object.serialize_field("badge_strength", &emission.badge_strength)?;
        object.serialize_field("position", &emission.position)?;
        object.serialize_field("motion", &emission.motion)?;
        object.serialize_field("opposite_badge_id", &emission.opposite_badge_id)?;
        object.end()
    }
}

/// Beacons as an object from id to RSSI, in the order they have: strongest first.
struct ByStrength<'a>(&'a [Beacon<'static>]);

impl Serialize for ByStrength<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|beacon| (&beacon.id, beacon.rssi_dbm)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Heard;

    fn reading() -> Reading {
        let beacon = |id: &'static str, rssi_dbm| Beacon { id: id.into(), rssi_dbm };
        Reading {
            id: 17,
            heard_at: Millis(1_795_552_140_123),
            emission: Emission {
                badge_id: "badge_0".into(),
                pi_id: "32".into(),
                beacons: vec![
                    beacon("beacon_3", -33),
                    beacon("beacon_1", -57),
                    beacon("beacon_2", -90),
                ],
                badge_strength: None,
                position: None,
                motion: None,
                opposite_badge_id: None,
                heard: Heard::OnArrival,
            },
        }
    }

    #[test]
    fn the_keys_stand_in_order_and_nulls_are_shown() {
        assert_eq!(
            String::from_utf8(reading().to_json()).unwrap(),
            concat!(
                r#"{"id":17,"badge_id":"badge_0","pi_id":"32","heard_at":"2026-11-24T20:29:00.123Z","#,
                r#""beacons":{"beacon_3":-33,"beacon_1":-57,"beacon_2":-90},"#,
                r#""badge_strength":null,"position":null,"motion":null,"opposite_badge_id":null}"#
            )
        );
    }

    #[test]
    fn every_key_shows_its_value_and_quotes_are_escaped() {
        let mut reading = reading();
        reading.emission.badge_id = r#"a"b\"#.into();
        reading.emission.beacons.clear();
        reading.emission.badge_strength = Some(-60);
        reading.emission.position = Some(i32::MIN);
        reading.emission.motion = Some(2);
        reading.emission.opposite_badge_id = Some("Zoë".into());
        assert_eq!(
            String::from_utf8(reading.to_json()).unwrap(),
            concat!(
                r#"{"id":17,"badge_id":"a\"b\\","pi_id":"32","heard_at":"2026-11-24T20:29:00.123Z","#,
                r#""beacons":{},"badge_strength":-60,"position":-2147483648,"motion":2,"#,
                r#""opposite_badge_id":"Zoë"}"#
            )
        );
    }
}
