//! Whose emission a refused body was, as far as that can be read.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::{Key, Text, object_text, value};
use crate::Emission;

/// The badge and the Pi that a body names. For those who look for the cause of
/// a refusal; nothing is ever stored by it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ids<'a> {
    /// A valid id, if there is one.
    pub badge_id: Option<Cow<'a, str>>,
    /// A valid id, if there is one.
    pub pi_id: Option<Cow<'a, str>>,
}

impl<'a> Ids<'a> {
    /// Those of an emission, borrowed if it borrows them.
    pub fn of(emission: &Emission<'a>) -> Ids<'a> {
        Ids { badge_id: Some(emission.badge_id.clone()), pi_id: Some(emission.pi_id.clone()) }
    }

    /// Those that a body names, whatever else is wrong with it. An id that is
    /// not valid or is there twice counts as none, and so does all of a body
    /// that is no JSON object.
    pub fn read(body: &'a [u8]) -> Ids<'a> {
        let Ok(text) = object_text(body) else {
            return Ids::default();
        };
        let mut json = serde_json::Deserializer::from_str(text);
        let ids = json.deserialize_map(IdsVisitor);
        ids.and_then(|ids| json.end().map(|()| ids)).unwrap_or_default()
    }

    /// The same, independent of the body.
    pub fn into_owned(self) -> Ids<'static> {
        let owned = |id: Cow<'_, str>| Cow::Owned(id.into_owned());
        Ids { badge_id: self.badge_id.map(owned), pi_id: self.pi_id.map(owned) }
    }
}

struct IdsVisitor;

impl<'de> Visitor<'de> for IdsVisitor {
    type Value = Ids<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Ids<'de>, A::Error> {
        // Outside: whether the key was seen. Inside: its value, if that is an id.
        let (mut badge_id, mut pi_id) = (None, None);
        while let Some(Text(name)) = map.next_key()? {
            let place = match Key::from_name(&name) {
                Some(Key::BadgeId) => &mut badge_id,
                Some(Key::PiId) => &mut pi_id,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            let id = value::id(map.next_value::<&RawValue>()?).ok();
            *place = Some(if place.is_none() { id } else { None });
        }
        Ok(Ids { badge_id: badge_id.flatten(), pi_id: pi_id.flatten() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_whatever_else_is_wrong_but_never_guessed() {
        let rows: [(&[u8], _, _); 12] = [
            (br#"{"badge_id": "b", "pi_id": "p", "beacons": 5}"#, Some("b"), Some("p")),
            (br#"{"pi_id": "p"}"#, None, Some("p")),
            (
                "\u{feff} {\"badge_id\": \"\\u0062\", \"x\": {\"badge_id\": \"no\"}}".as_bytes(),
                Some("b"),
                None,
            ),
            (br#"{"badge_id": 7, "pi_id": ""}"#, None, None),
            (br#"{"badge_id": "b\u0007", "pi_id": "p\ud800"}"#, None, None),
            (br#"{"badge_id": "b", "badge_id": "c", "pi_id": "p"}"#, None, Some("p")),
            (br#"{"badge_id": 7, "badge_id": "c", "pi_id": "p"}"#, None, Some("p")),
            (br#"{"badge_id": "b", "pi_id": "p""#, None, None),
            (br#"{"badge_id": "b", "pi_id": "p"} {}"#, None, None),
            (b"{\"badge_id\": \"b\", \"pi_id\": \"p\xff\"}", None, None),
            (br#"["badge_id", "b"]"#, None, None),
            (b"", None, None),
        ];
        for (body, badge_id, pi_id) in rows {
            let want = Ids { badge_id: badge_id.map(Cow::from), pi_id: pi_id.map(Cow::from) };
            assert_eq!(Ids::read(body), want, "{}", String::from_utf8_lossy(body));
        }
    }

    #[test]
    fn a_body_full_of_brackets_needs_no_stack() {
        let mut body = br#"{"badge_id": "b", "x": "#.to_vec();
        body.extend(std::iter::repeat_n(b'[', 8_000));
        body.extend(std::iter::repeat_n(b']', 8_000));
        body.push(b'}');
        assert_eq!(Ids::read(&body).badge_id.as_deref(), Some("b"));
    }
}
