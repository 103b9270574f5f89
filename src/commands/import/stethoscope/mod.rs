//! The predecessor's database: a row is an emission.
//!
//! Its columns hold what its writers put there, so a number may be a text and an
//! id a number; that is read if it can mean only one thing.

mod zone;

use std::borrow::Cow;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::vec;

use houseful_model::emission::{
    BADGE_STRENGTH_DBM, RSSI_DBM, RSSI_UNKNOWN, check_id, keep_strongest,
};
use houseful_model::show::quoted;
use houseful_model::{Beacon, Emission, Heard, Millis};
use houseful_store::stethoscope::{BEACONS, Cell, Row, Stethoscope};

pub(super) use self::zone::Zone;
use super::entry::{Entry, Faults};

/// Rows per look into the database; between two nothing is held.
const PAGE: usize = 2_000;

/// Reads emissions row by row, by their ids.
pub(super) struct Predecessor {
    database: Stethoscope,
    zone: Zone,
    page: vec::IntoIter<Row>,
    /// The row that was read last.
    last: Option<i64>,
}

impl Predecessor {
    pub(super) fn new(database: Stethoscope, zone: Zone) -> Predecessor {
        Predecessor { database, zone, page: Vec::new().into_iter(), last: None }
    }

    pub(super) fn next(&mut self, now: Millis) -> anyhow::Result<Option<Entry>> {
        if self.page.as_slice().is_empty() {
            self.page = self.database.page(self.last, PAGE)?.into_iter();
        }
        let Some(row) = self.page.next() else { return Ok(None) };
        self.last = Some(row.id);
        Ok(Some(match emission(&row, &self.zone) {
            Ok(emission) => Entry::checked(row.id, emission, "timestamp", now),
            Err(faults) => Entry { place: row.id, read: Err(faults) },
        }))
    }

    /// How far the ids have come.
    pub(super) fn done(&self) -> u64 {
        let first = self.database.rows().map_or(0, |(first, _)| first);
        self.last.map_or(0, |last| last.abs_diff(first).saturating_add(1))
    }

    /// How far they go.
    pub(super) fn total(&self) -> u64 {
        self.database.rows().map_or(0, |(first, last)| last.abs_diff(first).saturating_add(1))
    }
}

/// The emission of a row, or all that is wrong.
fn emission<'a>(row: &'a Row, zone: &Zone) -> Result<Emission<'a>, Vec<String>> {
    let mut faults = Faults::default();
    let badge_id = faults.note("badge_id", required_id(&row.badge_id));
    let pi_id = faults.note("pi_id", required_id(&row.pi_id));
    let heard_at = faults.note("timestamp", time(&row.timestamp, zone));
    let beacons = beacons(&row.beacons, &mut faults);
    let badge_strength =
        faults.note("badge_strength", rssi(&row.badge_strength, BADGE_STRENGTH_DBM));
    let position = faults.note("position", integer(&row.position, i32::MIN..=i32::MAX));
    let motion = faults.note("motion", integer(&row.motion, i32::MIN..=i32::MAX));
    let opposite = faults.note("opposite_badge_id", id(&row.opposite_badge_id));
    match (badge_id, pi_id, heard_at) {
        (Some(badge_id), Some(pi_id), Some(heard_at)) if faults.0.is_empty() => Ok(Emission {
            badge_id,
            pi_id,
            beacons,
            badge_strength: badge_strength.flatten(),
            position: position.flatten(),
            motion: motion.flatten(),
            opposite_badge_id: opposite.flatten(),
            heard: Heard::At(heard_at),
        }),
        _ => Err(faults.0),
    }
}

