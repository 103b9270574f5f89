//! The demo's comparison of what was answered with what is stored.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use houseful_load::duration::{Go, rounded};
use houseful_load::plan::Ratio;
use houseful_load::results::{Cause, Record};
use houseful_model::{Emission, Heard, Millis, wire};

use super::sent::Sent;

/// The collector's default dedup window, which the demo leaves as it is.
const WINDOW_MS: u64 = 4_500;

/// The last copies are due 4 s after their original: later by this, they may come
/// after the window.
const SLIP_SPARE: Duration = Duration::from_millis(450);

/// A badge, and its kept beacons with their RSSI in dBm.
pub(super) type Identity = (String, Vec<(String, i8)>);

/// What makes an emission a copy of another, but for the time.
pub(super) fn identity_of(emission: &Emission<'_>) -> Identity {
    let beacons = emission.beacons.iter().map(|b| (b.id.to_string(), b.rssi_dbm)).collect();
    (emission.badge_id.to_string(), beacons)
}

/// A line of the export.
pub(super) struct Exported {
    line: serde_json::Value,
    identity: Identity,
    heard_at: Millis,
}

/// Reads an export as NDJSON.
pub(super) fn read_exported(path: &Path) -> anyhow::Result<Vec<Exported>> {
    let text = std::fs::read_to_string(path).context("cannot read the export")?;
    text.lines()
        .map(|line| {
            // A line of the export is an emission again, so the wire reads it.
            let emission =
                wire::parse(line.as_bytes()).context("cannot read a line of the export")?;
            let Heard::At(heard_at) = emission.heard else {
                bail!("a line of the export has no heard_at: {line}");
            };
            let identity = identity_of(&emission);
            Ok(Exported { line: serde_json::from_str(line)?, identity, heard_at })
        })
        .collect()
}

/// What the comparison found.
pub(super) struct Check {
    stored: u64,
    duplicates: u64,
    others: BTreeMap<u16, u64>,
    /// Of those without an answer.
    unsent: u64,
    rows: u64,
    /// 201, but the reading is not in the export as it was sent and answered.
    lost: u64,
    /// Two 201 for one reading.
    twice: u64,
    /// 409, but nothing in the export that it could be a copy of.
    without_original: u64,
    /// Readings less than a window after one like them.
    too_near: u64,
    /// 201, but heard before it was sent or after it was answered.
    untrue_times: u64,
    /// Payloads that were sent, and of which nothing is stored.
    missing: u64,
    /// Readings that are one more than their payloads: copies that came so late
    /// that they are none.
    late: u64,
    /// How late the generator was, at most.
    slip_max: Duration,
}

impl Check {
    pub(super) fn new(sent: &[Sent], hits: &[Record], exported: &[Exported]) -> Check {
        let mut by_id: HashMap<i64, &Exported> = HashMap::new();
        let mut times: HashMap<&Identity, Vec<Millis>> = HashMap::new();
        for row in exported {
            by_id.insert(row.line["id"].as_i64().unwrap_or_default(), row);
            times.entry(&row.identity).or_default().push(row.heard_at);
        }
        let mut check = Check {
            stored: 0,
            duplicates: 0,
            others: BTreeMap::new(),
            unsent: 0,
            rows: exported.len() as u64,
            lost: 0,
            twice: 0,
            without_original: 0,
            too_near: 0,
            untrue_times: 0,
            missing: 0,
            late: 0,
            slip_max: hits.iter().filter_map(|hit| hit.slip).max().unwrap_or_default(),
        };
        let mut answered = HashSet::new();
        for record in hits {
            let identity = &*sent[record.seq as usize % sent.len()].identity;
            // It arrived at some moment between the two.
            let sent_ms = record.timestamp.as_millisecond();
            let answered_ms = sent_ms + record.latency.as_millis() as i64 + 1;
            match record.code {
                201 => {
                    check.stored += 1;
                    let body = record.body.as_deref().unwrap_or_default();
                    let answer: serde_json::Value =
                        serde_json::from_slice(body).unwrap_or_default();
                    let id = answer["id"].as_i64().unwrap_or_default();
                    check.twice += u64::from(!answered.insert(id));
                    match by_id.get(&id) {
                        Some(row) if row.line == answer && row.identity == *identity => {
                            let is_true = (sent_ms..=answered_ms).contains(&row.heard_at.0);
                            check.untrue_times += u64::from(!is_true);
                        }
                        _ => check.lost += 1,
                    }
                }
                409 => {
                    check.duplicates += 1;
                    let is_original =
                        |t: &Millis| t.0.abs_diff(t.0.clamp(sent_ms, answered_ms)) < WINDOW_MS;
                    let has_original =
                        times.get(identity).is_some_and(|times| times.iter().any(is_original));
                    check.without_original += u64::from(!has_original);
                }
                code => {
                    check.unsent += u64::from(record.cause() == Some(Cause::Unsent));
                    *check.others.entry(code).or_default() += 1;
                }
            }
        }
        for times in times.values_mut() {
            times.sort_unstable();
            let is_near = |pair: &&[Millis]| pair[1].0.abs_diff(pair[0].0) < WINDOW_MS;
            check.too_near += times.windows(2).filter(is_near).count() as u64;
        }
        for (identity, payloads) in payloads(sent) {
            let rows = times.get(identity).map_or(0, Vec::len) as u64;
            check.missing += payloads.saturating_sub(rows);
            check.late += rows.saturating_sub(payloads);
        }
        check
    }

