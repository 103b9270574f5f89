//! One tool under one load, measured.

use std::fs;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use houseful_load::metrics::{Metrics, Summary};
use houseful_load::results::{Keep, Reader, Record};
use rustix::process::{Pid, Signal, kill_process};

use crate::nginx::Nginx;
use crate::support::cpu::{Cpu, resident_mib_max};
use crate::tools::{Load, Tool};

/// As Pis send it.
pub(crate) const BODY: &str = r#"{"badge_id": "b00000", "pi_id": "30", "beacons": {"beacon_1": -30, "beacon_2": -30, "beacon_3": -100}}"#;
/// How long over its time a tool may take, before it is killed.
const OVERTIME: Duration = Duration::from_secs(15);
/// How often a running tool is looked at.
const LOOK: Duration = Duration::from_millis(50);
/// What the kernel counts a CPU's time in.
const TICK: Duration = Duration::from_millis(10);
/// `time` of bash tells CPU time to the millisecond, and that of a child only; the kernel's counts
/// in /proc are of whole ticks.
const TIMED: &str = r#"TIMEFORMAT="%3U %3S"; time "$@" 2>"$ERRORS""#;

/// Before a command: as soon as it can run, it does.
const REALTIME: [&str; 3] = ["chrt", "--fifo", "1"];

/// Has a process come before all others on its CPU.
pub(crate) fn make_realtime(process: u32) -> anyhow::Result<()> {
    let status = Command::new("chrt").args(["--fifo", "--pid", "1", &process.to_string()]).status();
    if !status.context("cannot run chrt")?.success() {
        bail!("--realtime: expected to be root");
    }
    Ok(())
}

/// Files that tools read and write.
pub(crate) struct Paths {
    pub(crate) url: String,
    pub(crate) targets: PathBuf,
    pub(crate) script: PathBuf,
    pub(crate) results: PathBuf,
}

pub(crate) struct Bench<'a> {
    pub(crate) nginx: Nginx,
    pub(crate) dir: &'a Path,
    pub(crate) rounds: u32,
    /// Of a round.
    pub(crate) time: Duration,
    pub(crate) tools: Vec<Tool>,
    /// nginx's and the tool's.
    pub(crate) cpus: [usize; 2],
    /// Whether tools come before all others on their CPU.
    pub(crate) realtime: bool,
}

/// What one round of a tool came to.
pub(crate) struct Run {
    /// As nginx counted.
    pub(crate) requests: u64,
    pub(crate) connections: u64,
    pub(crate) passed: Duration,
    pub(crate) used: Used,
    /// nginx.
    pub(crate) server: Cpu,
    /// Shares of nginx's and of the tool's CPU that others took.
    pub(crate) others: [f64; 2],
    /// It was killed for taking too long.
    pub(crate) was_killed: bool,
    /// What its results say, if it writes any.
    pub(crate) results: Option<Results>,
}

/// CPU time and memory of a process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Used {
    pub(crate) user: Duration,
    pub(crate) system: Duration,
    pub(crate) resident_mib_max: f64,
}

impl Used {
    pub(crate) fn cpu(&self) -> Duration {
        self.user + self.system
    }
}

pub(crate) struct Results {
    pub(crate) summary: Summary,
    /// From the first send to the last.
    pub(crate) sending: Duration,
}

