//! What a cell of a CSV may hold: exactly what the export writes. What a
//! spreadsheet makes of it is named, not guessed.

use std::ops::RangeInclusive;

use houseful_model::Millis;
use houseful_model::emission::{RSSI_UNKNOWN, check_id};
use houseful_model::show::quoted;

use crate::rows::GUARDED;

/// An id, with the `'` in front taken off.
pub(super) fn id(cell: &str) -> Result<&str, String> {
    let id = match cell.strip_prefix('\'') {
        Some(guarded) if guarded.starts_with(GUARDED) => guarded,
        Some(_) => {
            return Err(format!(
                "expected a ' in front only before = + - @ or another ', found {}",
                quoted(cell)
            ));
        }
        None if cell.starts_with(GUARDED) => {
            return Err(format!(
                "expected a ' in front of a text that begins with = + - @, found {}",
                quoted(cell)
            ));
        }
        None => cell,
    };
    check_id(id).map_err(|fault| fault.to_string())?;
    Ok(id)
}

/// An id that may be missing.
pub(super) fn optional_id(cell: &str) -> Result<Option<&str>, String> {
    if cell.is_empty() { Ok(None) } else { id(cell).map(Some) }
}

/// An integer that may be missing.
pub(super) fn integer<T>(cell: &str, range: RangeInclusive<T>) -> Result<Option<T>, String>
where
    T: TryFrom<i64> + PartialOrd + std::fmt::Display,
{
    if cell.is_empty() {
        return Ok(None);
    }
    let number = plain_integer(cell);
    let fitting = number.and_then(|number| T::try_from(number).ok());
    match fitting.filter(|number| range.contains(number)) {
        Some(number) => Ok(Some(number)),
        None => {
            let has_digits = cell.contains(|char: char| char.is_ascii_digit());
            let by_whom = match number {
                None if has_digits => ", as a spreadsheet may rewrite numbers",
                _ => "",
            };
            let (from, to) = (range.start(), range.end());
            let found = quoted(cell);
            Err(format!("expected an integer from {from} to {to}, found {found}{by_whom}"))
        }
    }
}

/// An RSSI in dBm that may be missing, or not measured.
pub(super) fn rssi(cell: &str, range: RangeInclusive<i8>) -> Result<Option<i8>, String> {
    match plain_integer(cell).and_then(|number| i8::try_from(number).ok()) {
        Some(number) if RSSI_UNKNOWN.contains(&number) => Ok(None),
        _ => integer(cell, range),
    }
}

/// As Rust writes one: no `+`, no zeros in front.
fn plain_integer(cell: &str) -> Option<i64> {
    cell.parse().ok().filter(|number: &i64| number.to_string() == cell)
}

/// RFC 3339 with milliseconds. Without them it was cut, and copies would no
/// longer be told from originals.
pub(super) fn time(cell: &str) -> Result<Millis, String> {
    match Millis::parse_rfc3339(cell) {
        Ok(t) => {
            let fraction = cell.split_once('.').map_or("", |(_, fraction)| fraction);
            let digits = fraction.bytes().take_while(u8::is_ascii_digit).count();
            if digits < 3 {
                return Err(format!(
                    "expected a time with milliseconds, such as 2026-11-24T20:29:00.123Z, found {}, \
                     as a spreadsheet may cut them",
                    quoted(cell)
                ));
            }
            Ok(t)
        }
        Err(fault) => {
            let is_bare = cell.bytes().all(|byte| byte.is_ascii_digit());
            let has_digits = cell.contains(|char: char| char.is_ascii_digit());
            let was_read = fault.starts_with("expected a date and time that exist");
            let by_whom = match has_digits && !is_bare && !was_read {
                true => ", as a spreadsheet may rewrite times",
                false => "",
            };
            Err(fault + by_whom)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guard_is_taken_off_once() {
        for (cell, want) in [
            ("badge_0", "badge_0"),
            ("'=1+1", "=1+1"),
            ("'+1", "+1"),
            ("'-1", "-1"),
            ("'@x", "@x"),
            ("''x", "'x"),
            ("'''", "''"),
            ("x'=", "x'="),
            ("1.0E+05", "1.0E+05"),
            (" =1", " =1"),
        ] {
            assert_eq!(id(cell), Ok(want));
        }
        for cell in ["'x", "'", "=1", "+1", "-1", "@x", "''\u{1}", "", "a\nb"] {
            id(cell).unwrap_err();
        }
    }

    #[test]
    fn numbers_are_plain() {
        let any = i32::MIN..=i32::MAX;
        for (cell, want) in
            [("", None), ("0", Some(0)), ("-5", Some(-5)), ("2147483647", Some(i32::MAX))]
        {
            assert_eq!(integer(cell, any.clone()), Ok(want));
        }
        let rewritten = "as a spreadsheet may rewrite numbers";
        for (cell, is_rewritten) in [
            ("1.0E+05", true),
            ("-3.0", true),
            ("-3,0", true),
            ("1,000", true),
            ("+5", true),
            ("007", true),
            ("-0", true),
            ("'-3", true),
            ("\u{2212}3", true),
            (" 3", true),
            ("2147483648", false),
            ("#VALUE!", false),
        ] {
            let fault = integer(cell, any.clone()).unwrap_err();
            assert_eq!(fault.contains(rewritten), is_rewritten, "{fault}");
        }
        for (cell, want) in [("-128", None), ("127", None), ("", None), ("-127", Some(-127))] {
            assert_eq!(rssi(cell, -127..=20), Ok(want), "{cell}");
        }
        rssi("21", -127..=20).unwrap_err();
        rssi("-129", -127..=20).unwrap_err();
    }

    #[test]
    fn times_have_their_milliseconds() {
        let t = Millis(1_795_552_140_123);
        for cell in [
            "2026-11-24T20:29:00.123Z",
            "2026-11-24T21:29:00.123456+01:00",
            "2026-11-24t20:29:00.123z",
        ] {
            assert_eq!(time(cell), Ok(t));
        }
        let rewritten = ", as a spreadsheet may rewrite times";
        for (cell, end) in [
            ("2026-11-24T20:29:00Z", ", as a spreadsheet may cut them"),
            ("2026-11-24T20:29:00.1Z", ", as a spreadsheet may cut them"),
            ("25.11.2026 04:00", rewritten),
            ("11/25/26 4:00", rewritten),
            ("2026-11-24 20:29:00", rewritten),
            ("29:00.1", rewritten),
            ("46351.85347", rewritten),
            ("1.79555E+12", rewritten),
            ("1795552140123", "found \"1795552140123\""),
            ("2026-02-30T00:00:00.000Z", "found \"2026-02-30T00:00:00.000Z\""),
            ("", "found \"\""),
            ("########", "found \"########\""),
        ] {
            let fault = time(cell).unwrap_err();
            assert!(fault.ends_with(end), "{fault}");
        }
    }
}
