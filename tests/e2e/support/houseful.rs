//! The real program: starts, stops, kills and watches it.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::faultfs::FaultFs;
use super::http::Client;
use super::{PATIENCE, wait_until};

/// What the program says once it accepts.
const LISTENING: &str = "listening on http://127.0.0.1:";

/// How to start the program: on the store `DIR/houseful.db` unless said otherwise.
#[derive(Clone)]
pub(crate) struct Setup {
    dir: PathBuf,
    store_name: String,
    args: Vec<String>,
    env: Vec<(String, String)>,
}

/// A running `houseful serve` on a free port. Killed when dropped.
pub(crate) struct Houseful {
    child: Child,
    port: u16,
    stderr: Arc<Mutex<Vec<String>>>,
    reader: Option<thread::JoinHandle<()>>,
}

/// A `houseful serve` that ended before it listened.
#[derive(Debug)]
pub(crate) struct Failure {
    /// How it ended.
    pub(crate) status: ExitStatus,
    /// What it said.
    pub(crate) stderr: String,
}

impl Setup {
    /// In this directory, which exists.
    pub(crate) fn new(dir: &Path) -> Self {
        let store_name = "houseful.db".to_owned();
        Self { dir: dir.to_owned(), store_name, args: Vec::new(), env: Vec::new() }
    }

    /// With another name for the store's file.
    pub(crate) fn store_name(mut self, name: &str) -> Self {
        name.clone_into(&mut self.store_name);
        self
    }

    /// With more flags for `serve`.
    pub(crate) fn args(mut self, args: &[&str]) -> Self {
        self.args.extend(args.iter().map(|&arg| arg.to_owned()));
        self
    }

    /// With a variable in its environment.
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// On a disk with faults.
    pub(crate) fn on(mut self, disk: &FaultFs) -> Self {
        self.env.extend(disk.env());
        self
    }

    /// The store's file.
    pub(crate) fn store_path(&self) -> PathBuf {
        self.dir.join(&self.store_name)
    }

    /// The store as `--store` names it.
    pub(crate) fn store(&self) -> String {
        format!("sqlite:{}", self.store_path().display())
    }

    /// The program with this store and environment; none of the caller's settings reaches it.
    pub(crate) fn command(&self, subcommand: &str) -> Command {
        let mut command = super::program();
        super::remove_settings(&mut command);
        command.current_dir(&self.dir).stdin(Stdio::null());
        command.args([subcommand, "--store", &self.store()]);
        command.envs(self.env.iter().cloned());
        command
    }

    /// Starts `serve` and waits until it listens.
    ///
    /// # Panics
    ///
    /// If it does not, with what it said.
    pub(crate) fn start(&self) -> Houseful {
        self.start_or_end().unwrap_or_else(|failure| panic!("serve did not start: {failure:#?}"))
    }

    /// Starts `serve`, which must end before it listens.
    ///
    /// # Panics
    ///
    /// If it listens.
    pub(crate) fn start_expecting_failure(&self) -> Failure {
        match self.start_or_end() {
            Ok(houseful) => panic!("serve started, on {}", houseful.url()),
            Err(failure) => failure,
        }
    }

