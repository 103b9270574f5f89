//! Ended early, by a signal, or by a reader that has seen enough: `houseful
//! demo` and the load toolkit. (`serve` has only its log to be read, and goes on.)

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::support::http::Client;
use super::support::{PATIENCE, program, temp_dir, wait_until};

/// bash with `houseful` on the `PATH`, and a `TMPDIR` of its own, by which what
/// it leaves behind is found.
pub(crate) fn shell(script: &str, dir: &Path) -> Output {
    let programs = Path::new(env!("CARGO_BIN_EXE_houseful")).parent().unwrap();
    let path = std::env::var("PATH").unwrap_or_default();
    Command::new("bash")
        .args(["-c", &format!("set -o pipefail\n{script}")])
        .current_dir(dir)
        .env("PATH", format!("{}:{path}", programs.display()))
        .env("TMPDIR", dir)
        .output()
        .unwrap()
}

fn start(args: &[&str], dir: &Path) -> Child {
    program()
        .args(args)
        .current_dir(dir)
        .env("TMPDIR", dir)
        // Neither may reach the demo's own collector and export.
        .env("HOUSEFUL_UPDATE_WINDOW", "soon")
        .env("HOUSEFUL_ALLOWED_HOST", "http://x")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Processes whose command line names this directory: their ids and the lines.
fn left_running(dir: &Path) -> Vec<(i32, String)> {
    let processes = std::fs::read_dir("/proc").unwrap().filter_map(|process| {
        let path = process.unwrap().path();
        let pid = path.file_name()?.to_str()?.parse().ok()?;
        let line = std::fs::read(path.join("cmdline")).ok()?;
        Some((pid, String::from_utf8_lossy(&line).replace('\0', " ")))
    });
    processes.filter(|(_, line)| line.contains(dir.to_str().unwrap())).collect()
}

fn assert_nothing_left(dir: &Path) {
    wait_until(PATIENCE, "the collector has ended", || left_running(dir).is_empty());
    let files: Vec<_> = std::fs::read_dir(dir).unwrap().map(|file| file.unwrap().path()).collect();
    assert_eq!(files, Vec::<std::path::PathBuf>::new());
}

#[test]
fn demo_ends_with_a_reader_that_has_seen_enough_and_leaves_nothing() {
    let dir = temp_dir();
    let output = shell("houseful demo --houses 1 --seconds 1 | head -1", dir.path());
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && stderr.is_empty(), "{output:?}");
    assert_nothing_left(dir.path());
}

#[test]
fn serve_goes_on_when_nobody_reads_its_log() {
    let dir = temp_dir();
    let mut serve = program()
        .args(["serve", "--listen", "127.0.0.1:0"])
        .current_dir(dir.path())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(serve.stderr.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.starts_with("listening on "), "{line}");
    // The pipe is closed now, and the first line of the log is about this.
    kill_process(Pid::from_child(&serve), Signal::TERM).unwrap();
    assert_eq!(serve.wait().unwrap().code(), Some(0));
}

#[test]
fn a_full_stdout_is_an_error_and_no_panic() {
    let dir = temp_dir();
    for command in ["demo --houses 1 --seconds 1", "load generate --badges 1 --seconds 1 --force"] {
        let output = shell(&format!("houseful {command} >/dev/full"), dir.path());
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert_eq!(
            stderr,
            "houseful: cannot write to stdout: No space left on device (os error 28)\n"
        );
    }
    std::fs::remove_file(dir.path().join("targets.txt")).unwrap();
    std::fs::remove_dir_all(dir.path().join("vegeta_data")).unwrap();
    assert_nothing_left(dir.path());
}

#[test]
fn an_interrupted_demo_says_of_what_was_answered_whether_it_is_clean() {
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let dir = temp_dir();
        let mut demo = start(&["demo", "--houses", "1", "--seconds", "60"], dir.path());
        let mut out = BufReader::new(demo.stdout.take().unwrap());
        let mut said = String::new();
        while !said.contains("playing ") {
            assert_ne!(out.read_line(&mut said).unwrap(), 0, "{said}");
        }
        // Some emissions on their way; how many does not matter.
        std::thread::sleep(Duration::from_millis(300));
        kill_process(Pid::from_child(&demo), signal).unwrap();
        out.read_to_string(&mut said).unwrap();
        assert_eq!(demo.wait().unwrap().code(), Some(1), "{said}");
        let last = said.lines().last().unwrap();
        assert!(last.starts_with("interrupted after "), "{said}");
        assert!(last.ends_with(" of 4800; what was answered is clean"), "{said}");
        assert_nothing_left(dir.path());
    }
}

