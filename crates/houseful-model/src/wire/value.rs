//! What the value of each key may be: one JSON value, as it was written, to what
//! it means or the fault that it has.
//!
//! Values are read from their literal, because what a number was written as
//! matters: `-57.0` is no RSSI, and `1e400` is a number that only we refuse.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::Millis;
use crate::emission::{AGE_MS_MAX, BADGE_STRENGTH_DBM, RSSI_DBM, check_id};
use crate::show::{escaped, quoted};

/// A string that is an id.
pub(super) fn id(value: &RawValue) -> Result<Cow<'_, str>, String> {
    let id = string(value)?;
    check_id(&id).map_err(|fault| fault.to_string())?;
    Ok(id)
}

/// The RSSI of a beacon in dBm; `None` if it was not heard.
pub(super) fn rssi_dbm(value: &RawValue) -> Result<Option<i8>, String> {
    measured(value, RSSI_DBM)
}

/// The RSSI of a badge in dBm; `None` if it was not measured.
pub(super) fn badge_strength(value: &RawValue) -> Result<Option<i8>, String> {
    measured(value, BADGE_STRENGTH_DBM)
}

/// 32 bits, signed.
pub(super) fn int32(value: &RawValue) -> Result<i32, String> {
    integer(value, i32::MIN..=i32::MAX)
}

/// Milliseconds, at most [`AGE_MS_MAX`].
pub(super) fn age_ms(value: &RawValue) -> Result<u64, String> {
    integer(value, 0..=AGE_MS_MAX)
}

/// RFC 3339 or integer Unix milliseconds.
pub(super) fn time(value: &RawValue) -> Result<Millis, String> {
    if let Ok(number) = value.get().parse() {
        return Millis::from_wire_number(number);
    }
    match value.get().as_bytes()[0] {
        b'"' => Millis::parse_rfc3339(&string(value)?),
        _ => Err(format!("expected RFC 3339 or integer Unix milliseconds, found {}", found(value))),
    }
}

pub(super) fn is_null(value: &RawValue) -> bool {
    value.get() == "null"
}

pub(super) fn is_object(value: &RawValue) -> bool {
    value.get().starts_with('{')
}

/// Whether arrays and objects are nested in a value more than `levels` deep.
pub(super) fn is_nested_deeper(value: &RawValue, levels: usize) -> bool {
    let json = value.get().as_bytes();
    // Each level takes two brackets, so nearly every value is too short for it.
    if json.len() / 2 <= levels {
        return false;
    }
    let mut depth = 0;
    let mut bytes = json.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'[' | b'{' if depth == levels => return true,
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth -= 1,
            b'"' => skip_string(&mut bytes),
            _ => {}
        }
    }
    false
}

/// Goes past the end of a string whose opening quote has been read.
fn skip_string(bytes: &mut std::slice::Iter<'_, u8>) {
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => {
                bytes.next();
            }
            b'"' => return,
            _ => {}
        }
    }
}

fn string(value: &RawValue) -> Result<Cow<'_, str>, String> {
    let json = value.get();
    let Some(inside) = json.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        return Err(format!("expected a string, found {}", found(value)));
    };
    if !inside.contains('\\') {
        return Ok(Cow::Borrowed(inside));
    }
    // The syntax of its escapes was checked, but not that they make up characters.
    serde_json::from_str(json).map(Cow::Owned).map_err(|_| {
        format!("expected whole characters, found half a surrogate pair in {}", quoted(inside))
    })
}

/// An RSSI; null and what BLE stacks say for "unknown", −128 and 127, are `None`.
fn measured(value: &RawValue, range: std::ops::RangeInclusive<i8>) -> Result<Option<i8>, String> {
    match value.get() {
        "null" | "-128" | "127" => Ok(None),
        _ => integer(value, range).map(Some),
    }
}

fn integer<T>(value: &RawValue, range: std::ops::RangeInclusive<T>) -> Result<T, String>
where
    T: TryFrom<i64> + PartialOrd + std::fmt::Display,
{
    // A JSON number and `i64::from_str` agree on what an integer is, but for
    // the `+5` and `007` that JSON does not let through to here.
    let number = value.get().parse().ok().and_then(|number: i64| number.try_into().ok());
    number.filter(|number| range.contains(number)).ok_or_else(|| {
        format!(
            "expected an integer from {} to {}, found {}",
            range.start(),
            range.end(),
            found(value)
        )
    })
}

/// A value as it is shown in a fault.
pub(super) fn found(value: &RawValue) -> String {
    let json = value.get();
    match json.as_bytes()[0] {
        b'{' => "an object".to_owned(),
        b'[' => "an array".to_owned(),
        b'"' => match string(value) {
            Ok(text) => quoted(&text).to_string(),
            Err(_) => "half a surrogate pair".to_owned(),
        },
        _ => escaped(json).to_string(),
    }
}
