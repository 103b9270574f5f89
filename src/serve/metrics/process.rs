//! The process's own figures, under the names that every Prometheus client
//! library gives them.

use houseful_model::Millis;
use rustix::process::{Resource, getrlimit};
use rustix::time::{ClockId, clock_gettime};

use super::exposition::Exposition;

/// What cannot be found out is left out.
pub(super) fn process(page: &mut Exposition, started_at: Millis) {
    page.gauge("process_start_time_seconds", "When the process started, in Unix seconds.")
        .value(&[], started_at.0 as f64 / 1e3);
    let cpu = clock_gettime(ClockId::ProcessCPUTime);
    page.counter("process_cpu_seconds_total", "CPU time in user and kernel mode.")
        .value(&[], cpu.tv_sec as f64 + cpu.tv_nsec as f64 / 1e9);
    if let Some(bytes) = resident_bytes() {
        page.gauge("process_resident_memory_bytes", "Resident memory.").value(&[], bytes);
    }
    if let Ok(descriptors) = std::fs::read_dir("/proc/self/fd") {
        // One of them is this list's own.
        let open = descriptors.count().saturating_sub(1);
        page.gauge("process_open_fds", "Open file descriptors.").value(&[], open);
    }
    if let Some(max) = getrlimit(Resource::Nofile).current {
        page.gauge("process_max_fds", "File descriptors that may be open.").value(&[], max);
    }
}

fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}