impl Bench<'_> {
    fn paths(&self) -> Paths {
        Paths {
            url: self.nginx.url().to_owned(),
            targets: self.dir.join("targets.txt"),
            script: self.dir.join("post.lua"),
            results: self.dir.join("results"),
        }
    }

    /// Writes what the tools read.
    pub(crate) fn write_inputs(&self) -> anyhow::Result<()> {
        let paths = self.paths();
        let body = self.dir.join("body.json");
        let targets =
            format!("POST {}\nContent-Type: application/json\n@{}\n", paths.url, body.display());
        let script = format!(
            "wrk.method = 'POST'\nwrk.body = '{BODY}'\nwrk.headers['Content-Type'] = 'application/json'\n"
        );
        for (path, text) in [(&body, BODY), (&paths.targets, &targets), (&paths.script, &script)] {
            fs::write(path, text).with_context(|| format!("cannot write `{}`", path.display()))?;
        }
        Ok(())
    }

    /// `None` if the tool cannot send such a load.
    pub(crate) fn run(
        &self,
        tool: &Tool,
        load: Load,
        time: Duration,
    ) -> anyhow::Result<Option<Run>> {
        let paths = self.paths();
        let Some(arguments) = tool.arguments(load, time, &paths) else { return Ok(None) };
        let before = (self.nginx.server.cpu()?, self.nginx.counts()?, self.busy()?);
        let start = Instant::now();
        let process = self.start(tool.program(), &arguments, Stdio::null())?;
        let (used, was_killed) = process
            .wait(time + OVERTIME)
            .with_context(|| format!("cannot measure {}", tool.name()))?;
        let passed = start.elapsed();
        let busy = self.busy()?;
        let (counts, server) =
            (self.nginx.since(before.1)?, self.nginx.server.cpu()?.since(before.0));
        let results = tool.writes_results().then(|| read(&paths.results)).transpose()?;
        let others = [(0, server.ran), (1, used.cpu())].map(|(at, own)| {
            let others = (busy[at].saturating_sub(before.2[at])).saturating_sub(own);
            others.as_secs_f64() / passed.as_secs_f64()
        });
        Ok(Some(Run {
            requests: counts.requests,
            connections: counts.connections,
            passed,
            used,
            server,
            others,
            was_killed,
            results,
        }))
    }

    /// CPU time of a report at the other end of a pipe, by each of these programs in turn, and how
    /// many results it was.
    pub(crate) fn pipe(&self, reporter: &Tool, load: Load) -> anyhow::Result<Option<(Used, u64)>> {
        let paths = Paths { results: PathBuf::from("-"), ..self.paths() };
        let Some(Tool::Houseful(attacker)) = self.tools.first() else { return Ok(None) };
        let attack = Tool::Houseful(attacker.clone()).arguments(load, self.time, &paths);
        let report: &[&str] =
            if let Tool::Houseful(_) = reporter { &["load", "report"] } else { &["report"] };
        let report: Vec<String> = report.iter().copied().map(String::from).collect();
        let before = self.nginx.counts()?;
        let mut attack = Command::new(attacker)
            .args(attack.unwrap_or_default())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("cannot start `{}`", attacker.display()))?;
        let results = attack.stdout.take().context("expected a pipe")?;
        let report = self.start(reporter.program(), &report, results.into())?;
        let (used, _) = report.wait(self.time + OVERTIME)?;
        attack.wait()?;
        Ok(Some((used, self.nginx.since(before)?.requests)))
    }

    fn start(&self, program: &Path, arguments: &[String], stdin: Stdio) -> anyhow::Result<Timed> {
        let errors = self.dir.join("errors");
        let bash = Command::new("bash")
            .args(["-c", TIMED, "bash"])
            .args(if self.realtime { &REALTIME[..] } else { &[] })
            .arg(program)
            .args(arguments)
            .env("ERRORS", &errors)
            .stdin(stdin)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn();
        Ok(Timed { bash: bash.context("cannot start bash")?, errors })
    }

    /// How long nginx's and the tool's CPU were busy so far.
    fn busy(&self) -> anyhow::Result<[Duration; 2]> {
        let text = fs::read_to_string("/proc/stat").context("cannot read /proc/stat")?;
        let of = |cpu: usize| {
            let line = text.lines().find_map(|line| line.strip_prefix(&format!("cpu{cpu} ")));
            // Work of users, of nice ones, and of the system for them.
            let ticks = line.unwrap_or_default().split_whitespace().take(3);
            TICK * ticks.map(|ticks| ticks.parse().unwrap_or(0)).sum::<u32>()
        };
        Ok(self.cpus.map(of))
    }
}

/// A process whose CPU time is measured.
struct Timed {
    bash: Child,
    errors: PathBuf,
}

impl Timed {
    /// Waits for its end, which comes within `limit`; whether that took a kill.
    fn wait(mut self, limit: Duration) -> anyhow::Result<(Used, bool)> {
        let start = Instant::now();
        let (mut resident, mut was_killed) = (0.0, false);
        let status = loop {
            if let Some(status) = self.bash.try_wait()? {
                break status;
            }
            if let Some(child) = self.child() {
                resident =
                    resident_mib_max(child.as_raw_nonzero().get() as u32).unwrap_or(resident);
                if start.elapsed() > limit {
                    was_killed = true;
                    kill_process(child, Signal::KILL)?;
                }
            }
            thread::sleep(LOOK);
        };
        let mut text = String::new();
        self.bash.stderr.take().context("expected a pipe")?.read_to_string(&mut text)?;
        // 1: an attack that did not hold its rate says so.
        if !was_killed && !matches!(status.code(), Some(0 | 1)) {
            bail!("{status}: {}{}", fs::read_to_string(&self.errors).unwrap_or_default(), text);
        }
        let seconds = |text: &str| {
            let seconds = text.parse().ok();
            seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        };
        let times: Option<Vec<Duration>> =
            text.lines().last().unwrap_or_default().split(' ').map(seconds).collect();
        match times.as_deref() {
            Some(&[user, system]) => {
                Ok((Used { user, system, resident_mib_max: resident }, was_killed))
            }
            _ => bail!("expected times from bash, found `{text}`"),
        }
    }

    /// The process itself, once bash has started it.
    fn child(&self) -> Option<Pid> {
        let bash = self.bash.id();
        let children = fs::read_to_string(format!("/proc/{bash}/task/{bash}/children")).ok()?;
        Pid::from_raw(children.split_whitespace().next()?.parse().ok()?)
    }
}

impl Drop for Timed {
    fn drop(&mut self) {
        // Only what has been given up is still there.
        if let (Ok(None), Some(child)) = (self.bash.try_wait(), self.child())
            && let Err(error) = kill_process(child, Signal::KILL)
        {
            eprintln!("cannot end process {child:?}: {error}");
        }
    }
}

fn read(path: &Path) -> anyhow::Result<Results> {
    let file = fs::File::open(path).with_context(|| format!("cannot open `{}`", path.display()))?;
    let mut reader =
        Reader::new(BufReader::with_capacity(1 << 16, file), "results").keep(Keep::Figures);
    let (mut metrics, mut record) = (Metrics::new(), Record::default());
    let (mut first_ns, mut last_ns) = (i128::MAX, i128::MIN);
    // Whoever was killed leaves half a record behind.
    while let Ok(true) = reader.read_into(&mut record) {
        metrics.add(&record);
        let slip_ns = record.slip.unwrap_or_default().as_nanos() as i128;
        let sent_ns = record.timestamp.as_nanosecond() + slip_ns;
        (first_ns, last_ns) = (first_ns.min(sent_ns), last_ns.max(sent_ns));
    }
    let sending = Duration::from_nanos(last_ns.saturating_sub(first_ns).try_into().unwrap_or(0));
    Ok(Results { summary: metrics.summary(), sending })
}
