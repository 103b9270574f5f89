//! What an operator is given works: the alerts, and the guide's proxy with a login.

use std::path::Path;
use std::process::Command;

use super::support::houseful::Setup;
use super::support::http::Client;
use super::support::nginx::{self, Nginx};
use super::support::prometheus::Scrape;
use super::support::{
    PATIENCE, distinct, in_repository, program, remove_settings, require, temp_dir, wait_until,
};

const PROMTOOL: &str = "/usr/bin/promtool";

fn read(path: &str) -> String {
    std::fs::read_to_string(in_repository(path)).unwrap()
}

fn promtool(words: &[&str], dir: &Path) {
    let output = Command::new(PROMTOOL).args(words).current_dir(dir).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&said));
}

#[test]
fn each_alert_comes_when_it_should() {
    if !require(PROMTOOL, "prometheus") {
        return;
    }
    let dir = temp_dir();
    let files = [
        "deploy/prometheus.yml",
        "deploy/prometheus-alerts.yml",
        "tests/fixtures/prometheus/alerts.yml",
    ];
    for file in files.map(in_repository) {
        std::fs::copy(&file, dir.path().join(file.file_name().unwrap())).unwrap();
    }
    promtool(&["check", "config", "prometheus.yml"], dir.path());
    promtool(&["check", "rules", "prometheus-alerts.yml"], dir.path());
    promtool(&["test", "rules", "alerts.yml"], dir.path());
    let (rules, tests) =
        (read("deploy/prometheus-alerts.yml"), read("tests/fixtures/prometheus/alerts.yml"));
    for alert in rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")) {
        assert!(tests.contains(&format!("alertname: {alert}\n        exp_alerts:\n")), "{alert}");
        assert!(read("docs/operate.md").contains(&format!("| {alert} |")), "{alert}");
    }
}

#[test]
fn each_alert_asks_for_what_the_collector_has() {
    let dir = temp_dir();
    let houseful = Setup::new(dir.path()).start();
    let scrape = Scrape::of(&houseful);
    let rules = read("deploy/prometheus-alerts.yml");
    let mut asked = 0;
    for (at, _) in rules.match_indices("houseful_") {
        let (name, labels) = rules[at..].split_once('{').unwrap();
        // A target's own label is Prometheus's.
        let labels = labels.split_once('}').unwrap().0.strip_prefix("job=\"houseful\"").unwrap();
        match labels.strip_prefix(',') {
            None => assert!(scrape.text.contains(&format!("\n# TYPE {name} ")), "{name}"),
            Some(labels) => drop(scrape.get(&format!("{name}{{{labels}}}"))),
        }
        asked += 1;
    }
    assert!(asked >= 10, "found {asked}");
}

#[test]
fn the_guides_proxy_lets_everybody_post_and_those_with_a_password_read() {
    if !require(nginx::PROGRAM, "nginx") || !require("/usr/bin/curl", "curl") {
        return;
    }
    let guide = read("docs/operate.md");
    let (_, server) = guide.split_once("```nginx\n").unwrap();
    let (server, _) = server.split_once("```").unwrap();
    let dir = temp_dir();
    let passwords = dir.path().join("htpasswd");
    std::fs::write(&passwords, "ann:{PLAIN}secret\n").unwrap();
    // On the port of the other server, which is told apart by its name; certificates are nginx's
    // own business.
    let server: String = server
        .lines()
        .filter(|line| !line.trim_start().starts_with("ssl_"))
        .map(|line| format!("{line}\n"))
        .collect();
    let server = server
        .replace("listen 443 ssl;", "listen 127.0.0.1:8080;")
        .replace("/etc/nginx/houseful.htpasswd", passwords.to_str().unwrap());
    let conf = read("deploy/nginx.conf");
    let conf = format!("{}{server}}}\n", conf.trim_end().strip_suffix('}').unwrap());

    let setup = Setup::new(dir.path()).args(&["--allowed-host", "houseful.example.org"]);
    let houseful = setup.start();
    let nginx = Nginx::with_conf(&conf, houseful.port());
    let status = |method: &str, path: &str, password: &str| {
        let mut curl = Command::new("curl");
        if method == "POST" {
            curl.args(["-d", &distinct(1).to_string()]);
        }
        let output = curl
            .args(["-s", "-o", "/dev/null", "-w", "%{http_code}", "-X", method])
            .args(["-u", &format!("ann:{password}")])
            .args(["-H", "Host: houseful.example.org", "-H", "Content-Type: application/json"])
            .arg(format!("http://127.0.0.1:{}{path}", nginx.port()))
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(status("POST", "/rssi_readings", "wrong"), "201", "{}", nginx.error_log());
    assert_eq!(status("POST", "/rssi_readings/batch", "wrong"), "400", "no array");
    let read = ["/", "/badges", "/feed", "/metrics", "/rssi_readings", "/rssi_readings/1"];
    for path in read {
        assert_eq!(status("GET", path, "wrong"), "401", "{path}");
    }
    for path in read.iter().filter(|path| **path != "/feed") {
        assert_eq!(status("GET", path, "secret"), "200", "{path}");
    }

    // A line that has come does not wait for the next one.
    let head =
        "Host: houseful.example.org\r\nContent-Type: application/x-ndjson\r\nContent-Length: 5000";
    let begun = format!("POST /rssi_readings/batch HTTP/1.1\r\n{head}\r\n\r\n{}\n", distinct(2));
    let mut client = Client::connect(nginx.port()).unwrap();
    client.send(begun.as_bytes()).unwrap();
    wait_until(PATIENCE, "the first line is stored", || setup.export().len() == 2);
}

#[test]
fn a_store_that_is_not_there_is_asked_for_by_name() {
    let dir = temp_dir();
    let mut export = program();
    remove_settings(&mut export);
    let output = export.arg("export").current_dir(dir.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(
        String::from_utf8_lossy(&output.stderr),
        "houseful: there is no store `houseful.db`; name the collector's with --store sqlite:PATH or \
         HOUSEFUL_STORE, or its file of settings with --config\n"
    );
    assert_eq!(dir.path().read_dir().unwrap().count(), 0);
}
