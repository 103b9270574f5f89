//! Time on the wire: RFC 3339 or Unix milliseconds in, UTC with milliseconds out.

use std::fmt;

use jiff::SignedDuration;
use jiff::civil::DateTime;
use serde::{Serialize, Serializer};

use crate::show::quoted;

/// Milliseconds since the Unix epoch, UTC.
///
/// Shown as `2026-11-24T20:29:00.123Z`; a time outside the years 0 to 9999,
/// which RFC 3339 cannot write, as its bare number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Millis(pub i64);

const EPOCH: DateTime = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);

/// 9999-12-31T23:59:59.999Z, the last time that RFC 3339 can write.
const YEAR_9999_END: i64 = 253_402_300_799_999;

impl Millis {
    /// The start of the year 2000: what was heard before it was stamped by a
    /// clock that was never set.
    pub const YEAR_2000: Millis = Millis(946_684_800_000);

    /// Reads RFC 3339 strictly: `YYYY-MM-DDTHH:MM:SS`, an optional fraction,
    /// and an offset that is not optional.
    ///
    /// `t` and `z` are allowed (RFC 3339, 5.6). A fraction has any number of
    /// digits and is cut to milliseconds, never rounded: a rounded time could
    /// be ahead of its own clock. Second 60 is read as 59.999, since Unix time
    /// has no leap seconds.
    ///
    /// The shape is checked here and only the calendar by jiff, whose parser
    /// takes more than RFC 3339: a space for the `T`, no seconds, a zone name.
    ///
    /// # Errors
    /// What was expected and what was found, without the key's name.
    pub fn parse_rfc3339(text: &str) -> Result<Self, String> {
        let stamp = Stamp::read(text.as_bytes()).ok_or_else(|| {
            format!(
                "expected RFC 3339 with an offset, such as 2026-11-24T20:29:00.123Z, found {}",
                quoted(text)
            )
        })?;
        stamp
            .to_millis()
            .ok_or_else(|| format!("expected a date and time that exist, found {}", quoted(text)))
    }

    /// Reads a time as people and queries write it: RFC 3339 or Unix
    /// milliseconds.
    ///
    /// # Errors
    /// What was expected and what was found, without the key's name.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text.parse::<i64>() {
            Ok(number) => Self::from_wire_number(number),
            Err(_) => Self::parse_rfc3339(text),
        }
    }

    /// Takes a number for Unix milliseconds, unless it is plainly another unit.
    ///
    /// The years 2000 to 9999 in seconds, milliseconds, microseconds and
    /// nanoseconds are ranges that do not overlap, so the unit can be told from
    /// the number. A number before 2000 in every unit passes:
    /// [`Heard::resolve`](crate::Heard::resolve) refuses it by its date.
    ///
    /// # Errors
    /// What was expected and what was found, without the key's name.
    pub fn from_wire_number(number: i64) -> Result<Self, String> {
        const SECONDS_2000: i64 = Millis::YEAR_2000.0 / 1_000;
        const SECONDS_9999: i64 = YEAR_9999_END / 1_000;
        const MICROS_2000: i64 = Millis::YEAR_2000.0 * 1_000;
        const MICROS_9999: i64 = YEAR_9999_END * 1_000 + 999;
        const NANOS_2000: i64 = Millis::YEAR_2000.0 * 1_000_000;

        let instead = match number {
            SECONDS_2000..=SECONDS_9999 => ", which looks like seconds",
            MICROS_2000..=MICROS_9999 => ", which looks like microseconds",
            NANOS_2000.. => ", which looks like nanoseconds",
            ..=YEAR_9999_END => return Ok(Millis(number)),
            _ => "",
        };
        Err(format!("expected Unix milliseconds, found {number}{instead}"))
    }
}

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match EPOCH.checked_add(SignedDuration::from_millis(self.0)) {
            Ok(t) if t.year() >= 0 => write!(
                f,
                "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
                t.year(),
                t.month(),
                t.day(),
                t.hour(),
                t.minute(),
                t.second(),
                t.millisecond()
            ),
            _ => write!(f, "{}", self.0),
        }
    }
}

