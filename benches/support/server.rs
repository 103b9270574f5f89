//! A server under load, and what the kernel says that it used. Killed when dropped.

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use super::cpu::Cpu;

/// Debian's, of the package of the same name.
pub(crate) const NGINX: &str = "/usr/sbin/nginx";
/// One process, so that killing it leaves no worker behind. It answers as houseful answers a copy,
/// and counts what it is asked.
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
        location = STATUS { stub_status; }
        location / { return 409 '{"errors":["duplicate"]}'; }
    }
}
"#;
/// Where nginx tells its counts.
pub(crate) const STATUS: &str = "/status";
const START_MAX: Duration = Duration::from_secs(10);

pub(crate) struct Server {
    pub(crate) process: Child,
    pub(crate) name: &'static str,
    pub(crate) address: SocketAddr,
}

impl Server {
    /// nginx, answering every request with the same bytes.
    pub(crate) fn nginx(directory: &Path, connections: usize) -> anyhow::Result<Server> {
        let free = TcpListener::bind(("127.0.0.1", 0)).and_then(|socket| socket.local_addr());
        let address = free.context("cannot find a free port")?;
        let conf = directory.join("nginx.conf");
        let text = NGINX_CONF
            .replace("CONNECTIONS", &(connections + 64).to_string())
            .replace("STATUS", STATUS)
            .replace("ADDRESS", &address.to_string());
        fs::write(&conf, text).with_context(|| format!("cannot write `{}`", conf.display()))?;
        let log = directory.join("nginx.log");
        let mut command = mortal(NGINX);
        command.arg("-p").arg(directory).arg("-c").arg(&conf).arg("-e").arg(&log);
        let mut server = Server::start("nginx", &mut command, &log, address)?;
        server.wait(&log, || TcpStream::connect(address).ok())?;
        Ok(server)
    }

    /// One that says what it has to say in `log`. Not ready yet: see [`Server::wait`].
    pub(crate) fn start(
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

    /// Waits until it is ready, which is when `ready` finds something.
    pub(crate) fn wait<T>(
        &mut self,
        log: &Path,
        ready: impl Fn() -> Option<T>,
    ) -> anyhow::Result<T> {
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

    /// Of all its threads.
    pub(crate) fn cpu(&self) -> io::Result<Cpu> {
        Cpu::of_process(self.process.id())
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
pub(crate) fn mortal(program: &str) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--", program]);
    command
}