    /// Whether each answer is true, as far as there are answers.
    pub(super) fn is_clean(&self) -> bool {
        let Check { lost, twice, without_original, too_near, untrue_times, .. } = self;
        lost + twice + without_original + too_near + untrue_times == 0 && self.others.is_empty()
    }

    /// Whether the whole plan was played, and all is as it must be: each payload
    /// is stored, once or as often as it came a window after the last time, and
    /// nothing else.
    pub(super) fn is_right(&self) -> bool {
        self.is_clean() && self.stored == self.rows && self.missing == 0
    }
}

/// How many payloads there are of each identity: two, if a badge advertises by
/// chance what it did before.
fn payloads(sent: &[Sent]) -> HashMap<&Identity, u64> {
    let mut payloads: HashMap<&Identity, HashSet<*const Identity>> = HashMap::new();
    for Sent { identity, .. } in sent {
        payloads.entry(identity).or_default().insert(Arc::as_ptr(identity));
    }
    payloads.into_iter().map(|(identity, payloads)| (identity, payloads.len() as u64)).collect()
}

/// So many answers with this code; 0 is none.
pub(super) fn counted(code: u16, count: u64) -> String {
    match code {
        0 => format!("{count} without an answer"),
        code => format!("{count} × {code}"),
    }
}

impl std::fmt::Display for Check {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let answers = self.stored + self.duplicates + self.others.values().sum::<u64>();
        writeln!(f, "answers      {answers}: {} × 201, {} × 409", self.stored, self.duplicates)?;
        for (code, count) in &self.others {
            write!(f, "             {}", counted(*code, *count))?;
            match self.unsent {
                unsent if *code == 0 && unsent > 0 => {
                    writeln!(f, ", of them {unsent} never sent: see Limit")?
                }
                _ => writeln!(f)?,
            }
        }
        writeln!(f, "stored       {} readings", self.rows)?;
        if self.stored > 0 {
            let ratio = Ratio { numerator: answers.into(), denominator: self.stored.into() };
            writeln!(f, "new          1 in {ratio}")?;
        }
        writeln!(f, "lost         {} (201, but not in the export)", self.lost)?;
        writeln!(f, "twice        {} (one reading, two 201)", self.twice)?;
        writeln!(
            f,
            "no original  {} (409, but nothing that it is a copy of)",
            self.without_original
        )?;
        if self.too_near > 0 {
            writeln!(f, "too near     {} (under 4.5 s after a reading like it)", self.too_near)?;
        }
        if self.untrue_times > 0 {
            writeln!(
                f,
                "wrong time   {} (heard before it was sent, or after its answer)",
                self.untrue_times
            )?;
        }
        if self.late > 0 {
            self.fmt_late(f)?;
        }
        Ok(())
    }
}

