//! CSV: a former export, and nothing that a spreadsheet has made of it.

mod cells;
mod header;
mod records;

use std::borrow::Cow;
use std::fmt::Display;

use anyhow::anyhow;
use houseful_model::emission::BADGE_STRENGTH_DBM;
use houseful_model::{Beacon, Emission, Heard, Millis, wire};

use self::records::{Record, Records};
use super::entry::{Entry, Faults};
use super::lines::Lines;
use crate::rows::COLUMNS;

/// Reads emissions record by record.
pub(super) struct Csv {
    records: Records,
    record: Record,
}

impl Csv {
    /// Reads and checks the header; `name` is the file's, for errors.
    pub(super) fn open(lines: Lines, name: &dyn Display) -> anyhow::Result<Csv> {
        let mut csv = Csv { records: Records::new(lines), record: Record::default() };
        let Some((line, read)) = csv.records.next(&mut csv.record)? else {
            return Err(anyhow!(
                "{name}: expected the header `{}`, found nothing",
                COLUMNS.join(",")
            ));
        };
        read.and_then(|()| {
            let mut cells = texts(&csv.record)?;
            if let Some(first) = cells.first_mut() {
                *first = first.strip_prefix('\u{feff}').unwrap_or(first);
            }
            header::check(&cells)
        })
        .map_err(|fault| anyhow!("{name}:{line}: {fault}"))?;
        Ok(csv)
    }

    pub(super) fn next(&mut self, now: Millis) -> anyhow::Result<Option<Entry>> {
        let Some((line, read)) = self.records.next(&mut self.record)? else { return Ok(None) };
        let place = line.cast_signed();
        let emission = match &read {
            Ok(()) => emission(&self.record),
            Err(fault) => Err(vec![fault.clone()]),
        };
        Ok(Some(match emission {
            Ok(emission) => Entry::checked(place, emission, "heard_at", now),
            Err(faults) => Entry { place, read: Err(faults) },
        }))
    }

    pub(super) fn bytes(&self) -> u64 {
        self.records.bytes()
    }
}

/// The cells as text.
fn texts(record: &Record) -> Result<Vec<&str>, String> {
    let texts = record.cells().enumerate().map(|(index, cell)| {
        std::str::from_utf8(cell).map_err(|error| {
            let at = error.valid_up_to();
            let byte = cell[at];
            format!("column {}: expected UTF-8, found byte {byte:#04x} at offset {at}", index + 1)
        })
    });
    texts.collect()
}

/// The emission of a record, or all that is wrong.
fn emission(record: &Record) -> Result<Emission<'_>, Vec<String>> {
    let cells = texts(record).map_err(|fault| vec![fault])?;
    let Ok([id, badge_id, pi_id, heard_at, beacons, badge_strength, position, motion, opposite]) =
        <[&str; 9]>::try_from(cells.as_slice())
    else {
        return Err(vec![format!("expected {} cells, found {}", COLUMNS.len(), cells.len())]);
    };
    let mut faults = Faults::default();
    // An id is given anew, but one that is none tells of a file that was changed.
    faults.note("id", cells::integer(id, 1..=i64::MAX));
    let badge_id = faults.note("badge_id", cells::id(badge_id));
    let pi_id = faults.note("pi_id", cells::id(pi_id));
    let heard_at = faults.note("heard_at", cells::time(heard_at));
    let beacons = beacons_of(beacons).unwrap_or_else(|of_beacons| {
        faults.0.extend(of_beacons);
        Vec::new()
    });
    let badge_strength =
        faults.note("badge_strength", cells::rssi(badge_strength, BADGE_STRENGTH_DBM));
    let position = faults.note("position", cells::integer(position, i32::MIN..=i32::MAX));
    let motion = faults.note("motion", cells::integer(motion, i32::MIN..=i32::MAX));
    let opposite = faults.note("opposite_badge_id", cells::optional_id(opposite));
    match (badge_id, pi_id, heard_at) {
        (Some(badge_id), Some(pi_id), Some(heard_at)) if faults.0.is_empty() => Ok(Emission {
            badge_id: Cow::Borrowed(badge_id),
            pi_id: Cow::Borrowed(pi_id),
            beacons,
            badge_strength: badge_strength.flatten(),
            position: position.flatten(),
            motion: motion.flatten(),
            opposite_badge_id: opposite.flatten().map(Cow::Borrowed),
            heard: Heard::At(heard_at),
        }),
        _ => Err(faults.0),
    }
}

/// An empty cell, as an empty object: no beacon heard.
fn beacons_of(cell: &str) -> Result<Vec<Beacon<'_>>, Vec<String>> {
    if cell.is_empty() {
        return Ok(Vec::new());
    }
    wire::parse_beacons(cell).map_err(|error| {
        // Of the cell, and nearly always its only line.
        let in_cell = |fault: &String| fault.replace(" at line 1 column ", " at column ");
        error.errors().iter().map(in_cell).collect()
    })
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use houseful_model::Reading;
    use houseful_model::emission::{check_id, keep_strongest};
    use proptest::prelude::*;

    use super::*;
    use crate::rows::{Format, Rows};

    /// Any id, and often one that CSV or a spreadsheet trips over.
    fn id() -> impl Strategy<Value = String> {
        let id = prop_oneof![any::<String>(), "[=+@'\\-;,\"a é]{1,8}", "[ -~]{1,64}"];
        id.prop_filter("no id", |id| check_id(id).is_ok())
    }

    fn reading() -> impl Strategy<Value = Reading> {
        let beacons = proptest::collection::btree_map(id(), -127_i8..=-1, 0..=5);
        let ids = (1..i64::MAX, id(), id(), proptest::option::of(id()));
        // From 2000 to 2026, of which every clock here is past.
        let t = 946_684_800_000_i64..1_767_225_600_000;
        let optional = proptest::option::of(any::<i32>());
        let numbers = (proptest::option::of(-127_i8..=20), optional.clone(), optional);
        (ids, t, beacons, numbers).prop_map(|((id, badge, pi, opposite), t, beacons, numbers)| {
            let mut beacons: Vec<_> = beacons
                .into_iter()
                .map(|(id, rssi_dbm)| Beacon { id: Cow::Owned(id), rssi_dbm })
                .collect();
            keep_strongest(&mut beacons);
            let emission = Emission {
                badge_id: Cow::Owned(badge),
                pi_id: Cow::Owned(pi),
                beacons,
                badge_strength: numbers.0,
                position: numbers.1,
                motion: numbers.2,
                opposite_badge_id: opposite.map(Cow::Owned),
                heard: Heard::At(Millis(t)),
            };
            Reading { id, heard_at: Millis(t), emission }
        })
    }

    proptest! {
        #[test]
        fn what_is_exported_is_what_is_imported(
            readings in proptest::collection::vec(reading(), 0..8),
        ) {
            let mut rows = Rows::begin(Format::Csv, Vec::new()).unwrap();
            for reading in &readings {
                rows.write(reading).unwrap();
            }
            let lines = Lines::new(Box::new(Cursor::new(rows.finish().unwrap())));
            let mut csv = Csv::open(lines, &"x.csv").unwrap();
            let now = Millis(i64::MAX);
            for (line, reading) in (2..).zip(&readings) {
                let entry = csv.next(now).unwrap().unwrap();
                prop_assert_eq!(entry.place, line);
                let timed = entry.read.unwrap();
                prop_assert_eq!(timed.t, reading.heard_at);
                prop_assert_eq!(&timed.emission, &reading.emission);
            }
            prop_assert!(csv.next(now).unwrap().is_none());
        }
    }
}
