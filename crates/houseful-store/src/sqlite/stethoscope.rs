//! The predecessor's database (2018), read only.
//!
//! ```text
//! rssi_readings(id, badge_id, beacon_1_id … beacon_5_id,
//!               beacon_1_strength … beacon_5_strength, badge_strength (absent in older ones),
//!               opposite_badge_id, position, motion, pi_id, timestamp)
//! ```
//!
//! SQLite lets any column hold anything, and that database's writers relied on
//! it, so cells come out as they are.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags, OptionalExtension};

use super::schema::{self, Found};

/// How many beacons a row has room for.
pub const BEACONS: usize = 5;

const TABLE: &str = "rssi_readings";

/// A stored value, as SQLite has it.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// Nothing.
    Null,
    /// A whole number.
    Integer(i64),
    /// Any other number.
    Real(f64),
    /// Text.
    Text(String),
    /// Text that is no UTF-8.
    BrokenText(Vec<u8>),
    /// So many bytes.
    Blob(usize),
}

/// A row of the table.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Its rowid, which is the column `id` where that is the table's key.
    pub id: i64,
    /// `badge_id`.
    pub badge_id: Cell,
    /// `pi_id`.
    pub pi_id: Cell,
    /// `timestamp`.
    pub timestamp: Cell,
    /// `position`.
    pub position: Cell,
    /// `motion`.
    pub motion: Cell,
    /// `opposite_badge_id`.
    pub opposite_badge_id: Cell,
    /// `badge_strength`; [`Cell::Null`] in older databases, which have none.
    pub badge_strength: Cell,
    /// `beacon_1_id`, `beacon_1_strength`, and so on.
    pub beacons: [(Cell, Cell); BEACONS],
}

/// Why the predecessor's database cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum StethoscopeError {
    /// It is something else.
    #[error("`{}` is not a database of stethoscope: {found}", path.display())]
    Foreign {
        /// The file as it was named.
        path: PathBuf,
        /// What it is instead.
        found: String,
    },
    /// SQLite refused.
    #[error("cannot read `{}`", path.display())]
    Sqlite {
        /// The file as it was named.
        path: PathBuf,
        /// What it said.
        #[source]
        source: rusqlite::Error,
    },
}

/// An open database.
#[derive(Debug)]
pub struct Stethoscope {
    db: Connection,
    path: PathBuf,
    select: String,
    /// The rowids there were when it was opened, from first to last.
    rows: Option<(i64, i64)>,
}

impl Stethoscope {
    /// Opens it, and checks that it has the table and its columns.
    ///
    /// # Errors
    /// See [`StethoscopeError`].
    pub fn open(path: &Path) -> Result<Stethoscope, StethoscopeError> {
        let failed = |source| StethoscopeError::Sqlite { path: path.to_owned(), source };
        let foreign = |found| StethoscopeError::Foreign { path: path.to_owned(), found };
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let db = Connection::open_with_flags(path, flags).map_err(failed)?;
        db.busy_timeout(Duration::from_secs(5)).map_err(failed)?;
        match schema::look(&db).map_err(failed)? {
            Found::Store | Found::Older => {
                let found = "it is a Houseful store; `houseful export` it, and import that";
                return Err(foreign(found.to_owned()));
            }
            Found::Foreign(found) if found.contains("not an SQLite") => return Err(foreign(found)),
            Found::Empty | Found::Foreign(_) => {}
        }
        let columns = columns(&db).map_err(failed)?;
        let select = select(&columns).map_err(foreign)?;
        let sql = format!("SELECT min(rowid), max(rowid) FROM {TABLE}");
        let rows = db.query_row(&sql, [], |row| {
            Ok(row.get::<_, Option<i64>>(0)?.zip(row.get::<_, Option<i64>>(1)?))
        });
        let rows = rows.map_err(failed)?;
        Ok(Stethoscope { db, path: path.to_owned(), select, rows })
    }

