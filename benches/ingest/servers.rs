//! The two servers, and what the kernel says that they used. Killed when dropped.

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Debian's, of the package of the same name.
pub(crate) const NGINX: &str = "/usr/sbin/nginx";
const HOUSEFUL: &str = env!("CARGO_BIN_EXE_houseful");
/// One process, so that killing it leaves no worker behind. It answers as houseful answers a copy.
const NGINX_CONF: &str = r#"
daemon off;
master_process off;
pid nginx.pid;
events { worker_connections CONNECTIONS; }
http {
    access_log off;
    default_type application/json;
    keepalive_requests 1000000000;
    client_body_temp_path temp;
    proxy_temp_path temp;
    fastcgi_temp_path temp;
    uwsgi_temp_path temp;
    scgi_temp_path temp;
    server {
        listen ADDRESS;
        location / { return 409 '{"errors":["duplicate"]}'; }
    }
}
"#;
const START_MAX: Duration = Duration::from_secs(10);

/// The CPUs that we may use.
pub(crate) fn allowed_cpus() -> io::Result<Vec<usize>> {
    let allowed = sched_getaffinity(None)?;
    Ok((0..CpuSet::MAX_CPU).filter(|&cpu| allowed.is_set(cpu)).collect())
}

/// Moves this thread, and what it starts from now on, to one CPU.
pub(crate) fn pin(cpu: usize) -> io::Result<()> {
    let mut only = CpuSet::new();
    only.set(cpu);
    Ok(sched_setaffinity(None, &only)?)
}

/// CPU time of a task or a process: without kernel threads, so the journal's work for a sync is
/// not in it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Cpu {
    pub(crate) ran: Duration,
    /// Ready to run, but something else ran on that CPU.
    pub(crate) waited: Duration,
}

impl Cpu {
    /// Of the calling thread.
    pub(crate) fn of_this_thread() -> io::Result<Cpu> {
        Cpu::read(Path::new("/proc/thread-self/schedstat"))
    }

    fn read(path: &Path) -> io::Result<Cpu> {
        let text = fs::read_to_string(path)?;
        let mut numbers =
            text.split_whitespace().map(|word| word.parse().map(Duration::from_nanos));
        match (numbers.next(), numbers.next()) {
            (Some(Ok(ran)), Some(Ok(waited))) => Ok(Cpu { ran, waited }),
            _ => Err(io::Error::other(format!("expected nanoseconds in {}", path.display()))),
        }
    }

    pub(crate) fn since(self, before: Cpu) -> Cpu {
        Cpu {
            ran: self.ran.saturating_sub(before.ran),
            waited: self.waited.saturating_sub(before.waited),
        }
    }
}

pub(crate) struct Server {
    process: Child,
    pub(crate) name: &'static str,
    pub(crate) address: SocketAddr,
}

impl Server {
    /// `houseful serve` with a new store in `directory`.
    pub(crate) fn houseful(
        directory: &Path,
        environment: &[(&str, &Path)],
    ) -> anyhow::Result<Server> {
        let store = format!("sqlite:{}", directory.join("houseful.db").display());
        let log = directory.join("houseful.log");
        let mut command = mortal(HOUSEFUL);
        command.args(["serve", "--listen", "127.0.0.1:0", "--store", &store]);
        command.envs(environment.iter().copied());
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut server = Server::start("houseful", &mut command, &log, address)?;
        server.address = server.wait(&log, || {
            let said = fs::read_to_string(&log).ok()?;
            said.lines().find_map(|line| line.strip_prefix("listening on http://")?.parse().ok())
        })?;
        Ok(server)
    }

    /// nginx, answering every request with the same bytes.
    pub(crate) fn nginx(directory: &Path, connections: usize) -> anyhow::Result<Server> {
        let free = TcpListener::bind(("127.0.0.1", 0)).and_then(|socket| socket.local_addr());
        let address = free.context("cannot find a free port")?;
        let conf = directory.join("nginx.conf");
        let text = NGINX_CONF
            .replace("CONNECTIONS", &(connections + 64).to_string())
            .replace("ADDRESS", &address.to_string());
        fs::write(&conf, text).with_context(|| format!("cannot write `{}`", conf.display()))?;
        let log = directory.join("nginx.log");
        let mut command = mortal(NGINX);
        command.arg("-p").arg(directory).arg("-c").arg(&conf).arg("-e").arg(&log);
        let mut server = Server::start("nginx", &mut command, &log, address)?;
        server.wait(&log, || TcpStream::connect(address).ok())?;
        Ok(server)
    }

