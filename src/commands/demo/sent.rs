//! What the demo sends: each emission of the plan as its own Pi reports it.
//!
//! The plan's files have one body for all Pis of a house, the predecessor's way;
//! a page that is to show who hears a badge, and how well, needs to be told.

use std::collections::HashMap;
use std::sync::Arc;

use houseful_load::plan::{BADGES_PER_HOUSE, Emission, Plan};
use serde_json::Value;

/// The bodies of all emissions of a plan, in the order of sending. The same Pi's
/// emissions of one payload share theirs.
pub(super) fn all(plan: &Plan) -> Vec<Arc<[u8]>> {
    let mut bodies: HashMap<(u32, u64, u32), Arc<[u8]>> = HashMap::new();
    let body_of = |emission: Emission| {
        let Emission { badge, window, pi, .. } = emission;
        bodies.entry((badge, window, pi)).or_insert_with(|| body(plan, emission)).clone()
    };
    plan.emissions().map(body_of).collect()
}

fn body(plan: &Plan, emission: Emission) -> Arc<[u8]> {
    let mut body: Value =
        serde_json::from_str(&plan.body(emission.badge, emission.window)).expect("it is JSON");
    let pi = emission.badge / BADGES_PER_HOUSE * plan.pis + emission.pi;
    body["pi_id"] = pi.to_string().into();
    body["badge_strength"] = badge_strength_dbm(plan, emission).into();
    body.to_string().into_bytes().into()
}

/// How well the Pi hears the badge: one is near, each other a room further away,
/// and it sways from window to window. With four Pis from −52 to −90.
fn badge_strength_dbm(plan: &Plan, Emission { badge, pi, window, .. }: Emission) -> i64 {
    let rooms_away = (pi + plan.pis - badge % plan.pis) % plan.pis;
    let sway_db = (window * 5 + u64::from(badge + pi)) % 6;
    -52 - 11 * i64::from(rooms_away) - sway_db as i64
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    #[test]
    fn each_pi_reports_as_itself_and_one_is_nearest() {
        let plan = Plan { badges: 2 * BADGES_PER_HOUSE, seconds: 60, ..Plan::default() };
        let all = all(&plan);
        assert_eq!(all.len(), 2 * 20 * 4 * 60);
        let mut heard: BTreeMap<String, BTreeMap<String, i64>> = BTreeMap::new();
        let mut pis: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (sent, planned) in all.iter().zip(plan.emissions()) {
            let body: Value = serde_json::from_slice(sent).unwrap();
            let of = |key: &str| body[key].as_str().unwrap().to_owned();
            let dbm = body["badge_strength"].as_i64().unwrap();
            assert!((-90..=-50).contains(&dbm), "{body}");
            let planned_body: Value =
                serde_json::from_str(&plan.body(planned.badge, planned.window)).unwrap();
            for key in ["badge_id", "beacons"] {
                assert_eq!(body[key], planned_body[key]);
            }
            let advertised = format!("{} {}", of("badge_id"), planned.window);
            heard.entry(advertised).or_default().insert(of("pi_id"), dbm);
            pis.entry(of("badge_id")).or_default().insert(of("pi_id"));
        }
        let house = |pis: [&str; 4]| BTreeSet::from(pis.map(str::to_owned));
        assert_eq!(pis["badge_19"], house(["0", "1", "2", "3"]));
        assert_eq!(pis["badge_20"], house(["4", "5", "6", "7"]));
        for (advertised, by_pi) in heard {
            let levels: BTreeSet<_> = by_pi.values().collect();
            assert_eq!(levels.len(), 4, "{advertised}: {by_pi:?}");
        }
        // Not one body an emission: memory is for a long demo's answers.
        let bodies: BTreeSet<_> = all.iter().map(|sent| sent.as_ptr()).collect();
        assert_eq!(bodies.len() as u64, plan.summary().payloads * 4);
    }
}
