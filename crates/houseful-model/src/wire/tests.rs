//! The rules one by one are in the corpus (`tests/fixtures/wire`). Here is what a
//! file cannot show: what is borrowed and kept, and any emission in any spelling.

use std::borrow::Cow;
use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::sample::Index;

use super::*;
use crate::{Millis, Reading};

const BODY: &str = r#"{"badge_id": "badge_0", "pi_id": "32", "beacons": {"b1": -57, "b2": -33}}"#;

#[test]
fn texts_without_escapes_are_borrowed() {
    let emission = parse(BODY.as_bytes()).unwrap();
    assert!(matches!(emission.badge_id, Cow::Borrowed("badge_0")));
    assert!(matches!(emission.pi_id, Cow::Borrowed("32")));
    assert!(matches!(emission.beacons[0].id, Cow::Borrowed("b2")));

    let escaped = BODY.replace("badge_0", r"badge\u005f0");
    let from_escaped = parse(escaped.as_bytes()).unwrap();
    assert!(matches!(from_escaped.badge_id, Cow::Owned(_)));
    assert_eq!(from_escaped, emission);
}

#[test]
fn an_emission_keeps_no_room_for_the_beacons_that_it_dropped() {
    let beacons: Vec<String> = (0..500).map(|n| format!(r#""b{n}": -57"#)).collect();
    let body = format!(
        r#"{{"badge_id": "badge_0", "pi_id": "32", "beacons": {{{}}}}}"#,
        beacons.join(",")
    );
    let kept = parse(body.as_bytes()).unwrap().into_owned().beacons;
    assert_eq!(kept.len(), BEACONS_MAX);
    assert_eq!(kept.capacity(), BEACONS_MAX);
}

#[test]
fn beacons_are_read_where_they_stand_alone() {
    let body =
        br#"{"badge_id":"b","pi_id":"1","beacons": {"b2": -57, "b1":-57,"x":-128,"y":null} }"#;
    let alone = parse_beacons(r#" {"b2": -57, "b1":-57,"x":-128,"y":null} "#);
    assert_eq!(alone, Ok(parse(body).unwrap().beacons));
    for (json, want) in [
        ("", "beacons: broken JSON: EOF while parsing a value at line 1 column 0"),
        ("[]", "beacons: expected an object, found an array"),
        (r#"{"a":-1},"age_ms":5"#, "beacons: broken JSON: trailing characters at line 1 column 9"),
        (r#"{"a":-1.0}"#, "beacons.a: expected an integer from -127 to -1, found -1.0"),
    ] {
        assert_eq!(parse_beacons(json).unwrap_err().errors(), [want]);
    }
}

#[test]
fn a_repeated_beacon_is_found_however_many_there_are() {
    for count in 1..60 {
        for repeated in 0..count {
            let mut beacons: Vec<String> = (0..count).map(|n| format!(r#""b{n}": -57"#)).collect();
            beacons.push(format!(r#""\u0062{repeated}": null"#));
            let body = format!(
                r#"{{"badge_id": "badge_0", "pi_id": "32", "beacons": {{{}}}}}"#,
                beacons.join(",")
            );
            let error = parse(body.as_bytes()).unwrap_err();
            assert_eq!(error.to_string(), format!("beacons.b{repeated}: key appears twice"));
        }
    }
}

#[test]
fn a_full_body_of_the_longest_texts_gets_a_bounded_answer() {
    let texts = "\u{10ffff}".repeat(200);
    let beacons: Vec<String> = (0..100).map(|n| format!(r#""{n}{texts}": "{texts}""#)).collect();
    let body = format!(r#"{{"beacons": {{{}}}}}"#, beacons.join(","));
    let error = parse(body.as_bytes()).unwrap_err();
    assert_eq!(error.errors().len(), 33);
    assert_eq!(error.errors()[32], "and 170 more");
    assert!(error.to_string().len() < 64 * 1_024);
}

/// How a JSON text is spelt: a supply of small decisions.
#[derive(Debug)]
struct Spelling {
    decisions: Vec<u8>,
    made: usize,
}

impl Spelling {
    fn decide(&mut self, among: u8) -> u8 {
        self.made += 1;
        self.decisions[self.made % self.decisions.len()] % among
    }

    fn space(&mut self, json: &mut String) {
        json.push_str(["", "", "", " ", "\n", "\t", "\r\n", "   "][usize::from(self.decide(8))]);
    }

    fn string(&mut self, text: &str, json: &mut String) {
        json.push('"');
        for char in text.chars() {
            match self.decide(4) {
                0 => {
                    for unit in char.encode_utf16(&mut [0; 2]) {
                        json.push_str(&format!("\\u{unit:04x}"));
                    }
                }
                1 if char == '/' => json.push_str("\\/"),
                _ if char == '"' || char == '\\' => json.extend(['\\', char]),
                _ => json.push(char),
            }
        }
        json.push('"');
    }

    /// An object of members whose values are JSON already.
    fn object(&mut self, members: &[(String, String)]) -> String {
        let mut json = String::new();
        self.space(&mut json);
        json.push('{');
        self.space(&mut json);
        for (number, (key, value)) in members.iter().enumerate() {
            if number > 0 {
                json.push(',');
                self.space(&mut json);
            }
            self.string(key, &mut json);
            self.space(&mut json);
            json.push(':');
            self.space(&mut json);
            json.push_str(value);
            self.space(&mut json);
        }
        json.push('}');
        self.space(&mut json);
        json
    }
}

fn id() -> impl Strategy<Value = String> {
    let char = prop_oneof![
        prop::char::range('a', 'c'),
        prop::sample::select(vec!['"', '\\', '/', ' ', 'é', '🏠', '\u{2028}', '\u{feff}']),
        any::<char>(),
    ];
    let char = char.prop_filter("a control character", |char| !char.is_control());
    // 16 characters of 4 bytes at most.
    prop::collection::vec(char, 1..=16).prop_map(String::from_iter)
}

/// What stands at a beacon, in JSON, and what it means.
fn rssi() -> impl Strategy<Value = (String, Option<i8>)> {
    prop_oneof![
        8 => (-127..=-1_i8).prop_map(|dbm| (dbm.to_string(), Some(dbm))),
        1 => (-60..=-58_i8).prop_map(|dbm| (dbm.to_string(), Some(dbm))),
        1 => prop::sample::select(vec!["null", "-128", "127"]).prop_map(|it| (it.into(), None)),
    ]
}

fn heard() -> impl Strategy<Value = Heard> {
    prop_oneof![
        Just(Heard::OnArrival),
        (946_684_800_000..=253_402_300_799_999_i64).prop_map(|t| Heard::At(Millis(t))),
        (0..=34_560_000_000_u64).prop_map(Heard::Ago),
    ]
}

prop_compose! {
    /// An emission, and the beacons as they were before the strongest were kept.
    fn emission()(
        badge_id in id(),
        pi_id in id(),
        beacons in prop::collection::btree_map(id(), rssi(), 0..40),
        badge_strength in prop::option::of(-127..=20_i8),
        position in any::<Option<i32>>(),
        motion in any::<Option<i32>>(),
        opposite_badge_id in prop::option::of(id()),
        heard in heard(),
    ) -> (Emission<'static>, BTreeMap<String, String>) {
        // The plain way: in order of the ids, then a stable sort by strength.
        let mut kept: Vec<Beacon<'static>> = Vec::new();
        for (id, (_, rssi_dbm)) in &beacons {
            kept.extend(rssi_dbm.map(|rssi_dbm| Beacon { id: id.clone().into(), rssi_dbm }));
        }
        kept.sort_by_key(|beacon| -i16::from(beacon.rssi_dbm));
        kept.truncate(5);
        let emission = Emission {
            badge_id: badge_id.into(),
            pi_id: pi_id.into(),
            beacons: kept,
            badge_strength,
            position,
            motion,
            opposite_badge_id: opposite_badge_id.map(Cow::Owned),
            heard,
        };
        let literals = beacons.into_iter().map(|(id, (literal, _))| (id, literal));
        (emission, literals.collect())
    }
}

/// Puts the items in an order that `swaps` say.
fn shuffle<T>(items: &mut [T], swaps: &[Index]) {
    for (at, swap) in (0..items.len()).zip(swaps.iter().cycle()) {
        items.swap(at, swap.index(items.len()));
    }
}

/// The body of an emission in one of its many spellings.
fn spell(
    emission: &Emission<'_>,
    beacons: BTreeMap<String, String>,
    swaps: &[Index],
    spelling: &mut Spelling,
) -> String {
    let mut string = |text: &str| {
        let mut json = String::new();
        spelling.string(text, &mut json);
        json
    };
    let null = || "null".to_owned();
    let (mut heard_at, mut age_ms) = (null(), null());
    match emission.heard {
        Heard::OnArrival => {}
        Heard::At(t) if t.0 % 2 == 0 => heard_at = t.0.to_string(),
        Heard::At(t) => heard_at = string(&t.to_string()),
        Heard::Ago(ms) => age_ms = ms.to_string(),
    }
    let int = |int: Option<i32>| int.map_or_else(null, |int| int.to_string());
    let strength = emission.badge_strength.map(i32::from);
    let opposite = emission.opposite_badge_id.as_deref();
    let mut members = vec![
        ("badge_id", string(&emission.badge_id)),
        ("pi_id", string(&emission.pi_id)),
        ("badge_strength", int(strength)),
        ("position", int(emission.position)),
        ("motion", int(emission.motion)),
        ("opposite_badge_id", opposite.map_or_else(null, &mut string)),
        ("heard_at", heard_at),
        ("age_ms", age_ms),
        ("x", r#"[{"badge_id": 1e999}, "\ud800", {"y": 0, "y": 0}]"#.into()),
    ];
    let mut beacons: Vec<(String, String)> = beacons.into_iter().collect();
    shuffle(&mut beacons, swaps);
    members.push(("beacons", spelling.object(&beacons)));
    members.retain(|(_, value)| value != "null" || spelling.decide(2) == 0);
    shuffle(&mut members, swaps);
    let members: Vec<(String, String)> =
        members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    spelling.object(&members)
}

proptest! {
    #[test]
    fn every_spelling_of_an_emission_is_that_emission(
        (emission, beacons) in emission(),
        swaps in prop::collection::vec(any::<Index>(), 1..50),
        decisions in prop::collection::vec(any::<u8>(), 1..200),
    ) {
        let mut spelling = Spelling { decisions, made: 0 };
        let body = spell(&emission, beacons, &swaps, &mut spelling);
        prop_assert_eq!(parse(body.as_bytes()), Ok(emission), "{}", body);
    }

    #[test]
    fn a_reading_posted_back_is_the_same_emission((emission, _) in emission(), id in any::<i64>()) {
        let heard_at = emission.heard.resolve(Millis(253_402_300_799_999)).unwrap();
        let reading = Reading { id, heard_at, emission: emission.clone() };
        let line = reading.to_json();
        let again = Emission { heard: Heard::At(heard_at), ..emission };
        prop_assert_eq!(parse(&line), Ok(again));
    }

    #[test]
    fn any_bytes_are_read_or_refused(body in any::<Vec<u8>>()) {
        if let Err(error) = parse(&body) {
            prop_assert!(!error.errors().is_empty());
        }
    }
}
