//! The load-test toolkit: plan a load, send it on schedule, keep the results, report them.
//!
//! Works with [vegeta](https://github.com/tsenart/vegeta) both ways: the same target files, the
//! same result records, the same reports. It knows no particular server, opens no store and
//! prints nothing; whoever calls it decides where the bytes go.
//!
//! ```text
//! plan ─▶ targets ─▶ pacer decides, attack sends ─▶ results ─▶ metrics fold ─▶ reports write
//! ```
//!
//! * [`plan`]: which emissions a number of houses sends, written as `targets.txt` and its bodies.
//! * [`targets`]: reads and writes vegeta's target files.
//! * [`rate`], [`pacer`], [`duration`]: how fast, when each request is due, Go's durations.
//! * [`attack`]: the open-model engine: requests leave on schedule, whatever the server does.
//! * [`results`]: one record per request, as gob, JSON or CSV.
//! * [`metrics`], [`reports`]: fold the records in constant memory, print what vegeta prints.
//! * [`plot`]: results as one HTML file, as SVG or as PNG.
//! * [`thresholds`]: what the figures must come to.
//! * [`compare`]: whether one build is faster than another, as far as runs of both can tell.
//! * [`verify`]: whether a service stored what it said it had.
//! * [`capacity`]: how much load a service holds.
//!
//! # Example
//!
//! ```no_run
//! use houseful_load::{attack, metrics::Metrics, pacer::Pacer, reports, targets};
//! use std::{fs::File, io::BufReader, time::Duration};
//!
//! let file = BufReader::new(File::open("targets.txt")?);
//! let targets = targets::http::read(file, "targets.txt", &targets::Defaults::default())?;
//! let pacer = Pacer::new("400".parse()?, Some(Duration::from_secs(60)))?;
//! let mut metrics = Metrics::new();
//! let stop = attack::Stop::new();
//! attack::run(targets, pacer, &attack::Options::default(), &stop, |record| metrics.add(record))?;
//! reports::text::write(&mut std::io::stdout(), &metrics.summary())?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod attack;
pub mod capacity;
pub mod compare;
pub mod duration;
pub mod metrics;
pub mod pacer;
pub mod plan;
pub mod plot;
pub mod rate;
pub mod reports;
pub mod results;
mod splitmix;
pub mod targets;
pub mod thresholds;
pub mod verify;
