//! A place in a list, as a client carries it from page to page.
//!
//! ```text
//! version (1) │ t (8) │ id (8) │ filters (4) │ check (4)      big-endian, base64url
//! ```
//!
//! Opaque: nobody but us reads it, and what is in it may change with the version.
//! It carries a digest of the filters, for a place in one list is none in another.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use houseful_model::Millis;
use houseful_store::{Cursor, Filter};

use super::parameters::shown;

const VERSION: u8 = 1;
const LEN: usize = 1 + 8 + 8 + 4 + 4;

/// A place in the list of these filters, as text.
pub(crate) fn write(place: Cursor, filter: &Filter) -> String {
    let mut bytes = Vec::with_capacity(LEN);
    bytes.push(VERSION);
    bytes.extend(place.t.0.to_be_bytes());
    bytes.extend(place.id.to_be_bytes());
    bytes.extend(digest_of(filter).to_be_bytes());
    bytes.extend(digest(&bytes).to_be_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The place that [`write()`] wrote; in the list of these filters, if they are
/// known.
///
/// # Errors
/// What was expected and what was found, without the parameter's name.
pub(crate) fn read(text: &str, filter: Option<&Filter>) -> Result<Cursor, String> {
    let (place, filters) = decode(text).ok_or_else(|| {
        format!("expected what an answer gave as its cursor, found {}", shown(text))
    })?;
    if filter.is_some_and(|filter| digest_of(filter) != filters) {
        return Err("expected one of the same filters, found one of others".to_owned());
    }
    Ok(place)
}

fn decode(text: &str) -> Option<(Cursor, u32)> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let (version, rest) = bytes.split_first()?;
    let (t, rest) = rest.split_first_chunk()?;
    let (id, rest) = rest.split_first_chunk()?;
    let (filters, rest) = rest.split_first_chunk()?;
    let (check, rest) = rest.split_first_chunk()?;
    let is_ours = *version == VERSION
        && rest.is_empty()
        && u32::from_be_bytes(*check) == digest(&bytes[..LEN - 4]);
    let place = Cursor { t: Millis(i64::from_be_bytes(*t)), id: i64::from_be_bytes(*id) };
    is_ours.then_some((place, u32::from_be_bytes(*filters)))
}

/// Tells one list from another. `limit` is not in it: a client may change it
/// from page to page.
fn digest_of(filter: &Filter) -> u32 {
    let mut bytes = Vec::new();
    for id in [&filter.badge_id, &filter.pi_id] {
        bytes.extend(id.as_ref().map_or(0, |id| id.len() + 1).to_be_bytes());
        bytes.extend(id.as_deref().unwrap_or_default().bytes());
    }
    for t in [filter.from, filter.to] {
        bytes.push(u8::from(t.is_some()));
        bytes.extend(t.map_or(0, |t| t.0).to_be_bytes());
    }
    digest(&bytes)
}

/// FNV-1a. It finds slips, not attackers: a made-up cursor shows nothing that a
/// query without one would not.
fn digest(bytes: &[u8]) -> u32 {
    bytes
        .iter()
        .fold(0x811c_9dc5, |digest, byte| (digest ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn filter() -> impl Strategy<Value = Filter> {
        let id = || proptest::option::of("[ab]{1,2}");
        let t = || proptest::option::of((0..2_i64).prop_map(Millis));
        (id(), id(), t(), t()).prop_map(|(badge_id, pi_id, from, to)| Filter {
            badge_id,
            pi_id,
            from,
            to,
            id_max: None,
        })
    }

    proptest! {
        #[test]
        fn a_cursor_is_read_back_for_its_filters_only(
            t in any::<i64>(), id in any::<i64>(), ours in filter(), other in filter(),
        ) {
            let place = Cursor { t: Millis(t), id };
            let text = write(place, &ours);
            prop_assert_eq!(text.len(), 34);
            prop_assert_eq!(read(&text, Some(&ours)), Ok(place));
            prop_assert_eq!(read(&text, None), Ok(place));
            prop_assert_eq!(read(&text, Some(&other)).is_ok(), ours == other);
        }

        #[test]
        fn what_is_not_ours_is_refused(
            t in any::<i64>(), at in 0..34_usize, by in "[A-Za-z0-9_-]", text in ".{0,40}",
        ) {
            let good = write(Cursor { t: Millis(t), id: 7 }, &Filter::default());
            let mut bad = good.clone();
            bad.replace_range(at..=at, &by);
            if bad != good {
                prop_assert!(read(&bad, None).is_err());
            }
            prop_assert!(read(&good[..at], None).is_err());
            prop_assert!(read(&text, None).unwrap_err().starts_with("expected what an answer"));
        }
    }
}
