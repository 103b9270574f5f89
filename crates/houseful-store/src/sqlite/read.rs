//! Queries: short reads on connections of their own.
//!
//! A read takes one page in one transaction and lets go, so that nobody who
//! reads slowly keeps the WAL from starting over.

use std::borrow::Cow;
use std::collections::HashMap;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use houseful_model::{Beacon, Emission, Heard, Millis, Reading};
use rusqlite::{Connection, OpenFlags, OptionalExtension};

use super::checkpoint::ReadersGate;
use super::pack;
use super::schema::{self, Found, HOUR_MINUTES, MINUTE_MS};
use crate::{HOUSE_DEFAULT, OpenError, ReadError};

/// Past this many, the remembered names of beacons start over.
const BEACONS_REMEMBERED_MAX: usize = 10_000;

/// Which readings are wanted. The default is all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only this badge's.
    pub badge_id: Option<String>,
    /// Only those heard at or after this time.
    pub from: Option<Millis>,
    /// Only those heard before this time.
    pub to: Option<Millis>,
    /// Only those stored up to this id: [`Reader::newest_id`] makes a walk over
    /// a store that is written to meanwhile end.
    pub id_max: Option<i64>,
}

/// By (`heard_at`, `id`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Oldest first.
    OldestFirst,
    /// Newest first.
    NewestFirst,
}

/// A place between two readings: just past the one that it was taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    t: Millis,
    id: i64,
}

impl Cursor {
    /// Just past this reading.
    pub fn past(reading: &Reading) -> Cursor {
        Cursor { t: reading.heard_at, id: reading.id }
    }
}

/// A connection that only reads. Works while a `serve` writes, in this process
/// or another.
#[derive(Debug)]
pub struct Reader {
    db: Connection,
    beacons: HashMap<i64, Box<str>>,
    gate: Option<Arc<ReadersGate>>,
}

impl Reader {
    /// Opens an existing store for reading.
    ///
    /// # Errors
    /// If the file is missing or is no store; or if it has several names and no
    /// WAL beside this one, since the newest readings may then lie in a WAL
    /// beside another.
    pub fn open(path: &Path) -> Result<Reader, OpenError> {
        let failed = |source| OpenError::File { path: path.to_owned(), source };
        let real = path.canonicalize().map_err(failed)?;
        let links = std::fs::metadata(&real).map_err(failed)?.nlink();
        if !real.is_file() {
            let found = "it is not a regular file".to_owned();
            return Err(OpenError::Foreign { path: path.to_owned(), found });
        }
        let mut wal = real.clone().into_os_string();
        wal.push("-wal");
        if links > 1 && !Path::new(&wal).exists() {
            return Err(OpenError::HardLinks { path: path.to_owned(), links });
        }
        Reader::connect(&real, None)
    }

    /// Opens a store that this process writes to. Nothing but SQLite touches
    /// the file: see [`super::lock::StoreLock`].
    pub(crate) fn beside_writer(path: &Path, gate: Arc<ReadersGate>) -> Result<Reader, OpenError> {
        Reader::connect(path, Some(gate))
    }

    fn connect(path: &Path, gate: Option<Arc<ReadersGate>>) -> Result<Reader, OpenError> {
        let failed = |source| OpenError::Sqlite { path: path.to_owned(), source };
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let db = Connection::open_with_flags(path, flags).map_err(failed)?;
        db.busy_timeout(Duration::from_secs(5)).map_err(failed)?;
        let found = match schema::look(&db).map_err(failed)? {
            Found::Store => None,
            Found::Empty => Some("it is empty".to_owned()),
            Found::Foreign(found) => Some(found),
        };
        if let Some(found) = found {
            return Err(OpenError::Foreign { path: path.to_owned(), found });
        }
        db.execute_batch("PRAGMA temp_store = 2; PRAGMA cache_size = -4096").map_err(failed)?;
        db.set_prepared_statement_cache_capacity(32);
        Ok(Reader { db, beacons: HashMap::new(), gate })
    }

