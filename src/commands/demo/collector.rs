//! The collector that the demo plays against, as a process of its own.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::say;

/// The collector, as a process of its own.
pub(super) struct Collector {
    child: Child,
    /// Where it listens, without a slash at the end.
    pub(super) url: String,
}

impl Collector {
    pub(super) fn start(store: &Path) -> anyhow::Result<Collector> {
        let mut child = this_program()?
            .args(["serve", "--listen", "127.0.0.1:0", "--store"])
            .arg(format!("sqlite:{}", store.display()))
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot start the collector")?;
        let stderr = child.stderr.take();
        // From here on it ends with this, whatever comes.
        let mut collector = Collector { child, url: String::new() };
        let mut lines = BufReader::new(stderr.context("the collector has no stderr")?);
        let mut line = String::new();
        lines.read_line(&mut line).context("cannot read what the collector says")?;
        match line.trim().strip_prefix("listening on ") {
            Some(url) => url.clone_into(&mut collector.url),
            None => bail!("the collector did not start: {}", line.trim()),
        }
        // Whatever else it has to say is said where the user reads.
        std::thread::spawn(move || {
            for line in lines.lines().map_while(Result::ok).filter(|line| !line.contains("INFO")) {
                say(format_args!("collector: {line}"));
            }
        });
        Ok(collector)
    }

    /// Whether it ended by itself.
    pub(super) fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// Lets it finish, and waits for that.
    pub(super) fn stop(mut self) -> anyhow::Result<()> {
        if !self.has_ended() {
            kill_process(Pid::from_child(&self.child), Signal::TERM)
                .context("cannot stop the collector")?;
        }
        let status = self.child.wait().context("cannot wait for the collector")?;
        if !status.success() {
            bail!("the collector ended with {status}");
        }
        Ok(())
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        // After `stop` there is nothing left to end, which is no error.
        if let Ok(None) = self.child.try_wait() {
            drop(self.child.kill());
            drop(self.child.wait());
        }
    }
}

/// This program, with none of the caller's settings: the demo knows which it
/// checks against. A Ctrl-C does not reach it: that is for the demo, which then
/// ends what it started itself.
pub(super) fn this_program() -> anyhow::Result<Command> {
    let mut command = Command::new(std::env::current_exe().context("cannot find this program")?);
    for (name, _) in std::env::vars_os() {
        if name.as_encoded_bytes().starts_with(b"HOUSEFUL_") {
            command.env_remove(name);
        }
    }
    command.process_group(0);
    Ok(command)
}
