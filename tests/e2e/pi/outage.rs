//! The collector, the Pi, or what is between them goes, and comes back.

use std::collections::BTreeSet;
use std::io::{PipeReader, pipe};
use std::path::PathBuf;

use serde_json::Value;

use super::{Pi, badges, heard, lasting_port, segments, sorted, time_of, write_lines};
use crate::support::houseful::Setup;
use crate::support::rng::Rng;
use crate::support::{PATIENCE, in_repository, now_ms, require, shell, temp_dir, wait_until};

#[test]
fn nothing_is_lost_and_nothing_stored_twice_while_both_are_killed() {
    const ROUNDS: usize = 8;
    const LINES: usize = 150;
    let dir = temp_dir();
    let port = lasting_port();
    let address = format!("127.0.0.1:{port}");
    let setup = Setup::new(dir.path()).args(&["--listen", &address]);
    let Some(pi) = Pi::new(&dir, &format!("http://{address}")) else { return };
    let mut rng = Rng::new(7);
    let mut houseful = Some(setup.start());
    let (reader, mut writer) = pipe().unwrap();
    let input = |reader: &PipeReader| reader.try_clone().unwrap();
    let mut running = pi.start(input(&reader));
    let began = now_ms();
    for round in 0..ROUNDS {
        let lines: Vec<_> = (round * LINES..(round + 1) * LINES).map(heard).collect();
        write_lines(&mut writer, &lines);
        let fed = (round + 1) * LINES;
        // What a killed process had read but not written is nobody's.
        wait_until(PATIENCE, "all lines are on the Pi's disk or stored", || {
            let spooled = pi.spooled();
            let spooled = String::from_utf8_lossy(&spooled);
            let stored = setup.export();
            let stored: BTreeSet<_> = badges(&stored).into_iter().collect();
            let is_safe = |line: &Value| {
                let badge = line["badge_id"].as_str().unwrap();
                stored.contains(badge) || spooled.contains(&format!("{badge:?}"))
            };
            lines.iter().all(is_safe)
        });
        if houseful.is_some() {
            let stored = setup.export().len();
            let enough = stored + usize::try_from(rng.below((fed - stored) as u64)).unwrap();
            wait_until(2 * PATIENCE, "some of it is stored", || setup.export().len() >= enough);
        }
        if rng.below(3) < 2 {
            running.kill();
            running = pi.start(input(&reader));
        }
        houseful = match houseful {
            Some(houseful) if rng.below(3) < 2 => {
                houseful.kill();
                None
            }
            Some(houseful) => Some(houseful),
            None => Some(setup.start()),
        };
    }
    let houseful = houseful.unwrap_or_else(|| setup.start());
    drop((writer, reader));
    running.end();
    assert_eq!(segments(&pi.spool()), [] as [PathBuf; 0]);
    assert_eq!(pi.rejected(), [] as [Value; 0]);
    let readings = setup.export();
    let sent: Vec<_> = (0..ROUNDS * LINES).map(heard).collect();
    assert!(sorted(&readings) == sorted(&sent), "{} sent, {} stored", sent.len(), readings.len());
    assert!(readings.iter().all(|reading| reading["pi_id"] == "32"));
    // The clocks that are compared here may differ by a rounding.
    assert!(readings.iter().all(|reading| (began - 10..=now_ms()).contains(&time_of(reading))));
    assert!(houseful.term().success());
}

#[test]
fn a_collector_that_was_restarted_while_nothing_was_heard_is_not_missed() {
    let dir = temp_dir();
    let port = lasting_port();
    let address = format!("127.0.0.1:{port}");
    let setup = Setup::new(dir.path()).args(&["--listen", &address]);
    let Some(pi) = Pi::new(&dir, &format!("http://{address}")) else { return };
    let houseful = setup.start();
    let (reader, mut writer) = pipe().unwrap();
    let running = pi.start(reader);
    write_lines(&mut writer, &[heard(0)]);
    wait_until(PATIENCE, "it is stored", || setup.export().len() == 1);
    houseful.kill();
    let _houseful = setup.start();
    write_lines(&mut writer, &[heard(1)]);
    drop(writer);
    let said = running.end();
    let says = said.lines().skip(1).collect::<Vec<_>>();
    assert_eq!(says, ["pi.py: 2 answered, 0 rejected, 0 dropped; files in the spool: 0"]);
    assert_eq!(sorted(&setup.export()), ["badge_0", "badge_1"]);
}

/// A house's network: the Pi's end of a cable in a network of its own, the other
/// end at a switch, before which the collector listens.
const CUT: &str = r#"
ip link add switch address 02:00:00:00:00:01 type bridge
ip addr add 10.9.0.1/24 dev switch
ip link set switch up
ip link add port type veth peer name cable
mkfifo heard
unshare --net bash -c '
    touch apart
    until ip link show cable >/dev/null 2>&1; do sleep 0.05; done
    ip addr add 10.9.0.2/24 dev cable
    ip link set cable up
    python3 PI --pi-id 32 --url http://10.9.0.1:6540 <heard 2>said
    # What the kernel goes on to send for it.
    while grep -q " 04 " /proc/self/net/tcp; do sleep 0.05; done
' &
until [ -e apart ]; do sleep 0.05; done
ip link set cable netns $!
pi=$!
ip link set port master switch up
houseful serve --listen 10.9.0.1:6540 --insecure-no-auth 2>>stderr &
stored() { until [ "$(houseful export 2>>stderr | wc -l)" -ge $1 ]; do sleep 0.05; done; }
exec 3>heard
echo '{"badge_id": "badge_0"}' >&3
stored 1
ip link set port nomaster
echo '{"badge_id": "badge_1"}' >&3
until grep -q away: said; do sleep 0.05; done
ip link set port master switch
stored 2
exec 3>&-
wait $pi
cat said
houseful export
"#;

#[test]
fn what_a_cut_network_held_back_does_not_arrive_later() {
    if !shell::has_own_network() || !require("/usr/bin/python3", "python3") {
        return;
    }
    let dir = temp_dir();
    let script = CUT.replace("PI", in_repository("examples/pi.py").to_str().unwrap());
    let output = shell::run(&script, dir.path());
    let stdout = String::from_utf8(output.stdout).unwrap();
    // badge_0 may have waited for the collector to begin.
    let said: Vec<&str> = stdout.lines().filter(|line| line.starts_with("pi.py")).collect();
    let ended = "pi.py: 2 answered, 0 rejected, 0 dropped; files in the spool: 0";
    assert_eq!(said.last(), Some(&ended), "{stdout}");
    let stored = stdout.lines().filter(|line| line.starts_with('{')).count();
    assert_eq!(stored, 2, "{stdout}");
}