    /// The first and the last row's id when it was opened; `None` if it was
    /// empty.
    pub fn rows(&self) -> Option<(i64, i64)> {
        self.rows
    }

    /// At most `limit` rows of those that there were when it was opened, by
    /// their ids, from just past `after`. Nothing is held between two pages.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn page(&self, after: Option<i64>, limit: usize) -> Result<Vec<Row>, StethoscopeError> {
        self.read_page(after, limit)
            .map_err(|source| StethoscopeError::Sqlite { path: self.path.clone(), source })
    }

    fn read_page(&self, after: Option<i64>, limit: usize) -> rusqlite::Result<Vec<Row>> {
        let Some((first, last)) = self.rows else { return Ok(Vec::new()) };
        let from = match after {
            Some(i64::MAX) => return Ok(Vec::new()),
            Some(after) => after + 1,
            None => first,
        };
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let mut select = self.db.prepare_cached(&self.select)?;
        let rows = select.query_map((from, last, limit), row_of)?;
        rows.collect()
    }
}

/// The table's columns, in lower case; none if there is no such table.
fn columns(db: &Connection) -> rusqlite::Result<Vec<String>> {
    let sql = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND lower(name) = ?1";
    if db.query_row(sql, [TABLE], |_| Ok(())).optional()?.is_none() {
        return Ok(Vec::new());
    }
    let mut select = db.prepare("SELECT lower(name) FROM pragma_table_info(?1)")?;
    let names = select.query_map([TABLE], |row| row.get(0))?;
    names.collect()
}

/// The query for a page; the other way round, what is missing for it.
fn select(columns: &[String]) -> Result<String, String> {
    if columns.is_empty() {
        return Err(format!("it has no table `{TABLE}`"));
    }
    let has = |name: &str| columns.iter().any(|column| column == name);
    let plain = ["badge_id", "pi_id", "timestamp", "position", "motion", "opposite_badge_id"];
    let mut wanted: Vec<String> = plain.map(str::to_owned).to_vec();
    for n in 1..=BEACONS {
        wanted.extend([format!("beacon_{n}_id"), format!("beacon_{n}_strength")]);
    }
    let missing: Vec<_> = wanted.iter().filter(|name| !has(name)).map(String::as_str).collect();
    if !missing.is_empty() {
        return Err(format!("its table `{TABLE}` has no column `{}`", missing.join("`, `")));
    }
    let badge_strength = if has("badge_strength") { "badge_strength" } else { "NULL" };
    Ok(format!(
        "SELECT rowid, {badge_strength}, {} FROM {TABLE} WHERE rowid BETWEEN ?1 AND ?2 ORDER BY rowid LIMIT ?3",
        wanted.join(", ")
    ))
}

fn row_of(row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    let cell = |index: usize| {
        Ok::<_, rusqlite::Error>(match row.get_ref(index)? {
            ValueRef::Null => Cell::Null,
            ValueRef::Integer(number) => Cell::Integer(number),
            ValueRef::Real(number) => Cell::Real(number),
            ValueRef::Text(text) => match std::str::from_utf8(text) {
                Ok(text) => Cell::Text(text.to_owned()),
                Err(_) => Cell::BrokenText(text.to_owned()),
            },
            ValueRef::Blob(bytes) => Cell::Blob(bytes.len()),
        })
    };
    let beacon = |n: usize| Ok::<_, rusqlite::Error>((cell(8 + 2 * n)?, cell(9 + 2 * n)?));
    Ok(Row {
        id: row.get(0)?,
        badge_strength: cell(1)?,
        badge_id: cell(2)?,
        pi_id: cell(3)?,
        timestamp: cell(4)?,
        position: cell(5)?,
        motion: cell(6)?,
        opposite_badge_id: cell(7)?,
        beacons: [beacon(0)?, beacon(1)?, beacon(2)?, beacon(3)?, beacon(4)?],
    })
}
