//! Wakes the engine when the next request is due.

use std::io;
use std::time::Instant;

pub(super) use precise::Alarm;

/// tokio's timer counts whole milliseconds, which at 400 requests a second is a good part of the
/// gap between two of them and would be reported as latency. A timerfd in the same epoll is exact
/// to some microseconds, without spinning.
#[cfg(target_os = "linux")]
mod precise {
    use super::{Instant, io};
    use std::os::fd::OwnedFd;
    use std::time::Duration;

    use rustix::time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
        timerfd_settime,
    };
    use tokio::io::Interest;
    use tokio::io::unix::AsyncFd;

    pub(in crate::attack) struct Alarm {
        timer: AsyncFd<OwnedFd>,
        armed_for: Option<Instant>,
    }

    impl Alarm {
        #[expect(
            deprecated,
            reason = "its successor is unsafe, for types that lie about their descriptor; an OwnedFd does not"
        )]
        pub(in crate::attack) fn new() -> io::Result<Alarm> {
            let timer = timerfd_create(
                TimerfdClockId::Monotonic,
                TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC,
            )?;
            Ok(Alarm { timer: AsyncFd::with_interest(timer, Interest::READABLE)?, armed_for: None })
        }

        /// Waits until `due`, or a little less: the caller looks at the clock.
        ///
        /// May be dropped and called again, for the same time or another.
        pub(in crate::attack) async fn wait_until(&mut self, due: Instant) -> io::Result<()> {
            if self.armed_for != Some(due) {
                // Zero would disarm the timer.
                let wait =
                    due.saturating_duration_since(Instant::now()).max(Duration::from_nanos(1));
                let once = Itimerspec {
                    it_interval: Timespec { tv_sec: 0, tv_nsec: 0 },
                    it_value: Timespec {
                        tv_sec: i64::try_from(wait.as_secs()).unwrap_or(i64::MAX),
                        tv_nsec: wait.subsec_nanos().into(),
                    },
                };
                timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &once)?;
                self.armed_for = Some(due);
            }
            // The expirations are not read: epoll reports the edge of each, and arming clears them.
            self.timer.readable().await?.clear_ready();
            self.armed_for = None;
            Ok(())
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod precise {
    use super::{Instant, io};

    pub(in crate::attack) struct Alarm;

    impl Alarm {
        pub(in crate::attack) fn new() -> io::Result<Alarm> {
            Ok(Alarm)
        }

        /// Waits until `due`, to the millisecond.
        pub(in crate::attack) async fn wait_until(&mut self, due: Instant) -> io::Result<()> {
            tokio::time::sleep_until(due.into()).await;
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test]
    async fn waits_again_after_being_dropped_or_missed() {
        let mut alarm = Alarm::new().unwrap();
        let start = Instant::now();
        // Armed for later, dropped, armed for sooner.
        let far = start + Duration::from_secs(60);
        tokio::time::timeout(Duration::from_millis(1), alarm.wait_until(far)).await.unwrap_err();
        for at_ms in [5, 6, 6, 20, 1] {
            let due = start + Duration::from_millis(at_ms);
            while Instant::now() < due {
                alarm.wait_until(due).await.unwrap();
            }
        }
        alarm.wait_until(start).await.unwrap();
        assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    }
}