/// A demo that has said its report and stays, what it said, and where its page is.
fn staying(dir: &Path) -> (Child, BufReader<std::process::ChildStdout>, String) {
    let args = ["demo", "--houses", "1", "--seconds", "1", "--stay"];
    let mut demo = start(&args, dir);
    let mut out = BufReader::new(demo.stdout.take().unwrap());
    let mut said = String::new();
    while !said.contains("staying ") {
        assert_ne!(out.read_line(&mut said).unwrap(), 0, "{said}");
    }
    let mut lines = said.lines().rev();
    let last = lines.next().unwrap();
    assert_eq!(lines.find(|line| !line.is_empty()), Some("clean"), "{said}");
    let url = said.lines().find_map(|line| line.strip_prefix("page         ")).unwrap().to_owned();
    assert_eq!(last, format!("staying      until Ctrl-C; the houses play on at {url}"));
    (demo, out, url)
}

fn port_of(url: &str) -> u16 {
    let port = url.strip_prefix("http://127.0.0.1:").and_then(|rest| rest.strip_suffix('/'));
    port.and_then(|port| port.parse().ok()).unwrap_or_else(|| panic!("`{url}`"))
}

#[test]
fn a_demo_that_stays_plays_on_until_it_is_told_to_stop() {
    for signal in [Signal::INT, Signal::TERM] {
        let dir = temp_dir();
        let (mut demo, mut out, url) = staying(dir.path());
        let stored = || {
            let activity = Client::connect(port_of(&url)).unwrap().get("/activity").unwrap();
            activity.json()["total"]["stored"].as_u64().unwrap()
        };
        // Those of the report were 20.
        wait_until(PATIENCE, "the house plays on", || stored() > 20);
        kill_process(Pid::from_child(&demo), signal).unwrap();
        let mut said = String::new();
        out.read_to_string(&mut said).unwrap();
        assert_eq!(demo.wait().unwrap().code(), Some(0), "{said}");
        assert!(said.starts_with("stayed       "), "{said}");
        let codes: Vec<_> = said.trim().rsplit(", ").map(|n| n.split(" × ").last()).collect();
        assert_eq!(codes, [Some("409"), Some("201")], "{said}");
        assert_nothing_left(dir.path());
    }
}

