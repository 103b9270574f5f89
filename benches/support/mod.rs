//! What the benchmarks share: nginx as the yardstick, CPUs of one's own, figures over rounds.

pub(crate) mod cpu;
pub(crate) mod server;
pub(crate) mod spread;