/// A beacon without an RSSI was not heard, whatever its id.
fn beacons<'a>(cells: &'a [(Cell, Cell); BEACONS], faults: &mut Faults) -> Vec<Beacon<'a>> {
    let mut beacons: Vec<Beacon<'a>> = Vec::with_capacity(BEACONS);
    for (n, (id_cell, strength)) in (1..).zip(cells) {
        let heard = faults.note(format_args!("beacon_{n}_strength"), rssi(strength, RSSI_DBM));
        let Some(rssi_dbm) = heard.flatten() else { continue };
        let column = format_args!("beacon_{n}_id");
        let Some(id) = faults.note(column, required_id(id_cell)) else { continue };
        if beacons.iter().any(|beacon| beacon.id == id) {
            let fault = format!("expected each beacon once, found {} again", quoted(&id));
            faults.note(column, Err::<(), _>(fault));
        }
        beacons.push(Beacon { id, rssi_dbm });
    }
    keep_strongest(&mut beacons);
    beacons
}

fn required_id(cell: &Cell) -> Result<Cow<'_, str>, String> {
    id(cell)?.ok_or_else(|| format!("expected an id, found {}", Shown(cell)))
}

/// An id; NULL and blank are none. A whole number is the id that it is written
/// as: SQLite makes one of a text where the column's type says so.
fn id(cell: &Cell) -> Result<Option<Cow<'_, str>>, String> {
    match cell {
        Cell::Null => Ok(None),
        Cell::Text(text) if text.trim().is_empty() => Ok(None),
        Cell::Text(text) => {
            check_id(text).map_err(|fault| fault.to_string())?;
            Ok(Some(Cow::Borrowed(text)))
        }
        Cell::Integer(number) => Ok(Some(Cow::Owned(number.to_string()))),
        Cell::Real(_) | Cell::BrokenText(_) | Cell::Blob(_) => {
            Err(format!("expected a text or a whole number, found {}", Shown(cell)))
        }
    }
}

/// An integer; NULL and blank are none. `-57.0` is one, since that is what a
/// column of type REAL makes of −57; and so is the text `-57`.
fn integer<T>(cell: &Cell, range: RangeInclusive<T>) -> Result<Option<T>, String>
where
    T: TryFrom<i64> + PartialOrd + Display,
{
    let number = match cell {
        Cell::Null => return Ok(None),
        Cell::Text(text) if text.trim().is_empty() => return Ok(None),
        Cell::Integer(number) => Some(*number),
        // Far beyond every range that is asked for, and exact up to there.
        Cell::Real(number) if number.fract() == 0.0 && number.abs() < 1e15 => Some(*number as i64),
        Cell::Text(text) => text.parse().ok(),
        Cell::Real(_) | Cell::BrokenText(_) | Cell::Blob(_) => None,
    };
    let fitting = number.and_then(|number| T::try_from(number).ok());
    fitting.filter(|number| range.contains(number)).map(Some).ok_or_else(|| {
        format!(
            "expected an integer from {} to {}, found {}",
            range.start(),
            range.end(),
            Shown(cell)
        )
    })
}

/// An RSSI in dBm; `None` if nothing was heard or measured.
fn rssi(cell: &Cell, range: RangeInclusive<i8>) -> Result<Option<i8>, String> {
    match integer(cell, i8::MIN..=i8::MAX) {
        Ok(Some(number)) if RSSI_UNKNOWN.contains(&number) => Ok(None),
        _ => integer(cell, range),
    }
}

fn time(cell: &Cell, zone: &Zone) -> Result<Millis, String> {
    match cell {
        Cell::Text(text) => zone.resolve(text),
        _ => Err(format!("expected a local time as text, found {}", Shown(cell))),
    }
}

/// A cell as it is shown in a fault.
struct Shown<'a>(&'a Cell);

