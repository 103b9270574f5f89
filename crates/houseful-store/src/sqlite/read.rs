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
use super::schema::{self, Found};
use super::walk::{Cursor, Filter, Keys, Order, Walk};
use super::{pack, queries};
use crate::{OpenError, ReadError};

/// Past this many, the remembered names of beacons start over.
const BEACONS_REMEMBERED_MAX: usize = 10_000;

/// After so many looks at minutes and readings a read lets go, whatever it has
/// found: some 20 ms.
const STEPS_MAX: usize = 10_000;

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
        let db = open_to_read(path, path)?.ok_or_else(|| OpenError::Foreign {
            path: path.to_owned(),
            found: "it is empty".to_owned(),
        })?;
        Ok(Reader { db, beacons: HashMap::new(), gate })
    }

    /// Runs a read in a transaction of its own, while the writer does not start
    /// the WAL over.
    pub(super) fn short<T>(
        &mut self,
        read: impl FnOnce(&Connection, &mut HashMap<i64, Box<str>>) -> Result<T, ReadError>,
    ) -> Result<T, ReadError> {
        let gate = self.gate.clone();
        let _shared = gate.as_ref().map(|gate| gate.read().unwrap_or_else(PoisonError::into_inner));
        let transaction = self.db.unchecked_transaction()?;
        let found = read(&transaction, &mut self.beacons)?;
        transaction.finish()?;
        Ok(found)
    }

    /// The reading of this id.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn reading(&mut self, id: i64) -> Result<Option<Reading>, ReadError> {
        self.short(|db, beacons| fetch(db, beacons, id))
    }

    /// The readings of these ids, in their order; one that is not there is left
    /// out.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn readings(&mut self, ids: &[i64]) -> Result<Vec<Reading>, ReadError> {
        self.short(|db, beacons| {
            ids.iter().filter_map(|id| fetch(db, beacons, *id).transpose()).collect()
        })
    }

    /// The id stored last, 0 if nothing is stored.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn newest_id(&mut self) -> Result<i64, ReadError> {
        Ok(self.db.query_row(queries::NEWEST_ID, [], |row| row.get(0))?)
    }

    /// At most `limit` readings in the order of storing, with ids after `id` and
    /// up to `id_max`.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn after_id(
        &mut self,
        id: i64,
        id_max: i64,
        limit: usize,
    ) -> Result<Vec<Reading>, ReadError> {
        self.short(|db, beacons| {
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            let mut select = db.prepare_cached(queries::IDS_AFTER)?;
            let ids = select.query_map((id, id_max, limit), |row| row.get::<_, i64>(0))?;
            ids.map(|id| {
                let id = id?;
                fetch(db, beacons, id)?.ok_or(ReadError::Damaged { id })
            })
            .collect()
        })
    }

    /// The keys of at most `limit` readings in `order`, from the beginning or
    /// from just past `after`.
    ///
    /// Costs one look into the index per minute that has readings (of a badge:
    /// per minute of an hour in which it was heard), and one per reading; of a
    /// Pi, one per reading of any Pi. It lets go after some 10,000 of them,
    /// perhaps with no key found yet, and [`Keys::rest`] says where to go on.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn keys(
        &mut self,
        filter: &Filter,
        order: Order,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Keys, ReadError> {
        self.short(|db, _| match Walk::start(db, filter, order, after)? {
            Some(walk) => walk.keys(limit, STEPS_MAX),
            None => Ok(Keys { keys: Vec::new(), rest: None }),
        })
    }

    /// At most `limit` readings in `order`, from the beginning or from just
    /// past `after`; fewer only if there are no more.
    ///
    /// Costs what [`Reader::keys`] does, again and again until it has them, and
    /// one look per reading.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn page(
        &mut self,
        filter: &Filter,
        order: Order,
        mut after: Option<Cursor>,
        limit: usize,
    ) -> Result<Vec<Reading>, ReadError> {
        let mut readings = Vec::new();
        loop {
            after = self.short(|db, beacons| {
                let Some(walk) = Walk::start(db, filter, order, after)? else {
                    return Ok(None);
                };
                let found = walk.keys(limit - readings.len(), STEPS_MAX)?;
                for Cursor { id, .. } in found.keys {
                    let reading = fetch(db, beacons, id)?;
                    readings.push(reading.ok_or(ReadError::Damaged { id })?);
                }
                Ok(found.rest)
            })?;
            if after.is_none() || readings.len() == limit {
                return Ok(readings);
            }
        }
    }
}

/// Opens a store of any version for reading; `None` if nothing was ever written
/// to it. `named` is what errors call it.
pub(super) fn open_to_read(path: &Path, named: &Path) -> Result<Option<Connection>, OpenError> {
    let failed = |source| OpenError::Sqlite { path: named.to_owned(), source };
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags).map_err(failed)?;
    db.busy_timeout(Duration::from_secs(5)).map_err(failed)?;
    match schema::look(&db).map_err(failed)? {
        Found::Store | Found::Older => {}
        Found::Empty => return Ok(None),
        Found::Foreign(found) => return Err(OpenError::Foreign { path: named.to_owned(), found }),
    }
    db.execute_batch("PRAGMA temp_store = 2; PRAGMA cache_size = -4096").map_err(failed)?;
    db.set_prepared_statement_cache_capacity(32);
    Ok(Some(db))
}

pub(super) fn fetch(
    db: &Connection,
    names: &mut HashMap<i64, Box<str>>,
    id: i64,
) -> Result<Option<Reading>, ReadError> {
    let mut select = db.prepare_cached(queries::READING)?;
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
        .prepare_cached(queries::BEACON_NAME)?
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
