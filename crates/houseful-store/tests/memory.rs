//! What is remembered of who was heard is bounded, whatever is made up. Alone in
//! its process, whose memory is looked at.

use std::borrow::Cow;
use std::time::Instant;

use houseful_model::{Beacon, Emission, Heard, Millis};
use houseful_store::{Activity, Arrival, BADGES_MAX, Came, PIS_MAX};

fn at(mono_ms: u64) -> Arrival {
    let wall = Millis(1_800_000_000_000 + mono_ms as i64);
    Arrival { wall, mono_ms, at: Instant::now() }
}

fn emission<'a>(badge: &'a str, pi: &'a str, beacons: &'a [String]) -> Emission<'a> {
    let beacon = |id: &'a String| Beacon { id: Cow::Borrowed(id), rssi_dbm: -57 };
    Emission {
        badge_id: Cow::Borrowed(badge),
        pi_id: Cow::Borrowed(pi),
        beacons: beacons.iter().map(beacon).collect(),
        badge_strength: Some(-40),
        position: None,
        motion: None,
        opposite_badge_id: None,
        heard: Heard::OnArrival,
    }
}

fn resident_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
}

#[test]
fn a_million_made_up_ids_are_held_in_bounded_memory() {
    let activity = Activity::new(at(0));
    let before = resident_mib();
    // As long as ids may be.
    let beacons: Vec<_> = (0..5).map(|n| format!("{n:064}")).collect();
    for n in 0..1_000_000_u64 {
        let (badge, pi) = (format!("{n:064}"), format!("{n:063}p"));
        activity.heard(&emission(&badge, &pi, &beacons), at(n).wall, at(n), Came::First);
    }
    let one_each = resident_mib() - before;
    // The most that one badge can hold: many Pis.
    for n in 0..400_000_u64 {
        let (badge, pi) = (format!("{:063}b", n / 40), format!("{:063}q", n % 40));
        let now = at(2_000_000 + n);
        activity.heard(&emission(&badge, &pi, &beacons), now.wall, now, Came::First);
    }
    let most = resident_mib() - before;
    println!("{one_each} MiB with a Pi each, {most} MiB with as many as are kept");
    assert_eq!((activity.badge_ids().len(), activity.pi_ids().len()), (BADGES_MAX, PIS_MAX));
    assert!(most <= 48, "{most} MiB");
    let now = at(2_400_000);
    let last = activity.badge(&format!("{:063}b", 9_999), now).unwrap();
    assert_eq!((last.hour.readings, last.relays.len()), (40, 16));
}
