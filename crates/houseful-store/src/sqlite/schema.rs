//! The layout on disk.
//!
//! ```text
//! house  ◀── badge ◀── reading ──▶ pi        reading: id, t, badge, pi, beacons, …
//!        ◀── pi          │   index (t / 60000, badge, t)
//!        ◀── beacon ◀┄┄┄ beacons (packed, see `pack`)
//!            badge_hour (badge, hour): in which hours a badge was heard
//!            pi_heard (pi, t): when a Pi last heard a badge, about
//! ```
//!
//! Names are interned with their house, so a badge's number says its house too.
//! The index begins with the minute, so that all badges write to the same few
//! newest leaves: with (badge, t) each badge has a hot leaf of its own, and a
//! commit dirties many times the pages. Its price, that a badge's readings are
//! found only by walking minutes, is paid by `badge_hour`: one row per badge
//! and hour, so that silent hours are never walked.
//!
//! Readings tell who came first. A Pi that always comes second is in none, so
//! `pi_heard` keeps what each Pi last heard, up to 10 s late.
//!
//! A store of an older version is brought to this one by the `serve` that opens
//! it, in one transaction; who only reads takes it as it is.

use rusqlite::Connection;

/// "HsFl": in the file's header, so that `file` and we can tell a store.
pub(crate) const APPLICATION_ID: i64 = 0x4873_466c;

/// Counts the layouts that were released.
///
/// 1: the first. 2: `pi_heard`.
pub(crate) const VERSION: i64 = 2;

/// A minute of the index, in milliseconds. SQL spells it out, since an index on
/// an expression serves only queries that spell it the same.
pub(crate) const MINUTE_MS: i64 = 60_000;

/// An hour of `badge_hour`, in minutes.
pub(crate) const HOUR_MINUTES: i64 = 60;

