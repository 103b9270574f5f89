//! Every command and flag, once: parser and help come from here.
//!
//! The flags of settings are made from the table in `config`, since a setting may
//! also come from the environment or a file.

mod capacity;
mod compare;
mod go_bool;
mod plot;
mod report;
mod verify;
mod whole;

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};
use houseful_load::targets::Format;

pub(crate) use self::capacity::CapacityArgs;
pub(crate) use self::compare::CompareArgs;
use self::go_bool::go_bool;
pub(crate) use self::plot::{PlotArgs, PlotFormat};
pub(crate) use self::report::{ReportArgs, ReportType};
pub(crate) use self::verify::VerifyArgs;
use self::whole::whole;
use crate::config::{SettingsArgs, StoreArgs, WriterArgs};

/// Collects the readings of wearable badges in care houses, durably and once.
#[derive(Debug, Parser)]
#[command(name = "houseful", version, propagate_version = true, max_term_width = 98)]
#[command(after_help = "\
Examples:
  houseful demo                                 see it work, in half a minute
  houseful serve                                collect on 127.0.0.1:6540 into houseful.db
  houseful export --format csv --output readings.csv
  houseful import readings.csv --format csv --store sqlite:other.db
  houseful load generate                        the load test of five houses")]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

const LOAD_AFTER_HELP: &str = "\
None of them reads the environment; flags may have one dash, as in vegeta.

Examples:
  houseful load generate
  houseful load attack -targets=targets.txt -rate=400 -duration=10s | houseful load report";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Serve(ServeArgs),
    Export(ExportArgs),
    Import(ImportArgs),
    Config(ConfigArgs),
    Demo(DemoArgs),
    /// Load-test this or any HTTP service, as vegeta does
    #[command(subcommand, after_help = LOAD_AFTER_HELP)]
    Load(LoadCommand),
    Completions(CompletionsArgs),
    Man(ManArgs),
}

/// Collect emissions into a store
///
/// Answers 201 when a reading is on disk, 409 when its original is, and
/// anything else when it is not acknowledged. Stops on SIGTERM or SIGINT after
/// finishing what it took.
#[derive(Debug, Args)]
#[command(after_help = "\
Each flag can also be a variable (HOUSEFUL_LISTEN, HOUSEFUL_STORE and so on; several listeners \
are separated by commas there, and HOUSEFUL_INSECURE_NO_AUTH wants `true`), or stand in a file. \
A flag comes before a variable, a variable before the file. `houseful config` tells what counts.

Examples:
  houseful serve
  houseful serve --listen 127.0.0.1:0 --store sqlite:readings.db
  HOUSEFUL_UPDATE_WINDOW=10s houseful serve")]
pub(crate) struct ServeArgs {
    #[command(flatten)]
    pub(crate) settings: SettingsArgs,
}

/// Print the settings in effect, and where each came from
///
/// Takes the flags of `serve`, and checks all that it would check. What it
/// prints can be a file of settings itself.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  houseful config
  houseful config --update-window 10s --json
  houseful config --example > houseful.toml
  houseful config --config houseful.toml")]
pub(crate) struct ConfigArgs {
    #[command(flatten)]
    pub(crate) settings: SettingsArgs,
    /// Print a file of settings that explains each and sets none
    #[arg(long, conflicts_with = "json")]
    pub(crate) example: bool,
    /// Print JSON: by key, the value and its source
    #[arg(long)]
    pub(crate) json: bool,
}

/// Write stored readings to a file or to stdout
///
/// Oldest first, by the time they were heard. Works while a collector runs, and
/// covers what was stored when it began. A line of NDJSON can be posted back. In
/// CSV, a text that a spreadsheet would take for a formula (it begins with =, +,
/// -, @, a tab or a line break), or that begins with ', has a ' in front.
#[derive(Debug, Args)]
#[command(after_help = "\
The store can also be named by HOUSEFUL_STORE or in a file of settings. A -wal and a -shm that are \
left beside the store of a stopped collector are SQLite's, and harmless; leave them there.

Examples:
  houseful export --format ndjson
  houseful export --format csv --from 2026-11-24T00:00:00Z --output since.csv
  houseful export --badge badge_0 --format ndjson")]
