//! The seed's second failure: descriptors run out. The soft limit is raised to
//! the hard one; at that, new connections wait, and nothing is lost.

use std::collections::VecDeque;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::support::houseful::Setup;
use crate::support::http::{Client, post};
use crate::support::{PATIENCE, distinct, temp_dir, wait_until};

/// A `serve` under limits of its own. Killed when dropped.
struct Limited {
    child: Child,
    log: PathBuf,
}

impl Limited {
    /// Starts it after the shell's `ulimit` with these words.
    fn start(dir: &Path, ulimit: &str) -> Limited {
        let serve = Setup::new(dir).command("serve");
        let mut command = Command::new("sh");
        command.arg("-c").arg(format!("ulimit {ulimit} && exec \"$0\" \"$@\""));
        command.arg(serve.get_program()).args(serve.get_args());
        for (name, value) in serve.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        let log = dir.join("log");
        command.args(["--listen", "127.0.0.1:0"]).current_dir(dir).stdin(Stdio::null());
        command.stdout(Stdio::null()).stderr(File::create(&log).unwrap());
        let limited = Limited { child: command.spawn().unwrap(), log };
        wait_until(PATIENCE, "it listens", || limited.log().contains("listening on http"));
        limited
    }

    fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    fn port(&self) -> u16 {
        let log = self.log();
        let (_, rest) = log.split_once("listening on http://127.0.0.1:").unwrap();
        rest.lines().next().unwrap().parse().unwrap()
    }

    /// The soft and the hard limit on open files.
    fn limits(&self) -> (String, String) {
        let limits = std::fs::read_to_string(format!("/proc/{}/limits", self.child.id())).unwrap();
        let line = limits.lines().find_map(|line| line.strip_prefix("Max open files")).unwrap();
        let mut words = line.split_whitespace().map(str::to_owned);
        (words.next().unwrap(), words.next().unwrap())
    }
}

impl Drop for Limited {
    fn drop(&mut self) {
        // Fails only if it has ended already.
        if self.child.kill().is_ok() {
            self.child.wait().unwrap();
        }
        if std::thread::panicking() {
            eprintln!("houseful said:\n{}", self.log());
        }
    }
}

#[test]
fn the_soft_limit_is_raised_to_the_hard_one() {
    let dir = temp_dir();
    let houseful = Limited::start(dir.path(), "-S -n 64");
    let (soft, hard) = houseful.limits();
    assert_ne!(hard, "64", "the test needs a higher hard limit");
    assert_eq!(soft, hard);
}

#[test]
fn at_the_limit_connections_wait_and_nothing_is_lost() {
    const CONNECTIONS: usize = 100;
    let dir = temp_dir();
    let houseful = Limited::start(dir.path(), "-n 64");
    assert_eq!(houseful.limits(), ("64".to_owned(), "64".to_owned()));
    let mut clients: Vec<Client> =
        (0..CONNECTIONS).map(|_| Client::connect(houseful.port()).unwrap()).collect();
    for (n, client) in clients.iter_mut().enumerate() {
        client.send(&post(&distinct(n))).unwrap();
    }
    // Half of the descriptors are for connections, in the order in which they came.
    let served = 32;
    for client in &mut clients[..served] {
        assert_eq!(client.read_answer().unwrap().status, 201);
    }
    for waiting in [served, CONNECTIONS - 1] {
        let client = &mut clients[waiting];
        client.set_patience(Duration::from_millis(300)).unwrap();
        let error = client.read_answer().expect_err("it waits");
        assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
        client.set_patience(PATIENCE).unwrap();
    }

    // Meanwhile the served ones are served, and so is the store.
    assert_eq!(clients[0].post(&distinct(CONNECTIONS)).unwrap().status, 201);
    let listed = clients[1].get("/rssi_readings?limit=1000").unwrap();
    assert_eq!(listed.json()["readings"].as_array().unwrap().len(), served + 1);
    assert_eq!(Setup::new(dir.path()).export().len(), served + 1);

    // One goes, the next is served.
    let waiting = clients.split_off(served);
    let mut served_clients = VecDeque::from(clients);
    for (n, mut client) in waiting.into_iter().enumerate() {
        drop(served_clients.pop_front());
        let answer = client.read_answer().unwrap();
        assert_eq!(answer.json["badge_id"], format!("badge_{}", served + n));
        served_clients.push_back(client);
    }
    assert_eq!(houseful.log().matches("every connection is taken").count(), 1);
    assert_eq!(Setup::new(dir.path()).export().len(), CONNECTIONS + 1);
}
