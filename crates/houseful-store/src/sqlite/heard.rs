//! What the tables know of who was heard, and how what Pis last heard gets there.

use houseful_model::emission::AHEAD_MS_MAX;
use houseful_model::{Millis, Reading};
use rusqlite::{Connection, OptionalExtension};

use super::names::Names;
use super::queries;
use super::read::{Reader, fetch};
use super::schema::{HOUR_MINUTES, MINUTE_MS};
use crate::{Activity, Arrival, HOUSE_DEFAULT, PiNote, ReadError};

/// How often what is known of a Pi is brought up to date on disk, at most.
const NOTE_INTERVAL_MS: u64 = 10_000;

/// A late replay moves nothing back; a time that has not come was noted under a
/// wrong clock.
const NOTE: &str = "
INSERT INTO pi_heard(pi, t) VALUES (?1, ?2)
ON CONFLICT(pi) DO UPDATE SET t = excluded.t WHERE excluded.t > pi_heard.t OR pi_heard.t > ?3";

/// When what is to be written of Pis. It rides in transactions that store
/// something anyway: a new Pi in the next one, all that have changed in the first
/// one after [`NOTE_INTERVAL_MS`]. What rides in none is written at the end.
#[derive(Debug, Default)]
pub(super) struct PiNotes {
    /// How many new Pis there had been at the last time.
    pis_new: u64,
    /// On the monotonic clock.
    next_ms: u64,
}

/// What one transaction writes of Pis.
#[derive(Debug)]
pub(super) struct Due {
    notes: Vec<PiNote>,
    now: Millis,
    after: PiNotes,
}

impl PiNotes {
    pub(super) fn due(&self, activity: &Activity, now: Arrival) -> Due {
        let pis_new = activity.pis_new();
        if now.mono_ms >= self.next_ms {
            return self.all(activity, now);
        }
        let is_any_new = pis_new != self.pis_new;
        let notes = if is_any_new { activity.pis_to_note(false) } else { Vec::new() };
        Due { notes, now: now.wall, after: PiNotes { pis_new, next_ms: self.next_ms } }
    }

    pub(super) fn all(&self, activity: &Activity, now: Arrival) -> Due {
        // Counted first: who comes in between is written twice, not never.
        let pis_new = activity.pis_new();
        let next_ms = now.mono_ms.saturating_add(NOTE_INTERVAL_MS);
        let notes = activity.pis_to_note(true);
        Due { notes, now: now.wall, after: PiNotes { pis_new, next_ms } }
    }

    /// To be called after the commit.
    pub(super) fn written(&mut self, due: Due, activity: &Activity) {
        activity.noted(&due.notes);
        *self = due.after;
    }
}

impl Due {
    pub(super) fn is_empty(&self) -> bool {
        self.notes.is_empty()
    }

    pub(super) fn write(
        &self,
        db: &Connection,
        names: &mut Names,
        house: i64,
    ) -> rusqlite::Result<()> {
        let ahead = self.now.0.saturating_add(AHEAD_MS_MAX);
        for note in &self.notes {
            let pi = names.pi(db, house, &note.pi_id, note.t)?;
            db.prepare_cached(NOTE)?.execute((pi, note.t.0, ahead))?;
        }
        Ok(())
    }
}

impl Reader {
    /// The names of stored badges in their order by bytes, at most `limit`.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub(crate) fn badge_names(&mut self, limit: usize) -> Result<Vec<String>, ReadError> {
        self.names(queries::BADGES, limit)
    }

    /// The names of stored Pis in their order by bytes, at most `limit`.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub(crate) fn pi_names(&mut self, limit: usize) -> Result<Vec<String>, ReadError> {
        self.names(queries::PIS, limit)
    }

    /// The newest reading of each of these badges from before a time.
    ///
    /// Costs one look into the index per minute of silence in the last hour in
    /// which the badge was heard.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub(crate) fn newest_of_badges(
        &mut self,
        badge_ids: &[&str],
        before: Millis,
    ) -> Result<Vec<Option<Reading>>, ReadError> {
        self.short(|db, beacons| {
            let mut number = db.prepare_cached(queries::BADGE)?;
            let mut newest = |badge_id: &&str| {
                let parameters = (HOUSE_DEFAULT, badge_id);
                let badge = number.query_row(parameters, |row| row.get(0)).optional()?;
                match badge.map(|badge| newest_of_badge(db, badge, before)).transpose()?.flatten() {
                    Some(id) => fetch(db, beacons, id),
                    None => Ok(None),
                }
            };
            badge_ids.iter().map(&mut newest).collect()
        })
    }

    /// When each of these Pis last heard a badge, as far as it was written down.
    /// There is no such table in a store of version 1.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub(crate) fn pis_heard<T: AsRef<str>>(
        &mut self,
        pi_ids: &[T],
    ) -> Result<Vec<Option<Millis>>, ReadError> {
        self.short(|db, _| {
            let mut select = db.prepare_cached(queries::PI_HEARD)?;
            let mut heard = |pi_id: &T| {
                let found = select.query_row((HOUSE_DEFAULT, pi_id.as_ref()), |row| row.get(0));
                found.map(Millis).optional()
            };
            Ok(pi_ids.iter().map(&mut heard).collect::<rusqlite::Result<_>>()?)
        })
    }

    fn names(&mut self, sql: &str, limit: usize) -> Result<Vec<String>, ReadError> {
        self.short(|db, _| {
            let mut select = db.prepare_cached(sql)?;
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            let names = select.query_map((HOUSE_DEFAULT, limit), |row| row.get(0))?;
            Ok(names.collect::<rusqlite::Result<_>>()?)
        })
    }
}