impl Display for Shown<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Cell::Null => f.write_str("NULL"),
            Cell::Integer(number) => number.fmt(f),
            Cell::Real(number) => write!(f, "{number:?}"),
            Cell::Text(text) => quoted(text).fmt(f),
            Cell::BrokenText(_) => f.write_str("text that is no UTF-8"),
            Cell::Blob(len) => write!(f, "a BLOB of {len} bytes"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Cell {
        Cell::Text(text.to_owned())
    }

    fn row() -> Row {
        let beacon = |id: &str, strength| (text(id), Cell::Integer(strength));
        Row {
            id: 7,
            badge_id: text("badge_0"),
            pi_id: text("32"),
            timestamp: text("2018-10-09 15:12:50.735489"),
            position: Cell::Null,
            motion: Cell::Integer(3),
            opposite_badge_id: text(""),
            badge_strength: Cell::Null,
            beacons: [
                beacon("b1", -90),
                beacon("b2", -57),
                beacon("b3", -128),
                (text("b4"), Cell::Null),
                (Cell::Null, Cell::Null),
            ],
        }
    }

    fn zone() -> Zone {
        Zone::parse("Europe/Berlin").unwrap()
    }

    #[test]
    fn a_row_is_an_emission() {
        let row = row();
        let emission = emission(&row, &zone()).unwrap();
        let beacons: Vec<_> = emission.beacons.iter().map(|b| (&*b.id, b.rssi_dbm)).collect();
        assert_eq!(beacons, [("b2", -57), ("b1", -90)]);
        assert_eq!((&*emission.badge_id, &*emission.pi_id), ("badge_0", "32"));
        assert_eq!((emission.position, emission.motion), (None, Some(3)));
        assert_eq!((emission.badge_strength, emission.opposite_badge_id), (None, None));
        assert_eq!(emission.heard, Heard::At(Millis(1_539_090_770_735)));
    }

    #[test]
    fn numbers_may_be_texts_and_ids_numbers() {
        let mut row = row();
        row.badge_id = Cell::Integer(12);
        row.beacons[0] = (Cell::Integer(3), text("-57"));
        row.beacons[1] = (text("4"), Cell::Real(-58.0));
        row.position = text("5");
        row.motion = text(" ");
        row.badge_strength = text("-128");
        let emission = emission(&row, &zone()).unwrap();
        assert_eq!(emission.badge_id, "12");
        let beacons: Vec<_> = emission.beacons.iter().map(|b| (&*b.id, b.rssi_dbm)).collect();
        assert_eq!(beacons, [("3", -57), ("4", -58)]);
        assert_eq!((emission.position, emission.motion), (Some(5), None));
        assert_eq!(emission.badge_strength, None);
    }

    #[test]
    fn everything_that_is_wrong_is_named_after_its_column() {
        let beacons = [
            (Cell::Null, Cell::Integer(-57)),
            (text("b"), Cell::Integer(-58)),
            (text("b"), Cell::Integer(-59)),
            (text("c"), Cell::Integer(0)),
            (Cell::Real(1.5), text("-5x")),
        ];
        let row = Row {
            id: 1,
            badge_id: Cell::Null,
            pi_id: text("  "),
            timestamp: Cell::Integer(1_539_090_770),
            position: Cell::Real(0.5),
            motion: Cell::Integer(i64::MAX),
            opposite_badge_id: Cell::Blob(3),
            badge_strength: Cell::Integer(21),
            beacons,
        };
        assert_eq!(
            emission(&row, &zone()).unwrap_err(),
            [
                "badge_id: expected an id, found NULL",
                "pi_id: expected an id, found \"  \"",
                "timestamp: expected a local time as text, found 1539090770",
                "beacon_1_id: expected an id, found NULL",
                "beacon_3_id: expected each beacon once, found \"b\" again",
                "beacon_4_strength: expected an integer from -127 to -1, found 0",
                "beacon_5_strength: expected an integer from -127 to -1, found \"-5x\"",
                "badge_strength: expected an integer from -127 to 20, found 21",
                "position: expected an integer from -2147483648 to 2147483647, found 0.5",
                "motion: expected an integer from -2147483648 to 2147483647, found 9223372036854775807",
                "opposite_badge_id: expected a text or a whole number, found a BLOB of 3 bytes",
            ]
        );
    }
}