    /// Starts `serve` and waits until it listens or ends.
    pub(crate) fn start_or_end(&self) -> Result<Houseful, Failure> {
        let mut command = self.command("serve");
        command.args(["--listen", "127.0.0.1:0"]).args(&self.args);
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("run houseful");
        let pipe = BufReader::new(child.stderr.take().expect("stderr is piped"));
        let stderr = Arc::new(Mutex::new(Vec::new()));
        let reader = thread::spawn({
            let stderr = Arc::clone(&stderr);
            move || {
                for line in pipe.split(b'\n').map_while(Result::ok) {
                    stderr.lock().unwrap().push(String::from_utf8_lossy(&line).into_owned());
                }
            }
        });
        let mut houseful = Houseful { child, port: 0, stderr, reader: Some(reader) };
        let end = Instant::now() + PATIENCE;
        loop {
            // Looked at first: whatever it said before it ended is then there to be read.
            let ended = houseful.child.try_wait().expect("look after houseful");
            if let Some(port) = houseful.announced_port() {
                houseful.port = port;
                return Ok(houseful);
            }
            if let Some(status) = ended {
                return Err(Failure { status, stderr: houseful.stderr() });
            }
            assert!(Instant::now() < end, "serve neither listens nor ends");
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// All readings that `houseful export` finds, in its order. A running `serve` does not hinder it.
    ///
    /// # Panics
    ///
    /// If it fails, or says anything but a reading a line.
    pub(crate) fn export(&self) -> Vec<Value> {
        let Output { status, stdout, stderr } =
            self.command("export").args(["--format", "ndjson"]).output().expect("run houseful");
        assert!(status.success(), "export: {status}, {}", String::from_utf8_lossy(&stderr));
        let text = String::from_utf8(stdout).expect("an export is UTF-8");
        text.lines().map(|line| serde_json::from_str(line).expect("a line is a reading")).collect()
    }
}

impl Houseful {
    /// Where it listens, without a slash at the end.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The port on 127.0.0.1.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// A new connection to it.
    ///
    /// # Panics
    ///
    /// If it refuses.
    pub(crate) fn client(&self) -> Client {
        Client::connect(self.port).expect("connect to houseful")
    }

    /// Ends it as a crash does, at once (SIGKILL).
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("kill houseful");
        self.child.wait().expect("wait for houseful");
    }

    /// Asks it to stop (SIGTERM) and waits until it has.
    pub(crate) fn term(mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.wait_exit(PATIENCE)
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).expect("signal houseful");
    }

    /// Waits until it ends by itself.
    ///
    /// # Panics
    ///
    /// After `limit`.
    pub(crate) fn wait_exit(&mut self, limit: Duration) -> ExitStatus {
        let mut status = None;
        wait_until(limit, "houseful ends", || {
            status = self.child.try_wait().expect("look after houseful");
            status.is_some()
        });
        if let Some(reader) = self.reader.take() {
            reader.join().expect("read its last words");
        }
        status.expect("it has ended")
    }

    /// What it has said so far.
    pub(crate) fn stderr(&mut self) -> String {
        let ended = self.child.try_wait().expect("look after houseful").is_some();
        if ended && let Some(reader) = self.reader.take() {
            reader.join().expect("read its last words");
        }
        self.stderr.lock().unwrap().join("\n")
    }

    /// Its resident memory in bytes.
    pub(crate) fn resident_bytes(&self) -> u64 {
        self.memory_bytes("VmRSS:")
    }

    /// The most that its resident memory was, in bytes, since its start or since
    /// [`Houseful::forget_peak`].
    pub(crate) fn resident_bytes_peak(&self) -> u64 {
        self.memory_bytes("VmHWM:")
    }

    /// From now on, looks for the peak of its memory anew.
    pub(crate) fn forget_peak(&self) {
        std::fs::write(format!("/proc/{}/clear_refs", self.pid()), "5").expect("reset the peak");
    }

    fn memory_bytes(&self, name: &str) -> u64 {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let line = line.unwrap_or_else(|| panic!("there is no {name} line"));
        let kib: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number of KiB");
        kib * 1024
    }

    /// How many descriptors it has open.
    pub(crate) fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.pid())).expect("it runs").count()
    }

    fn announced_port(&self) -> Option<u16> {
        let said = self.stderr.lock().unwrap();
        let port = |line: &String| {
            // In JSON its text is not the end of the line.
            let rest = line.split_once(LISTENING)?.1;
            rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
        };
        said.iter().find_map(port)
    }
}

impl Drop for Houseful {
    fn drop(&mut self) {
        // Fails only if it has ended already.
        if self.child.kill().is_ok() {
            self.child.wait().expect("wait for houseful");
        }
        if thread::panicking() {
            eprintln!("houseful said:\n{}", self.stderr());
        }
    }
}