#[test]
fn the_page_of_a_demo_names_the_pis_of_a_house_and_how_well_each_hears() {
    let dir = temp_dir();
    let (demo, _out, url) = staying(dir.path());
    let list = |of: &str| {
        let response = Client::connect(port_of(&url)).unwrap().get(&format!("/{of}")).unwrap();
        response.json()[of].as_array().unwrap().clone()
    };
    let pis = list("pis");
    let ids: Vec<_> = pis.iter().map(|pi| pi["pi_id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["0", "1", "2", "3"]);
    assert!(pis.iter().all(|pi| pi["badges_hour"] == 20), "{pis:?}");
    let badges = list("badges");
    assert_eq!(badges.len(), 20);
    for badge in badges {
        let pis = badge["pis"].as_array().unwrap();
        let mut levels: Vec<_> =
            pis.iter().map(|pi| pi["badge_strength"].as_i64().unwrap()).collect();
        levels.sort_unstable();
        levels.dedup();
        assert_eq!((pis.len(), levels.len()), (4, 4), "{badge}");
        assert!(levels.iter().all(|dbm| (-90..=-50).contains(dbm)), "{badge}");
        assert!(badge["badge_strength_best"].as_i64() >= levels.last().copied(), "{badge}");
    }
    kill_process(Pid::from_child(&demo), Signal::TERM).unwrap();
    assert_eq!(demo.wait_with_output().unwrap().status.code(), Some(0));
    assert_nothing_left(dir.path());
}

#[test]
fn a_demo_that_stays_ends_with_its_collector() {
    let dir = temp_dir();
    let (demo, _out, _) = staying(dir.path());
    let running = left_running(dir.path());
    let [(collector, _)] = running.as_slice() else { panic!("{running:?}") };
    kill_process(Pid::from_raw(*collector).unwrap(), Signal::KILL).unwrap();
    let output = demo.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(stderr, "houseful: the collector ended with signal: 9 (SIGKILL)\n");
    assert_nothing_left(dir.path());
}

#[test]
fn a_demo_whose_answers_would_not_fit_is_refused_with_the_numbers() {
    let dir = temp_dir();
    let output = shell("houseful demo --houses 1000 --seconds 26", dir.path());
    let want = "houseful: expected at most 2000000 emissions, for every answer is kept; \
        found 2080000: --houses 1000 × 20 badges × 4 Pis × --seconds 26\n";
    assert_eq!(String::from_utf8_lossy(&output.stderr), want);
    assert_eq!(output.status.code(), Some(2));
}

/// A result as `load attack` writes it.
const RESULT: &str = r#"{"attack":"","seq":0,"code":201,"timestamp":"2026-11-24T20:29:00Z","latency":5,"bytes_out":0,"bytes_in":0,"error":"","body":null,"method":"POST","url":"http://a/","headers":null}"#;

#[test]
fn a_report_reads_stdin_by_its_name_and_leaves_out_a_cut_result() {
    let dir = temp_dir();
    std::fs::write(dir.path().join("cut.json"), format!("{RESULT}\n{}", &RESULT[..90])).unwrap();
    let output = shell("cat cut.json | houseful load report - cut.json", dir.path());
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{output:?}");
    assert!(stdout.contains("201:2  \n"), "{stdout}");
    assert_eq!(
        String::from_utf8_lossy(&output.stderr),
        "warning: stdin:2: the last result is cut off and is left out, after 1 whole ones\n\
         warning: cut.json:2: the last result is cut off and is left out, after 1 whole ones\n"
    );

    let output = shell("printf 'text\\n' | houseful load report", dir.path());
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(
        stderr,
        "houseful: stdin: expected results as gob, JSON or CSV: they begin with `t`\n"
    );
}

#[test]
fn a_report_outlives_the_first_ctrl_c_and_not_the_second() {
    let dir = temp_dir();
    let report = || {
        let mut report = start(&["load", "report"], dir.path());
        let pid = Pid::from_child(&report);
        // It listens for signals before it reads.
        std::io::Write::write_all(
            &mut report.stdin.as_mut().unwrap(),
            format!("{RESULT}\n").as_bytes(),
        )
        .unwrap();
        wait_until(PATIENCE, "it listens for SIGINT", || catches(pid, Signal::INT));
        (report, pid)
    };
    let (first, pid) = report();
    kill_process(pid, Signal::INT).unwrap();
    // The pipe's end, as when the attack has drained.
    let output = first.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("201:1  \n"), "{output:?}");

    for (signals, code) in [(&[Signal::INT, Signal::INT][..], 130), (&[Signal::TERM], 143)] {
        let (mut report, pid) = report();
        for signal in signals {
            kill_process(pid, *signal).unwrap();
            // Two at once would be one.
            std::thread::sleep(Duration::from_millis(200));
        }
        assert_eq!(report.wait().unwrap().code(), Some(code));
    }
}

#[test]
fn a_hangup_drains_an_attack_unless_it_is_ignored() {
    let dir = temp_dir();
    std::fs::write(dir.path().join("targets.txt"), "GET http://127.0.0.1:1/\n").unwrap();
    let attack = "load attack -targets=targets.txt -rate=10 -duration=3s -output=results.gob";
    for (signals, hangs_up) in [("--default-signal", true), ("--ignore-signal=HUP", false)] {
        let mut attack = Command::new("env")
            .args([signals, env!("CARGO_BIN_EXE_houseful")])
            .args(attack.split(' '))
            .current_dir(dir.path())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let pid = Pid::from_child(&attack);
        wait_until(PATIENCE, "it listens for SIGINT", || catches(pid, Signal::INT));
        kill_process(pid, Signal::HUP).unwrap();
        assert_eq!(attack.wait().unwrap().code(), Some(0));
        let encoded = shell("houseful load encode results.gob", dir.path());
        let hits = String::from_utf8(encoded.stdout).unwrap().lines().count();
        assert_eq!(hits < 30, hangs_up, "{hits} of 30 requests");
    }
}

/// Whether a process handles a signal itself.
fn catches(pid: Pid, signal: Signal) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{}/status", pid.as_raw_nonzero()));
    let status = status.unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap_or("0");
    let mask = u64::from_str_radix(mask.trim(), 16).unwrap();
    mask >> (signal.as_raw() - 1) & 1 == 1
}