impl Check {
    /// More readings than payloads look like an error of the collector. It is
    /// none if [`Check::is_right`] says so.
    fn fmt_late(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let slip = Go(rounded(self.slip_max));
        write!(
            f,
            "late         {} (copies that came over 4.5 s after their original, so they are new; ",
            self.late
        )?;
        if self.slip_max >= SLIP_SPARE {
            writeln!(
                f,
                "the generator was up to {slip} late: this machine is busy, the collector is right)"
            )
        } else {
            writeln!(f, "the generator was at most {slip} late, so they waited for the collector)")
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn sent(badge: &str) -> Sent {
        Sent { body: Arc::new([]), identity: Arc::new((badge.to_owned(), Vec::new())) }
    }

    fn hit(seq: u64, code: u16, body: &serde_json::Value, at_ms: i64) -> Record {
        Record {
            seq,
            code,
            timestamp: jiff::Timestamp::from_millisecond(at_ms).unwrap(),
            latency: Duration::from_millis(5),
            body: Some(body.to_string().into_bytes()),
            method: "POST".to_owned(),
            ..Record::default()
        }
    }

    fn exported(id: i64, badge: &str, at_ms: i64) -> Exported {
        let line = json!({"id": id, "badge_id": badge});
        Exported { line, identity: (badge.to_owned(), Vec::new()), heard_at: Millis(at_ms) }
    }

    /// What the check says of these answers: (right, lost, twice, no original).
    fn judged(hits: &[Record], rows: &[Exported]) -> (bool, u64, u64, u64) {
        let check = Check::new(&[sent("a"), sent("b")], hits, rows);
        (check.is_right(), check.lost, check.twice, check.without_original)
    }

    #[test]
    fn a_part_of_the_answers_is_judged_as_far_as_it_goes() {
        let (a, b) = (json!({"id": 1, "badge_id": "a"}), json!({"id": 2, "badge_id": "b"}));
        // The second was stored, but its answer was given up.
        let rows = [exported(1, "a", 1_000), exported(2, "b", 1_001)];
        let check =
            |hits: &[Record], rows| Check::new(&[sent("a"), sent("b")], hits, rows).is_clean();
        assert!(check(&[], &[]));
        assert!(check(&[hit(0, 201, &a, 1_000)], &rows));
        assert!(!check(&[hit(0, 201, &a, 1_000)], &rows[1..]));
        assert!(!check(&[hit(0, 201, &a, 1_000), hit(1, 503, &b, 1_001)], &rows));
    }

    #[test]
    fn every_lie_of_a_collector_is_seen() {
        let (a, b) = (json!({"id": 1, "badge_id": "a"}), json!({"id": 2, "badge_id": "b"}));
        let none = json!({"errors": ["duplicate"]});
        let rows = [exported(1, "a", 1_000), exported(2, "b", 1_001)];
        let honest = [hit(0, 201, &a, 1_000), hit(1, 201, &b, 1_001), hit(2, 409, &none, 5_495)];
        assert_eq!(judged(&honest, &rows), (true, 0, 0, 0));
        // 201, and no row, or another one.
        assert_eq!(judged(&honest, &rows[..1]), (false, 1, 0, 0));
        let other = json!({"id": 2, "badge_id": "c"});
        assert_eq!(
            judged(&[hit(0, 201, &a, 1_000), hit(1, 201, &other, 1_001)], &rows),
            (false, 1, 0, 0)
        );
        // Two 201 for one row.
        assert_eq!(
            judged(&[hit(0, 201, &a, 1_000), hit(2, 201, &a, 1_001)], &rows),
            (false, 0, 1, 0)
        );
        // 409, a window after its original, before it, and for nothing at all.
        for at_ms in [5_500, -3_506] {
            let late = [hit(0, 201, &a, 1_000), hit(1, 201, &b, 1_001), hit(2, 409, &none, at_ms)];
            assert_eq!(judged(&late, &rows), (false, 0, 0, 1), "{at_ms}");
        }
        assert_eq!(judged(&[hit(1, 409, &none, 1_000)], &rows[..1]), (false, 0, 0, 1));
        // Neither 201 nor 409; a row that nobody was answered.
        assert!(!judged(&[&honest[..2], &[hit(2, 503, &none, 1_000)]].concat(), &rows).0);
        let more = [exported(1, "a", 1_000), exported(2, "b", 1_001), exported(3, "b", 9_000)];
        assert!(!judged(&honest, &more).0);
    }

    #[test]
    fn copies_after_the_window_are_new_and_no_fault() {
        let (a, b) = (json!({"id": 1, "badge_id": "a"}), json!({"id": 2, "badge_id": "b"}));
        let again = json!({"id": 3, "badge_id": "a"});
        let none = json!({"errors": ["duplicate"]});
        // The last copy of `a` was due at 5,000 ms, and one of it comes after that.
        let hits = |arrived_ms: i64| {
            let late = Record {
                latency: Duration::from_millis(arrived_ms.abs_diff(5_000)),
                slip: Some(Duration::from_micros(612_345)),
                ..hit(2, 201, &again, 5_000)
            };
            let copy = hit(4, 409, &none, arrived_ms + 10);
            [hit(0, 201, &a, 1_000), hit(1, 201, &b, 1_001), late, copy]
        };
        let rows = |again_ms| {
            [exported(1, "a", 1_000), exported(2, "b", 1_001), exported(3, "a", again_ms)]
        };
        let check =
            |hits: &[Record], rows: &[Exported]| Check::new(&[sent("a"), sent("b")], hits, rows);
        let late = check(&hits(5_500), &rows(5_500));
        assert!(late.is_right());
        let said = late.to_string();
        let want = "late         1 (copies that came over 4.5 s after their original, so they are new; \
            the generator was up to 612.345ms late: this machine is busy, the collector is right)\n";
        assert!(said.ends_with(want), "{said}");
        // Nobody is told of what was not.
        assert!(!check(&hits(5_500)[..2], &rows(5_500)[..2]).to_string().contains("late"));
        let mut waited = hits(5_500);
        waited[2].slip = Some(Duration::from_millis(2));
        let waited = check(&waited, &rows(5_500));
        assert!(waited.is_right());
        assert!(
            waited.to_string().ends_with("at most 2ms late, so they waited for the collector)\n")
        );

        // Stored although the window was not over, or at a time that was not.
        let near = check(&hits(5_499), &rows(5_499));
        assert_eq!((near.is_clean(), near.too_near), (false, 1));
        let untrue = check(&hits(5_499), &rows(5_500 + 2));
        assert_eq!((untrue.is_clean(), untrue.untrue_times), (false, 1));
        // Late, and not in the export; in the export, and answered to nobody.
        assert!(!check(&hits(5_500), &rows(5_500)[..2]).is_clean());
        let mut unanswered = hits(5_500);
        unanswered[2].code = 409;
        assert!(!check(&unanswered, &rows(5_500)).is_right());
        // One more of `a` does not make up for `b`.
        let [first, _, third] = rows(5_500);
        let [one, _, three, _] = hits(5_500);
        let without_b = check(&[one, three], &[first, third]);
        assert_eq!(
            (without_b.is_clean(), without_b.is_right(), without_b.missing),
            (true, false, 1)
        );
    }

    #[test]
    fn a_payload_that_comes_again_by_chance_is_another() {
        let (a, again) = (json!({"id": 1, "badge_id": "a"}), json!({"id": 2, "badge_id": "a"}));
        let sent = [sent("a"), sent("a")];
        let rows = [exported(1, "a", 1_000), exported(2, "a", 11_000)];
        let hits = [hit(0, 201, &a, 1_000), hit(1, 201, &again, 11_000)];
        let check = Check::new(&sent, &hits, &rows);
        assert_eq!((check.is_right(), check.late), (true, 0));
        assert!(!Check::new(&sent, &hits[..1], &rows[..1]).is_right());
    }

    #[test]
    fn a_reading_that_is_not_what_was_sent_is_lost() {
        let b = json!({"id": 1, "badge_id": "b"});
        let check = Check::new(&[sent("a")], &[hit(0, 201, &b, 1_000)], &[exported(1, "b", 1_000)]);
        assert_eq!((check.is_clean(), check.lost), (false, 1));
    }

    #[test]
    fn no_answer_is_said_in_words() {
        let record = |error: &str| Record { error: error.to_owned(), ..Record::default() };
        let hits = [record("unsent: late"), record("timeout: no answer"), record("")];
        let check = Check::new(&[sent("a")], &hits, &[]);
        assert!(!check.is_clean());
        let said = check.to_string();
        assert!(
            said.contains("\n             3 without an answer, of them 1 never sent: see Limit\n"),
            "{said}"
        );
    }
}
