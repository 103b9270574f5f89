//! The words of `houseful load capacity`.

use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;

use clap::Args;
use houseful_load::capacity::{ErrorsMax, Resolution};
use houseful_load::metrics::Codes;
use houseful_load::thresholds::Assertion;

use super::TargetFormat;
use super::whole::whole;

/// Find out how many houses a server holds
///
/// Sends the load of so many houses for a few seconds, twice as many if all that
/// must hold does, and so on; then halves between what held and what did not; then
/// repeats both, for the answer has to hold each time. A step in which this
/// program, or its machine, was the limit is void and made again: it says nothing
/// of the server, and if it stays so, the answer is "at least". For other services,
/// with --targets, it is how many requests a second.
///
/// Exits 1 if not even the smallest load held, or if it was interrupted before it
/// knew; 2 if nobody answers, if no answer is an expected one, or if the generator
/// was the limit at once, for then nothing is known of the server.
#[derive(Debug, Args)]
#[command(after_help = "\
The houses are those of `load generate`, and go on in each step where they were in the last: a \
badge's payloads are always new ones. Readings are what was answered with 201, a second: as many as \
whole update windows have, also if a step is less. What can be asserted is listed in `load report \
--help`.

Examples:
  houseful load capacity --to 2 --step 2s --repeats 1 --p99 2s
  houseful load capacity --p99 20ms --errors 0 --expect 201,409
  houseful load capacity --from 50 --to 400 --resolution 2% --repeats 5 --json
  houseful load capacity --targets targets.txt --expect 200 --assert 'p50<2ms'")]
pub(crate) struct CapacityArgs {
    /// Where the houses' emissions go
    #[arg(long, default_value = "http://127.0.0.1:6540/rssi_readings", value_name = "URL")]
    pub(crate) url: String,
    /// 99 of 100 answers must come in this time, from when the request was due
    #[arg(long, default_value = "50ms", value_name = "DURATION", allow_hyphen_values = true)]
    pub(crate) p99: String,
    /// So many results of a step may be other than expected; or such a share, 0.1%
    #[arg(long, default_value = "0", value_name = "N|PERCENT", allow_hyphen_values = true)]
    pub(crate) errors: ErrorsMax,
    /// Which statuses are expected [default: 201,409; with --targets 200 to 399]
    #[arg(long, value_name = "201,409")]
    pub(crate) expect: Option<Codes>,
    /// What else must hold in each step, such as p50<2ms. May be repeated
    #[arg(long, value_name = "CLAIM")]
    pub(crate) assert: Vec<Assertion>,
    /// The smallest load, in houses or requests a second [default: 1; with
    /// --targets 10]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = whole::<NonZeroU64>)]
    pub(crate) from: Option<NonZeroU64>,
    /// The largest load that is tried [default: 1000; with --targets 100000]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = whole::<NonZeroU64>)]
    pub(crate) to: Option<NonZeroU64>,
    /// How near to what fails the answer has to be: a share of it, or so many
    #[arg(long, default_value = "5%", value_name = "PERCENT|N", allow_hyphen_values = true)]
    pub(crate) resolution: Resolution,
    /// How often the answer has to hold, and what is above it to fail
    #[arg(long, default_value_t = 3, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=20))]
    pub(crate) repeats: u32,
    /// How long each step counts; in whole update windows 1 in 20 emissions is new, else more
    #[arg(long, default_value = "10s", value_name = "DURATION", allow_hyphen_values = true)]
    pub(crate) step: String,
    /// Send so long before a step counts, while all warms up
    #[arg(long, default_value = "1s", value_name = "DURATION", allow_hyphen_values = true)]
    pub(crate) skip: String,
    /// Rest between two steps
    #[arg(long, default_value = "1s", value_name = "DURATION", allow_hyphen_values = true)]
    pub(crate) pause: String,
    /// Badges of each house
    #[arg(long, default_value_t = 20, allow_negative_numbers = true, value_parser = whole::<u32>)]
    pub(crate) badges: u32,
    /// Pis of each house
    #[arg(long, default_value_t = 4, allow_negative_numbers = true, value_parser = whole::<u32>)]
    pub(crate) pis: u32,
    /// How often a badge changes what it advertises
    #[arg(long, default_value = "5s", value_name = "DURATION", allow_hyphen_values = true)]
    pub(crate) update_window: String,
    /// How often a badge advertises
    #[arg(long, default_value = "1s", value_name = "DURATION", allow_hyphen_values = true)]
    pub(crate) advertising_interval: String,
    /// Beacons that each badge hears
    #[arg(long, default_value_t = 3, allow_negative_numbers = true, value_parser = whole::<u32>)]
    pub(crate) beacons: u32,
    /// The same seed gives the same payloads
    #[arg(long, default_value_t = 1, allow_negative_numbers = true, value_parser = whole::<u64>)]
    pub(crate) seed: u64,
    /// Send these targets in turn instead, and count loads in requests a second;
    /// `-` is stdin
    #[arg(long, value_name = "FILE", conflicts_with_all = ["url", "badges", "pis", "update_window", "advertising_interval", "beacons", "seed"])]
    pub(crate) targets: Option<PathBuf>,
    /// How they are written [default: http]
    #[arg(long, value_enum, value_name = "http|json", hide_possible_values = true)]
    pub(crate) format: Option<TargetFormat>,
    /// A header for each request. May be repeated
    #[arg(long, value_name = "KEY: VALUE")]
    pub(crate) header: Vec<String>,
    /// How long to wait for a free connection, and then for an answer; 0 is for ever
    #[arg(long, default_value = "5s", value_name = "DURATION", allow_hyphen_values = true)]
    pub(crate) timeout: String,
    /// At most this many connections at once
    #[arg(long, default_value = "1000", value_name = "N", allow_negative_numbers = true, value_parser = whole::<NonZeroUsize>)]
    pub(crate) max_connections: NonZeroUsize,
    /// Print one JSON object, and the steps on stderr
    #[arg(long)]
    pub(crate) json: bool,
}