impl Serialize for Millis {
    /// The shown form, as a string.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The fields of a text that has RFC 3339's shape; their ranges are not checked.
struct Stamp {
    year: i16,
    month: i8,
    day: i8,
    hour: i8,
    minute: i8,
    second: i8,
    millisecond: i16,
    offset_minutes: i64,
}

impl Stamp {
    fn read(text: &[u8]) -> Option<Stamp> {
        let (stamp, rest) = text.split_at_checked(19)?;
        if [stamp[4], stamp[7], stamp[13], stamp[16]] != *b"--::"
            || !matches!(stamp[10], b'T' | b't')
        {
            return None;
        }
        let (millisecond, offset) = match rest.strip_prefix(b".") {
            None => (0, rest),
            Some(rest) => {
                let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
                let (fraction, offset) = rest.split_at(digits);
                (first_three_digits(fraction)?, offset)
            }
        };
        Some(Stamp {
            year: number(&stamp[..4])?,
            month: two_digits(&stamp[5..7])?,
            day: two_digits(&stamp[8..10])?,
            hour: two_digits(&stamp[11..13])?,
            minute: two_digits(&stamp[14..16])?,
            second: two_digits(&stamp[17..])?,
            millisecond,
            offset_minutes: offset_minutes(offset)?,
        })
    }

