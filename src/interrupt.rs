//! SIGINT, SIGTERM and SIGHUP, for the commands that have something to finish.
//!
//! Handled on a thread of its own, so that a command may block where it likes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// What interrupted, and which interrupt it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Interrupt {
    kind: SignalKind,
    /// Counted from 1, whatever the kind.
    pub(crate) nth: u32,
}

impl Interrupt {
    /// Whether it came from the keyboard, hence to the whole pipeline.
    pub(crate) fn is_from_keyboard(self) -> bool {
        self.kind == SignalKind::interrupt()
    }

    /// Ends the process as a shell reports one that the signal ended: 128 and
    /// its number. Nothing is dropped.
    pub(crate) fn end(self) -> ! {
        std::process::exit(128 + self.kind.as_raw_value())
    }
}

/// Calls `act` for each interrupt from now on, for as long as the process lives.
///
/// A SIGHUP that was ignored when we started (`nohup`) stays ignored.
pub(crate) fn on_each(mut act: impl FnMut(Interrupt) + Send + 'static) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .context("cannot listen for signals")?;
    let (mut int, mut term, mut hup) = {
        let _inside = runtime.enter();
        let listen = |kind| signal(kind).context("cannot listen for signals");
        let hup = (!is_hangup_ignored()).then(|| listen(SignalKind::hangup())).transpose()?;
        (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?, hup)
    };
    std::thread::spawn(move || {
        runtime.block_on(async {
            for nth in 1.. {
                let kind = tokio::select! {
                    _ = int.recv() => SignalKind::interrupt(),
                    _ = term.recv() => SignalKind::terminate(),
                    () = received(&mut hup) => SignalKind::hangup(),
                };
                act(Interrupt { kind, nth });
            }
        });
    });
    Ok(())
}

/// The first interrupt from now on sets this, so that a command can end where it
/// leaves nothing half done; a second one ends it at once.
pub(crate) fn sets(flag: &Arc<AtomicBool>) -> anyhow::Result<()> {
    let flag = flag.clone();
    on_each(move |interrupt| match interrupt.nth {
        1 => flag.store(true, Ordering::Relaxed),
        _ => interrupt.end(),
    })
}

/// Never, if it is not listened for.
async fn received(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => drop(signal.recv().await),
        None => std::future::pending().await,
    }
}

/// As the kernel says it; where there is no `/proc`, it is not.
fn is_hangup_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    // Signal 1 is the lowest bit.
    mask & 1 == 1
}
