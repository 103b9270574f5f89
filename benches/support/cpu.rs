//! Which CPUs there are, and what the kernel says that somebody used of them.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// The CPUs that we may use.
fn allowed_cpus() -> io::Result<Vec<usize>> {
    let allowed = sched_getaffinity(None)?;
    Ok((0..CpuSet::MAX_CPU).filter(|&cpu| allowed.is_set(cpu)).collect())
}

/// Moves this thread, and what it starts from now on, to one CPU.
pub(crate) fn pin(cpu: usize) -> io::Result<()> {
    let mut only = CpuSet::new();
    only.set(cpu);
    Ok(sched_setaffinity(None, &only)?)
}

/// One for the server, one for the load generator.
pub(crate) fn choose_cpus(warnings: &mut Vec<String>) -> anyhow::Result<[usize; 2]> {
    match *allowed_cpus()? {
        [server, generator, ..] => Ok([server, generator]),
        [only] => {
            warnings.push("there is one CPU only: server and load generator share it".to_owned());
            Ok([only, only])
        }
        [] => bail!("expected a CPU that we may use, found none"),
    }
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
    /// Of all threads that the process has.
    pub(crate) fn of_process(id: u32) -> io::Result<Cpu> {
        let mut sum = Cpu::default();
        for task in fs::read_dir(format!("/proc/{id}/task"))? {
            // A thread that has just ended takes its time with it: none does while it is loaded.
            if let Ok(cpu) = Cpu::read(&task?.path().join("schedstat")) {
                sum.ran += cpu.ran;
                sum.waited += cpu.waited;
            }
        }
        Ok(sum)
    }

    /// Of this `schedstat`.
    pub(crate) fn read(path: &Path) -> io::Result<Cpu> {
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

/// The most memory of a process that was resident so far, in MiB.
pub(crate) fn resident_mib_max(id: u32) -> anyhow::Result<f64> {
    let status = fs::read_to_string(format!("/proc/{id}/status"))?;
    let kib = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.strip_suffix("kB"));
    let kib: f64 = kib.context("expected VmHWM in /proc/PID/status")?.trim().parse()?;
    Ok(kib / 1024.0)
}
