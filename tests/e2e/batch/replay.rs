//! A Pi's spool of a whole day, sent late.

use std::time::Duration;

use super::{BATCH, EACH_LINE, NDJSON, counts, gzip, lines, post};
use crate::support::houseful::Setup;
use crate::support::http::request;
use crate::support::{by_pi, emission, heard_at, now_ms, temp_dir};

/// A badge is heard every 5 s by two Pis, three times each.
const WINDOWS: i64 = 86_400 / 5;
const COPIES: usize = 6;

fn day(ended_at: i64) -> String {
    let mut text = String::new();
    for window in 0..WINDOWS {
        let at = ended_at - 86_400_000 + window * 5_000;
        // It rests for hours: the same beacons again, and again.
        let rssi = -50 - window / 2_000;
        for copy in 0..COPIES {
            let emission = emission("badge_7", &[("beacon_1", rssi), ("beacon_2", -90)]);
            let emission = by_pi(emission, if copy % 2 == 0 { "32" } else { "33" });
            let late = i64::try_from(copy).unwrap() / 2 * 1_000;
            text.push_str(&heard_at(emission, at + late).to_string());
            text.push('\n');
        }
    }
    text
}

#[test]
fn cut_off_midway_and_sent_again_it_ends_exact() {
    let dir = temp_dir();
    let setup = Setup::new(dir.path());
    let houseful = setup.start();
    // Yesterday's.
    let text = day(now_ms() - 86_400_000);
    let body = gzip(&text);
    let headers = [NDJSON, ("Content-Encoding", "gzip")];
    let whole = request("POST", BATCH, &headers, &body);
    let mut client = houseful.client();
    client.set_patience(Duration::from_secs(120)).unwrap();
    client.send(&whole[..whole.len() / 2]).unwrap();
    client.finish_sending().unwrap();
    let response = client.read_response().unwrap();
    assert_eq!(response.status, 400, "{}", response.text());
    let [first, copies, invalid] = counts(&response);
    assert!(first > 1_000 && copies > first * 4 && invalid == 0, "{first} {copies}");
    assert_eq!(setup.export().len() as u64, first);

    let client = houseful.client();
    client.set_patience(Duration::from_secs(120)).unwrap();
    let response = post(client, &headers, &body);
    let windows = WINDOWS.unsigned_abs();
    let lines_total = windows * COPIES as u64;
    assert_eq!(
        (response.status, counts(&response)),
        (200, [windows - first, lines_total - (windows - first), 0])
    );
    let export = setup.export();
    assert_eq!(export.len() as u64, windows);
    assert!(export.iter().all(|reading| reading["pi_id"] == "32"), "the first line decides");

    // And by another Pi, whose client reads nothing before it has written all.
    let client = houseful.client();
    client.set_patience(Duration::from_secs(120)).unwrap();
    let text = text.replace(r#""pi_id":"32""#, r#""pi_id":"34""#);
    let response = post(client, &[NDJSON, EACH_LINE], &text);
    let answers = lines(&response);
    assert_eq!(answers.len() as u64, lines_total);
    assert!(answers.iter().all(|line| line["status"] == 409));
    assert_eq!(setup.export().len() as u64, windows);
}
