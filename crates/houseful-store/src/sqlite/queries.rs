//! What is asked of SQLite, but for what the writer alone asks at its start: the
//! plan of each is a snapshot below.
//!
//! None sorts more than a minute of readings, and none scans: a table that has
//! grown to 100 million rows must cost a query what an empty one costs.

/// The name of a badge in a house → its number.
pub(super) const BADGE: &str =
    "SELECT b.id FROM badge b JOIN house h ON h.id = b.house WHERE h.name = ?1 AND b.name = ?2";

/// The name of a Pi in a house → its number.
pub(super) const PI: &str =
    "SELECT p.id FROM pi p JOIN house h ON h.id = p.house WHERE h.name = ?1 AND p.name = ?2";

/// The name of a beacon in a house → its number.
pub(super) const BEACON: &str =
    "SELECT b.id FROM beacon b JOIN house h ON h.id = b.house WHERE h.name = ?1 AND b.name = ?2";

/// The number of a beacon → its name.
pub(super) const BEACON_NAME: &str = "SELECT name FROM beacon WHERE id = ?1";

/// The id stored last, 0 if nothing is stored.
pub(super) const NEWEST_ID: &str = "SELECT coalesce(max(id), 0) FROM reading";

/// The next minute from ?1 on that has readings.
pub(super) const MINUTE_FROM: &str = "SELECT min(t / 60000) FROM reading WHERE t / 60000 >= ?1";
/// The next minute from ?1 back that has readings.
pub(super) const MINUTE_BACK: &str = "SELECT max(t / 60000) FROM reading WHERE t / 60000 <= ?1";

/// The next hour from ?2 on in which the badge ?1 was heard.
pub(super) const HOUR_FROM: &str =
    "SELECT min(hour) FROM badge_hour WHERE badge = ?1 AND hour >= ?2";
/// The next hour from ?2 back in which the badge ?1 was heard.
pub(super) const HOUR_BACK: &str =
    "SELECT max(hour) FROM badge_hour WHERE badge = ?1 AND hour <= ?2";

// The readings of the minute ?1 with ?2 <= t < ?3 and id <= ?4, past (?5, ?6),
// at most ?7: of all badges (?8 is NULL), or of the badge ?8.
pub(super) const KEYS_OLDEST_FIRST: &str = "
SELECT t, id FROM reading WHERE t / 60000 = ?1 AND t >= ?2 AND t < ?3 AND id <= ?4
AND (t, id) > (?5, ?6) AND ?8 IS NULL ORDER BY t, id LIMIT ?7";
pub(super) const KEYS_NEWEST_FIRST: &str = "
SELECT t, id FROM reading WHERE t / 60000 = ?1 AND t >= ?2 AND t < ?3 AND id <= ?4
AND (t, id) < (?5, ?6) AND ?8 IS NULL ORDER BY t DESC, id DESC LIMIT ?7";
pub(super) const BADGE_KEYS_OLDEST_FIRST: &str = "
SELECT t, id FROM reading WHERE t / 60000 = ?1 AND badge = ?8 AND t >= ?2 AND t < ?3 AND id <= ?4
AND (t, id) > (?5, ?6) ORDER BY t, id LIMIT ?7";
pub(super) const BADGE_KEYS_NEWEST_FIRST: &str = "
SELECT t, id FROM reading WHERE t / 60000 = ?1 AND badge = ?8 AND t >= ?2 AND t < ?3 AND id <= ?4
AND (t, id) < (?5, ?6) ORDER BY t DESC, id DESC LIMIT ?7";

/// The readings of the badge ?2 in the minute ?1 with ?3 < t < ?4: what decides
/// about copies.
pub(super) const PROBE: &str =
    "SELECT t, beacons FROM reading WHERE t / 60000 = ?1 AND badge = ?2 AND t > ?3 AND t < ?4";

/// Who heard a reading. The index does not say, so a Pi's readings are found by
/// asking this of each.
pub(super) const PI_OF: &str = "SELECT pi FROM reading WHERE id = ?1";

/// The names of a house's badges in their order, at most ?2.
pub(super) const BADGES: &str = "
SELECT b.name FROM house h JOIN badge b ON b.house = h.id
WHERE h.name = ?1 ORDER BY b.name LIMIT ?2";

