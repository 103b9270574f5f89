//! Names are stored once, and rows carry their numbers.

use std::collections::HashMap;

use houseful_model::Millis;
use rusqlite::{Connection, OptionalExtension};

/// Past this many remembered names, a kind's memory starts over: it is a cache
/// of what the tables know, and a flood of made-up names must not grow it.
const REMEMBERED_MAX: usize = 50_000;

/// One table of names of a house.
#[derive(Debug)]
struct Kind {
    select: &'static str,
    insert: &'static str,
    known: HashMap<i64, HashMap<Box<str>, i64>>,
    known_len: usize,
}

impl Kind {
    fn new(select: &'static str, insert: &'static str) -> Kind {
        Kind { select, insert, known: HashMap::new(), known_len: 0 }
    }

    fn forget(&mut self) {
        self.known.clear();
        self.known_len = 0;
    }

    fn number(&mut self, db: &Connection, house: i64, name: &str) -> rusqlite::Result<i64> {
        self.number_and_whether_new(db, house, name).map(|(number, _)| number)
    }

    fn number_and_whether_new(
        &mut self,
        db: &Connection,
        house: i64,
        name: &str,
    ) -> rusqlite::Result<(i64, bool)> {
        if let Some(number) = self.known.get(&house).and_then(|names| names.get(name)) {
            return Ok((*number, false));
        }
        let stored = db
            .prepare_cached(self.select)?
            .query_row((house, name), |row| row.get(0))
            .optional()?;
        let number = match stored {
            Some(number) => number,
            None => db.prepare_cached(self.insert)?.insert((house, name))?,
        };
        if self.known_len >= REMEMBERED_MAX {
            self.forget();
        }
        self.known.entry(house).or_default().insert(name.into(), number);
        self.known_len += 1;
        Ok((number, stored.is_none()))
    }
}

/// The numbers of names, as the tables have them, with what was used lately in
/// memory.
#[derive(Debug)]
pub(crate) struct Names {
    houses: HashMap<Box<str>, i64>,
    badges: Kind,
    pis: Kind,
    beacons: Kind,
}

impl Names {
    pub(crate) fn new() -> Names {
        Names {
            houses: HashMap::new(),
            badges: Kind::new(
                "SELECT id FROM badge WHERE house = ?1 AND name = ?2",
                "INSERT INTO badge(house, name) VALUES (?1, ?2)",
            ),
            pis: Kind::new(
                "SELECT id FROM pi WHERE house = ?1 AND name = ?2",
                "INSERT INTO pi(house, name) VALUES (?1, ?2)",
            ),
            beacons: Kind::new(
                "SELECT id FROM beacon WHERE house = ?1 AND name = ?2",
                "INSERT INTO beacon(house, name) VALUES (?1, ?2)",
            ),
        }
    }

    /// The number of a house, which is stored if it is new.
    pub(crate) fn house(&mut self, db: &Connection, name: &str) -> rusqlite::Result<i64> {
        if let Some(number) = self.houses.get(name) {
            return Ok(*number);
        }
        let stored = db
            .prepare_cached("SELECT id FROM house WHERE name = ?1")?
            .query_row([name], |row| row.get(0))
            .optional()?;
        let number = match stored {
            Some(number) => number,
            None => db.prepare_cached("INSERT INTO house(name) VALUES (?1)")?.insert([name])?,
        };
        self.houses.insert(name.into(), number);
        Ok(number)
    }

    /// The number of a badge of a house, which is stored if it is new.
    pub(crate) fn badge(
        &mut self,
        db: &Connection,
        house: i64,
        name: &str,
    ) -> rusqlite::Result<i64> {
        self.badges.number(db, house, name)
    }

    /// The number of a Pi of a house, which is stored if it is new, with what it
    /// heard at `t` as what it heard last.
    pub(crate) fn pi(
        &mut self,
        db: &Connection,
        house: i64,
        name: &str,
        t: Millis,
    ) -> rusqlite::Result<i64> {
        let (number, is_new) = self.pis.number_and_whether_new(db, house, name)?;
        if is_new {
            db.prepare_cached("INSERT OR IGNORE INTO pi_heard(pi, t) VALUES (?1, ?2)")?
                .execute((number, t.0))?;
        }
        Ok(number)
    }

    /// The number of a beacon of a house, which is stored if it is new.
    pub(crate) fn beacon(
        &mut self,
        db: &Connection,
        house: i64,
        name: &str,
    ) -> rusqlite::Result<i64> {
        self.beacons.number(db, house, name)
    }

    /// Forgets what is remembered: after a rollback it may never have been
    /// stored.
    pub(crate) fn forget(&mut self) {
        self.houses.clear();
        self.badges.forget();
        self.pis.forget();
        self.beacons.forget();
    }
}