pub(crate) struct ExportArgs {
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    /// How to write them
    #[arg(long, value_enum, default_value = "ndjson")]
    pub(crate) format: ExportFormat,
    /// Only readings heard at or after this time (RFC 3339 or Unix milliseconds)
    #[arg(long, value_name = "TIME")]
    pub(crate) from: Option<String>,
    /// Only readings heard before this time (RFC 3339 or Unix milliseconds)
    #[arg(long, value_name = "TIME")]
    pub(crate) to: Option<String>,
    /// Only readings of this badge
    #[arg(long, value_name = "BADGE_ID")]
    pub(crate) badge: Option<String>,
    /// Write to this file, which appears when it is complete; `-` is stdout
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum ExportFormat {
    /// One JSON object a line
    Ndjson,
    /// RFC 4180 with a header line; beacons as JSON
    Csv,
}

/// Bring in readings from a file: an export, or the predecessor's database
///
/// Each goes through the store's one writer under the time when it was heard, so
/// copies are told from originals as they are when posted, and an import that is
/// run again stores nothing twice. Ids are given anew. What is wrong is told with
/// its line (the first 100 of them) and left out; the rest is stored. The store
/// must not be in use by a collector, but for a dry run. Exit 1 if something was
/// refused, or if it was interrupted; 2 if it could not go on.
#[derive(Debug, Args)]
#[command(after_help = "\
Formats:
  ndjson       one emission with heard_at a line, as an export and a Pi have them
  csv          as `houseful export --format csv` wrote it, before any spreadsheet
  stethoscope  the predecessor's SQLite database, whose rssi_readings are local time

The windows say what a copy is, so give the collector's own: these settings come from the \
environment and a file of settings, too.

Examples:
  houseful export | houseful import - --format ndjson --store sqlite:copy.db
  houseful import readings.csv --format csv --dry-run
  houseful import rssi.db --format stethoscope --timezone Europe/Berlin --store sqlite:copy.db")]
pub(crate) struct ImportArgs {
    /// The file; `-` is stdin
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// What the file is
    #[arg(long, value_enum, hide_possible_values = true, value_name = "ndjson|csv|stethoscope")]
    pub(crate) format: ImportFormat,
    /// The zone of the times in a database of stethoscope, such as Europe/Berlin
    /// or +01:00; an hour that it skips or repeats is reported, not guessed
    #[arg(long, value_name = "ZONE", allow_hyphen_values = true)]
    pub(crate) timezone: Option<String>,
    /// Say what would be stored, and store nothing; works while a collector runs
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Print the summary as JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) settings: WriterArgs,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum ImportFormat {
    Ndjson,
    Csv,
    Stethoscope,
}

/// Play houses against a collector and check every answer
///
/// Starts a collector on a temporary store and a free port, plays the houses
/// through real HTTP at the rate of real badges, reports, stops the collector,
/// and compares each answer with the exported readings. Exit 1 if they differ, or
/// if it was interrupted before it knew. Its page, in a browser, shows all of it
/// live.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  houseful demo
  houseful demo --houses 1 --seconds 5
  houseful demo --seconds 5 --stay              until Ctrl-C")]
pub(crate) struct DemoArgs {
    /// Houses of 20 badges and 4 Pis each
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub(crate) houses: u32,
    /// How long to play
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=3_600))]
    pub(crate) seconds: u32,
    /// After the report let the houses play on, until Ctrl-C or SIGTERM
    #[arg(long)]
    pub(crate) stay: bool,
}

const DUMP_AFTER_HELP: &str = "\
Examples:
  houseful load dump results.gob
  houseful load dump -to csv results.gob -output results.csv";

#[derive(Debug, Subcommand)]
pub(crate) enum LoadCommand {
    Generate(GenerateArgs),
    Attack(Box<AttackArgs>),
    Report(ReportArgs),
    Plot(PlotArgs),
    Encode(EncodeArgs),
    /// Write results in another encoding: the old name of `encode`
    ///
    /// Which one they have is seen by looking. Several files are merged in the order
    /// of time. A file that was cut off is named, and all before the cut is kept.
    #[command(after_help = DUMP_AFTER_HELP)]
    Dump(EncodeArgs),
    Verify(VerifyArgs),
    Capacity(Box<CapacityArgs>),
    Compare(CompareArgs),
}

/// Write the targets of a load test, and say what they are
///
/// Writes targets.txt and vegeta_data/ with one file for each distinct payload,
/// or targets.json, which holds all. Targets stand in the order of real time:
/// second by second, badge by badge, a badge's Pis one after the other.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  houseful load generate
  houseful load generate --houses 10 --directory ten-houses
  houseful load generate --stream | houseful load attack -lazy -format json -duration 2s > r.gob
  houseful load generate --force --url http://127.0.0.1:6540/rssi_readings")]