    fn to_millis(&self) -> Option<Millis> {
        let (second, millisecond) = match self.second {
            60 => (59, 999),
            second => (second, self.millisecond),
        };
        let nanosecond = i32::from(millisecond) * 1_000_000;
        let local = DateTime::new(
            self.year,
            self.month,
            self.day,
            self.hour,
            self.minute,
            second,
            nanosecond,
        )
        .ok()?;
        let since_epoch = i64::try_from(local.duration_since(EPOCH).as_millis()).ok()?;
        Some(Millis(since_epoch - self.offset_minutes * 60_000))
    }
}

/// All digits, at most four of them, so that it fits.
fn number(digits: &[u8]) -> Option<i16> {
    digits.iter().try_fold(0, |number, &byte| {
        byte.is_ascii_digit().then(|| number * 10 + i16::from(byte - b'0'))
    })
}

fn two_digits(digits: &[u8]) -> Option<i8> {
    number(digits)?.try_into().ok()
}

/// Milliseconds of a fraction: `.5` is 500, `.1239` is 123, `.` is nothing.
fn first_three_digits(fraction: &[u8]) -> Option<i16> {
    match *fraction {
        [] => None,
        [a] => number(&[a, b'0', b'0']),
        [a, b] => number(&[a, b, b'0']),
        [a, b, c, ..] => number(&[a, b, c]),
    }
}

fn offset_minutes(offset: &[u8]) -> Option<i64> {
    let (sign, hours, minutes) = match *offset {
        [b'Z' | b'z'] => return Some(0),
        [b'+', h, i, b':', m, n] => (1, number(&[h, i])?, number(&[m, n])?),
        [b'-', h, i, b':', m, n] => (-1, number(&[h, i])?, number(&[m, n])?),
        _ => return None,
    };
    (hours <= 23 && minutes <= 59).then(|| sign * i64::from(hours * 60 + minutes))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const T: i64 = 1_795_552_140_000; // 2026-11-24T20:29:00Z

    #[test]
    fn rfc_3339_is_read() {
        for (text, want) in [
            ("2026-11-24T20:29:00Z", T),
            ("2026-11-24t20:29:00z", T),
            ("2026-11-24T20:29:00.1Z", T + 100),
            ("2026-11-24T20:29:00.12Z", T + 120),
            ("2026-11-24T20:29:00.123Z", T + 123),
            ("2026-11-24T20:29:00.1239999999999999999999Z", T + 123),
            ("2026-11-24T21:29:00+01:00", T),
            ("2026-11-24T15:59:00-04:30", T),
            ("2026-11-24T20:29:00-00:00", T),
            ("2026-11-25T20:28:00+23:59", T),
            ("1970-01-01T00:00:00Z", 0),
            ("1969-12-31T23:59:59.999Z", -1),
            ("2016-12-31T23:59:60Z", 1_483_228_799_999),
            ("2016-12-31T23:59:60.5Z", 1_483_228_799_999),
            ("2024-02-29T00:00:00Z", 1_709_164_800_000),
            ("2000-01-01T00:00:00Z", Millis::YEAR_2000.0),
            ("9999-12-31T23:59:59.999Z", YEAR_9999_END),
        ] {
            assert_eq!(Millis::parse_rfc3339(text), Ok(Millis(want)), "{text}");
        }
    }

    #[test]
    fn what_is_not_quite_rfc_3339_is_refused() {
        for text in [
            "",
            "now",
            "2026-11-24",
            "2026-11-24T20:29Z",
            "2026-11-24T20:29:00",
            "2026-11-24T20:29:00.123",
            "2026-11-24T20:29:00.Z",
            "2026-11-24T20:29:00,123Z",
            "2026-11-24 20:29:00Z",
            "2026-11-24T20:29:00 Z",
            " 2026-11-24T20:29:00Z",
            "2026-11-24T20:29:00Z ",
            "2026-11-24T20:29:00ZZ",
            "2026-11-24T20:29:00Z[UTC]",
            "2026-11-24T20:29:00+0100",
            "2026-11-24T20:29:00+01",
            "2026-11-24T20:29:00+01:00:00",
            "2026-11-24T20:29:00+24:00",
            "2026-11-24T20:29:00+01:60",
            "2026-11-24T20:29:00\u{2212}01:00",
            "20261124T202900Z",
            "+002026-11-24T20:29:00Z",
            "-026-11-24T20:29:00Z",
            "2026-1-24T20:29:00Z",
            "2026-11-24T20:29:+0Z",
            "２026-11-24T20:29:00Z",
            "1795552140123",
        ] {
            let fault = Millis::parse_rfc3339(text).expect_err(text);
            assert!(
                fault.starts_with("expected RFC 3339 with an offset, such as "),
                "{text}: {fault}"
            );
        }
        for text in [
            "2026-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-00-01T00:00:00Z",
            "2026-11-31T00:00:00Z",
            "2026-11-00T00:00:00Z",
            "2026-11-24T24:00:00Z",
            "2026-11-24T20:60:00Z",
            "2026-11-24T20:29:61Z",
        ] {
            assert_eq!(
                Millis::parse_rfc3339(text),
                Err(format!("expected a date and time that exist, found {text:?}"))
            );
        }
    }

    #[test]
    fn a_number_in_another_unit_is_named() {
        for number in [T, 0, -1, i64::MIN, Millis::YEAR_2000.0, YEAR_9999_END, 1_234] {
            assert_eq!(Millis::from_wire_number(number), Ok(Millis(number)));
        }
        for (number, instead) in [
            (1_700_000_000, ", which looks like seconds"),
            (946_684_800, ", which looks like seconds"),
            (T * 1_000, ", which looks like microseconds"),
            (T * 1_000_000, ", which looks like nanoseconds"),
            (i64::MAX, ", which looks like nanoseconds"),
            (YEAR_9999_END + 1, ""),
        ] {
            assert_eq!(
                Millis::from_wire_number(number),
                Err(format!("expected Unix milliseconds, found {number}{instead}"))
            );
        }
    }

    #[test]
    fn a_text_is_a_number_or_a_date() {
        for text in ["1795552140123", "2026-11-24T20:29:00.123Z"] {
            assert_eq!(Millis::parse(text), Ok(Millis(T + 123)));
        }
        assert!(Millis::parse("1795552140").unwrap_err().ends_with("looks like seconds"));
        assert!(Millis::parse("yesterday").unwrap_err().starts_with("expected RFC 3339"));
    }

    #[test]
    fn every_number_is_shown() {
        for (millis, want) in [
            (T + 123, "2026-11-24T20:29:00.123Z"),
            (0, "1970-01-01T00:00:00.000Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
            (YEAR_9999_END, "9999-12-31T23:59:59.999Z"),
            (YEAR_9999_END + 1, "253402300800000"),
            (-62_167_219_200_000, "0000-01-01T00:00:00.000Z"),
            (-62_167_219_200_001, "-62167219200001"),
            (i64::MAX, "9223372036854775807"),
            (i64::MIN, "-9223372036854775808"),
        ] {
            assert_eq!(Millis(millis).to_string(), want);
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_back(millis in -62_167_219_200_000..=YEAR_9999_END) {
            prop_assert_eq!(Millis::parse_rfc3339(&Millis(millis).to_string()), Ok(Millis(millis)));
        }

        #[test]
        fn any_text_is_read_or_refused_in_printable_words(text in any::<String>()) {
            if let Err(fault) = Millis::parse_rfc3339(&text) {
                prop_assert!(!fault.contains(char::is_control));
            }
        }
    }
}