/// The newest reading of the badge ?2 in the minute ?1 with t < ?3.
pub(super) const BADGE_NEWEST: &str = "
SELECT id FROM reading WHERE t / 60000 = ?1 AND badge = ?2 AND t < ?3
ORDER BY t DESC, id DESC LIMIT 1";

/// The names of a house's Pis in their order, at most ?2.
pub(super) const PIS: &str = "
SELECT p.name FROM house h JOIN pi p ON p.house = h.id
WHERE h.name = ?1 ORDER BY p.name LIMIT ?2";

/// When a Pi last heard a badge, as far as it was written down.
pub(super) const PI_HEARD: &str = "
SELECT n.t FROM house h JOIN pi p ON p.house = h.id JOIN pi_heard n ON n.pi = p.id
WHERE h.name = ?1 AND p.name = ?2";

/// Ids after ?1, up to ?2, at most ?3.
pub(super) const IDS_AFTER: &str =
    "SELECT id FROM reading WHERE id > ?1 AND id <= ?2 ORDER BY id LIMIT ?3";

/// A whole reading, but for the names of its beacons.
pub(super) const READING: &str = "
SELECT r.t, b.name, p.name, r.beacons, r.badge_strength, r.position, r.motion, o.name
FROM reading r JOIN badge b ON b.id = r.badge JOIN pi p ON p.id = r.pi
LEFT JOIN badge o ON o.id = r.opposite
WHERE r.id = ?1";

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;
    use crate::sqlite::schema;

    const ALL: [(&str, &str); 21] = [
        ("BADGE", BADGE),
        ("PI", PI),
        ("BEACON", BEACON),
        ("BEACON_NAME", BEACON_NAME),
        ("NEWEST_ID", NEWEST_ID),
        ("MINUTE_FROM", MINUTE_FROM),
        ("MINUTE_BACK", MINUTE_BACK),
        ("HOUR_FROM", HOUR_FROM),
        ("HOUR_BACK", HOUR_BACK),
        ("KEYS_OLDEST_FIRST", KEYS_OLDEST_FIRST),
        ("KEYS_NEWEST_FIRST", KEYS_NEWEST_FIRST),
        ("BADGE_KEYS_OLDEST_FIRST", BADGE_KEYS_OLDEST_FIRST),
        ("BADGE_KEYS_NEWEST_FIRST", BADGE_KEYS_NEWEST_FIRST),
        ("PROBE", PROBE),
        ("PI_OF", PI_OF),
        ("BADGES", BADGES),
        ("BADGE_NEWEST", BADGE_NEWEST),
        ("PIS", PIS),
        ("PI_HEARD", PI_HEARD),
        ("IDS_AFTER", IDS_AFTER),
        ("READING", READING),
    ];

    /// What SQLite says that it would do, a line a step, indented by depth.
    fn plan(db: &Connection, sql: &str) -> String {
        let mut explain = db.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let mut rows = explain.raw_query();
        let mut depths = std::collections::HashMap::from([(0, 0)]);
        let mut plan = String::new();
        while let Some(row) = rows.next().unwrap() {
            let (id, parent): (i64, i64) = (row.get(0).unwrap(), row.get(1).unwrap());
            let depth = depths[&parent] + 1;
            depths.insert(id, depth);
            let step: String = row.get(3).unwrap();
            plan += &format!("{}{step}\n", "  ".repeat(depth));
        }
        plan
    }

    #[test]
    fn no_query_scans() {
        let db = Connection::open_in_memory().unwrap();
        schema::create(&db).unwrap();
        let mut plans = String::new();
        for (name, sql) in ALL {
            let plan = plan(&db, sql);
            // max(id) of a whole table is one step to its end, and its plan
            // says SEARCH, too.
            assert!(!plan.contains("SCAN"), "{name}:\n{plan}");
            plans += &format!("{name}\n{plan}");
        }
        insta::assert_snapshot!(plans);
    }

    #[test]
    fn every_query_of_a_reader_is_here() {
        // Each `const` above is in the list, and SQL is nowhere else.
        let ours = include_str!("queries.rs");
        assert_eq!(ours.matches("pub(super) const ").count(), ALL.len() + 1);
        let readers = [
            include_str!("read.rs"),
            include_str!("walk.rs"),
            include_str!("heard.rs"),
            include_str!("probe.rs"),
        ];
        for file in readers.map(|file| file.split("mod tests").next().unwrap_or_default()) {
            assert!(!file.contains("SELECT "), "a query that no plan is checked of");
        }
    }
}
