//! The walk through the index that finds the readings of a filter, minute by
//! minute, in bounded steps.

use houseful_model::{Millis, Reading};
use rusqlite::{Connection, OptionalExtension};

use super::queries;
use super::schema::{HOUR_MINUTES, MINUTE_MS};
use crate::{HOUSE_DEFAULT, ReadError};

/// Which readings are wanted. The default is all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only this badge's.
    pub badge_id: Option<String>,
    /// Only those that this Pi heard, and heard first.
    pub pi_id: Option<String>,
    /// Only those heard at or after this time.
    pub from: Option<Millis>,
    /// Only those heard before this time.
    pub to: Option<Millis>,
    /// Only those stored up to this id: [`Reader::newest_id`] makes a walk over
    /// a store that is written to meanwhile end.
    ///
    /// [`Reader::newest_id`]: crate::Reader::newest_id
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

/// A place between two readings in their order: just past the one with these
/// numbers, whether or not there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The reading's time.
    pub t: Millis,
    /// Its id. 0 stands before all readings of its time, since ids begin at 1,
    /// and `i64::MAX` behind all.
    pub id: i64,
}

impl Cursor {
    /// Just past this reading.
    pub fn past(reading: &Reading) -> Cursor {
        Cursor { t: reading.heard_at, id: reading.id }
    }
}

/// What a part of a walk found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys {
    /// The time and id of each reading, in the order that was asked for.
    pub keys: Vec<Cursor>,
    /// Where to go on; `None` if nothing more matches.
    pub rest: Option<Cursor>,
}

