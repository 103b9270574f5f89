//! A real nginx in front, with the repository's own `deploy/nginx.conf`.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::http::Client;
use super::{PATIENCE, in_repository, wait_until};

/// Debian's program, of the package of the same name.
pub(crate) const PROGRAM: &str = "/usr/sbin/nginx";
/// Where the file says that houseful listens.
const UPSTREAM: &str = "127.0.0.1:6540";
/// Where the file says that nginx listens.
const LISTEN: &str = "127.0.0.1:8080";

/// A running nginx with a prefix of its own. Stopped when dropped.
pub(crate) struct Nginx {
    child: Child,
    port: u16,
    prefix: TempDir,
}

impl Nginx {
    /// Puts nginx with `deploy/nginx.conf` before a collector and waits until it accepts.
    ///
    /// # Panics
    ///
    /// If the file lacks one of the two addresses, or nginx does not start.
    pub(crate) fn before(upstream_port: u16) -> Self {
        let path = in_repository("deploy/nginx.conf");
        let conf = std::fs::read_to_string(&path).expect("read deploy/nginx.conf");
        Self::with_conf(&conf, upstream_port)
    }

    /// As [`Nginx::before`], with the text of a configuration.
    pub(crate) fn with_conf(conf: &str, upstream_port: u16) -> Self {
        let prefix = super::temp_dir();
        let port = free_port();
        for address in [UPSTREAM, LISTEN] {
            assert!(conf.contains(address), "the configuration does not name {address}");
        }
        // Both are given on the command line instead; nginx refuses them twice.
        let ours = |line: &&str| !line.starts_with("pid ") && !line.starts_with("error_log ");
        let conf = conf.lines().filter(ours).collect::<Vec<_>>().join("\n");
        let conf = conf
            .replace(UPSTREAM, &format!("127.0.0.1:{upstream_port}"))
            .replace(LISTEN, &format!("127.0.0.1:{port}"));
        let conf_path = prefix.path().join("nginx.conf");
        std::fs::write(&conf_path, conf).expect("write the configuration");
        let error_log = prefix.path().join("error.log");
        let globals = format!(
            "daemon off; pid {}; error_log {};",
            prefix.path().join("nginx.pid").display(),
            error_log.display()
        );
        let child = Command::new(PROGRAM)
            .arg("-p")
            .arg(prefix.path())
            .arg("-c")
            .arg(&conf_path)
            .arg("-e")
            .arg(&error_log)
            .args(["-g", &globals])
            .stdin(Stdio::null())
            .spawn()
            .expect("run nginx");
        let mut nginx = Self { child, port, prefix };
        wait_until(PATIENCE, "nginx accepts", || {
            let ended = nginx.child.try_wait().expect("look after nginx");
            assert!(ended.is_none(), "nginx ended: {}", nginx.error_log());
            Client::connect(port).is_ok()
        });
        nginx
    }

    /// The port on 127.0.0.1.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// What it complained about so far.
    pub(crate) fn error_log(&self) -> String {
        let path: PathBuf = self.prefix.path().join("error.log");
        std::fs::read_to_string(path).unwrap_or_default()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // The master stops its workers on SIGTERM; SIGKILL would leave them behind.
        if kill_process(Pid::from_child(&self.child), Signal::TERM).is_ok() {
            self.child.wait().expect("wait for nginx");
        }
    }
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bind a free port");
    listener.local_addr().expect("it is bound").port()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::require;

    #[test]
    fn stands_between_a_client_and_a_server() {
        if !require(PROGRAM, "nginx") {
            return;
        }
        let nobody = free_port();
        let conf = "worker_processes 1; events { worker_connections 64; }
            http { access_log off; upstream houseful { server 127.0.0.1:6540; }
            server { listen 127.0.0.1:8080; location / { proxy_pass http://houseful; } } }";
        let nginx = Nginx::with_conf(conf, nobody);
        let answer = Client::connect(nginx.port()).unwrap().get("/livez").unwrap();
        assert_eq!(answer.status, 502);
        assert!(
            nginx.error_log().contains(&format!("127.0.0.1:{nobody}")),
            "{}",
            nginx.error_log()
        );
    }
}