/// The id of a badge's newest reading from before a time.
fn newest_of_badge(db: &Connection, badge: i64, before: Millis) -> rusqlite::Result<Option<i64>> {
    let mut hour_back = db.prepare_cached(queries::HOUR_BACK)?;
    let mut newest = db.prepare_cached(queries::BADGE_NEWEST)?;
    let last = (before.0 - 1).div_euclid(MINUTE_MS);
    let mut hour = last.div_euclid(HOUR_MINUTES);
    while let Some(heard) =
        hour_back.query_row((badge, hour), |row| row.get::<_, Option<i64>>(0))?
    {
        let first = heard * HOUR_MINUTES;
        for minute in (first..=last.min(first + HOUR_MINUTES - 1)).rev() {
            let parameters = (minute, badge, before.0);
            let found = newest.query_row(parameters, |row| row.get(0)).optional()?;
            if found.is_some() {
                return Ok(found);
            }
        }
        hour = heard - 1;
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use houseful_model::{Emission, Heard};

    use super::*;
    use crate::Came;
    use crate::sqlite::schema;

    fn at(ms: u64) -> Arrival {
        let wall = Millis(1_800_000_000_000 + ms as i64);
        Arrival { wall, mono_ms: ms, at: std::time::Instant::now() }
    }

    fn hear(activity: &Activity, pi: &str, ms: u64) {
        let emission = Emission {
            badge_id: Cow::Borrowed("b"),
            pi_id: Cow::Borrowed(pi),
            beacons: Vec::new(),
            badge_strength: None,
            position: None,
            motion: None,
            opposite_badge_id: None,
            heard: Heard::OnArrival,
        };
        activity.heard(&emission, at(ms).wall, at(ms), Came::Second);
    }

    #[test]
    fn new_ones_are_due_at_once_and_changed_ones_every_ten_seconds() {
        let activity = Activity::new(at(0));
        let mut notes = PiNotes::default();
        let due = |notes: &PiNotes, ms| {
            let due = notes.due(&activity, at(ms));
            let mut pis: Vec<_> = due.notes.iter().map(|note| note.pi_id.to_string()).collect();
            pis.sort();
            (due, pis)
        };
        hear(&activity, "p1", 0);
        let (first, pis) = due(&notes, 5);
        assert_eq!(pis, ["p1"]);
        // That transaction failed, so it is due again.
        drop(first);
        let (first, pis) = due(&notes, 10);
        assert_eq!(pis, ["p1"]);
        notes.written(first, &activity);
        hear(&activity, "p1", 20);
        hear(&activity, "p2", 20);
        let (second, pis) = due(&notes, 30);
        assert_eq!(pis, ["p2"], "p1 was written lately");
        notes.written(second, &activity);
        assert_eq!(due(&notes, 10_009).1, [] as [&str; 0]);
        let (third, pis) = due(&notes, 10_010);
        assert_eq!(pis, ["p1"], "p2 has not changed");
        notes.written(third, &activity);
        assert_eq!(due(&notes, 60_000).1, [] as [&str; 0]);
    }

    #[test]
    fn a_note_goes_forward_unless_the_last_was_made_under_a_wrong_clock() {
        let db = Connection::open_in_memory().unwrap();
        schema::create(&db).unwrap();
        let mut names = Names::new();
        let house = names.house(&db, HOUSE_DEFAULT).unwrap();
        let mut note = |t_ms: i64, now_ms: u64| {
            let notes = vec![PiNote { pi_id: "p".into(), t: Millis(at(0).wall.0 + t_ms) }];
            let due = Due { notes, now: at(now_ms).wall, after: PiNotes::default() };
            due.write(&db, &mut names, house).unwrap();
            let t: i64 = db.query_row("SELECT t FROM pi_heard", [], |row| row.get(0)).unwrap();
            t - at(0).wall.0
        };
        assert_eq!(note(5_000, 5_000), 5_000);
        assert_eq!(note(-9_000, 6_000), 5_000, "a late replay");
        assert_eq!(note(400_000, 400_000), 400_000);
        assert_eq!(note(7_000, 339_999), 7_000, "the clock was wrong, and was set back");
        assert_eq!(note(90_000, 90_000), 90_000);
    }
}