pub(crate) struct GenerateArgs {
    /// Badges, 20 to a house
    #[arg(long, default_value_t = 100, allow_negative_numbers = true, value_parser = whole::<u32>)]
    pub(crate) badges: u32,
    /// Houses of 20 badges, instead of --badges
    #[arg(long, value_name = "N", conflicts_with = "badges", allow_negative_numbers = true, value_parser = whole::<u32>)]
    pub(crate) houses: Option<u32>,
    /// Pis of each house
    #[arg(long, default_value_t = 4, allow_negative_numbers = true, value_parser = whole::<u32>)]
    pub(crate) pis: u32,
    /// How long the test lasts
    #[arg(long, default_value_t = 60, allow_negative_numbers = true, value_parser = whole::<u32>)]
    pub(crate) seconds: u32,
    /// How often a badge changes what it advertises
    #[arg(long, default_value = "5s", value_name = "DURATION", allow_hyphen_values = true)]
    pub(crate) update_window: String,
    /// How often a badge advertises
    #[arg(long, default_value = "1s", value_name = "DURATION", allow_hyphen_values = true)]
    pub(crate) advertising_interval: String,
    /// Beacons that each badge hears
    #[arg(long, default_value_t = 3, allow_negative_numbers = true, value_parser = whole::<u32>)]
    pub(crate) beacons: u32,
    /// The same seed gives the same files
    #[arg(long, default_value_t = 1, allow_negative_numbers = true, value_parser = whole::<u64>)]
    pub(crate) seed: u64,
    /// Where the emissions go
    #[arg(long, default_value = "http://127.0.0.1:6540/rssi_readings", value_name = "URL")]
    pub(crate) url: String,
    /// How to write the targets; json has bodies in them [default: http]
    #[arg(long, value_enum, value_name = "http|json", hide_possible_values = true)]
    pub(crate) format: Option<TargetFormat>,
    /// Print JSON targets to stdout, without end, for `attack -lazy -format json`
    #[arg(long, conflicts_with_all = ["seconds", "directory", "force"])]
    pub(crate) stream: bool,
    /// Where to write; nothing outside is touched
    #[arg(long, default_value = ".", value_name = "DIRECTORY")]
    pub(crate) directory: PathBuf,
    /// Replace what an earlier run wrote there
    #[arg(long)]
    pub(crate) force: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TargetFormat {
    Http,
    Json,
}

impl From<TargetFormat> for Format {
    fn from(format: TargetFormat) -> Format {
        match format {
            TargetFormat::Http => Format::Http,
            TargetFormat::Json => Format::Json,
        }
    }
}

/// Send targets on schedule, and write a result for each
///
/// Requests leave on schedule whether or not earlier ones have answered, and
/// latency counts from the intended time, so a server that stalls cannot hide
/// it. Results are Go's gob, as vegeta's: `houseful load report` and `vegeta
/// report` read them, `houseful load encode` makes JSON or CSV of them. Exit 1 if the
/// rate was not held. Flags may have one dash, as in vegeta.
#[derive(Debug, Args)]
// Of a flag that is there twice the last one counts, as in Go; lists have them all.
#[command(args_override_self = true)]
#[command(after_help = "\
Rates:
  400, 50/1m             constant
  linear(0, 400)         evenly from one to the other, over --duration
  sine(400, 100, 1m)     around a mean: mean, amplitude, period
  poisson(400)           by chance, 400 on average; poisson(400, 2) by another chance
  100/s for 30s, 200/s for 30s     steps, which need no --duration
  0, infinity            as fast as --max-workers allow

HTTP/2:
  Requests to a host share one connection, and another one is opened when all streams that the
  server allows are in use. --max-workers bounds requests and --max-connections connections; over
  HTTP/1.1 each request has a connection of its own, and the lower of the two bounds both.

While it runs:
  stderr has the rate asked and reached, latencies, slip, statuses and the time left: on a
  terminal twice a second, elsewhere every 10 s. Ctrl-C sends nothing more, waits for what is
  under way and keeps the results so far; a second one gives up what is under way, and a third
  one ends it at once. After a pause of its own, of a machine that slept, say, the generator
  catches up with 5 s of it; the rest is unsent.

Examples:
  houseful load attack -targets=targets.txt -rate=400 -duration=10s | houseful load report
  houseful load attack --targets targets.txt --rate 600/1m --duration 5s --output results.gob
  houseful load attack -targets targets.txt -rate=0 -max-workers=8 -duration=2s -output fast.gob")]
pub(crate) struct AttackArgs {
    /// Targets, as vegeta has them; `-` is stdin
    #[arg(long, default_value = "-", value_name = "FILE")]
    pub(crate) targets: String,
    /// How they are written: http (`METHOD URL`, headers, `@file`) or json (one
    /// object a line)
    #[arg(
        long,
        value_enum,
        default_value = "http",
        value_name = "http|json",
        hide_possible_values = true
    )]
    pub(crate) format: TargetFormat,
    /// Read targets as they are needed, and each once; else all at first, and in turn
    #[arg(long, value_name = "true|false", num_args = 0..=1, require_equals = true, default_value_t = false, default_missing_value = "true", hide_default_value = true, value_parser = go_bool(), hide_possible_values = true, action = clap::ArgAction::Set)]
    pub(crate) lazy: bool,
    /// Requests per second, or per a time: 400, 50/1m; or one of the shapes below
    #[arg(long, default_value = "50/1s", value_name = "N[/TIME]")]
    pub(crate) rate: String,
    /// How long; 0 is for ever, or as long as the steps
    #[arg(long, default_value = "0", value_name = "DURATION", allow_hyphen_values = true)]
    pub(crate) duration: String,
    /// Sent as X-Vegeta-Attack, and kept in each result
    #[arg(long, default_value = "", value_name = "NAME")]
    pub(crate) name: String,
    /// A header for each request. May be repeated
    #[arg(long, value_name = "KEY: VALUE")]
    pub(crate) header: Vec<String>,
    /// The body of each target that has none
    #[arg(long, value_name = "FILE")]
    pub(crate) body: Option<PathBuf>,
    /// Send bodies in chunks, without their length
    #[arg(long, default_value_t = false, value_name = "true|false", num_args = 0..=1, require_equals = true, default_missing_value = "true", hide_default_value = true, value_parser = go_bool(), hide_possible_values = true, action = clap::ArgAction::Set)]
    pub(crate) chunked: bool,
    /// How long to wait for a free connection, and then for an answer; 0 is for ever
    #[arg(long, default_value = "30s", value_name = "DURATION", allow_hyphen_values = true)]
    pub(crate) timeout: String,
    /// How many redirects to follow; -1 takes a redirect for the answer [default: 10]
    #[arg(long, value_name = "N", allow_hyphen_values = true, value_parser = clap::value_parser!(i64).range(-1..=1_000))]
    pub(crate) redirects: Option<i64>,
    /// How much of each answer's body to keep, such as 512 or 4KB; -1 is all
    #[arg(long, default_value = "0", value_name = "BYTES", allow_hyphen_values = true)]
    pub(crate) max_body: String,
    /// Open this many connections before the first request; over HTTP/2, one to each host
    #[arg(long, default_value_t = 0, value_name = "N", allow_negative_numbers = true, value_parser = whole::<usize>)]
    pub(crate) workers: usize,
    /// At most this many requests under way at once [default: 1000]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = whole::<usize>)]
    pub(crate) max_workers: Option<usize>,
    /// Keep at most this many connections open that have nothing to do [default: 10000]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = whole::<usize>)]
    pub(crate) connections: Option<usize>,
    /// At most this many connections at once, to all hosts together [default: 1000]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = whole::<usize>)]
    pub(crate) max_connections: Option<usize>,
    /// Use connections again [default: true]
    #[arg(long, default_value_t = true, value_name = "true|false", num_args = 0..=1, require_equals = true, default_missing_value = "true", hide_default_value = true, value_parser = go_bool(), hide_possible_values = true, action = clap::ArgAction::Set)]
    pub(crate) keepalive: bool,
    /// Connect to this Unix socket, whatever the URLs say
    #[arg(long, value_name = "PATH")]
    pub(crate) unix_socket: Option<PathBuf>,
    /// Connect to another place than the URL says: HOST:PORT:HOST:PORT. May be
    /// repeated; several for one place take turns
    #[arg(long, value_name = "FROM:TO")]
    pub(crate) connect_to: Vec<String>,
    /// Connect from this address
    #[arg(long, value_name = "IP")]
    pub(crate) laddr: Option<IpAddr>,
    /// Ask these name servers, separated by commas, instead of the system
    #[arg(long, value_name = "IP[:PORT],…", value_delimiter = ',')]
    pub(crate) resolvers: Vec<String>,
    /// Trust any server's certificate
    #[arg(long, default_value_t = false, value_name = "true|false", num_args = 0..=1, require_equals = true, default_missing_value = "true", hide_default_value = true, value_parser = go_bool(), hide_possible_values = true, action = clap::ArgAction::Set)]
    pub(crate) insecure: bool,
    /// Trust the certificates in these files (PEM), separated by commas, and not
    /// the system's
    #[arg(long, value_name = "FILE,…", value_delimiter = ',')]
    pub(crate) root_certs: Vec<PathBuf>,
    /// Our own certificate (PEM)
    #[arg(long, value_name = "FILE")]
    pub(crate) cert: Option<PathBuf>,
    /// Its key (PEM) [default: in the file of the certificate]
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Option<PathBuf>,
    /// Speak HTTP/2 to https servers that choose it when TLS is agreed on [default: true]
    #[arg(long, default_value_t = true, value_name = "true|false", num_args = 0..=1, require_equals = true, default_missing_value = "true", hide_default_value = true, value_parser = go_bool(), hide_possible_values = true, action = clap::ArgAction::Set)]
    pub(crate) http2: bool,
    /// Speak HTTP/2 to http servers, in clear text and without asking whether they do
    #[arg(long, default_value_t = false, value_name = "true|false", num_args = 0..=1, require_equals = true, default_missing_value = "true", hide_default_value = true, value_parser = go_bool(), hide_possible_values = true, action = clap::ArgAction::Set)]
    pub(crate) h2c: bool,
    /// Resume TLS sessions where the server allows it; else each connection agrees anew
    #[arg(long, default_value_t = false, value_name = "true|false", num_args = 0..=1, require_equals = true, default_missing_value = "true", hide_default_value = true, value_parser = go_bool(), hide_possible_values = true, action = clap::ArgAction::Set)]
    pub(crate) session_tickets: bool,
    #[command(flatten)]
    pub(crate) refused: RefusedArgs,
    /// Where results go; `-` is stdout
    #[arg(long, default_value = "-", value_name = "FILE")]
    pub(crate) output: String,
}