    /// The reading of this id.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn reading(&mut self, id: i64) -> Result<Option<Reading>, ReadError> {
        let gate = self.gate.clone();
        let _shared = gate.as_ref().map(|gate| gate.read().unwrap_or_else(PoisonError::into_inner));
        let transaction = self.db.unchecked_transaction()?;
        let reading = fetch(&transaction, &mut self.beacons, id)?;
        transaction.finish()?;
        Ok(reading)
    }

    /// The id stored last, 0 if nothing is stored.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn newest_id(&mut self) -> Result<i64, ReadError> {
        let sql = "SELECT coalesce(max(id), 0) FROM reading";
        Ok(self.db.query_row(sql, [], |row| row.get(0))?)
    }

    /// At most `limit` readings in `order`, from the beginning or from just
    /// past `after`.
    ///
    /// Costs one look into the index per minute that has readings (of a badge:
    /// per minute of an hour in which it was heard), and one per reading.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn page(
        &mut self,
        filter: &Filter,
        order: Order,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Vec<Reading>, ReadError> {
        let gate = self.gate.clone();
        let _shared = gate.as_ref().map(|gate| gate.read().unwrap_or_else(PoisonError::into_inner));
        let transaction = self.db.unchecked_transaction()?;
        let mut readings = Vec::new();
        if let Some(walk) = Walk::start(&transaction, filter, order, after)? {
            for id in walk.ids(limit)? {
                let reading = fetch(&transaction, &mut self.beacons, id)?;
                readings.push(reading.ok_or(ReadError::Damaged { id })?);
            }
        }
        transaction.finish()?;
        Ok(readings)
    }
}

/// A walk through the index, minute by minute.
struct Walk<'a> {
    db: &'a Connection,
    badge: Option<i64>,
    order: Order,
    /// In Unix ms: from here, inclusive.
    from: i64,
    /// To here, exclusive.
    to: i64,
    id_max: i64,
    after: Cursor,
}

impl Walk<'_> {
    /// `None` if nothing can match.
    fn start<'a>(
        db: &'a Connection,
        filter: &Filter,
        order: Order,
        after: Option<Cursor>,
    ) -> Result<Option<Walk<'a>>, ReadError> {
        let badge = match &filter.badge_id {
            None => None,
            Some(name) => {
                let sql = "SELECT b.id FROM badge b JOIN house h ON h.id = b.house WHERE h.name = ?1 AND b.name = ?2";
                let found = db
                    .prepare_cached(sql)?
                    .query_row((HOUSE_DEFAULT, name), |row| row.get::<_, i64>(0))
                    .optional()?;
                if found.is_none() {
                    return Ok(None);
                }
                found
            }
        };
        let mut from = filter.from.map_or(0, |t| t.0.max(0));
        let mut to = filter.to.map_or(i64::MAX, |t| t.0);
        // Ids begin at 1, so id 0 stands before all readings of its time.
        let after = match (order, after) {
            (Order::OldestFirst, None) => Cursor { t: Millis(from), id: 0 },
            (Order::NewestFirst, None) => Cursor { t: Millis(to), id: 0 },
            (_, Some(after)) => after,
        };
        match order {
            Order::OldestFirst => from = from.max(after.t.0),
            Order::NewestFirst => to = to.min(after.t.0.saturating_add(1)),
        }
        let id_max = filter.id_max.unwrap_or(i64::MAX);
        Ok((from < to).then_some(Walk { db, badge, order, from, to, id_max, after }))
    }

    fn ids(&self, limit: usize) -> Result<Vec<i64>, ReadError> {
        let (lowest, highest) = (self.from / MINUTE_MS, (self.to - 1) / MINUTE_MS);
        let mut ids = Vec::new();
        let mut at = match self.order {
            Order::OldestFirst => lowest,
            Order::NewestFirst => highest,
        };
        while ids.len() < limit {
            let Some(minute) = self.next_minute(at)? else {
                break;
            };
            if !(lowest..=highest).contains(&minute) {
                break;
            }
            self.ids_of_minute(minute, limit - ids.len(), &mut ids)?;
            at = match self.order {
                Order::OldestFirst => minute + 1,
                Order::NewestFirst => minute - 1,
            };
        }
        Ok(ids)
    }

    /// The next minute, from `at` on, in which there may be readings.
    fn next_minute(&self, at: i64) -> Result<Option<i64>, ReadError> {
        let Some(badge) = self.badge else {
            let sql = match self.order {
                Order::OldestFirst => "SELECT min(t / 60000) FROM reading WHERE t / 60000 >= ?1",
                Order::NewestFirst => "SELECT max(t / 60000) FROM reading WHERE t / 60000 <= ?1",
            };
            return Ok(self.db.prepare_cached(sql)?.query_row([at], |row| row.get(0))?);
        };
        let sql = match self.order {
            Order::OldestFirst => {
                "SELECT min(hour) FROM badge_hour WHERE badge = ?1 AND hour >= ?2"
            }
            Order::NewestFirst => {
                "SELECT max(hour) FROM badge_hour WHERE badge = ?1 AND hour <= ?2"
            }
        };
        let hour: Option<i64> = self
            .db
            .prepare_cached(sql)?
            .query_row([badge, at.div_euclid(HOUR_MINUTES)], |row| row.get(0))?;
        Ok(hour.map(|hour| {
            let first = hour * HOUR_MINUTES;
            at.clamp(first, first + HOUR_MINUTES - 1)
        }))
    }

    fn ids_of_minute(
        &self,
        minute: i64,
        limit: usize,
        ids: &mut Vec<i64>,
    ) -> Result<(), ReadError> {
        let sql = match (self.badge.is_some(), self.order) {
            (false, Order::OldestFirst) => {
                "SELECT id FROM reading WHERE t / 60000 = ?1 AND t >= ?2 AND t < ?3 AND id <= ?4
                 AND (t, id) > (?5, ?6) AND ?8 IS NULL ORDER BY t, id LIMIT ?7"
            }
            (false, Order::NewestFirst) => {
                "SELECT id FROM reading WHERE t / 60000 = ?1 AND t >= ?2 AND t < ?3 AND id <= ?4
                 AND (t, id) < (?5, ?6) AND ?8 IS NULL ORDER BY t DESC, id DESC LIMIT ?7"
            }
            (true, Order::OldestFirst) => {
                "SELECT id FROM reading WHERE t / 60000 = ?1 AND badge = ?8 AND t >= ?2 AND t < ?3 AND id <= ?4
                 AND (t, id) > (?5, ?6) ORDER BY t, id LIMIT ?7"
            }
            (true, Order::NewestFirst) => {
                "SELECT id FROM reading WHERE t / 60000 = ?1 AND badge = ?8 AND t >= ?2 AND t < ?3 AND id <= ?4
                 AND (t, id) < (?5, ?6) ORDER BY t DESC, id DESC LIMIT ?7"
            }
        };
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let mut select = self.db.prepare_cached(sql)?;
        let (after_t, after_id) = (self.after.t.0, self.after.id);
        let mut rows = select.query((
            minute,
            self.from,
            self.to,
            self.id_max,
            after_t,
            after_id,
            limit,
            self.badge,
        ))?;
        while let Some(row) = rows.next()? {
            ids.push(row.get(0)?);
        }
        Ok(())
    }
}