    fn start(
        name: &'static str,
        command: &mut Command,
        log: &Path,
        address: SocketAddr,
    ) -> anyhow::Result<Server> {
        let file =
            fs::File::create(log).with_context(|| format!("cannot write `{}`", log.display()));
        let process = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(file?).spawn();
        let process = process.with_context(|| format!("cannot start {name}"))?;
        Ok(Server { process, name, address })
    }

    fn wait<T>(&mut self, log: &Path, ready: impl Fn() -> Option<T>) -> anyhow::Result<T> {
        let start = Instant::now();
        loop {
            if let Some(value) = ready() {
                return Ok(value);
            }
            if self.process.try_wait()?.is_some() || start.elapsed() > START_MAX {
                bail!("{} did not start: {}", self.name, fs::read_to_string(log)?.trim());
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn proc(&self, file: &str) -> PathBuf {
        Path::new("/proc").join(self.process.id().to_string()).join(file)
    }

    /// Of all its threads.
    pub(crate) fn cpu(&self) -> io::Result<Cpu> {
        let mut sum = Cpu::default();
        for task in fs::read_dir(self.proc("task"))? {
            // A thread that has just ended takes its time with it: none does while it is loaded.
            if let Ok(cpu) = Cpu::read(&task?.path().join("schedstat")) {
                sum.ran += cpu.ran;
                sum.waited += cpu.waited;
            }
        }
        Ok(sum)
    }

    /// The most memory that was resident so far, in MiB.
    pub(crate) fn resident_mib_max(&self) -> anyhow::Result<f64> {
        let status = fs::read_to_string(self.proc("status"))?;
        let kib = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.strip_suffix("kB"));
        let kib: f64 = kib.context("expected VmHWM in /proc/PID/status")?.trim().parse()?;
        Ok(kib / 1024.0)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Err(error) = self.process.kill().and_then(|()| self.process.wait()) {
            eprintln!("cannot end {}: {error}", self.name);
        }
    }
}

/// A command that is killed with this process, too, should that not get to drop anything.
fn mortal(program: &str) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--", program]);
    command
}

/// Counts the syncs of a houseful by the library that its end-to-end tests preload.
pub(crate) struct SyncCounter {
    directory: PathBuf,
    library: PathBuf,
}

impl SyncCounter {
    /// Words of the library's control file; see `tests/e2e/support/faultfs.c`.
    const SYNCS: usize = 17;
    const WAL_SYNCS: usize = 19;

    /// Builds the library in `directory`.
    pub(crate) fn new(directory: &Path) -> anyhow::Result<SyncCounter> {
        let library = directory.join("libfaultfs.so");
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/e2e/support/faultfs.c");
        let mut cc = Command::new("cc");
        cc.args(["-shared", "-fPIC", "-O2", "-pthread", "-o"]).arg(&library).arg(source);
        if !cc.status().context("cannot run cc")?.success() {
            bail!("cannot build `{source}`");
        }
        for file in ["control", "journal"] {
            fs::write(directory.join(file), [0; 4_096])?;
        }
        Ok(SyncCounter { directory: directory.to_owned(), library })
    }

    /// What a houseful with its store in `root` is started with.
    pub(crate) fn environment<'a>(&'a self, root: &'a Path) -> [(&'static str, &'a Path); 3] {
        [("LD_PRELOAD", &self.library), ("FAULTFS_DIR", &self.directory), ("FAULTFS_ROOT", root)]
    }

    /// Syncs so far: of any file, and of the write-ahead log, which is one for each commit.
    pub(crate) fn read(&self) -> anyhow::Result<(u64, u64)> {
        let control = fs::read(self.directory.join("control"))?;
        let word = |at: usize| {
            let bytes = control.get(at * 8..at * 8 + 8).and_then(|bytes| bytes.try_into().ok());
            bytes.map(u64::from_ne_bytes).context("expected counters in the control file")
        };
        Ok((word(Self::SYNCS)?, word(Self::WAL_SYNCS)?))
    }
}
