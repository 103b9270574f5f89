//! Local time without a zone, and the zone that it was.

use houseful_model::Millis;
use houseful_model::show::quoted;
use jiff::SignedDuration;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};

const EPOCH: DateTime = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);

/// The zone of all times of a database.
#[derive(Debug)]
pub(in crate::commands::import) struct Zone {
    name: String,
    zone: TimeZone,
}

impl Zone {
    /// Reads an IANA name (`Europe/Berlin`, `UTC`) or a fixed offset (`+02:00`).
    ///
    /// The system's database of zones comes first, since it may know more than
    /// the one in this program.
    pub(in crate::commands::import) fn parse(text: &str) -> Result<Zone, String> {
        let fault = || {
            format!(
                "expected a time zone such as Europe/Berlin, or an offset such as +02:00, found {}",
                quoted(text)
            )
        };
        let zone = match fixed_offset(text) {
            Some(offset) => TimeZone::fixed(offset),
            None if text.starts_with(|first: char| first.is_ascii_alphabetic()) => {
                TimeZone::get(text).ok().filter(|zone| !zone.is_unknown()).ok_or_else(fault)?
            }
            None => return Err(fault()),
        };
        Ok(Zone { name: text.to_owned(), zone })
    }

    /// The time at which this zone's clocks showed `text`, which is
    /// `2018-10-09 15:12:50` and perhaps a fraction, cut to milliseconds.
    ///
    /// # Errors
    /// If they never showed it, or twice.
    pub(super) fn resolve(&self, text: &str) -> Result<Millis, String> {
        let found = quoted(text);
        let local = read_local(text).ok_or_else(|| {
            format!(
                "expected a local time without a zone, such as 2018-10-09 15:12:50.735489, found {found}"
            )
        })?;
        let name = &self.name;
        match self.zone.to_ambiguous_timestamp(local).offset() {
            AmbiguousOffset::Unambiguous { offset } => offset
                .to_timestamp(local)
                .map(|timestamp| Millis(timestamp.as_millisecond()))
                .map_err(|_| format!("expected a time from 2000-01-01 on, found {found}")),
            AmbiguousOffset::Gap { before, after } => Err(format!(
                "expected a time that {name} has, found {found}, over which its clocks were put forward \
                 from {} to {}",
                Shown(before),
                Shown(after)
            )),
            AmbiguousOffset::Fold { before, after } => Err(format!(
                "expected a time that {name} has once, found {found}, which came at {} and again at {}; \
                 nobody can tell which is meant",
                Shown(before),
                Shown(after)
            )),
        }
    }
}

/// A civil time, by the model's strict reader: it is what would be RFC 3339 with
/// a `T` and a `Z`.
fn read_local(text: &str) -> Option<DateTime> {
    let (date, time) = text.split_once([' ', 'T'])?;
    let as_if_utc = Millis::parse_rfc3339(&format!("{date}T{time}Z")).ok()?;
    EPOCH.checked_add(SignedDuration::from_millis(as_if_utc.0)).ok()
}

/// `+02:00`, `-03:30`.
fn fixed_offset(text: &str) -> Option<Offset> {
    let sign = match text.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hours, minutes) = text[1..].split_once(':')?;
    let number = |digits: &str, max: i32| {
        let is_plain = digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
        digits.parse::<i32>().ok().filter(|number| is_plain && *number <= max)
    };
    let seconds = sign * (number(hours, 23)? * 3_600 + number(minutes, 59)? * 60);
    Offset::from_seconds(seconds).ok()
}

/// An offset as RFC 3339 writes it.
struct Shown(Offset);

impl std::fmt::Display for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let seconds = self.0.seconds();
        let sign = if seconds < 0 { '-' } else { '+' };
        let minutes = seconds.abs() / 60;
        write!(f, "{sign}{:02}:{:02}", minutes / 60, minutes % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(zone: &str, text: &str) -> Result<String, String> {
        Zone::parse(zone).unwrap().resolve(text).map(|t| t.to_string())
    }

    #[test]
    fn local_times_become_utc() {
        for (zone, text, want) in [
            ("Europe/Berlin", "2018-10-09 15:12:50.735489", "2018-10-09T13:12:50.735Z"),
            ("Europe/Berlin", "2018-12-09 15:12:50", "2018-12-09T14:12:50.000Z"),
            ("Europe/Berlin", "2018-10-09T15:12:50.7", "2018-10-09T13:12:50.700Z"),
            ("UTC", "2018-10-09 15:12:50.999999", "2018-10-09T15:12:50.999Z"),
            ("+02:00", "2018-10-09 15:12:50", "2018-10-09T13:12:50.000Z"),
            ("-03:30", "2018-12-31 23:12:50", "2019-01-01T02:42:50.000Z"),
            // The edges of what is skipped and repeated.
            ("Europe/Berlin", "2018-03-25 01:59:59.999", "2018-03-25T00:59:59.999Z"),
            ("Europe/Berlin", "2018-03-25 03:00:00", "2018-03-25T01:00:00.000Z"),
            ("Europe/Berlin", "2018-10-28 01:59:59.999", "2018-10-27T23:59:59.999Z"),
            ("Europe/Berlin", "2018-10-28 03:00:00", "2018-10-28T02:00:00.000Z"),
            ("+01:00", "2018-10-28 02:30:00", "2018-10-28T01:30:00.000Z"),
        ] {
            assert_eq!(resolve(zone, text).as_deref(), Ok(want), "{zone} {text}");
        }
    }

    #[test]
    fn an_hour_that_is_skipped_or_repeated_is_not_guessed() {
        for text in ["2018-03-25 02:00:00", "2018-03-25 02:59:59.999999"] {
            assert_eq!(
                resolve("Europe/Berlin", text),
                Err(format!(
                    "expected a time that Europe/Berlin has, found \"{text}\", over which its clocks were \
                     put forward from +01:00 to +02:00"
                ))
            );
        }
        for text in ["2018-10-28 02:00:00", "2018-10-28 02:59:59.999999"] {
            assert_eq!(
                resolve("Europe/Berlin", text),
                Err(format!(
                    "expected a time that Europe/Berlin has once, found \"{text}\", which came at +02:00 and \
                     again at +01:00; nobody can tell which is meant"
                ))
            );
        }
    }

    #[test]
    fn what_is_no_local_time_is_refused() {
        for text in [
            "",
            "2018-10-09",
            "2018-10-09 15:12",
            "2018-10-09 15:12:50Z",
            "2018-10-09 15:12:50+02:00",
            "2018-10-09  15:12:50",
            "2018-02-30 15:12:50",
            "09.10.2018 15:12:50",
            "1539083570",
        ] {
            let fault = resolve("UTC", text).unwrap_err();
            assert!(fault.starts_with("expected a local time without a zone"), "{fault}");
        }
    }

    #[test]
    fn a_zone_is_a_name_or_an_offset() {
        for zone in ["Europe/Berlin", "America/St_Johns", "UTC", "Etc/GMT-2", "+00:00", "-11:30"] {
            Zone::parse(zone).unwrap();
        }
        for zone in
            ["", "Berlin", "Etc/Unknown", "+2", "+02", "+0200", "+24:00", "02:00", "CEST-1x"]
        {
            let fault = Zone::parse(zone).unwrap_err();
            assert!(fault.starts_with("expected a time zone such as Europe/Berlin"), "{zone}");
        }
    }
}