/// A walk that has begun.
pub(super) struct Walk<'a> {
    db: &'a Connection,
    badge: Option<i64>,
    pi: Option<i64>,
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
    pub(super) fn start<'a>(
        db: &'a Connection,
        filter: &Filter,
        order: Order,
        after: Option<Cursor>,
    ) -> Result<Option<Walk<'a>>, ReadError> {
        // Who was never heard has no number, and nothing to be found.
        let badge = number(db, queries::BADGE, filter.badge_id.as_deref())?;
        let pi = number(db, queries::PI, filter.pi_id.as_deref())?;
        if badge.is_none() && filter.badge_id.is_some() || pi.is_none() && filter.pi_id.is_some() {
            return Ok(None);
        }
        let mut from = filter.from.map_or(0, |t| t.0.max(0));
        let mut to = filter.to.map_or(i64::MAX, |t| t.0);
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
        Ok((from < to).then_some(Walk { db, badge, pi, order, from, to, id_max, after }))
    }

    /// At most `limit` keys. Gives up after about `steps_max` looks at minutes
    /// and readings, which a Pi that is seldom heard, or a badge that is seldom
    /// heard for long, would need more of.
    ///
    /// A minute of all badges is always looked at as a whole, since the index
    /// does not have it in the order of time.
    pub(super) fn keys(&self, limit: usize, steps_max: usize) -> Result<Keys, ReadError> {
        let (lowest, highest) = (self.from / MINUTE_MS, (self.to - 1) / MINUTE_MS);
        let mut keys = Vec::new();
        let mut steps_left = steps_max;
        let mut at = match self.order {
            Order::OldestFirst => lowest,
            Order::NewestFirst => highest,
        };
        loop {
            if keys.len() >= limit || steps_left == 0 {
                return Ok(Keys { keys, rest: Some(self.start_of(at)) });
            }
            steps_left -= 1;
            let minute = self.next_minute(at)?;
            let Some(minute) = minute.filter(|minute| (lowest..=highest).contains(minute)) else {
                return Ok(Keys { keys, rest: None });
            };
            let asked = match self.pi {
                None => steps_left.min(limit - keys.len()),
                Some(_) => steps_left,
            };
            let asked = asked.max(1);
            let found = self.keys_of_minute(minute, asked)?;
            steps_left = steps_left.saturating_sub(found.len());
            let last = found.last().copied().filter(|_| found.len() == asked);
            for key in found {
                if self.heard_by_the_pi(key)? {
                    keys.push(key);
                    if keys.len() == limit {
                        return Ok(Keys { keys, rest: Some(key) });
                    }
                }
            }
            // There may be more in this minute.
            if last.is_some() {
                return Ok(Keys { keys, rest: last });
            }
            at = match self.order {
                Order::OldestFirst => minute + 1,
                Order::NewestFirst => minute - 1,
            };
        }
    }

    /// The place at which a walk comes to this minute.
    fn start_of(&self, minute: i64) -> Cursor {
        match self.order {
            Order::OldestFirst => Cursor { t: Millis(minute * MINUTE_MS), id: 0 },
            Order::NewestFirst => {
                let t = minute.saturating_mul(MINUTE_MS).saturating_add(MINUTE_MS - 1);
                Cursor { t: Millis(t), id: i64::MAX }
            }
        }
    }

    /// The next minute, from `at` on, in which there may be readings.
    fn next_minute(&self, at: i64) -> Result<Option<i64>, ReadError> {
        let Some(badge) = self.badge else {
            let sql = match self.order {
                Order::OldestFirst => queries::MINUTE_FROM,
                Order::NewestFirst => queries::MINUTE_BACK,
            };
            return Ok(self.db.prepare_cached(sql)?.query_row([at], |row| row.get(0))?);
        };
        let sql = match self.order {
            Order::OldestFirst => queries::HOUR_FROM,
            Order::NewestFirst => queries::HOUR_BACK,
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

    /// At most `limit`, whichever Pi heard them.
    fn keys_of_minute(&self, minute: i64, limit: usize) -> Result<Vec<Cursor>, ReadError> {
        let sql = match (self.badge.is_some(), self.order) {
            (false, Order::OldestFirst) => queries::KEYS_OLDEST_FIRST,
            (false, Order::NewestFirst) => queries::KEYS_NEWEST_FIRST,
            (true, Order::OldestFirst) => queries::BADGE_KEYS_OLDEST_FIRST,
            (true, Order::NewestFirst) => queries::BADGE_KEYS_NEWEST_FIRST,
        };
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let mut select = self.db.prepare_cached(sql)?;
        let (after_t, after_id) = (self.after.t.0, self.after.id);
        let parameters =
            (minute, self.from, self.to, self.id_max, after_t, after_id, limit, self.badge);
        let keys = select
            .query_map(parameters, |row| Ok(Cursor { t: Millis(row.get(0)?), id: row.get(1)? }))?;
        Ok(keys.collect::<rusqlite::Result<Vec<Cursor>>>()?)
    }

    /// Whether it was the Pi that is asked for, if one is.
    fn heard_by_the_pi(&self, key: Cursor) -> Result<bool, ReadError> {
        let Some(wanted) = self.pi else {
            return Ok(true);
        };
        let found: Option<i64> = self
            .db
            .prepare_cached(queries::PI_OF)?
            .query_row([key.id], |row| row.get(0))
            .optional()?;
        Ok(found.ok_or(ReadError::Damaged { id: key.id })? == wanted)
    }
}

/// The number of a name in our house.
fn number(db: &Connection, sql: &str, name: Option<&str>) -> Result<Option<i64>, ReadError> {
    let Some(name) = name else {
        return Ok(None);
    };
    let found = db.prepare_cached(sql)?.query_row((HOUSE_DEFAULT, name), |row| row.get(0));
    Ok(found.optional()?)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::sqlite::schema;

    /// A reading as the model knows it.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
    struct Row {
        t: i64,
        id: i64,
        badge: i64,
        pi: i64,
    }

    /// A store with badges `b1` … and Pis `p1` …, and its model.
    struct Model {
        db: Connection,
        rows: Vec<Row>,
    }

    impl Model {
        fn new() -> Model {
            let db = Connection::open_in_memory().unwrap();
            schema::create(&db).unwrap();
            db.execute_batch("INSERT INTO house(name) VALUES ('default')").unwrap();
            for kind in ["badge", "pi"] {
                for n in 1..=3 {
                    let name = format!("{}{n}", &kind[..1]);
                    db.execute(&format!("INSERT INTO {kind}(house, name) VALUES (1, ?1)"), [name])
                        .unwrap();
                }
            }
            Model { db, rows: Vec::new() }
        }

        fn store(&mut self, rows: &[(i64, i64, i64)]) {
            for &(t, badge, pi) in rows {
                let id = self.rows.len() as i64 + 1;
                self.rows.push(Row { t, id, badge, pi });
                self.db
                    .execute(
                        "INSERT INTO reading(id, t, badge, pi, beacons) VALUES (?1, ?2, ?3, ?4, x'')",
                        (id, t, badge, pi),
                    )
                    .unwrap();
                self.db
                    .execute(
                        "INSERT OR IGNORE INTO badge_hour VALUES (?1, ?2)",
                        (badge, t / (MINUTE_MS * HOUR_MINUTES)),
                    )
                    .unwrap();
            }
        }

        /// What matches, in order, past the cursor.
        fn wanted(&self, filter: &Filter, order: Order, after: Option<Cursor>) -> Vec<Cursor> {
            let is = |name: &Option<String>, kind: &str, n: i64| {
                name.as_ref().is_none_or(|name| *name == format!("{kind}{n}"))
            };
            let past = |row: &Row| {
                after.is_none_or(|after| {
                    let (row, after) = ((row.t, row.id), (after.t.0, after.id));
                    if order == Order::OldestFirst { row > after } else { row < after }
                })
            };
            let mut rows: Vec<Row> = self.rows.clone();
            rows.retain(|row| {
                is(&filter.badge_id, "b", row.badge)
                    && is(&filter.pi_id, "p", row.pi)
                    && filter.from.is_none_or(|from| row.t >= from.0)
                    && filter.to.is_none_or(|to| row.t < to.0)
                    && filter.id_max.is_none_or(|id_max| row.id <= id_max)
                    && past(row)
            });
            rows.sort_unstable();
            if order == Order::NewestFirst {
                rows.reverse();
            }
            rows.iter().map(|row| Cursor { t: Millis(row.t), id: row.id }).collect()
        }
    }

    /// Few times, so that many are equal, on both sides of minutes and hours,
    /// and over silent days.
    fn time() -> impl Strategy<Value = i64> {
        let near = [0, 1, 2, 59_999, 60_000, 60_001, 120_000, 3_599_999, 3_600_000, 86_400_000 * 3];
        (proptest::sample::select(near.to_vec())).prop_map(|t| t + 1_800_000_000_000)
    }

    fn rows() -> impl Strategy<Value = Vec<(i64, i64, i64)>> {
        proptest::collection::vec((time(), 1..=3_i64, 1..=3_i64), 0..40)
    }

    fn filter() -> impl Strategy<Value = Filter> {
        // Number 4 was never heard.
        let name = |kind: &'static str| {
            proptest::option::of((1..=4).prop_map(move |n| format!("{kind}{n}")))
        };
        let bound = || proptest::option::of(time().prop_map(Millis));
        (name("b"), name("p"), bound(), bound(), proptest::option::weighted(0.2, 0..40_i64))
            .prop_map(|(badge_id, pi_id, from, to, id_max)| Filter {
                badge_id,
                pi_id,
                from,
                to,
                id_max,
            })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]

        /// Whatever the filter, the limits and the patience, and whatever is
        /// stored between two pages, a page is what follows the last one then.
        #[test]
        fn a_walk_gives_what_a_sorted_list_would(
            first in rows(),
            filter in filter(),
            newest_first in any::<bool>(),
            pages in proptest::collection::vec((1..8_usize, 1..12_usize, rows()), 1..20),
        ) {
            let order = if newest_first { Order::NewestFirst } else { Order::OldestFirst };
            let mut model = Model::new();
            model.store(&first);
            let from_the_start = model.wanted(&filter, order, None);
            let mut after = None;
            let mut seen: Vec<Cursor> = Vec::new();
            for (limit, steps_max, meanwhile) in pages.iter().cycle() {
                let wanted = model.wanted(&filter, order, after);
                let found = match Walk::start(&model.db, &filter, order, after).unwrap() {
                    Some(walk) => walk.keys(*limit, *steps_max).unwrap(),
                    None => Keys { keys: Vec::new(), rest: None },
                };
                prop_assert!(found.keys.len() <= *limit);
                prop_assert_eq!(&found.keys[..], &wanted[..found.keys.len()]);
                seen.extend_from_slice(&found.keys);
                let left = wanted.len() - found.keys.len();
                let Some(rest) = found.rest else {
                    prop_assert_eq!(left, 0);
                    break;
                };
                prop_assert_eq!(model.wanted(&filter, order, Some(rest)).len(), left);
                prop_assert_ne!(Some(rest), after, "no step forward");
                after = Some(rest);
                if model.rows.len() < 300 {
                    model.store(meanwhile);
                }
            }
            let missing: Vec<_> = from_the_start.iter().filter(|key| !seen.contains(key)).collect();
            prop_assert!(missing.is_empty(), "{:?}", missing);
            let mut once = seen.clone();
            once.sort_unstable_by_key(|key| (key.t, key.id));
            once.dedup();
            prop_assert_eq!(once.len(), seen.len());
        }
    }
}
