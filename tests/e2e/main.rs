//! The promises of the program, each in a module of its own, checked from
//! outside: the real binary, real files, real HTTP.

mod activity;
mod checkpoint;
mod clock;
mod demo;
mod descriptors;
mod doors;
mod drain;
mod export;
mod failing_sync;
mod faulty_disk;
mod full_disk;
mod healthz;
mod heard;
mod help;
mod import;
mod kill;
mod lists;
mod metrics;
mod moved;
mod one_serve;
mod overload;
mod power_cut;
mod proxy;
mod queries;
mod race;
mod readme;
mod seed;
mod settings;
mod start;
mod support;
mod sync;
mod vegeta;
mod wal;
mod window;
mod wire;