/// What vegeta has and this has not: refused with a reason, not ignored.
#[derive(Debug, Args)]
pub(crate) struct RefusedArgs {
    #[arg(long, hide = true)]
    pub(crate) proxy_header: Vec<String>,
    #[arg(long, hide = true, allow_hyphen_values = true)]
    pub(crate) dns_ttl: Option<String>,
    #[arg(long, hide = true)]
    pub(crate) prometheus_addr: Option<String>,
}

/// Write results in another encoding
///
/// Which one they have is seen by looking. Several files are merged in the order
/// of time. A file that was cut off is named, and all before the cut is kept. CSV
/// has vegeta's twelve columns, so how late a request was sent is lost there.
#[derive(Debug, Args)]
#[command(args_override_self = true)]
#[command(after_help = "\
Examples:
  houseful load encode results.gob
  houseful load encode -to csv results.gob -output results.csv
  houseful load encode results.gob | houseful load report")]
pub(crate) struct EncodeArgs {
    /// Results as gob, JSON or CSV, ours or vegeta's; `-` is stdin, and so is none
    /// at all
    #[arg(value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// What to write
    #[arg(long, value_enum, default_value = "json", value_name = "ENCODING")]
    pub(crate) to: ResultEncoding,
    /// Where to; `-` is stdout
    #[arg(long, default_value = "-", value_name = "FILE")]
    pub(crate) output: String,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum ResultEncoding {
    /// Go's gob, vegeta's own
    Gob,
    /// One JSON object a line
    Json,
    /// vegeta's twelve columns
    Csv,
}

/// Print a script that completes commands and flags in a shell
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  source <(houseful completions bash)           for this shell; or keep it where yours looks:
  houseful completions bash > houseful          bash: ~/.local/share/bash-completion/completions
  houseful completions zsh > _houseful          zsh: a directory of $fpath
  houseful completions fish > houseful.fish     fish: ~/.config/fish/completions")]
pub(crate) struct CompletionsArgs {
    /// Whose script
    #[arg(value_enum, value_name = "SHELL")]
    pub(crate) shell: Shell,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Shell {
    Bash,
    Zsh,
    Fish,
}

/// Write the manual, a page for each command, and say which files
///
/// A page that is there already is replaced when the new one is whole. Nothing
/// outside the directory is touched: a link that has a page's name is replaced,
/// and what it leads to stays as it is.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  houseful man share/man/man1                   then `man -M share/man houseful-serve`")]
pub(crate) struct ManArgs {
    /// Where to write; made if it is not there
    #[arg(value_name = "DIRECTORY", value_hint = ValueHint::DirPath)]
    pub(crate) directory: PathBuf,
}
