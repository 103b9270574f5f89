//! Whether the generator itself has been at its limit.

use std::cell::Cell;
use std::time::Duration;

/// How often it looks.
const EVERY: Duration = Duration::from_millis(100);

/// So much of the time the thread had to work, or to wait for a core, when it is at its limit.
const LIMIT: f64 = 0.9;

/// Watches how much rest the engine's thread has.
pub(super) struct Busy {
    clock: work::Clock,
    looked: Cell<Duration>,
    worked: Cell<Duration>,
    is_at_limit: Cell<bool>,
    at_limit: Cell<Duration>,
}

impl Busy {
    /// Watches the thread that calls this.
    pub(super) fn new() -> Busy {
        let clock = work::Clock::new();
        let worked = clock.worked().unwrap_or_default();
        Busy {
            clock,
            looked: Cell::new(Duration::ZERO),
            worked: Cell::new(worked),
            is_at_limit: Cell::new(false),
            at_limit: Cell::new(Duration::ZERO),
        }
    }

    /// Looks, if it is time. `elapsed` grows.
    pub(super) fn look(&self, elapsed: Duration) {
        let passed = elapsed.saturating_sub(self.looked.get());
        if passed < EVERY {
            return;
        }
        let Some(worked) = self.clock.worked() else { return };
        let share = worked.saturating_sub(self.worked.get()).as_secs_f64() / passed.as_secs_f64();
        self.is_at_limit.set(share >= LIMIT);
        if share >= LIMIT {
            self.at_limit.set(self.at_limit.get() + passed);
        }
        self.looked.set(elapsed);
        self.worked.set(worked);
    }

    /// Whether the thread had no rest when it was last looked at.
    pub(super) fn is_at_limit(&self) -> bool {
        self.is_at_limit.get()
    }

    /// For how long it had none, in all.
    pub(super) fn at_limit(&self) -> Duration {
        self.at_limit.get()
    }
}

#[cfg(target_os = "linux")]
mod work {
    use std::fs::File;
    use std::os::unix::fs::FileExt;
    use std::time::Duration;

    /// `/proc/thread-self/schedstat`: time on a core and time waiting for one, in nanoseconds.
    pub(super) struct Clock(Option<File>);

    impl Clock {
        pub(super) fn new() -> Clock {
            Clock(File::open("/proc/thread-self/schedstat").ok())
        }

        /// How long the thread has worked, or wanted to; `None` where the system does not say.
        pub(super) fn worked(&self) -> Option<Duration> {
            let mut text = [0; 96];
            let len = self.0.as_ref()?.read_at(&mut text, 0).ok()?;
            let text = std::str::from_utf8(&text[..len]).ok()?;
            let mut numbers = text.split_ascii_whitespace().map(str::parse::<u64>);
            let (on, waiting) = (numbers.next()?.ok()?, numbers.next()?.ok()?);
            Some(Duration::from_nanos(on.saturating_add(waiting)))
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod work {
    use std::time::Duration;

    pub(super) struct Clock;

    impl Clock {
        pub(super) fn new() -> Clock {
            Clock
        }

        pub(super) fn worked(&self) -> Option<Duration> {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    #[cfg(target_os = "linux")]
    #[test]
    fn tells_work_from_rest() {
        let (busy, start) = (Busy::new(), Instant::now());
        std::thread::sleep(Duration::from_millis(150));
        busy.look(start.elapsed());
        assert!(!busy.is_at_limit());
        let until = start.elapsed() + Duration::from_millis(150);
        while start.elapsed() < until {}
        busy.look(start.elapsed());
        assert!(busy.is_at_limit());
        assert!(busy.at_limit() >= Duration::from_millis(150), "{:?}", busy.at_limit());
    }
}
