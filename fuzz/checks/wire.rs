//! What holds for every body, whatever its bytes. Shared by the fuzz target
//! `wire` and by the corpus test of houseful-model, which runs on stable.

use houseful_model::emission::{BEACONS_MAX, check_id};
use houseful_model::{Emission, Heard, Millis, Reading, WireError, wire};

/// When the bodies arrive: 2026-11-24T20:29:00.123Z.
pub(crate) const ARRIVAL: Millis = Millis(1_795_552_140_123);

/// Parses a body and panics if the outcome breaks a promise.
pub(crate) fn check(body: &[u8]) {
    match wire::parse(body) {
        Ok(emission) => {
            check_form(&emission);
            check_round_trip(emission);
        }
        Err(error) => check_answer(&error),
    }
}

/// An emission has its one form.
fn check_form(emission: &Emission<'_>) {
    let beacons = &emission.beacons;
    assert!(beacons.len() <= BEACONS_MAX);
    for pair in beacons.windows(2) {
        let [a, b] = pair else { unreachable!() };
        assert!(
            a.rssi_dbm > b.rssi_dbm || (a.rssi_dbm == b.rssi_dbm && a.id < b.id),
            "{a:?} stands before {b:?}"
        );
    }
    for beacon in beacons {
        assert!((-127..=-1).contains(&beacon.rssi_dbm), "{beacon:?}");
    }
    let named = [&emission.badge_id, &emission.pi_id];
    let ids = named.into_iter().chain(&emission.opposite_badge_id);
    for id in ids.chain(beacons.iter().map(|beacon| &beacon.id)) {
        assert_eq!(check_id(id), Ok(()));
    }
    assert!((-127..=20).contains(&emission.badge_strength.unwrap_or(0)));
}

/// Stored and posted back, an emission is the same but for how its time is told.
fn check_round_trip(emission: Emission<'_>) {
    let heard_at = emission.heard.resolve(ARRIVAL).unwrap_or(ARRIVAL);
    let emission = Emission { heard: Heard::At(heard_at), ..emission.into_owned() };
    let line = Reading { id: 1, heard_at, emission: emission.clone() }.to_json();
    assert_eq!(wire::parse(&line), Ok(emission));
}

/// An answer is bounded, and safe to print.
fn check_answer(error: &WireError) {
    let errors = error.errors();
    assert!((1..=33).contains(&errors.len()), "{} errors", errors.len());
    for error in errors {
        assert!(error.len() <= 1_536, "{} bytes", error.len());
        assert!(!error.contains(char::is_control), "{error:?}");
    }
}
