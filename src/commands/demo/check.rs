//! The demo's comparison of what was answered with what is stored.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use anyhow::{Context, bail};
use houseful_load::plan::Ratio;
use houseful_load::results::Record;
use houseful_model::{Emission, Heard, Millis, wire};

use super::sent::Sent;

/// The collector's default dedup window, which the demo leaves as it is.
const WINDOW_MS: u64 = 4_500;

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
    rows: u64,
    /// 201, but the reading is not in the export as it was answered.
    lost: u64,
    /// Two 201 for one reading.
    twice: u64,
    /// 409, but nothing in the export that it could be a copy of.
    without_original: u64,
}

impl Check {
    pub(super) fn new(sent: &[Sent], hits: &[Record], exported: &[Exported]) -> Check {
        let mut lines: HashMap<i64, &serde_json::Value> = HashMap::new();
        let mut times: HashMap<&Identity, Vec<Millis>> = HashMap::new();
        for row in exported {
            lines.insert(row.line["id"].as_i64().unwrap_or_default(), &row.line);
            times.entry(&row.identity).or_default().push(row.heard_at);
        }
        let mut check = Check {
            stored: 0,
            duplicates: 0,
            others: BTreeMap::new(),
            rows: exported.len() as u64,
            lost: 0,
            twice: 0,
            without_original: 0,
        };
        let mut answered = HashSet::new();
        for record in hits {
            match record.code {
                201 => {
                    check.stored += 1;
                    let body = record.body.as_deref().unwrap_or_default();
                    let answer: serde_json::Value =
                        serde_json::from_slice(body).unwrap_or_default();
                    let id = answer["id"].as_i64().unwrap_or_default();
                    check.lost += u64::from(lines.get(&id) != Some(&&answer));
                    check.twice += u64::from(!answered.insert(id));
                }
                409 => {
                    check.duplicates += 1;
                    let identity = &*sent[record.seq as usize % sent.len()].identity;
                    let sent_ms = record.timestamp.as_millisecond();
                    let answered_ms = sent_ms + record.latency.as_millis() as i64;
                    let is_original = |t: &Millis| {
                        // It arrived at some moment between the two.
                        let nearest = t.0.clamp(sent_ms, answered_ms + 1);
                        t.0.abs_diff(nearest) < WINDOW_MS
                    };
                    let has_original =
                        times.get(identity).is_some_and(|times| times.iter().any(is_original));
                    check.without_original += u64::from(!has_original);
                }
                code => *check.others.entry(code).or_default() += 1,
            }
        }
        check
    }

    /// Whether each answer is true, as far as there are answers.
    pub(super) fn is_clean(&self) -> bool {
        self.lost + self.twice + self.without_original == 0 && self.others.is_empty()
    }

    /// Whether a whole plan of so many payloads was played, and all is as it
    /// must be.
    pub(super) fn is_right(&self, payloads: u64) -> bool {
        self.is_clean() && self.stored == payloads && self.rows == payloads
    }
}

impl std::fmt::Display for Check {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let answers = self.stored + self.duplicates + self.others.values().sum::<u64>();
        writeln!(f, "answers      {answers}: {} × 201, {} × 409", self.stored, self.duplicates)?;
        for (code, count) in &self.others {
            writeln!(f, "             {count} × {code}")?;
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
        )
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use houseful_load::results::Record;
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
        (check.is_right(2), check.lost, check.twice, check.without_original)
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
}