const CREATE: &str = "
CREATE TABLE house(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE badge(id INTEGER PRIMARY KEY, house INTEGER NOT NULL REFERENCES house, name TEXT NOT NULL, UNIQUE(house, name)) STRICT;
CREATE TABLE pi(id INTEGER PRIMARY KEY, house INTEGER NOT NULL REFERENCES house, name TEXT NOT NULL, UNIQUE(house, name)) STRICT;
CREATE TABLE beacon(id INTEGER PRIMARY KEY, house INTEGER NOT NULL REFERENCES house, name TEXT NOT NULL, UNIQUE(house, name)) STRICT;

-- id: order of storing. t: Unix milliseconds. beacons: packed, strongest first.
CREATE TABLE reading(
  id INTEGER PRIMARY KEY,
  t INTEGER NOT NULL,
  badge INTEGER NOT NULL REFERENCES badge,
  pi INTEGER NOT NULL REFERENCES pi,
  beacons BLOB NOT NULL,
  badge_strength INTEGER,
  position INTEGER,
  motion INTEGER,
  opposite INTEGER REFERENCES badge
) STRICT;
CREATE INDEX reading_minute ON reading(t / 60000, badge, t);

CREATE TABLE badge_hour(badge INTEGER NOT NULL REFERENCES badge, hour INTEGER NOT NULL, PRIMARY KEY(badge, hour)) STRICT, WITHOUT ROWID;

PI_HEARD

-- For people with the sqlite3 shell: plain rows. A byte is read by its place in
-- the string of all bytes, for SQL has no other way into a BLOB.
CREATE VIEW readings AS
WITH bytes(all_bytes) AS (SELECT x'BYTES')
SELECT r.id, h.name AS house, b.name AS badge_id, p.name AS pi_id,
  strftime('%Y-%m-%dT%H:%M:%S', r.t / 1000, 'unixepoch') || printf('.%03dZ', r.t % 1000) AS heard_at,
  (WITH RECURSIVE
    entry(place, at, wide) AS (
      SELECT 0, 1, instr(all_bytes, substr(r.beacons, 1, 1)) > 128 WHERE length(r.beacons) > 0
      UNION ALL
      SELECT place + 1, at + iif(wide, 5, 3), instr(all_bytes, substr(r.beacons, at + iif(wide, 5, 3), 1)) > 128
      FROM entry WHERE at + iif(wide, 5, 3) <= length(r.beacons)
    ),
    beacon_rssi(place, beacon, rssi) AS (
      SELECT place,
        iif(wide,
          ((instr(all_bytes, substr(r.beacons, at + 1, 1)) - 1) << 24)
          + ((instr(all_bytes, substr(r.beacons, at + 2, 1)) - 1) << 16)
          + ((instr(all_bytes, substr(r.beacons, at + 3, 1)) - 1) << 8)
          + instr(all_bytes, substr(r.beacons, at + 4, 1)) - 1,
          ((instr(all_bytes, substr(r.beacons, at + 1, 1)) - 1) << 8)
          + instr(all_bytes, substr(r.beacons, at + 2, 1)) - 1),
        -((instr(all_bytes, substr(r.beacons, at, 1)) - 1) & 127)
      FROM entry
    )
   SELECT json_group_object(n.name, x.rssi) FROM (SELECT beacon, rssi FROM beacon_rssi ORDER BY place) x JOIN beacon n ON n.id = x.beacon
  ) AS beacons,
  r.badge_strength, r.position, r.motion, o.name AS opposite_badge_id
FROM reading r CROSS JOIN bytes
JOIN badge b ON b.id = r.badge JOIN house h ON h.id = b.house JOIN pi p ON p.id = r.pi
LEFT JOIN badge o ON o.id = r.opposite;
";

const PI_HEARD: &str =
    "CREATE TABLE pi_heard(pi INTEGER PRIMARY KEY REFERENCES pi, t INTEGER NOT NULL) STRICT;";

/// What the newest readings tell of Pis; all of them would take too long.
const FILL_PI_HEARD: &str = "
INSERT INTO pi_heard SELECT pi, max(t)
FROM (SELECT pi, t FROM reading ORDER BY id DESC LIMIT 10000) GROUP BY pi;";

/// Lays out an empty file, in one transaction.
pub(crate) fn create(connection: &Connection) -> rusqlite::Result<()> {
    let all_bytes: String = (0..=255).map(|byte| format!("{byte:02x}")).collect();
    connection.execute_batch(&format!(
        "BEGIN IMMEDIATE;
         PRAGMA application_id = {APPLICATION_ID};
         PRAGMA user_version = {VERSION};
         {}
         COMMIT;",
        CREATE.replace("BYTES", &all_bytes).replace("PI_HEARD", PI_HEARD)
    ))
}

/// Brings a store of version 1 to this one, in one transaction.
pub(crate) fn migrate(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(&format!(
        "BEGIN IMMEDIATE;
         {PI_HEARD}
         {FILL_PI_HEARD}
         PRAGMA user_version = {VERSION};
         COMMIT;"
    ))
}

/// What a file is, by its header and tables; it is not changed.
pub(crate) enum Found {
    /// Nothing has been written yet.
    Empty,
    /// A store of this version.
    Store,
    /// A store of a version before.
    Older,
    /// Anything else, in words.
    Foreign(String),
}

/// Looks at a file that may be a store.
pub(crate) fn look(connection: &Connection) -> rusqlite::Result<Found> {
    let number = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0));
    let looked = number("PRAGMA application_id").and_then(|application| {
        Ok((
            application,
            number("PRAGMA user_version")?,
            number("SELECT count(*) FROM sqlite_schema")?,
        ))
    });
    let (application, version, tables) = match looked {
        Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::NotADatabase) => {
            return Ok(Found::Foreign("it is not an SQLite database".to_owned()));
        }
        looked => looked?,
    };
    Ok(match (application, version, tables) {
        (0, 0, 0) => Found::Empty,
        (APPLICATION_ID, VERSION, _) => Found::Store,
        (APPLICATION_ID, 1, _) => Found::Older,
        (APPLICATION_ID, newer, _) if newer > VERSION => Found::Foreign(format!(
            "its layout is version {newer}, and this program knows versions up to {VERSION}; use a newer houseful"
        )),
        _ => Found::Foreign("it is another program's SQLite database".to_owned()),
    })
}