const FETCH: &str = "
SELECT r.t, b.name, p.name, r.beacons, r.badge_strength, r.position, r.motion, o.name
FROM reading r JOIN badge b ON b.id = r.badge JOIN pi p ON p.id = r.pi
LEFT JOIN badge o ON o.id = r.opposite
WHERE r.id = ?1";

fn fetch(
    db: &Connection,
    names: &mut HashMap<i64, Box<str>>,
    id: i64,
) -> Result<Option<Reading>, ReadError> {
    let mut select = db.prepare_cached(FETCH)?;
    let mut rows = select.query([id])?;
    let Some(row) = rows.next()? else {
        return Ok(None);
    };
    let mut beacons = Vec::new();
    for entry in pack::entries(row.get_ref(3)?.as_blob().map_err(|_| ReadError::Damaged { id })?) {
        let (number, rssi_dbm) = entry.ok_or(ReadError::Damaged { id })?;
        let name = beacon_name(db, names, number)?.ok_or(ReadError::Damaged { id })?;
        beacons.push(Beacon { id: Cow::Owned(name), rssi_dbm });
    }
    let emission = Emission {
        badge_id: Cow::Owned(row.get(1)?),
        pi_id: Cow::Owned(row.get(2)?),
        beacons,
        badge_strength: row.get(4)?,
        position: row.get(5)?,
        motion: row.get(6)?,
        opposite_badge_id: row.get::<_, Option<String>>(7)?.map(Cow::Owned),
        heard: Heard::At(Millis(row.get(0)?)),
    };
    Ok(Some(Reading { id, heard_at: Millis(row.get(0)?), emission }))
}

fn beacon_name(
    db: &Connection,
    names: &mut HashMap<i64, Box<str>>,
    number: i64,
) -> Result<Option<String>, ReadError> {
    if let Some(name) = names.get(&number) {
        return Ok(Some(name.to_string()));
    }
    let name: Option<String> = db
        .prepare_cached("SELECT name FROM beacon WHERE id = ?1")?
        .query_row([number], |row| row.get(0))
        .optional()?;
    if let Some(name) = &name {
        if names.len() >= BEACONS_REMEMBERED_MAX {
            names.clear();
        }
        names.insert(number, name.as_str().into());
    }
    Ok(name)
}
