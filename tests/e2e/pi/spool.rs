//! What it keeps, and what comes of it.

use std::collections::BTreeSet;
use std::fs;
use std::io::pipe;
use std::path::PathBuf;

use serde_json::json;

use super::{
    Pi, badges, boot, boottime_ms, heard, lasting_port, leave_behind, record, segments, sorted,
    time_of, write_lines,
};
use crate::support::between::{Between, Fate};
use crate::support::houseful::Setup;
use crate::support::{PATIENCE, now_ms, temp_dir, wait_until};

#[test]
fn when_the_spool_is_full_the_oldest_go_and_that_is_said() {
    const ROUNDS: usize = 4;
    const LINES: usize = 2_500; // more than a file has
    let dir = temp_dir();
    let Some(pi) = Pi::new(&dir, "http://127.0.0.1:1") else { return };
    let pi = pi.args(&["--spool-mib", "0.5"]);
    let (reader, mut writer) = pipe().unwrap();
    let running = pi.start(reader);
    for round in 1..=ROUNDS {
        let lines: Vec<_> = ((round - 1) * LINES..round * LINES).map(heard).collect();
        write_lines(&mut writer, &lines);
        let last = format!("\"badge_{}\"", round * LINES - 1);
        wait_until(PATIENCE, "the last line is on the disk", || {
            String::from_utf8_lossy(&pi.spooled()).contains(&last)
        });
    }
    let said = running.term();
    let (before, _) = said.rsplit_once(" dropped; files in the spool: 2").expect(&said);
    let dropped: usize = before.rsplit(' ').next().unwrap().parse().unwrap();
    assert!(said.contains("ALARM: full, the oldest go: "), "{said}");
    assert!((1..ROUNDS * LINES).contains(&dropped), "{said}");
    let kept: BTreeSet<String> =
        (dropped..ROUNDS * LINES).map(|n| format!("\"badge_{n}\"")).collect();
    let spooled = String::from_utf8(pi.spooled()).unwrap();
    assert_eq!(spooled.matches("badge_id").count(), kept.len());
    assert!(kept.iter().all(|badge| spooled.contains(badge)));
}

#[test]
fn a_spool_that_a_power_cut_left_is_read_as_far_as_it_is_whole() {
    let dir = temp_dir();
    let setup = Setup::new(dir.path());
    let houseful = setup.start();
    let Some(pi) = Pi::new(&dir, &houseful.url()) else { return };
    // Cut at each byte, and what a file system makes of it.
    let boot = boot();
    let line = record(0, &boot, boottime_ms(), 0);
    let mut whole = Vec::new();
    for cut in 0..=line.len() {
        let whole_line = record(2 * cut, &boot, boottime_ms(), 0);
        let torn = record(2 * cut + 1, &boot, boottime_ms(), 0);
        let end = (torn.len() - line.len() + cut).min(torn.len());
        leave_behind(&pi, cut, &(whole_line + &torn[..end]));
        whole.push(heard(2 * cut));
        if end == torn.len() {
            whole.push(heard(2 * cut + 1));
        }
    }
    let next = line.len() + 1;
    leave_behind(&pi, next, &("\0".repeat(5000) + &record(9000, &boot, boottime_ms(), 0)));
    leave_behind(&pi, next + 1, "");
    whole.push(heard(9000));
    pi.run(&[]);
    assert_eq!(sorted(&setup.export()), sorted(&whole));
    assert_eq!(segments(&pi.spool()), [] as [PathBuf; 0]);
}

#[test]
fn what_was_heard_before_a_reboot_has_the_time_of_the_clock_as_it_was_set_by_then() {
    let dir = temp_dir();
    let setup = Setup::new(dir.path());
    let houseful = setup.start();
    let Some(pi) = Pi::new(&dir, &houseful.url()) else { return };
    // Four hours ago; the wall clock was in 1970 until NTP set it.
    let heard_at = now_ms() - 4 * 3_600_000;
    let (one, another) = ("00000000", "11111111");
    leave_behind(&pi, 1, &(record(0, one, 10_000, 5) + &record(1, one, 20_000, 10_005)));
    leave_behind(&pi, 2, &record(2, one, 30_000, heard_at));
    leave_behind(&pi, 3, &record(3, another, 30_000, heard_at + 50_000));
    pi.run(&[heard(4)]);
    let readings = setup.export();
    assert_eq!(badges(&readings), ["badge_0", "badge_1", "badge_2", "badge_3", "badge_4"]);
    let times: Vec<_> = readings.iter().map(time_of).collect();
    assert_eq!(times[..4], [heard_at - 20_000, heard_at - 10_000, heard_at, heard_at + 50_000]);
}

#[test]
fn a_disk_that_fails_costs_nothing_while_the_program_runs() {
    let dir = temp_dir();
    let port = lasting_port();
    let address = format!("127.0.0.1:{port}");
    let setup = Setup::new(dir.path()).args(&["--listen", &address]);
    let Some(pi) = Pi::new(&dir, &format!("http://{address}")) else { return };
    let (reader, mut writer) = pipe().unwrap();
    let running = pi.start(reader);
    wait_until(PATIENCE, "it has its spool", || running.said().contains("posting to"));
    fs::remove_dir_all(pi.spool()).unwrap();
    write_lines(&mut writer, &[heard(0), json!("no emission"), heard(1)]);
    wait_until(PATIENCE, "it is away", || running.said().contains("away: "));
    write_lines(&mut writer, &[heard(2)]);
    let _houseful = setup.start();
    drop(writer);
    let said = running.end();
    assert_eq!(said.matches("ALARM: the spool's disk fails").count(), 1, "{said}");
    assert_eq!(sorted(&setup.export()), ["badge_0", "badge_1", "badge_2"]);
}

#[test]
fn sigterm_keeps_the_spool_and_what_is_answered_is_not_sent_again() {
    let dir = temp_dir();
    let setup = Setup::new(dir.path());
    let houseful = setup.start();
    let fates = [Fate::Pass].into_iter().chain((0..100).map(|_| Fate::Cut)).collect();
    let failing = Between::before(houseful.port(), fates);
    let passing = Between::before(houseful.port(), Vec::new());
    let Some(pi) = Pi::new(&dir, &failing.url()) else { return };
    leave_behind(&pi, 7, &(0..3).map(|n| record(n, &boot(), boottime_ms(), 0)).collect::<String>());
    let (reader, mut writer) = pipe().unwrap();
    let running = pi.start(reader);
    wait_until(PATIENCE, "the first is stored, and it is away", || running.said().contains("away"));
    write_lines(&mut writer, &[heard(3)]);
    wait_until(PATIENCE, "what is heard is on the disk", || {
        String::from_utf8_lossy(&pi.spooled()).contains("badge_3")
    });
    let said = running.term();
    assert!(said.contains("1 answered, 0 rejected, 0 dropped; files in the spool: 1"), "{said}");
    assert_eq!(badges(&setup.export()), ["badge_0"]);

    Pi::new(&dir, &passing.url()).unwrap().run(&[]);
    assert_eq!(sorted(&setup.export()), ["badge_0", "badge_1", "badge_2", "badge_3"]);
    assert_eq!(passing.heads().len(), 3);
}
